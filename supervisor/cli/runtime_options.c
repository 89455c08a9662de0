/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/runtime_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

#define PASSED_MAX 64  /* PLAN_PASSED_MAX */
#define FIRST_KEY  256 /* above every letter */

enum kind {
    FLAG,
    TEXT,
    LIST,
    COUNT,
};

#define CREATORS "create run restore"

static const struct row {
    const char *name;
    char letter;          /* 0: there is no short form */
    const char *argument; /* as help shows it */
    const char *verbs;    /* who takes it; NULL: it stands before the verb */
    enum kind kind;
    size_t offset;
    const char *help;
} rows[] = {
#define AT(field) offsetof(struct runtime_options, field)
    {"root", 0, "DIR", NULL, TEXT, AT(root),
     "where containers are kept (/run/container-runtime; for others than root "
     "$XDG_RUNTIME_DIR/container-runtime)"},
    {"log", 0, "FILE", NULL, TEXT, AT(log),
     "write messages to FILE too; also file:FILE, syslog:NAME, journald:NAME"},
    {"log-format", 0, "FORMAT", NULL, TEXT, AT(log_format), "of --log: text (default) or json"},
    {"log-level", 0, "LEVEL", NULL, TEXT, AT(log_level),
     "what is told: error, warning (default), info or debug"},
    {"debug", 0, NULL, NULL, FLAG, AT(is_debug), "the same as --log-level debug"},
    {"systemd-cgroup", 0, NULL, NULL, FLAG, AT(has_systemd_cgroup),
     "let systemd make cgroups; cgroupsPath is then \"SLICE:PREFIX:NAME\""},
    {"cgroup-manager", 0, "NAME", NULL, TEXT, AT(cgroup_manager),
     "cgroupfs (default), systemd or disabled"},
    {"rootless", 0, "VALUE", NULL, TEXT, AT(rootless),
     "whether to go on where cgroups cannot be made: true, false or auto (default)"},
    {"criu", 0, "PATH", NULL, TEXT, AT(criu), "the criu program (criu)"},
    {"version", 'v', NULL, NULL, FLAG, AT(is_version), "show the version"},
    {"help", 'h', NULL, NULL, FLAG, AT(is_help), "show this help"},

    {"bundle", 'b', "DIR", CREATORS " spec", TEXT, AT(bundle),
     "directory with the config and the root file system (the working directory)"},
    {"config", 'f', "FILE", "create run", TEXT, AT(config), "another config than config.json"},
    {"console-socket", 0, "SOCKET", CREATORS " exec", TEXT, AT(console_socket),
     "send the terminal's master to this Unix socket"},
    {"pidfd-socket", 0, "SOCKET", "create run exec", TEXT, AT(pidfd_socket),
     "send a pidfd of the process to this Unix socket"},
    {"pid-file", 0, "FILE", CREATORS " exec", TEXT, AT(pid_file),
     "write the pid of the process to FILE"},
    {"preserve-fds", 0, "N", CREATORS " exec", COUNT, AT(preserve_fds),
     "pass N more descriptors, from 3 on (after those of LISTEN_FDS)"},
    {"no-pivot", 0, NULL, CREATORS, FLAG, AT(has_no_pivot),
     "do not use pivot_root; for a root file system on an initial ram disk"},
    {"no-new-keyring", 0, NULL, CREATORS, FLAG, AT(has_no_new_keyring),
     "keep the session keyring of the caller"},
    {"no-subreaper", 0, NULL, CREATORS, FLAG, AT(has_no_subreaper),
     "do not reap processes that the container leaves behind"},
    {"keep", 0, NULL, "run", FLAG, AT(is_kept), "do not delete the container after its end"},
    {"detach", 'd', NULL, "run exec restore", FLAG, AT(is_detached),
     "return as soon as the process runs"},

    {"process", 'p', "FILE", "exec", TEXT, AT(process), "read the whole process from a JSON file"},
    {"tty", 't', NULL, "exec", FLAG, AT(has_terminal), "give it a terminal"},
    {"user", 'u', "UID[:GID]", "exec", TEXT, AT(user), "run as this user and group, as numbers"},
    {"additional-gids", 'g', "GID", "exec", LIST, AT(additional_gids),
     "one more group; may be repeated"},
    {"cwd", 0, "DIR", "exec", TEXT, AT(cwd), "working directory inside"},
    {"env", 'e', "NAME=VALUE", "exec", LIST, AT(env), "set a variable; may be repeated"},
    {"cap", 'c', "CAP", "exec", LIST, AT(capabilities), "add a capability; may be repeated"},
    {"no-new-privs", 0, NULL, "exec", FLAG, AT(has_no_new_privileges),
     "no program may give it more rights"},
    {"apparmor", 0, "PROFILE", "exec", TEXT, AT(apparmor), "AppArmor profile"},
    {"process-label", 0, "LABEL", "exec", TEXT, AT(process_label), "SELinux label"},
    {"cgroup", 0, "PATH", "exec", LIST, AT(cgroups),
     "run in this cgroup below the container's, or of CONTROLLER[,...]:PATH in that of these "
     "controllers; may be repeated"},
    {"ignore-paused", 0, NULL, "exec", FLAG, AT(is_paused_ignored),
     "also in a paused container; it then waits until that is resumed"},

    {"all", 'a', NULL, "kill", FLAG, AT(is_all), "send it to every process of the container"},
    {"regex", 'r', NULL, "kill delete", FLAG, AT(is_regex),
     "CONTAINER is a regular expression that is looked for in all names"},
    {"force", 'f', NULL, "delete", FLAG, AT(is_forced),
     "kill it first if it is not stopped; no error if it does not exist"},
    {"format", 'f', "FORMAT", "list ps", TEXT, AT(format), "table (default) or json"},
    {"quiet", 'q', NULL, "list", FLAG, AT(is_quiet), "names only"},
    {"interval", 0, "TIME", "events", TEXT, AT(interval), "time between two lines (5s)"},
    {"stats", 0, NULL, "events", FLAG, AT(is_stats), "one line now, and end"},
    {"rootless", 0, NULL, "spec", FLAG, AT(is_rootless_spec), "for a container of any user"},
    {"file", 'f', "FILE", "spec", TEXT, AT(spec_file), "write to FILE instead of config.json"},

    {"resources", 'r', "FILE", "update", TEXT, AT(resources),
     "a JSON object like linux.resources; - is the standard input"},
    {"memory", 0, "BYTES", "update", TEXT, AT(memory), "most memory; -1: no limit; 512m works"},
    {"memory-reservation", 0, "BYTES", "update", TEXT, AT(memory_reservation),
     "memory it keeps when others need some"},
    {"memory-swap", 0, "BYTES", "update", TEXT, AT(memory_swap),
     "most memory and swap together; -1: no limit"},
    {"pids-limit", 0, "N", "update", TEXT, AT(pids_limit), "most tasks; -1: no limit"},
    {"cpu-quota", 0, "USEC", "update", TEXT, AT(cpu_quota),
     "processor time in a period; -1: no limit"},
    {"cpu-period", 0, "USEC", "update", TEXT, AT(cpu_period), "the period (100000)"},
    {"cpu-burst", 0, "USEC", "update", TEXT, AT(cpu_burst), "what may be saved up of the quota"},
    {"cpu-share", 0, "N", "update", TEXT, AT(cpu_share), "weight against others, 2 to 262144"},
    {"cpu-idle", 0, "0|1", "update", TEXT, AT(cpu_idle), "1: only when nobody else wants to run"},
    {"cpu-rt-period", 0, "USEC", "update", TEXT, AT(cpu_rt_period), "period for realtime tasks"},
    {"cpu-rt-runtime", 0, "USEC", "update", TEXT, AT(cpu_rt_runtime), "their time in a period"},
    {"cpuset-cpus", 0, "LIST", "update", TEXT, AT(cpuset_cpus), "processors: 0-3,7"},
    {"cpuset-mems", 0, "LIST", "update", TEXT, AT(cpuset_mems), "memory nodes"},
    {"blkio-weight", 0, "N", "update", TEXT, AT(blkio_weight),
     "weight of its disk I/O, 10 to 1000"},
    {"kernel-memory", 0, "BYTES", "update", TEXT, AT(kernel_memory), "ignored: no kernel has it"},
    {"kernel-memory-tcp", 0, "BYTES", "update", TEXT, AT(kernel_memory_tcp),
     "ignored: no kernel has it"},
    {"l3-cache-schema", 0, "TEXT", "update", TEXT, AT(l3_cache_schema), "refused"},
    {"mem-bw-schema", 0, "TEXT", "update", TEXT, AT(mem_bw_schema), "refused"},

#define CHECKPOINTS "checkpoint restore"
    {"image-path", 0, "DIR", CHECKPOINTS, TEXT, AT(image_path),
     "where the images are (checkpoint)"},
    {"work-path", 0, "DIR", CHECKPOINTS, TEXT, AT(work_path),
     "where criu's log and other files go (--image-path)"},
    {"parent-path", 0, "DIR", "checkpoint", TEXT, AT(parent_path),
     "images of an earlier --pre-dump, relative to --image-path"},
    {"leave-running", 0, NULL, "checkpoint", FLAG, AT(is_left_running), "do not stop it"},
    {"pre-dump", 0, NULL, "checkpoint", FLAG, AT(is_pre_dump), "memory only; it goes on running"},
    {"tcp-established", 0, NULL, CHECKPOINTS, FLAG, AT(has_tcp), "allow open TCP connections"},
    {"tcp-skip-in-flight", 0, NULL, "checkpoint", FLAG, AT(is_in_flight_skipped),
     "leave out half-open ones"},
    {"tcp-close", 0, NULL, "restore", FLAG, AT(is_tcp_closed), "close TCP connections"},
    {"link-remap", 0, NULL, "checkpoint", FLAG, AT(has_link_remap), "link unlinked files back"},
    {"ext-unix-sk", 0, NULL, CHECKPOINTS, FLAG, AT(has_unix_sockets), "allow foreign Unix sockets"},
    {"shell-job", 0, NULL, CHECKPOINTS, FLAG, AT(is_shell_job), "allow shell jobs"},
    {"file-locks", 0, NULL, CHECKPOINTS, FLAG, AT(has_file_locks), "allow file locks"},
    {"auto-dedup", 0, NULL, CHECKPOINTS, FLAG, AT(is_deduplicated), "save memory images once"},
    {"manage-cgroups-mode", 0, "MODE", CHECKPOINTS, TEXT, AT(cgroups_mode),
     "soft (default), full, strict, ignore"},
    {"network-lock", 0, "METHOD", CHECKPOINTS, TEXT, AT(network_lock),
     "iptables (default where it is installed) or nftables"},
    {"empty-ns", 0, "NAME", CHECKPOINTS, TEXT, AT(empty_namespace),
     "a namespace to leave empty: network"},
    {"lsm-profile", 0, "TYPE:NAME", "restore", TEXT, AT(lsm_profile), "another LSM profile"},
    {"lsm-mount-context", 0, "CONTEXT", "restore", TEXT, AT(lsm_mount_context),
     "another mount context"},
    {"lazy-pages", 0, NULL, CHECKPOINTS, FLAG, AT(has_lazy_pages), "refused"},
    {"status-fd", 0, "N", "checkpoint", TEXT, AT(status_fd), "refused"},
    {"page-server", 0, "ADDRESS:PORT", "checkpoint", TEXT, AT(page_server), "refused"},
#undef CHECKPOINTS
#undef AT
};

/* Whether word is one of the words of list. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
            return true;
    return false;
}

static bool is_taken(const struct row *row, const char *verb)
{
    if (!row->verbs)
        return !verb || strcmp(row->name, "help") == 0;
    return verb && has_word(row->verbs, verb);
}

static bool is_flag(const struct row *row)
{
    return row->kind == FLAG;
}

/* ---- values ---- */

static int add_item(struct option_list *list, const char *value)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

    if (!items)
        return -ENOMEM;
    items[list->count++] = value;
    list->items = items;
    return 0;
}

/* A flag may be written as Go's programs print it: --detach=true. */
static int set_flag(bool *flag, const char *value)
{
    static const char *const yes[] = {"1", "t", "true", "T", "True", "TRUE"};
    static const char *const no[] = {"0", "f", "false", "F", "False", "FALSE"};

    *flag = true;
    for (size_t i = 0; value && i < ARRAY_LENGTH(yes); i++) {
        if (strcmp(value, yes[i]) == 0)
            return 0;
        if (strcmp(value, no[i]) == 0) {
            *flag = false;
            return 0;
        }
    }
    return value ? -EINVAL : 0;
}

static int set_value(struct runtime_options *options, const struct row *row, const char *value,
                     struct error *error)
{
    void *field = (char *)options + row->offset;
    uint64_t number = 0;
    int r = 0;

    switch (row->kind) {
    case FLAG:
        r = set_flag(field, value);
        break;
    case TEXT:
        *(const char **)field = value;
        break;
    case LIST:
        r = add_item(field, value);
        break;
    case COUNT:
        r = parse_u64(value, PASSED_MAX, &number);
        *(unsigned *)field = (unsigned)number;
        break;
    }
    if (r == 0)
        return 0;
    if (row->kind == COUNT)
        return error_set(error, -r, "--%s \"%s\": not a number from 0 to %d", row->name, value,
                         PASSED_MAX);
    return error_set(error, -r, "--%s=%s: it takes true or false", row->name, value);
}

/* ---- reading ---- */

/* What getopt_long() wants, made of the rows that a verb takes. */
struct reader {
    struct option longs[ARRAY_LENGTH(rows) + 1];
    const struct row *of[ARRAY_LENGTH(rows)]; /* longs[i] is of[i] */
    size_t count;
    char letters[2 * ARRAY_LENGTH(rows) + 3];
};

static void make_reader(struct reader *reader, const char *verb, bool is_ordered)
{
    char *letter = reader->letters;

    reader->count = 0;
    if (is_ordered)
        *letter++ = '+';
    *letter++ = ':'; /* getopt(3): tell a missing argument from an unknown option */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct row *row = &rows[i];
        if (!is_taken(row, verb))
            continue;
        reader->longs[reader->count] = (struct option){
            .name = row->name,
            .has_arg = is_flag(row) ? optional_argument : required_argument,
            .val = FIRST_KEY + (int)reader->count,
        };
        reader->of[reader->count++] = row;
        if (row->letter) {
            *letter++ = row->letter;
            if (!is_flag(row))
                *letter++ = ':';
        }
    }
    reader->longs[reader->count] = (struct option){0};
    *letter = '\0';
}

static const struct row *find_row(const struct reader *reader, int key)
{
    for (size_t i = 0; i < reader->count; i++)
        if (key == FIRST_KEY + (int)i || key == reader->of[i]->letter)
            return reader->of[i];
    return NULL;
}

/* What getopt_long() did not like, as it was written. */
static int refuse(int key, const char *verb, char **argv, struct error *error)
{
    const char *written = argv[optind - 1];
    char letter[3] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt && optopt < FIRST_KEY;

    return error_set(error, EINVAL, "%s%s%s %s; \"%s%s --help\" lists the options",
                     verb ? verb : "", verb ? ": " : "", is_letter ? letter : written,
                     key == ':' ? "needs a value" : "is not an option here, or not with a value",
                     "container-runtime", verb ? " VERB" : "");
}

static int read_options(struct runtime_options *options, const char *verb, bool is_ordered,
                        int argc, char **argv, struct error *error)
{
    struct reader reader;
    int key;

    make_reader(&reader, verb, is_ordered);
    opterr = 0;
    optind = 0; /* getopt(3), NOTES: begin anew */
    while ((key = getopt_long(argc, argv, reader.letters, reader.longs, NULL)) >= 0) {
        const struct row *row = find_row(&reader, key);
        if (!row)
            return refuse(key, verb, argv, error);
        int r = set_value(options, row, optarg, error);
        if (r < 0)
            return r;
    }
    return optind;
}

int runtime_options_global(struct runtime_options *options, int argc, char **argv,
                           struct error *error)
{
    return read_options(options, NULL, true, argc, argv, error);
}

int runtime_options_verb(struct runtime_options *options, const char *verb, bool is_ordered,
                         int argc, char **argv, struct error *error)
{
    return read_options(options, verb, is_ordered, argc, argv, error);
}

void runtime_options_free(struct runtime_options *options)
{
    free(options->env.items);
    free(options->capabilities.items);
    free(options->additional_gids.items);
    free(options->cgroups.items);
}

/* ---- help ---- */

void runtime_options_help(const char *verb)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct row *row = &rows[i];
        char left[48], letter[8] = "    ";
        if (!is_taken(row, verb))
            continue;
        if (row->letter)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        printf("  %-32s %s\n", left, row->help);
    }
}
