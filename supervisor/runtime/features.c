/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/features.h"

#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/runtime/config.h"
#include "supervisor/runtime/seccomp.h"

#define VERSION_MIN "1.0.0"
#define VERSION_MAX "1.3.0"

static const char *const hooks[] = {
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
    NULL};

static const char *const namespaces[] = {"cgroup", "ipc",  "mount", "network", "pid",
                                         "time",   "user", "uts",   NULL};

/* set_mempolicy(2), in the words of config-linux.md. */
static const char *const memory_modes[] = {
    "MPOL_DEFAULT",   "MPOL_BIND",           "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
    "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL",      NULL};
static const char *const memory_flags[] = {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
                                           "MPOL_F_STATIC_NODES", NULL};

/* Appends a string. A list that could not be made stays NULL, which json_pack() passes on. */
static void append(json_t **list, const char *name)
{
    if (*list && json_array_append_new(*list, json_string(name)) < 0) {
        json_decref(*list);
        *list = NULL;
    }
}

static json_t *strings(const char *const *names)
{
    json_t *list = json_array();

    for (; *names; names++)
        append(&list, *names);
    return list;
}

static json_t *enumerated(const char *(*name_at)(size_t index))
{
    json_t *list = json_array();

    for (size_t i = 0; name_at(i); i++)
        append(&list, name_at(i));
    return list;
}

/* Those of the running kernel; one that we have no name for cannot be asked for either. */
static json_t *capabilities(void)
{
    json_t *list = json_array();

    for (int number = 0, last = capability_last(); number <= last; number++)
        if (capability_name(number))
            append(&list, capability_name(number));
    return list;
}

static json_t *seccomp_flags(bool of_kernel)
{
    json_t *list = json_array();
    const char *name;
    unsigned bit;

    for (size_t i = 0; (name = seccomp_flag_name(i, &bit)); i++)
        if (!of_kernel || seccomp_flag_is_supported(bit))
            append(&list, name);
    return list;
}

static json_t *seccomp_features(void)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", 1, "actions",
                     enumerated(seccomp_action_name), "operators",
                     enumerated(seccomp_operator_name), "archs",
                     enumerated(seccomp_architecture_name), "knownFlags", seccomp_flags(false),
                     "supportedFlags", seccomp_flags(true));
}

static json_t *linux_features(void)
{
    return json_pack(
        "{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:o, s:{s:b}, s:{s:b}, s:{s:b}, s:{s:o, s:o}, "
        "s:{s:{s:b}}, s:{s:b}}",
        "namespaces", strings(namespaces), "capabilities", capabilities(), "cgroup", "v1", 1, "v2",
        1, "systemd", 1, "systemdUser", 0, "rdma", 1, "seccomp", seccomp_features(), "apparmor",
        "enabled", 1, "selinux", "enabled", 1, "intelRdt", "enabled", 0, "memoryPolicy", "modes",
        strings(memory_modes), "flags", strings(memory_flags), "mountExtensions", "idmap",
        "enabled", 1, "netDevices", "enabled", 1);
}

/* Names that engines know from runc, where they say the same (runc's types/features). */
static json_t *annotations(bool can_checkpoint)
{
    const struct scmp_version *version = seccomp_version();
    char text[48] = "";

    if (version)
        snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor, version->micro);
    return json_pack("{s:s, s:s}", "io.github.seccomp.libseccomp.version", text,
                     "org.opencontainers.runc.checkpoint.enabled",
                     can_checkpoint ? "true" : "false");
}

json_t *features_json(const char *const *mount_options, bool can_checkpoint)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:[]}", "ociVersionMin", VERSION_MIN,
                     "ociVersionMax", VERSION_MAX, "hooks", strings(hooks), "mountOptions",
                     strings(mount_options), "linux", linux_features(), "annotations",
                     annotations(can_checkpoint), "potentiallyUnsafeConfigAnnotations");
}
