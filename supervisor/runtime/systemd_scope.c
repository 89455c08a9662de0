/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/systemd_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/control.h"

#define ANSWER_MAX     65536
#define DEFAULT_PREFIX "container-runtime"
#define UNIT_CHARACTERS                                                                            \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@" /* systemd.unit(5) */

extern char **environ;

/* ---- names ---- */

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);

    return length > tail && strcmp(text + length - tail, suffix) == 0;
}

static int check_slice(const char *slice, struct error *error)
{
    /* The root slice is "-.slice"; else no part between dashes is empty. */
    bool is_wrong = !ends_with(slice, ".slice") || slice[strspn(slice, UNIT_CHARACTERS)];

    if (!is_wrong && strcmp(slice, "-.slice") != 0)
        is_wrong = slice[0] == '-' || strstr(slice, "--") || strstr(slice, "-.slice");
    return is_wrong ? error_set(error, EINVAL,
                                "linux.cgroupsPath: \"%.80s\" is not the name of a slice, such as "
                                "machine.slice",
                                slice)
                    : 0;
}

int systemd_scope_name(const char *cgroups_path, const char *id, bool is_user,
                       struct systemd_scope *scope, struct error *error)
{
    const char *path = cgroups_path ? cgroups_path : "";
    const char *first = strchr(path, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    const char *prefix = DEFAULT_PREFIX, *name = id;
    int slice_length = 0, prefix_length = (int)strlen(DEFAULT_PREFIX);

    if (*path && (!second || strchr(second + 1, ':') || !second[1] || strlen(path) > PATH_MAX))
        return error_set(error, EINVAL,
                         "linux.cgroupsPath: \"%.80s\": with systemd it must be SLICE:PREFIX:NAME, "
                         "such as system.slice:container:web",
                         path);
    if (*path) {
        slice_length = (int)(first - path);
        prefix = first + 1;
        prefix_length = (int)(second - prefix);
        name = second + 1;
    }
    *scope = (struct systemd_scope){.is_user = is_user};
    int unit = snprintf(scope->unit, sizeof(scope->unit), "%.*s%s%s.scope", prefix_length, prefix,
                        prefix_length ? "-" : "", name);
    int slice = slice_length
                    ? snprintf(scope->slice, sizeof(scope->slice), "%.*s", slice_length, path)
                    : snprintf(scope->slice, sizeof(scope->slice), "%s",
                               is_user ? "user.slice" : "system.slice");
    if (unit >= SYSTEMD_UNIT_MAX || slice >= SYSTEMD_UNIT_MAX)
        return error_set(error, ENAMETOOLONG,
                         "linux.cgroupsPath: names of systemd units have at most %d characters",
                         SYSTEMD_UNIT_MAX - 1);
    if (scope->unit[strspn(scope->unit, UNIT_CHARACTERS)] || ends_with(name, ".slice"))
        return error_set(error, EINVAL,
                         "linux.cgroupsPath: \"%.80s\" is not the name of a systemd scope",
                         scope->unit);
    return check_slice(scope->slice, error);
}

/* Each dash of a slice's name is a level: "a-b.slice" is in "a.slice". */
int systemd_scope_path(const struct systemd_scope *scope, char *path, size_t size,
                       struct error *error)
{
    size_t used = 0, length = strlen(scope->slice) - strlen(".slice");

    path[0] = '\0';
    int r = check_slice(scope->slice, error);
    if (r < 0)
        return r;
    for (size_t at = 1; strcmp(scope->slice, "-.slice") != 0 && at <= length; at++) {
        if (at < length && scope->slice[at] != '-')
            continue;
        int n = snprintf(path + used, size - used, "/%.*s.slice", (int)at, scope->slice);
        if (n < 0 || (size_t)n >= size - used)
            return error_sys(error, ENAMETOOLONG, "slice %s", scope->slice);
        used += (size_t)n;
    }
    int n = snprintf(path + used, size - used, "/%s", scope->unit);
    return (size_t)n < size - used ? 0 : error_sys(error, ENAMETOOLONG, "unit %s", scope->unit);
}

/* ---- the program ---- */

/* The request in a file of memory: the program may read it when it likes. */
static int request_file(const json_t *request, struct error *error)
{
    _cleanup_free_ char *text = json_dumps(request, JSON_COMPACT);
    _cleanup_close_ int fd = memfd_create("systemd-request", MFD_CLOEXEC);

    if (!text)
        return error_sys(error, ENOMEM, "request to systemd");
    if (fd < 0)
        return error_sys(error, errno, "request to systemd");
    size_t length = strlen(text);
    if (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0)
        return error_sys(error, EIO, "request to systemd");
    return steal_fd(&fd);
}

static int spawn(const char *path, int input, int output, pid_t *pid)
{
    char *const argv[] = {(char *)path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn(pid, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* Reads up to the end, at most ANSWER_MAX - 1 bytes, until the time is over. */
static int read_answer(int fd, int64_t end_ms, char *answer, size_t *used)
{
    *used = 0;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - clock_monotonic_ms();
        int r = left_ms <= 0 ? 0 : poll(&wait, 1, (int)left_ms);
        if (r == 0)
            return -ETIMEDOUT;
        if (r < 0 && errno == EINTR)
            continue;
        ssize_t n = r < 0 ? -1 : read(fd, answer + *used, ANSWER_MAX - 1 - *used);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        *used += (size_t)n;
        if (*used == ANSWER_MAX - 1)
            return -EFBIG;
    }
}

/* The program's answer: its object "ok" in *ok, or its error. */
static int parse_answer(const char *text, size_t length, json_t **ok, struct error *error)
{
    _cleanup_json_ json_t *answer = json_loadb(text, length, 0, NULL);
    const char *failure = json_string_value(json_object_get(answer, "error"));

    *ok = json_incref(json_object_get(answer, "ok"));
    if (*ok)
        return 0;
    return error_set(error, EIO, "%s",
                     failure && *failure ? failure : "the program gave no answer");
}

static int ask(const struct systemd_helper *helper, const json_t *request, json_t **ok,
               struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + helper->timeout_ms;
    _cleanup_free_ char *answer = malloc(ANSWER_MAX);
    _cleanup_close_ int read_end = -1, write_end = -1;
    int ends[2];
    size_t length;
    pid_t pid;

    _cleanup_close_ int input = request_file(request, error);
    if (input < 0)
        return input;
    if (!answer || pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(error, answer ? errno : ENOMEM, "%s", helper->path);
    read_end = ends[0];
    write_end = ends[1];
    int r = spawn(helper->path, input, write_end, &pid);
    if (r < 0)
        return error_sys(error, -r, "run %s, which speaks with systemd", helper->path);
    close_fd(&write_end);
    r = read_answer(read_end, end_ms, answer, &length);
    if (r < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r < 0 ? error_sys(error, -r, "%s", helper->path)
                 : parse_answer(answer, length, ok, error);
}

/* ---- what is asked ---- */

/* properties may be NULL; its reference is taken. */
static json_t *new_request(const char *action, const struct systemd_helper *helper,
                           const struct systemd_scope *scope, json_t *properties)
{
    /* Half a second for the program itself: its own word about the time is the better message. */
    int timeout_ms = helper->timeout_ms > 1000 ? helper->timeout_ms - 500 : helper->timeout_ms;

    return json_pack("{s:s, s:s, s:b, s:i, s:o*}", "action", action, "unit", scope->unit, "is_user",
                     scope->is_user, "timeout_ms", timeout_ms, "properties", properties);
}

int systemd_scope_start(const struct systemd_helper *helper, const struct systemd_scope *scope,
                        pid_t pid, const struct cgroup_resources *resources, enum cgroup_mode mode,
                        char *path, struct error *error)
{
    static const struct cgroup_resources nothing = {0};
    char description[SYSTEMD_UNIT_MAX + 16];
    _cleanup_json_ json_t *ok = NULL;

    json_t *properties =
        systemd_scope_properties(resources ? resources : &nothing, mode, true, error);
    if (!properties)
        return error_wrap(error, "systemd scope %s", scope->unit);
    _cleanup_json_ json_t *request = new_request("start", helper, scope, properties);
    snprintf(description, sizeof(description), "container %s", scope->unit);
    if (!request || json_object_set_new(request, "slice", json_string(scope->slice)) < 0 ||
        json_object_set_new(request, "description", json_string(description)) < 0 ||
        json_object_set_new(request, "pid", json_integer(pid)) < 0)
        return error_sys(error, ENOMEM, "systemd scope %s", scope->unit);
    int r = ask(helper, request, &ok, error);
    if (r < 0)
        return r;
    const char *group = json_string_value(json_object_get(ok, "control_group"));
    if (!group || group[0] != '/' || !group[1] || strlen(group) >= PATH_MAX)
        return error_set(error, EIO, "systemd scope %s: it has no control group", scope->unit);
    strcpy(path, group);
    return 0;
}

int systemd_scope_update(const struct systemd_helper *helper, const struct systemd_scope *scope,
                         const struct cgroup_resources *resources, enum cgroup_mode mode,
                         struct error *error)
{
    _cleanup_json_ json_t *ok = NULL;
    json_t *properties = systemd_scope_properties(resources, mode, false, error);

    if (!properties)
        return error_wrap(error, "systemd scope %s", scope->unit);
    _cleanup_json_ json_t *request = new_request("set", helper, scope, properties);
    if (!request)
        return error_sys(error, ENOMEM, "systemd scope %s", scope->unit);
    return ask(helper, request, &ok, error);
}

int systemd_scope_stop(const struct systemd_helper *helper, const struct systemd_scope *scope,
                       struct error *error)
{
    _cleanup_json_ json_t *ok = NULL;
    _cleanup_json_ json_t *request = new_request("stop", helper, scope, NULL);

    if (!request)
        return error_sys(error, ENOMEM, "systemd scope %s", scope->unit);
    return ask(helper, request, &ok, error);
}
