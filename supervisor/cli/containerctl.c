/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerctl: the operator's command. This file reads the command line: two tables, verbs and
 * options, and the code that walks them.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/board/limit_link.h"
#include "common/cleanup.h"
#include "common/throttle.h"
#include "common/units.h"
#include "supervisor/cli/ctl.h"

#define NAMES_MAX 1024

/* ---- verbs ---- */

static const struct verb {
    const char *name;
    const char *args; /* as help shows them, options apart */
    const char *help;
    int least, most; /* how many arguments */
    int (*run)(const struct ctl *ctl, int count, char **args);
} verbs[] = {
    {"ps", "[TENANT]", "list containers; those that are stopped or have exited only with -a", 0, 1,
     ctl_ps},
    {"status", "[TENANT]", "show the whole board: host, counts, letters, faults, figures", 0, 1,
     ctl_status},
    {"top", "[TENANT]", "show the board live, on the whole screen", 0, 1, ctl_top},
    {"inspect", "TENANT/SERVICE", "show all that is known about one service", 1, 1, ctl_inspect},
    {"start", "TENANT[/SERVICE]...", "start services", 1, NAMES_MAX, ctl_act},
    {"stop", "TENANT[/SERVICE]...", "stop services; they stay stopped until they are started", 1,
     NAMES_MAX, ctl_act},
    {"restart", "TENANT[/SERVICE]...", "stop and start services; waiting requests are kept", 1,
     NAMES_MAX, ctl_act},
    {"pause", "TENANT[/SERVICE]...", "freeze all processes of services", 1, NAMES_MAX, ctl_act},
    {"resume", "TENANT[/SERVICE]...", "let paused services go on", 1, NAMES_MAX, ctl_act},
    {"kill", "TENANT[/SERVICE]...", "send a signal to the first process of services", 1, NAMES_MAX,
     ctl_act},
    {"logs", "TENANT/SERVICE", "show what a service wrote to stdout and stderr", 1, 1, ctl_logs},
    {"events", "[TENANT[/SERVICE]]",
     "show what happened, who asked for it, and how processes ended", 0, 1, ctl_events},
    {"mails", "TENANT[/SERVICE]", "show the last mails that a tenant's PHP sent", 1, 1, ctl_mails},
    {"processes", "TENANT/SERVICE", "list the processes of a service", 1, 1, ctl_processes},
    {"history", "TENANT/SERVICE", "show what a service did in the last hour, day or month", 1, 1,
     ctl_history},
    {"why", "TENANT/SERVICE", "tell what keeps a service waiting: tasks, processes, files, disks",
     1, 1, ctl_why},
    {"throttle", "ls|add|rm|clear|test [ADDRESS]",
     "show whom httpd blocks, block an address or network, take blocks back", 1, 2, ctl_throttle},
    {"limits", "[link] TENANT/SERVICE",
     "tell what limits a service; or print a link by which its tenant sees that", 1, 2, ctl_limits},
    {"apply", "", "read the tenants' files again; only what changed restarts", 0, 0, ctl_apply},
    {"version", "", "show the versions of this program and of the supervisor", 0, 0, ctl_version},
};

/* ---- options ---- */

enum option_key {
    OPTION_ROOT = 256,
    OPTION_SOCKET,
    OPTION_DEBUG,
    OPTION_CURL,
    OPTION_URL,
    OPTION_NO_TRUNC,
    OPTION_TIMEOUT,
    OPTION_NO_WAIT,
    OPTION_TAIL,
    OPTION_TIMESTAMPS,
    OPTION_STREAM,
    OPTION_SINCE,
    OPTION_SORT,
    OPTION_STATE,
    OPTION_SEARCH,
    OPTION_LIMIT,
    OPTION_DELAY,
    OPTION_RANGE,
    OPTION_FOR,
    OPTION_FORCE,
};

#define ACTIONS "start stop restart pause resume kill"

static const struct option_row {
    const char *name;
    int key; /* a letter: there is a short form */
    const char *argument;
    const char *verbs; /* who takes it; NULL: every verb */
    const char *help;
} options[] = {
    {"all", 'a', NULL, "ps throttle",
     "ps: also those that are stopped or have exited; throttle clear: admins' blocks, too"},
    {"quiet", 'q', NULL, "ps", "names only"},
    {"sort", OPTION_SORT, "KEY[,desc]", "status top",
     "order by a figure, as cpu_percent,desc (faults_first)"},
    {"state", OPTION_STATE, "STATE,...", "status top",
     "only those in these states, as R,L or failed"},
    {"search", 'q', "TEXT", "status top", "only those with TEXT in a name or the image"},
    {"limit", OPTION_LIMIT, "N", "status top", "at most N containers"},
    {"range", OPTION_RANGE, "RANGE", "history", "1h, 24h (default) or 30d"},
    {"delay", OPTION_DELAY, "TIME", "top", "look again after so long (1s)"},
    {"for", OPTION_FOR, "TIME", "throttle limits",
     "throttle add: block so long (10m); limits link: good so long (24h); as 90s, 20m or 72h"},
    {"force", OPTION_FORCE, NULL, "throttle", "add: also this machine's own addresses"},
    {"no-trunc", OPTION_NO_TRUNC, NULL, "ps status processes why mails",
     "do not shorten long cells"},
    {"timeout", OPTION_TIMEOUT, "SEC", ACTIONS,
     "wait at most so long until it is done (30; at most 60)"},
    {"no-wait", OPTION_NO_WAIT, NULL, ACTIONS, "do not wait until it is done"},
    {"signal", 's', "SIGNAL", "kill", "name or number of the signal (SIGKILL)"},
    {"follow", 'f', NULL, "logs events", "go on with what comes from now on"},
    {"tail", OPTION_TAIL, "N|all", "logs events", "only the last N lines or events (all)"},
    {"since", OPTION_SINCE, "TIME", "events", "only of the last TIME, as 90s, 20m or 24h"},
    {"timestamps", OPTION_TIMESTAMPS, NULL, "logs", "put the time in front of each line"},
    {"stream", OPTION_STREAM, "NAME", "logs", "only stdout, or only stderr"},
    {"output", 'o', "FORMAT", NULL,
     "table (default), wide or json; of status also auto, csv or openmetrics"},
    {"root", OPTION_ROOT, "DIR", NULL, "the supervisor that was started with --root DIR"},
    {"socket", OPTION_SOCKET, "PATH", NULL, "another control socket"},
    {"curl", OPTION_CURL, NULL, NULL, "print the call by curl that does the same; do nothing"},
    {"url", OPTION_URL, "URL", NULL,
     "with --curl: where the status page is (http://localhost/container-status); of limits link: "
     "the tenant's site"},
    {"debug", OPTION_DEBUG, NULL, NULL, "show requests and answers on stderr"},
    {"help", 'h', NULL, NULL, "show this help"},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Whether word is one of the words of list. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
            return true;
    return false;
}

static bool takes_option(const struct verb *verb, const struct option_row *option)
{
    return !option->verbs || (verb && has_word(option->verbs, verb->name));
}

/* ---- help ---- */

static void print_options(const struct verb *verb, bool is_global)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const struct option_row *row = &options[i];
        char left[40], letter[8] = "    ";
        if (is_global != !row->verbs || !takes_option(verb, row))
            continue;
        if (row->key < 256)
            snprintf(letter, sizeof(letter), "-%c, ", row->key);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        printf("  %-24s%s\n", left, row->help);
    }
}

static void print_help(void)
{
    printf("Usage: containerctl VERB [OPTION...] [ARGUMENT...]\n"
           "Shows and steers the containers of this machine's container-supervisor.\n\nVerbs:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        printf("  %-11s%-22s%s\n", verbs[i].name, verbs[i].args, verbs[i].help);
    printf("  %-11s%-22s%s\n", "help", "[VERB]", "show this help, or that of a verb");
    printf("\nOptions of every verb:\n");
    print_options(NULL, true);
    printf(
        "\nExamples:\n"
        "  containerctl ps                    what runs\n"
        "  containerctl restart blog/web      one service of tenant blog\n"
        "  containerctl stop blog             all services of tenant blog\n"
        "  containerctl logs -f blog/web      what it writes, as it writes it\n"
        "\nA bare TENANT means all its services. Exit codes: 0 done, 1 failed, 2 called wrongly.\n"
        "The manual is containerctl(1).\n");
}

static void print_verb_help(const struct verb *verb)
{
    bool has_own = false;

    printf("Usage: containerctl %s [OPTION...]%s%s\n%c%s.\n", verb->name, *verb->args ? " " : "",
           verb->args, verb->help[0] - 'a' + 'A', verb->help + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        has_own |= options[i].verbs && takes_option(verb, &options[i]);
    if (has_own) {
        printf("\nOptions:\n");
        print_options(verb, false);
    }
    printf("\nOptions of every verb:\n");
    print_options(verb, true);
}

/* ---- values of options ---- */

static int read_output(struct ctl *ctl, const char *text)
{
    static const char *const names[] = {"table", "wide", "json", "auto", "csv", "openmetrics"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i], text) == 0) {
            ctl->output = (enum ctl_output)i;
            return CTL_OK;
        }
    }
    return ctl_usage(
        ctl, "-o \"%s\": write table, wide or json; for status auto, csv or openmetrics, too",
        text);
}

/* "TERM", "SIGTERM" or "15" into the name that the protocol carries. */
static int read_signal(struct ctl *ctl, const char *text)
{
    static char name[16];
    const char *bare = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    uint64_t number = 0;
    bool is_number = parse_u64(text, SIGSYS, &number) == 0;

    for (int i = 1; i <= SIGSYS; i++) {
        const char *known = sigabbrev_np(i);
        if (!known || (is_number ? i != (int)number : strcasecmp(known, bare) != 0))
            continue;
        snprintf(name, sizeof(name), "SIG%s", known);
        ctl->signal = name;
        return CTL_OK;
    }
    return ctl_usage(ctl, "-s \"%s\" is no signal; write SIGTERM, TERM or 15", text);
}

static int read_timeout(struct ctl *ctl, const char *text)
{
    uint64_t usec;

    if (parse_duration(text, &usec) < 0 || usec > CTL_WAIT_MAX_MS * UINT64_C(1000))
        return ctl_usage(ctl, "--timeout \"%s\": write 0 to 60 seconds, as 20 or 1m", text);
    ctl->wait_ms = (int)(usec / 1000);
    return CTL_OK;
}

static int read_tail(struct ctl *ctl, const char *text)
{
    uint64_t lines;

    ctl->has_tail = true;
    if (strcmp(text, "all") == 0) {
        ctl->tail = -1;
        return CTL_OK;
    }
    if (parse_u64(text, INT32_MAX, &lines) < 0)
        return ctl_usage(ctl, "--tail \"%s\": write a number of lines, or all", text);
    ctl->tail = (int64_t)lines;
    return CTL_OK;
}

static int read_since(struct ctl *ctl, const char *text)
{
    if (parse_duration(text, &ctl->since_usec) < 0 || !ctl->since_usec)
        return ctl_usage(ctl, "--since \"%s\": write how long ago, as 90s, 20m or 24h", text);
    return CTL_OK;
}

static int read_for(struct ctl *ctl, const char *text)
{
    bool is_link = strcmp(ctl->verb, "limits") == 0;
    uint64_t least = is_link ? 60 * UINT64_C(1000000) : 1;
    uint64_t most = is_link ? LIMIT_LINK_MAX_SECONDS * UINT64_C(1000000) : THROTTLE_BLOCK_MAX;

    if (parse_duration(text, &ctl->for_usec) < 0 || ctl->for_usec < least || ctl->for_usec > most)
        return ctl_usage(ctl, "--for \"%s\": write how long, %s", text,
                         is_link ? "from 1m to 744h (31 days)"
                                 : "as 90s, 20m or 24h, at most 366 days");
    return CTL_OK;
}

static int read_delay(struct ctl *ctl, const char *text)
{
    if (parse_duration(text, &ctl->delay_usec) < 0 || ctl->delay_usec < 100000 ||
        ctl->delay_usec > 600000000)
        return ctl_usage(ctl, "--delay \"%s\": write 100ms to 10m", text);
    return CTL_OK;
}

static int read_stream(struct ctl *ctl, const char *text)
{
    if (strcmp(text, "stdout") != 0 && strcmp(text, "stderr") != 0)
        return ctl_usage(ctl, "--stream \"%s\": write stdout or stderr", text);
    ctl->stream = text;
    return CTL_OK;
}

static int read_root(struct ctl *ctl, const char *text)
{
    char control_socket[PATH_MAX], root[PATH_MAX];
    struct error error = ERROR_INIT;
    struct paths paths;
    int r = text && *text ? path_absolute(root, text, &error) : 0;

    if (r == 0)
        r = paths_init(&paths, text && *text ? root : NULL, &error);
    if (r == 0)
        r = path_control_socket(&paths, control_socket, &error);
    if (r == 0)
        r = path_scoreboard(&paths, ctl->scoreboard, &error);
    if (r == 0)
        r = path_throttle(&paths, ctl->throttle, &error);
    if (r == 0)
        r = path_limit_key(&paths, ctl->limit_key, &error);
    if (r < 0)
        return ctl_usage(ctl, "--root: %s", error.message);
    if (!ctl->control_socket[0])
        strcpy(ctl->control_socket, control_socket);
    return CTL_OK;
}

/* ---- the command line ---- */

/* What the options said that must wait until all of them are read. */
struct wishes {
    const char *root;
    bool help;
};

static int take_option(struct ctl *ctl, int key, const char *value, struct wishes *wishes)
{
    switch (key) {
    case OPTION_ROOT:
        wishes->root = value;
        return CTL_OK;
    case OPTION_SOCKET:
        if (strlen(value) >= sizeof(ctl->control_socket))
            return ctl_usage(ctl, "--socket: path too long");
        strcpy(ctl->control_socket, value);
        return CTL_OK;
    case OPTION_URL:
        ctl->url = value;
        return CTL_OK;
    case OPTION_TIMEOUT:
        return read_timeout(ctl, value);
    case OPTION_TAIL:
        return read_tail(ctl, value);
    case OPTION_STREAM:
        return read_stream(ctl, value);
    case OPTION_FOR:
        return read_for(ctl, value);
    case OPTION_DELAY:
        return read_delay(ctl, value);
    case OPTION_SINCE:
        return read_since(ctl, value);
    case 'o':
        return read_output(ctl, value);
    case 's':
        return read_signal(ctl, value);
    default:
        break;
    }
    const struct {
        int key;
        const char **text;
    } texts[] = {
        {OPTION_SORT, &ctl->sort},   {OPTION_STATE, &ctl->states}, {'q', &ctl->search},
        {OPTION_LIMIT, &ctl->limit}, {OPTION_RANGE, &ctl->range},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        if (texts[i].key == key && value)
            *texts[i].text = value;
    const struct {
        int key;
        bool *flag;
    } flags[] = {
        {OPTION_DEBUG, &ctl->is_debug},
        {OPTION_CURL, &ctl->is_curl},
        {OPTION_NO_TRUNC, &ctl->no_trunc},
        {'a', &ctl->all},
        {'f', &ctl->follow},
        {OPTION_FORCE, &ctl->force},
        {OPTION_TIMESTAMPS, &ctl->timestamps},
        {'h', &wishes->help},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        if (flags[i].key == key)
            *flags[i].flag = true;
    if (key == 'q' && !value)
        ctl->quiet = true;
    if (key == OPTION_NO_WAIT)
        ctl->wait_ms = 0;
    return CTL_OK;
}

/*
 * Reads the options of verb (NULL: those before it, up to the first word) from argv. What
 * getopt_long(3) leaves in optind is the first argument.
 */
static int read_options(struct ctl *ctl, const struct verb *verb, int argc, char **argv,
                        struct wishes *wishes)
{
    struct option longs[ARRAY_LENGTH(options) + 1] = {0};
    char shorts[3 * ARRAY_LENGTH(options) + 3] = "";
    size_t count = 0;
    int key;

    strcpy(shorts, verb ? ":" : "+:");
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const struct option_row *row = &options[i];
        if (!takes_option(verb, row))
            continue;
        longs[count++] = (struct option){row->name, row->argument ? 1 : 0, NULL, row->key};
        if (row->key < 256)
            sprintf(shorts + strlen(shorts), "%c%s", row->key, row->argument ? ":" : "");
    }
    optind = 0; /* start anew, in the way of glibc */
    while ((key = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (key == ':')
            return ctl_usage(ctl, "%s needs a value", argv[optind - 1]);
        if (key == '?' && optopt > 0 && optopt < 256)
            return ctl_usage(ctl, "-%c is no option here", optopt);
        if (key == '?')
            return ctl_usage(ctl, "%s is no option here", argv[optind - 1]);
        int r = take_option(ctl, key, optarg, wishes);
        if (r != CTL_OK)
            return r;
    }
    return CTL_OK;
}

static void look_at_terminal(struct ctl *ctl)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    ctl->is_stdout_terminal = isatty(STDOUT_FILENO);
    ctl->has_colour = ctl->is_stdout_terminal && (!no_colour || !*no_colour) && terminal &&
                      strcmp(terminal, "dumb") != 0;
}

static int run_help(struct ctl *ctl, int count, char **args)
{
    const struct verb *verb = count ? find_verb(args[0]) : NULL;

    if (count > 1)
        return ctl_usage(ctl, "help takes one verb");
    if (count && !verb && strcmp(args[0], "help") != 0)
        return ctl_usage(ctl, "there is no verb \"%s\"", args[0]);
    if (verb)
        print_verb_help(verb);
    else
        print_help();
    return CTL_OK;
}

/* argv[0] is the verb. */
static int run_verb(struct ctl *ctl, int argc, char **argv, struct wishes *wishes)
{
    const struct verb *verb = find_verb(argv[0]);

    if (strcmp(argv[0], "help") == 0)
        return run_help(ctl, argc - 1, argv + 1);
    if (!verb)
        return ctl_usage(ctl, "there is no verb \"%s\"", argv[0]);
    ctl->verb = verb->name;
    int r = read_options(ctl, verb, argc, argv, wishes);
    if (r == CTL_OK && wishes->help)
        return run_help(ctl, 1, argv);
    if (r == CTL_OK && ctl->output >= CTL_OUTPUT_AUTO && verb->run != ctl_status)
        r = ctl_usage(ctl, "-o auto, csv and openmetrics are for status only");
    if (r == CTL_OK)
        r = read_root(ctl, wishes->root);
    if (r != CTL_OK)
        return r;
    int count = argc - optind;
    if (count < verb->least)
        return ctl_usage(ctl, "%s is missing", verb->args);
    if (count > verb->most)
        return ctl_usage(ctl, "\"%s\" is one argument too many", argv[optind + verb->most]);
    return ctl->is_curl ? ctl_curl(ctl, count, argv + optind)
                        : verb->run(ctl, count, argv + optind);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.wait_ms = CTL_WAIT_DEFAULT_MS, .tail = -1, .delay_usec = 1000000};
    struct wishes wishes = {0};

    look_at_terminal(&ctl);
    int r = read_options(&ctl, NULL, argc, argv, &wishes);
    if (r == CTL_OK && wishes.help)
        r = run_help(&ctl, 0, NULL);
    else if (r == CTL_OK && optind == argc)
        r = ctl_usage(&ctl, "a verb is missing");
    else if (r == CTL_OK)
        r = run_verb(&ctl, argc - optind, argv + optind, &wishes);
    if (fflush(stdout) != 0 && r == CTL_OK) {
        fprintf(stderr, "containerctl: write to stdout: %s\n", strerror(errno));
        r = CTL_FAILED;
    }
    return r;
}
