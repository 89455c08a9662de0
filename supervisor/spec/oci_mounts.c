/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/oci_parts.h"
#include "supervisor/spec/path_text.h"

#define OPTION_SIZE 64

/*
 * What every container has, in the order of mounting. A tmpfs counts against the memory limit, so
 * that its size is a part of that, and never more than `most`: a full /tmp is an error of write(2)
 * for the program, not the end of it.
 */
static const struct standard_mount {
    const char *target, *type, *source;
    const char *options[8];
    unsigned memory_part; /* tmpfs: at most 1/memory_part of the memory limit; 0: no size */
    uint64_t most;
    bool is_users; /* belongs to the program's user, who could not write there otherwise */
} standard_mounts[] = {
    {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, 0, 0, false},
    {"/dev",
     "tmpfs",
     "tmpfs",
     {"nosuid", "noexec", "strictatime", "mode=755", "size=64k"},
     0,
     0,
     false},
    {"/dev/pts",
     "devpts",
     "devpts",
     {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
     0,
     0,
     false},
    {"/dev/shm",
     "tmpfs",
     "shm",
     {"nosuid", "noexec", "nodev", "mode=1777"},
     4,
     UINT64_C(64) << 20,
     false},
    {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, 0, 0, false},
    {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, 0, 0, false},
    {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}, 0, 0, false},
    {"/tmp", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777"}, 4, UINT64_C(1) << 30, false},
    {"/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755"}, 8, UINT64_C(64) << 20, true},
};

/* tmpfs of a service without a size. */
#define TMPFS_MEMORY_PART 4

static void append_option(json_t **options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append_option(json_t **options, const char *format, ...)
{
    char text[OPTION_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_build_append(options, json_string(text));
}

/* Takes options over. */
static int append_mount(json_t *mounts, const char *target, const char *type, const char *source,
                        json_t *options)
{
    return json_array_append_new(mounts,
                                 json_pack("{s:s, s:s, s:s, s:o}", "destination", target, "type",
                                           type, "source", source, "options", options));
}

/* ---- standard mounts ---- */

static bool is_replaced(const struct service_spec *service, const char *target)
{
    for (size_t i = 0; i < service->mount_count; i++)
        if (strcmp(service->mounts[i].target, target) == 0)
            return true;
    return false;
}

static int append_standard(json_t *mounts, const struct standard_mount *mount,
                           const struct service_spec *service, const struct oci_facts *facts)
{
    json_t *options = json_build_strings(mount->options);
    uint64_t memory = oci_memory_bytes(service, facts);

    if (mount->memory_part) {
        uint64_t size = memory / mount->memory_part;
        append_option(&options, "size=%llu",
                      (unsigned long long)(size < mount->most ? size : mount->most));
    }
    if (mount->is_users) { /* ids as the container sees them */
        append_option(&options, "uid=%u", facts->uid);
        append_option(&options, "gid=%u", facts->gid);
    }
    return append_mount(mounts, mount->target, mount->type, mount->source, options);
}

static int append_standard_mounts(json_t *mounts, const struct service_spec *service,
                                  const struct oci_facts *facts)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(standard_mounts); i++)
        if (!is_replaced(service, standard_mounts[i].target))
            r = append_standard(mounts, &standard_mounts[i], service, facts);
    return r;
}

/* ---- the image's ---- */

static int append_image_bind(json_t *mounts, const struct oci_bind *bind)
{
    json_t *options = json_build_strings(
        (const char *const[]){"bind", "nosuid", "nodev", bind->is_read_only ? "ro" : "rw", NULL});

    if (!bind->is_exec)
        append_option(&options, "noexec");
    if (bind->is_idmapped)
        append_option(&options, "idmap");
    return append_mount(mounts, bind->target, "bind", bind->source, options);
}

/* ---- the service's ---- */

/* A mount of the service, with the host directory of a volume. */
struct placed_mount {
    const struct mount_spec *mount;
    const char *source;
    size_t depth, index;
    bool is_of_tenant; /* its owners on the host are ids of the tenant's already */
};

/* A directory comes before what is mounted inside it, whatever the order in the file. */
static int compare_depth(const void *a, const void *b)
{
    const struct placed_mount *first = a, *second = b;

    if (first->depth != second->depth)
        return first->depth < second->depth ? -1 : 1;
    return first->index < second->index ? -1 : 1;
}

static int append_tmpfs(json_t *mounts, const struct mount_spec *mount, uint64_t memory)
{
    json_t *options = json_build_strings((const char *const[]){"nosuid", "nodev", NULL});
    uint64_t size = mount->size_bytes ? mount->size_bytes : memory / TMPFS_MEMORY_PART;

    append_option(&options, "mode=%o", mount->mode ? mount->mode : 01777);
    append_option(&options, "size=%llu", (unsigned long long)size);
    if (mount->is_read_only)
        append_option(&options, "ro");
    return append_mount(mounts, mount->target, "tmpfs", "tmpfs", options);
}

/*
 * Binds are not recursive: what is mounted below the source on the host stays out, for its
 * read-only flag and its ids would be its own.
 */
static int append_bind(json_t *mounts, const struct placed_mount *placed)
{
    const char *access = placed->mount->is_read_only ? "ro" : "rw";
    const char *const options[] = {"bind",
                                   "nosuid",
                                   "nodev",
                                   placed->is_of_tenant ? access : "idmap",
                                   placed->is_of_tenant ? NULL : access,
                                   NULL};

    return append_mount(mounts, placed->mount->target, "bind", placed->source,
                        json_build_strings(options));
}

static int append_service_mounts(json_t *mounts, const struct service_spec *service,
                                 const struct oci_facts *facts)
{
    const struct mount_spec mail_log = {.kind = MOUNT_BIND, .target = service->mail_log};
    _cleanup_free_ struct placed_mount *placed = calloc(service->mount_count + 2, sizeof(*placed));
    size_t volume = 0, count = service->mount_count;
    int r = placed ? 0 : -1;

    if (r == 0 && service->mail_log && facts->mail_log_source)
        placed[count++] = (struct placed_mount){.mount = &mail_log,
                                                .source = facts->mail_log_source,
                                                .depth = path_text_depth(mail_log.target),
                                                .index = service->mount_count,
                                                .is_of_tenant = true};
    for (size_t i = 0; r == 0 && i < service->mount_count; i++) {
        const struct mount_spec *mount = &service->mounts[i];
        placed[i] = (struct placed_mount){.mount = mount,
                                          .source = mount->source,
                                          .depth = path_text_depth(mount->target),
                                          .index = i};
        if (mount->kind == MOUNT_VOLUME)
            placed[i].source = facts->volume_sources[volume++];
    }
    if (r == 0)
        qsort(placed, count, sizeof(*placed), compare_depth);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = placed[i].mount->kind == MOUNT_TMPFS
                ? append_tmpfs(mounts, placed[i].mount, oci_memory_bytes(service, facts))
                : append_bind(mounts, &placed[i]);
    return r;
}

int oci_mounts(const struct service_spec *service, const struct oci_facts *facts, json_t **mounts,
               struct error *error)
{
    json_t *array = json_array();
    int r = append_standard_mounts(array, service, facts);

    for (size_t i = 0; r == 0 && i < facts->image_bind_count; i++)
        r = append_image_bind(array, &facts->image_binds[i]);
    if (r == 0)
        r = append_service_mounts(array, service, facts);
    if (r == 0) {
        *mounts = array;
        return 0;
    }
    json_decref(array);
    return error_sys(error, ENOMEM, "mounts");
}
