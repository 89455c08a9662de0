/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of /proc and of cgroup files, of which users and tenants can choose parts. Of mountinfo the
 * names of directories, sources and options: what is taken for a cgroup hierarchy is below
 * /sys/fs/cgroup and has a controller or a name. Of a process's stat its name, which must not pass
 * for another start time.
 *
 * libFuzzer: -max_len=4096 -dict=tests/fuzz/proc.dict
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/identity.h"
#include "supervisor/runtime/cgroup_internal.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(char *line)
{
    _cleanup_free_ char *whole = strdup(line);
    struct cgroup_mount mount;
    int r = cgroup_mount_parse(line, &mount);

    check(r == 0 || r == 1 || r == -EINVAL);
    if (r <= 0)
        return;
    check(strstr(whole, "/sys/fs/cgroup") != NULL && strstr(whole, " - cgroup") != NULL);
    check(memchr(mount.directory, '\0', sizeof(mount.directory)) != NULL);
    check(memchr(mount.options, '\0', sizeof(mount.options)) != NULL);
    check(mount.is_v2 ? !mount.options[0] && !mount.controllers : mount.options[0] != '\0');
    check(mount.controllers < 1u << CGROUP_CONTROLLERS);
    check(mount.controllers == cgroup_controllers_parse(mount.options, ","));
    check(!mount.is_read_only || strstr(whole, "ro"));
}

static void check_text(const char *text)
{
    uint64_t number = 0, sum = 0;

    check(cgroup_controllers_parse(text, " \n") < 1u << CGROUP_CONTROLLERS);
    int r = cgroup_text_number(text, &number);
    check(r <= 0);
    cgroup_text_sum(text, "rbytes", &sum);
    cgroup_text_sum(text, "usage_usec", &sum);
}

/* Each file of figures of both versions: a figure is known only if the text has a number for it. */
static void check_figures(const char *text)
{
    const struct cgroup_ops *const versions[] = {&cgroup_v1_ops, &cgroup_v2_ops};

    for (size_t v = 0; v < ARRAY_LENGTH(versions); v++) {
        const struct cgroup_figure *end = versions[v]->figures + versions[v]->figure_count;
        for (const struct cgroup_figure *figure = versions[v]->figures; figure < end; figure++) {
            struct cgroup_sample sample = {0};
            struct cgroup_reading reading = {.sample = &sample,
                                             .memory_and_swap_bytes = CGROUP_NOT_READ,
                                             .memory_and_swap_limit_bytes = CGROUP_NOT_READ};
            cgroup_figures_parse(figure, end, text, &reading);
            cgroup_figures_finish(&reading);
            check(reading.device_count <= CGROUP_DEVICES_MAX);
            check(!sample.has || strpbrk(text, "0123456789") || figure->parse);
        }
    }
}

/* proc(5), /proc/PID/stat; whatever the name is, the start time is the 22nd field. */
static void check_name(const char *name)
{
    _cleanup_free_ char *stat = NULL;
    uint64_t start_time = 0;
    char state = 0;

    int r = identity_parse(name, &state, &start_time);
    check(r == 0 || r == -EINVAL);
    check(asprintf(&stat, "7 (%s) S 1 2 3 0 -1 5 6 7 8 9 10 11 12 13 20 0 1 0 323054 9 1\n", name) >
          0);
    check(identity_parse(stat, &state, &start_time) == 0);
    check(state == 'S' && start_time == 323054);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char *rest = text;

    check_text(text);
    check_figures(text);
    check_name(text);
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        check_line(line);
    return 0;
}
