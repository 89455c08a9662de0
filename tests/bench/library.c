/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library CONFIG COUNT CGROUP
 *
 * Starts COUNT containers of one config in one process, as the supervisor does it, each in a group
 * of its own below CGROUP, lets all of them run and prints the milliseconds of the parts of each
 * start, a line "CONFIG CGROUP CREATE START". What is not the runtime's is not in it: no image is
 * mounted, no network made, no record written.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/container.h"

#define GROUP_TIMEOUT_MS 5000

enum { PART_CONFIG, PART_CGROUP, PART_CREATE, PART_START, PARTS };

struct times {
    double ms[PARTS];
};

static struct cgroup_driver *driver;
static struct seccomp_program *seccomp;
static int null_fd;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The time since *before, which becomes now. */
static double lap_ms(double *before)
{
    double now = now_ms(), lap = now - *before;

    *before = now;
    return lap;
}

static int start(json_t *json, const char *group, struct container *container, struct times *times,
                 struct error *error)
{
    double before = now_ms();
    _cleanup_config_ struct config *config = NULL;
    struct cgroup *cgroup = NULL;

    int r = config_read(json, NULL, &config, error);
    if (r == 0 && config->seccomp && !seccomp_program_is_of(seccomp, config->seccomp))
        r = seccomp_program_new(config->seccomp, &seccomp, error);
    times->ms[PART_CONFIG] = lap_ms(&before);
    if (r == 0)
        r = cgroup_create(driver, group, &cgroup, error);
    if (r == 0)
        r = cgroup_apply(cgroup, config->resources, error);
    times->ms[PART_CGROUP] = lap_ms(&before);
    if (r < 0) {
        cgroup_close(cgroup);
        return r;
    }
    const struct container_request request = {
        .id = "bench",
        .config = config,
        .driver = driver,
        .cgroup = cgroup,
        .seccomp = config->seccomp ? seccomp : NULL,
        .stdio = {null_fd, null_fd, null_fd},
        .console_fd = -1,
        .start_listener = -1,
        .has_new_keyring = true,
    };
    r = container_create(&request, container, error);
    times->ms[PART_CREATE] = lap_ms(&before);
    if (r == 0)
        r = container_start(container, config, error);
    times->ms[PART_START] = lap_ms(&before);
    /* The descriptors of a thousand groups are more than many a machine allows. */
    cgroup_close(cgroup);
    return r;
}

/* All are told first, so that they die side by side. */
static void stop_all(const struct container *containers, size_t count, const char *parent)
{
    struct error error = ERROR_INIT;
    struct cgroup *cgroup;
    char group[256];

    for (size_t i = 0; i < count; i++)
        container_signal(&containers[i], SIGKILL);
    for (size_t i = 0; i < count; i++)
        waitpid(containers[i].pid, NULL, 0);
    for (size_t i = 0; i <= count; i++) {
        snprintf(group, sizeof(group), "%s/%zu", parent, i);
        if (cgroup_open(driver, group, &cgroup, NULL) == 0 &&
            cgroup_destroy(cgroup, GROUP_TIMEOUT_MS, &error) < 0)
            fprintf(stderr, "library: %s\n", error.message);
    }
    cgroup_remove_empty(driver, parent);
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    char group[256];

    json_t *json = argc == 4 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL) : NULL;
    size_t count = json ? strtoul(argv[2], NULL, 10) : 0, started = 0;
    struct container *containers = calloc(count + 1, sizeof(*containers));
    struct times *times = calloc(count + 1, sizeof(*times));
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!json || !containers || !times || null_fd < 0)
        return 2;
    int r = cgroup_driver_open(&driver, &error);
    while (r == 0 && started < count) {
        snprintf(group, sizeof(group), "%s/%zu", argv[3], started);
        r = start(json, group, &containers[started], &times[started], &error);
        started += r == 0;
    }
    if (driver)
        stop_all(containers, started, argv[3]);
    if (r < 0) {
        fprintf(stderr, "container %zu: %s\n", started + 1, error.message);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        printf("%.3f %.3f %.3f %.3f\n", times[i].ms[PART_CONFIG], times[i].ms[PART_CGROUP],
               times[i].ms[PART_CREATE], times[i].ms[PART_START]);
    return 0;
}
