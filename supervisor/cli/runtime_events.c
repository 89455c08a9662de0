/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup_stats.h"

#define INTERVAL_USEC 5000000

/* ---- figures ---- */

/* The columns of /proc/PID/net/dev (proc(5)) that runc tells of. */
static const struct {
    const char *key;
    int column;
} interface_keys[] = {
    {"RxBytes", 0}, {"RxPackets", 1}, {"RxErrors", 2},  {"RxDropped", 3},
    {"TxBytes", 8}, {"TxPackets", 9}, {"TxErrors", 10}, {"TxDropped", 11},
};

static json_t *read_interface(char *line)
{
    char *at = strchr(line, ':');
    uint64_t columns[16] = {0};

    if (!at)
        return NULL;
    *at++ = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++)
        columns[i] = strtoull(at, &at, 10);
    line += strspn(line, " ");
    if (strcmp(line, "lo") == 0)
        return NULL;
    json_t *interface = json_pack("{s:s}", "Name", line);
    for (size_t i = 0; interface && i < ARRAY_LENGTH(interface_keys); i++)
        json_object_set_new(interface, interface_keys[i].key,
                            json_integer((json_int_t)columns[interface_keys[i].column]));
    return interface;
}

/* The interfaces of the container's network namespace, as it counts them itself. */
static json_t *read_interfaces(pid_t pid)
{
    char path[64], line[512];
    json_t *interfaces = json_array();

    snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
    _cleanup_fclose_ FILE *file = fopen(path, "re");
    while (file && interfaces && fgets(line, sizeof(line), file)) {
        json_t *interface = read_interface(line);
        if (interface)
            json_array_append_new(interfaces, interface);
    }
    return interfaces;
}

/* ---- lines ---- */

/* One line of JSON, at once; whoever reads stops when there are no more. */
static int print_event(const char *type, const char *id, json_t *data, struct error *error)
{
    json_t *event = json_pack("{s:s, s:s}", "type", type, "id", id);

    if (data)
        json_object_set_new(event, "data", data);
    bool is_written = event && json_dumpf(event, stdout, JSON_COMPACT) == 0 &&
                      putchar('\n') != EOF && fflush(stdout) != EOF;
    json_decref(event);
    return is_written ? 0 : error_sys(error, EPIPE, "write to the standard output");
}

static int print_stats(const struct runtime_container *container, const struct cgroup *cgroup,
                       struct error *error)
{
    struct cgroup_stats stats = {0};
    int r = cgroup_stats_read(cgroup, &stats, error);
    json_t *data = r < 0 ? NULL : cgroup_stats_to_json(&stats);

    cgroup_stats_clear(&stats);
    if (r < 0)
        return r;
    if (!data)
        return error_sys(error, ENOMEM, "events");
    json_object_set_new(data, "network_interfaces", read_interfaces(container->state.process.pid));
    return print_event("stats", container->state.id, data, error);
}

/* Until the container ends. */
static int follow(const struct runtime_container *container, const struct cgroup *cgroup,
                  int64_t interval_ms, struct error *error)
{
    struct cgroup_oom_watch watch = {.fd = -1};
    _cleanup_close_ int pidfd = identity_open(&container->state.process);
    int64_t next_ms = clock_monotonic_ms() + interval_ms;
    bool is_watched = cgroup_oom_watch_open(cgroup, &watch, NULL) == 0;
    int r = 0;

    while (r == 0 && pidfd >= 0) {
        struct pollfd polls[2] = {{.fd = pidfd, .events = POLLIN},
                                  {.fd = is_watched ? watch.fd : -1, .events = POLLIN}};
        int64_t left = next_ms - clock_monotonic_ms();
        int ready = poll(polls, 2, left > 0 ? (int)(left > INT32_MAX ? INT32_MAX : left) : 0);
        if (ready < 0 && errno != EINTR)
            r = error_sys(error, errno, "wait for events");
        int ooms = ready > 0 && is_watched ? cgroup_oom_watch_check(&watch) : 0;
        if (ooms > 0)
            r = print_event("oom", container->state.id, NULL, error);
        if (ooms < 0)
            is_watched = false;
        if (ready > 0 && polls[0].revents)
            break;
        if (r == 0 && clock_monotonic_ms() >= next_ms) {
            r = print_stats(container, cgroup, error);
            next_ms += interval_ms;
        }
    }
    if (watch.fd >= 0)
        cgroup_oom_watch_close(&watch);
    return r;
}

int runtime_events_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container = {.entry.fd = -1};
    _cleanup_runtime_cgroup_ struct runtime_cgroup group = {0};
    const char *interval = runtime->options.interval;
    uint64_t usec = INTERVAL_USEC;

    (void)count;
    if (interval && (parse_duration(interval, &usec) < 0 || usec < 1000))
        return error_set(error, EINVAL, "--interval \"%s\": not a time such as 5s or 500ms",
                         interval);
    int r = runtime_find(runtime, args[0], false, &container, error);
    if (r < 0)
        return r;
    if (store_status(&container.entry, &container.state) == STORE_STOPPED)
        return error_set(error, ESRCH, "container with id %s is not running", args[0]);
    r = runtime_cgroup_find(&container.state, &group, error);
    if (r < 0)
        return r;
    return runtime->options.is_stats
               ? print_stats(&container, group.cgroup, error)
               : follow(&container, group.cgroup, (int64_t)(usec / 1000), error);
}
