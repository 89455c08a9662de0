/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of /proc/self/mountinfo, of which users of the machine can choose parts: the names of
 * directories, sources and options. What is taken for a cgroup hierarchy is below /sys/fs/cgroup
 * and has a controller or a name.
 *
 * libFuzzer: -max_len=4096 -dict=tests/fuzz/mountinfo.dict
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char *rest = text;

    check_text(text);
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        check_line(line);
    return 0;
}
