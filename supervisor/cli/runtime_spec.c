/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/runtime_spec.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define OCI_VERSION "1.3.0"

/* Lists of words end with NULL. */
static const char *const arguments[] = {"sh", NULL};
static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};
static const char *const capabilities[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
                                           NULL};
static const char *const capability_sets[] = {"bounding", "effective", "permitted", NULL};

static const char *const masked_paths[] = {"/proc/acpi",
                                           "/proc/asound",
                                           "/proc/kcore",
                                           "/proc/keys",
                                           "/proc/latency_stats",
                                           "/proc/timer_list",
                                           "/proc/timer_stats",
                                           "/proc/sched_debug",
                                           "/proc/scsi",
                                           "/sys/firmware",
                                           NULL};
static const char *const read_only_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

static const char *const namespaces[] = {"pid", "network", "ipc", "uts", "mount", NULL};
static const char *const rootless_namespaces[] = {"pid", "ipc", "uts", "mount", "user", NULL};

struct default_mount {
    const char *destination, *type, *source;
    const char *options[8];
};

static const struct default_mount mounts[] = {
    {"/proc", "proc", "proc", {NULL}},
    {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
    {"/dev/pts",
     "devpts",
     "devpts",
     {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
    {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
    {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
    {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
    {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
};

/* Only who owns the network namespace can mount a sysfs, and the host's stays in use. */
static const struct default_mount rootless_sys = {
    "/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}};

static json_t *words(const char *const *list)
{
    json_t *array = json_array();

    for (; array && *list; list++) {
        if (json_array_append_new(array, json_string(*list)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *process(void)
{
    json_t *sets = json_object();

    for (const char *const *set = capability_sets; sets && *set; set++) {
        if (json_object_set_new(sets, *set, words(capabilities)) < 0) {
            json_decref(sets);
            sets = NULL;
        }
    }
    return json_pack("{s:b, s:{s:i, s:i}, s:o, s:o, s:s, s:o, s:[{s:s, s:i, s:i}], s:b}",
                     "terminal", 1, "user", "uid", 0, "gid", 0, "args", words(arguments), "env",
                     words(environment), "cwd", "/", "capabilities", sets, "rlimits", "type",
                     "RLIMIT_NOFILE", "hard", 1024, "soft", 1024, "noNewPrivileges", 1);
}

/* The caller's map has one group, itself: group 5 cannot own the terminals. */
static json_t *mount_options(const struct default_mount *mount, bool is_rootless)
{
    const char *kept[ARRAY_LENGTH(mount->options) + 1] = {NULL};
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(mount->options) && mount->options[i]; i++)
        if (!is_rootless || strncmp(mount->options[i], "gid=", 4) != 0)
            kept[count++] = mount->options[i];
    return words(kept);
}

static json_t *mount_list(bool is_rootless)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < ARRAY_LENGTH(mounts); i++) {
        bool is_sys = strcmp(mounts[i].destination, rootless_sys.destination) == 0;
        const struct default_mount *mount = is_rootless && is_sys ? &rootless_sys : &mounts[i];
        json_t *entry = json_pack("{s:s, s:s, s:s}", "destination", mount->destination, "type",
                                  mount->type, "source", mount->source);
        if (entry && mount->options[0] &&
            json_object_set_new(entry, "options", mount_options(mount, is_rootless)) < 0) {
            json_decref(entry);
            entry = NULL;
        }
        if (json_array_append_new(array, entry) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static bool has_cgroup_version_2(void)
{
    struct statfs status;

    return statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

static json_t *namespace_list(bool is_rootless)
{
    json_t *array = json_array();
    const char *const *type = is_rootless ? rootless_namespaces : namespaces;
    int r = array ? 0 : -1;

    for (; r == 0 && *type; type++)
        r = json_array_append_new(array, json_pack("{s:s}", "type", *type));
    if (r == 0 && has_cgroup_version_2())
        r = json_array_append_new(array, json_pack("{s:s}", "type", "cgroup"));
    if (r == 0)
        return array;
    json_decref(array);
    return NULL;
}

/* The caller is root inside. */
static json_t *caller_map(json_int_t id)
{
    return json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID", id, "size", 1);
}

static json_t *linux_part(bool is_rootless)
{
    json_t *part =
        json_pack("{s:o, s:o, s:o}", "namespaces", namespace_list(is_rootless), "maskedPaths",
                  words(masked_paths), "readonlyPaths", words(read_only_paths));
    int r = part ? 0 : -1;

    if (r == 0 && is_rootless)
        r = json_object_set_new(part, "uidMappings", caller_map(geteuid()));
    if (r == 0 && is_rootless)
        r = json_object_set_new(part, "gidMappings", caller_map(getegid()));
    if (r == 0 && !is_rootless)
        r = json_object_set_new(
            part, "resources",
            json_pack("{s:[{s:b, s:s}]}", "devices", "allow", 0, "access", "rwm"));
    if (r == 0)
        return part;
    json_decref(part);
    return NULL;
}

json_t *runtime_spec_default(bool is_rootless)
{
    return json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", OCI_VERSION,
                     "process", process(), "root", "path", "rootfs", "readonly", 1, "hostname",
                     "container", "mounts", mount_list(is_rootless), "linux",
                     linux_part(is_rootless));
}
