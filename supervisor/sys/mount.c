/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"

/* mount(2) takes one page of options. */
#define OPTIONS_MAX 4096

/* Flags of a file system by fsconfig's names for them (mount(8), "filesystem-independent"). */
static const struct {
    unsigned flag;
    const char *name;
} super_names[] = {
    {MS_SYNCHRONOUS, "sync"},
    {MS_DIRSYNC, "dirsync"},
    {MS_MANDLOCK, "mand"},
    {MS_LAZYTIME, "lazytime"},
};

/* MOUNT_ATTR_* of mount_setattr(2) as mount(2) calls them; relatime is what neither names. */
static const struct {
    uint64_t attribute;
    unsigned long flag;
} attribute_flags[] = {
    {MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
    {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
    {MOUNT_ATTR_NOATIME, MS_NOATIME},       {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
    {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
};

static bool is_label(const char *key)
{
    static const char *const labels[] = {"context", "defcontext", "fscontext", "rootcontext"};

    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
        if (strcmp(key, labels[i]) == 0)
            return true;
    return false;
}

static size_t option_length(const char *option)
{
    bool is_quoted = false;
    size_t length = 0;

    for (; option[length] && (is_quoted || option[length] != ','); length++) {
        if (option[length] == '\\' && option[length + 1])
            length++;
        else if (option[length] == '"')
            is_quoted = !is_quoted;
    }
    return length;
}

static void strip_quotes(char *text)
{
    char *to = text;

    for (; *text; text++)
        if (*text != '"')
            *to++ = *text;
    *to = '\0';
}

bool mount_option_next(char **rest, char **key, char **value)
{
    *rest += strspn(*rest, ",");
    *key = *rest;
    *rest += option_length(*rest);
    if (**rest)
        *(*rest)++ = '\0';
    *value = strchr(*key, '=');
    if (*value)
        *(*value)++ = '\0';
    if (*value && is_label(*key))
        strip_quotes(*value);
    return **key || *value;
}

static int configure(int fs, const char *options, unsigned super_flags)
{
    char buffer[OPTIONS_MAX], *rest = buffer, *key, *value;

    for (size_t i = 0; i < ARRAY_LENGTH(super_names); i++)
        if ((super_flags & super_names[i].flag) &&
            fsconfig(fs, FSCONFIG_SET_FLAG, super_names[i].name, NULL, 0) < 0)
            return -errno;
    if (!options)
        return 0;
    if (strlen(options) >= sizeof(buffer))
        return -ENAMETOOLONG;
    strcpy(buffer, options);
    while (mount_option_next(&rest, &key, &value)) {
        unsigned command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (fsconfig(fs, command, key, value, 0) < 0)
            return -errno;
    }
    return 0;
}

int mount_new_with(const char *type, const char *source, const char *options, unsigned super_flags,
                   uint64_t attributes)
{
    _cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);

    if (fs < 0)
        return -errno;
    if (source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return -errno;
    int r = configure(fs, options, super_flags);
    if (r < 0)
        return r;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    int mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return mount < 0 ? -errno : mount;
}

int mount_new(const char *type, const char *source, const char *options, uint64_t attributes)
{
    return mount_new_with(type, source, options, 0, attributes);
}

int mount_here(const char *name, const char *type, const char *source, const char *options,
               unsigned super_flags, uint64_t attributes)
{
    unsigned long flags = super_flags;

    for (size_t i = 0; i < ARRAY_LENGTH(attribute_flags); i++)
        if (attributes & attribute_flags[i].attribute)
            flags |= attribute_flags[i].flag;
    return mount(source, name, type, flags, options) < 0 ? -errno : 0;
}

int mount_reconfigure(int fd, const char *options, unsigned super_flags, int is_read_only)
{
    _cleanup_close_ int fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

    if (fs < 0)
        return -errno;
    if (fsconfig(fs, FSCONFIG_SET_FLAG, is_read_only ? "ro" : "rw", NULL, 0) < 0)
        return -errno;
    int r = configure(fs, options, super_flags);
    if (r < 0)
        return r;
    return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mount_clone(int fd, int is_recursive)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

    if (is_recursive)
        flags |= AT_RECURSIVE;
    int mount = open_tree(fd, "", flags);
    return mount < 0 ? -errno : mount;
}

int mount_clone_entry(int directory, const char *name)
{
    int mount =
        open_tree(directory, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

    return mount < 0 ? -errno : mount;
}

int mount_change(int fd, int is_recursive, uint64_t set, uint64_t clear, uint64_t propagation,
                 int userns_fd)
{
    struct mount_attr attributes = {
        .attr_set = set,
        .attr_clr = clear,
        .propagation = propagation,
    };

    if (userns_fd >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = (uint64_t)(unsigned)userns_fd;
    }
    unsigned flags = AT_EMPTY_PATH | (is_recursive ? AT_RECURSIVE : 0);
    return mount_setattr(fd, "", flags, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

int mount_restrict(int fd, int is_recursive, uint64_t set, uint64_t clear)
{
    const uint64_t times = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;

    if (!set && !clear)
        return 0;
    /* mount_setattr(2): the policy of access times is an enumeration, replaced as a whole. */
    if ((set | clear) & MOUNT_ATTR__ATIME)
        clear |= MOUNT_ATTR__ATIME;
    int r = mount_change(fd, is_recursive, set, clear, 0, -1);
    if (r != -EPERM)
        return r;
    return mount_change(fd, is_recursive, set & ~times, clear & MOUNT_ATTR_RDONLY, 0, -1);
}

int mount_attach(int mount_fd, int target_fd)
{
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

    return move_mount(mount_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}
