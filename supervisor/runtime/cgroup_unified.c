/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources.unified: files of the v2 group that a config names itself, and what they get. */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* The kernel's own names have letters, digits, '.' and '_'; device names of a file add '-'. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* These do not limit a group: they are how the runtime keeps hold of it. */
static const char *const managed[] = {
    "cgroup.procs", "cgroup.threads", "cgroup.type",
    "cgroup.kill",  "cgroup.freeze",  "cgroup.subtree_control",
};

int cgroup_unified_check(const char *file, struct error *error)
{
    const char *dot = strchr(file, '.');

    if (strlen(file) > NAME_MAX || file[strspn(file, NAME_CHARACTERS)])
        return error_set(error, EINVAL, "\"%.80s\" is not the name of a cgroup file", file);
    if (!dot || dot == file || !dot[1])
        return error_set(error, EINVAL, "\"%.80s\" is not of the form CONTROLLER.PARAMETER", file);
    for (size_t i = 0; i < ARRAY_LENGTH(managed); i++)
        if (strcmp(file, managed[i]) == 0)
            return error_set(error, EINVAL, "\"%s\" is managed by the runtime; leave it out", file);
    return 0;
}

/* Each line by itself: io.max and others take one device a write. */
static int write_lines(int directory, const struct cgroup_unified *unified)
{
    _cleanup_close_ int fd = openat(directory, unified->file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    for (const char *line = unified->value ? unified->value : ""; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > 0) {
            ssize_t written = write(fd, line, length);
            if (written < 0)
                return -errno;
            if ((size_t)written != length)
                return -EIO;
        }
        line += length + (line[length] == '\n');
    }
    return 0;
}

int cgroup_unified_apply(const struct cgroup *cgroup, const struct cgroup_resources *resources,
                         struct error *error)
{
    int directory = cgroup_clone_fd(cgroup);

    if (resources->unified_count > 0 && directory < 0)
        return error_set(error, EOPNOTSUPP,
                         "unified: needs cgroup v2, which this machine does not have; use memory, "
                         "cpu, pids and the like instead");
    for (size_t i = 0; i < resources->unified_count; i++) {
        const struct cgroup_unified *unified = &resources->unified[i];
        char name[64];
        int r = cgroup_unified_check(unified->file, error);
        if (r < 0)
            return error_wrap(error, "unified");
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(unified->file, "."), unified->file);
        r = cgroup_enable(cgroup, cgroup_controllers_parse(name, "."), error);
        if (r < 0)
            return error_wrap(error, "unified.%s", unified->file);
        r = write_lines(directory, unified);
        if (r == -ENOENT)
            return error_set(error, EOPNOTSUPP,
                             "unified.%s: this machine's cgroup v2 has no such file; it needs the "
                             "controller \"%s\" and a kernel that knows it",
                             unified->file, name);
        if (r < 0)
            return error_sys(error, -r, "unified.%s: write \"%.80s\"", unified->file,
                             unified->value ? unified->value : "");
    }
    return 0;
}
