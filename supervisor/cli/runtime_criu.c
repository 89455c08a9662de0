/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/runtime_criu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/sys/mount.h"

#define JSON_FILE_MAX (4u << 20)
#define LOG_TAIL      65536 /* how much of the log's end is looked at */
#define CANNOT_RUN    125

/* ---- the program ---- */

/* Finds a program in the directories of PATH unless it is a path. */
static bool find_program(const char *name, char *path)
{
    const char *at = getenv("PATH");

    if (strchr(name, '/'))
        return path_absolute(path, name, NULL) == 0 && access(path, X_OK) == 0;
    while (at && *at) {
        int length = (int)strcspn(at, ":");
        if (*at == '/' && snprintf(path, PATH_MAX, "%.*s/%s", length, at, name) < PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

static const char *program_of(const struct runtime *runtime)
{
    const char *criu = runtime->options.criu;

    return criu && *criu ? criu : "criu";
}

static bool is_unified(void)
{
    struct cgroup_driver *driver;

    if (cgroup_driver_open(&driver, NULL) < 0)
        return false;
    bool is_v2 = cgroup_driver_mode(driver) == CGROUP_V2;
    cgroup_driver_close(driver);
    return is_v2;
}

bool runtime_criu_is_possible(const struct runtime *runtime)
{
    char path[PATH_MAX];

    return geteuid() == 0 && find_program(program_of(runtime), path) && is_unified();
}

/* ---- the command line ---- */

void runtime_criu_add(struct runtime_criu *criu, const char *format, ...)
{
    char **grown = realloc(criu->args, (criu->count + 2) * sizeof(*grown));
    va_list values;
    int length = -1;

    if (grown) {
        criu->args = grown;
        va_start(values, format);
        length = vasprintf(&grown[criu->count], format, values);
        va_end(values);
    }
    if (length < 0)
        criu->has_no_memory = true;
    else
        grown[++criu->count] = NULL;
}

static void add_two(struct runtime_criu *criu, const char *name, const char *value)
{
    runtime_criu_add(criu, "--%s", name);
    runtime_criu_add(criu, "%s", value);
}

static void add_flags(struct runtime_criu *criu, const struct runtime_options *options)
{
    const struct {
        bool is_given;
        const char *name;
    } flags[] = {
        {options->is_left_running, "leave-running"},
        {options->has_tcp, "tcp-established"},
        {options->is_in_flight_skipped, "skip-in-flight"},
        {options->is_tcp_closed, "tcp-close"},
        {options->has_link_remap, "link-remap"},
        {options->has_unix_sockets, "ext-unix-sk"},
        {options->is_shell_job, "shell-job"},
        {options->has_file_locks, "file-locks"},
        {options->is_deduplicated, "auto-dedup"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        if (flags[i].is_given)
            runtime_criu_add(criu, "--%s", flags[i].name);
}

static int check_options(const struct runtime_options *options, struct error *error)
{
    static const char *const modes[] = {"soft", "full", "strict", "ignore"};
    const char *mode = options->cgroups_mode;
    bool is_known = !mode;

    if (options->has_lazy_pages || options->status_fd || options->page_server)
        return error_set(error, EOPNOTSUPP,
                         "--%s: pages that are fetched later or sent elsewhere are not supported; "
                         "leave it out",
                         options->has_lazy_pages ? "lazy-pages"
                         : options->status_fd    ? "status-fd"
                                                 : "page-server");
    for (size_t i = 0; mode && i < ARRAY_LENGTH(modes); i++)
        is_known = is_known || strcmp(mode, modes[i]) == 0;
    if (!is_known)
        return error_set(error, EINVAL,
                         "--manage-cgroups-mode \"%s\": it is soft, full, strict or ignore", mode);
    if (options->empty_namespace && strcmp(options->empty_namespace, "network") != 0)
        return error_set(error, EINVAL, "--empty-ns \"%s\": only network can be left empty",
                         options->empty_namespace);
    return 0;
}

/* criu's default way to hold packets back needs a program that many machines do not have. */
static void add_network_lock(struct runtime_criu *criu, const struct runtime_options *options)
{
    char path[PATH_MAX];

    if (options->network_lock)
        add_two(criu, "network-lock", options->network_lock);
    else if (strcmp(criu->action, "restore") != 0 && !find_program("iptables-restore", path))
        add_two(criu, "network-lock", "nftables");
}

static void add_options(struct runtime_criu *criu, const struct runtime_options *options)
{
    const char *mode = options->cgroups_mode;

    add_two(criu, "images-dir", criu->images);
    add_two(criu, "work-dir", criu->work);
    add_two(criu, "log-file", criu->log + strlen(criu->work) + 1);
    runtime_criu_add(criu, "-v4");
    runtime_criu_add(criu, "--manage-cgroups=%s", mode ? mode : "soft");
    add_flags(criu, options);
    add_network_lock(criu, options);
    if (options->empty_namespace)
        add_two(criu, "empty-ns", "net");
    if (options->lsm_profile)
        add_two(criu, "lsm-profile", options->lsm_profile);
    if (options->lsm_mount_context)
        add_two(criu, "lsm-mount-context", options->lsm_mount_context);
}

/* ---- directories ---- */

static int find_directory(const char *option, const char *path, bool is_made, char *found,
                          struct error *error)
{
    struct stat st;
    int r = path_absolute(found, path, error);

    if (r == 0 && is_made && mkdir(found, 0700) < 0 && errno != EEXIST)
        r = error_sys(error, errno, "--%s: make %s", option, found);
    if (r == 0 && stat(found, &st) < 0)
        r = error_sys(error, errno, "--%s %s", option, found);
    else if (r == 0 && !S_ISDIR(st.st_mode))
        r = error_sys(error, ENOTDIR, "--%s %s", option, found);
    return r;
}

static int find_directories(struct runtime_criu *criu, const struct runtime_options *options,
                            bool is_made, struct error *error)
{
    const char *images = options->image_path ? options->image_path : "checkpoint";
    const char *work = options->work_path ? options->work_path : images;
    bool is_restored = strcmp(criu->action, "restore") == 0;
    int r = find_directory("image-path", images, is_made, criu->images, error);

    if (r == 0)
        r = find_directory("work-path", work, is_made || options->work_path, criu->work, error);
    return r < 0
               ? r
               : path_join(criu->log, criu->work, is_restored ? "restore.log" : "dump.log", error);
}

int runtime_criu_check(const struct runtime *runtime, char *path, struct error *error)
{
    if (!find_program(program_of(runtime), path))
        return error_set(error, EOPNOTSUPP,
                         "%s needs the program criu, and there is no \"%s\"; install it or give "
                         "--criu PATH",
                         runtime->verb, program_of(runtime));
    return geteuid() == 0 ? 0
                          : error_set(error, EPERM, "%s: only root can use criu", runtime->verb);
}

int runtime_criu_open(const struct runtime *runtime, const char *action, bool is_made,
                      struct runtime_criu *criu, struct error *error)
{
    const struct runtime_options *options = &runtime->options;

    *criu = (struct runtime_criu){.action = action};
    int r = runtime_criu_check(runtime, criu->program, error);
    if (r == 0)
        r = check_options(options, error);
    if (r == 0)
        r = find_directories(criu, options, is_made, error);
    if (r < 0)
        return r;
    runtime_criu_add(criu, "%s", criu->program);
    runtime_criu_add(criu, "%s", action);
    add_options(criu, options);
    return 0;
}

void runtime_criu_close(struct runtime_criu *criu)
{
    for (size_t i = 0; i < criu->count; i++)
        free(criu->args[i]);
    free(steal_ptr(criu->args));
    criu->count = 0;
}

/* ---- what is supported ---- */

int runtime_criu_check_config(const struct config *config, struct error *error)
{
    if (config->process && config->process->has_terminal)
        return error_set(error, EOPNOTSUPP,
                         "process.terminal: a container with a terminal can be neither saved nor "
                         "restored: nobody could hand the terminal's other side over");
    for (int type = 0; type < NAMESPACE_TYPES; type++)
        if (config->namespaces[type].path && type != NAMESPACE_NETWORK)
            return error_set(error, EOPNOTSUPP,
                             "linux.namespaces: %s %s: of the namespaces that are joined only a "
                             "network can be left to others by a checkpoint",
                             config_namespace_name((enum config_namespace_type)type),
                             config->namespaces[type].path);
    return is_unified()
               ? 0
               : error_set(error, EOPNOTSUPP,
                           "checkpoint and restore by criu need cgroup v2 alone, which this "
                           "machine does not have");
}

/* ---- running ---- */

/* The options of the file system of cgroup v2: "nsdelegate,memory_recursiveprot". */
static void read_cgroup_options(char *options, size_t size)
{
    char line[4096];

    *options = '\0';
    _cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
    while (mounts && fgets(line, sizeof(line), mounts)) {
        char *rest = strstr(line, " /sys/fs/cgroup cgroup2 ");
        if (rest) {
            rest += strlen(" /sys/fs/cgroup cgroup2 ");
            rest[strcspn(rest, " \n")] = '\0';
            snprintf(options, size, "%s", rest);
        }
    }
}

/*
 * criu mounts cgroup v2 for itself without options, which takes them away from all mounts of it
 * (cgroups(7), "nsdelegate"): then containers could move processes out of their groups.
 */
static void put_cgroup_options_back(const struct runtime_criu *criu)
{
    char now[sizeof(criu->cgroup_options)], wanted[sizeof(now)];
    size_t length = 0;

    read_cgroup_options(now, sizeof(now));
    if (strcmp(now, criu->cgroup_options) == 0)
        return;
    snprintf(now, sizeof(now), "%s", criu->cgroup_options);
    char *rest = now;
    /* What is the file system's own, and not the mount's. */
    for (char *word; (word = strsep(&rest, ","));)
        if (strncmp(word, "nsdelegate", 10) == 0 || strncmp(word, "memory_", 7) == 0 ||
            strncmp(word, "favordynmods", 12) == 0 || strncmp(word, "pids_", 5) == 0)
            length += (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%s%s",
                                       length ? "," : "", word);
    _cleanup_close_ int fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : length == 0 ? 0 : mount_reconfigure(fd, wanted, 0, 0);
    if (r < 0)
        runtime_log(RUNTIME_LOG_WARNING,
                    "criu has changed the options of /sys/fs/cgroup, which were %s: %s",
                    criu->cgroup_options, strerror(-r));
}

/* In the child. */
static void run(const struct runtime_criu *criu, int null, int (*prepare)(void *context),
                void *context)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null, fd) < 0)
            _exit(CANNOT_RUN);
    if (!prepare || prepare(context) == 0)
        execv(criu->program, criu->args);
    _exit(CANNOT_RUN);
}

pid_t runtime_criu_start(struct runtime_criu *criu, int (*prepare)(void *context), void *context,
                         struct error *error)
{
    /* Above the standard ones, which become copies of it. */
    _cleanup_close_ int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
    _cleanup_close_ int null = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, 3);

    if (null < 0)
        return error_sys(error, errno, "open /dev/null");
    if (criu->has_no_memory)
        return error_sys(error, ENOMEM, "criu's command line");
    for (size_t i = 0; i < criu->count; i++)
        runtime_log(RUNTIME_LOG_DEBUG, "criu argument %zu: %s", i, criu->args[i]);
    unlink(criu->log); /* what it says is to be of this run */
    read_cgroup_options(criu->cgroup_options, sizeof(criu->cgroup_options));
    pid_t pid = fork();
    if (pid == 0)
        run(criu, null, prepare, context);
    return pid < 0 ? error_sys(error, errno, "start criu") : pid;
}

/* The last line with an error that says more than that there were some. */
static void find_last_error(const char *log, char *found, size_t size)
{
    char text[LOG_TAIL + 1];

    snprintf(found, size, "it has no error in it");
    _cleanup_close_ int fd = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    ssize_t length = end < 0 ? -1 : pread(fd, text, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
    if (length < 0) {
        snprintf(found, size, "which it did not write");
        return;
    }
    text[length] = '\0';
    for (char *at = text, *next; at && *at; at = next) {
        next = strchr(at, '\n');
        if (next)
            *next++ = '\0';
        if (strstr(at, "Error (") && !strstr(at, "FAILED."))
            snprintf(found, size, "%s", strstr(at, "Error ("));
    }
}

int runtime_criu_finish(const struct runtime_criu *criu, pid_t pid, struct error *error)
{
    char reason[512];
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(error, errno, "wait for criu");
    put_cgroup_options_back(criu);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    find_last_error(criu->log, reason, sizeof(reason));
    return error_set(error, EIO, "criu %s failed (%s %d); its log %s: %s", criu->action,
                     WIFSIGNALED(status) ? "signal" : "exit status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), criu->log,
                     reason);
}

/* ---- our own files ---- */

int runtime_criu_json_write(const struct runtime_criu *criu, const char *name, const json_t *json,
                            struct error *error)
{
    char path[PATH_MAX];
    int r = path_join(path, criu->images, name, error);

    if (r < 0)
        return r;
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(error, errno, "make %s", path);
    errno = 0;
    int failed = json_dumpfd(json, fd, JSON_INDENT(4)) < 0;
    if (close(fd) < 0 || failed)
        return error_sys(error, errno ? errno : EIO, "write %s", path);
    return 0;
}

json_t *runtime_criu_json_read(const struct runtime_criu *criu, const char *name,
                               struct error *error)
{
    _cleanup_free_ char *text = NULL;
    char path[PATH_MAX];
    json_error_t reason;
    size_t length = 0;
    json_t *json = NULL;
    int r = path_join(path, criu->images, name, error);

    if (r == 0)
        r = runtime_file_read(path, JSON_FILE_MAX, &text, &length, error);
    if (r < 0) {
        error_wrap(error, "--image-path: this holds no checkpoint of a container");
        return NULL;
    }
    json = json_loadb(text, length, 0, &reason);
    if (!json)
        error_set(error, EINVAL, "%s: %s", path, reason.text);
    return json;
}
