/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/disk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/storage/quota.h"
#include "supervisor/sys/openat2.h"

/* Every container has these, unless its file puts something else there (oci_mounts.c). */
static const char *const standard_tmpfs[] = {"/tmp", "/run", "/dev/shm"};

/* ---- opening ---- */

static bool is_known(const struct disk_figures *disk, uint32_t project, dev_t device)
{
    struct stat st;

    for (size_t i = 0; i < disk->count; i++)
        if (disk->places[i].project == project && fstat(disk->places[i].fd, &st) == 0 &&
            st.st_dev == device)
            return true;
    return false;
}

/* Takes the descriptor over. Volumes of one project are one place. */
static void add_place(struct disk_figures *disk, int fd, uint32_t project)
{
    struct stat st;

    if (disk->count == DISK_PLACES_MAX || fstat(fd, &st) < 0 ||
        is_known(disk, project, st.st_dev)) {
        close(fd);
        return;
    }
    disk->places[disk->count++] = (struct disk_place){.fd = fd, .project = project};
}

static void add_tmpfs(struct disk_figures *disk, int root, const char *target)
{
    struct statfs fs;
    int fd = open_in_root_nofollow(root, target, O_PATH | O_DIRECTORY, 0);

    if (fd < 0)
        return;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC || fs.f_blocks == 0)
        close(fd);
    else
        add_place(disk, fd, 0);
}

static void add_volume(struct service *service, const char *name)
{
    char path[PATH_MAX];
    uint32_t project = 0;

    if (snprintf(path, sizeof(path), "%s/volumes/%s/%s", service->engine->settings.paths.data,
                 service->tenant, name) >= (int)sizeof(path))
        return;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (quota_project(fd, &project) == 0 && project)
        add_place(&service->sampling.disk, fd, project);
    else
        close(fd);
}

static void open_places(struct service *service)
{
    struct disk_figures *disk = &service->sampling.disk;
    const struct service_spec *spec = service->spec;
    char path[64];

    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].kind == MOUNT_VOLUME)
            add_volume(service, spec->mounts[i].source);
    snprintf(path, sizeof(path), "/proc/%d/root", service->container.pid);
    _cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return;
    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].kind == MOUNT_TMPFS)
            add_tmpfs(disk, root, spec->mounts[i].target);
    for (size_t i = 0; i < ARRAY_LENGTH(standard_tmpfs); i++)
        add_tmpfs(disk, root, standard_tmpfs[i]);
}

void disk_close(struct disk_figures *disk)
{
    for (size_t i = 0; i < disk->count; i++)
        close_fd(&disk->places[i].fd);
    *disk = (struct disk_figures){0};
}

/* ---- reading ---- */

/* limit_bytes 0: none. */
static bool read_place(const struct disk_place *place, uint64_t *used_bytes, uint64_t *limit_bytes)
{
    struct statfs fs;

    if (place->project)
        return quota_read(place->fd, place->project, used_bytes, limit_bytes) == 0;
    if (fstatfs(place->fd, &fs) < 0)
        return false;
    *used_bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
    *limit_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
    return true;
}

static double share(uint64_t used_bytes, uint64_t limit_bytes)
{
    return limit_bytes ? (double)used_bytes / (double)limit_bytes : 0;
}

bool disk_sample(struct service *service)
{
    struct disk_figures *disk = &service->sampling.disk;
    bool was_full = disk->is_full;
    uint64_t used, limit;

    if (!disk->is_opened)
        open_places(service);
    disk->is_opened = true;
    disk->has = 0;
    disk->used_bytes = disk->limit_bytes = 0;
    for (size_t i = 0; i < disk->count; i++) {
        if (!read_place(&disk->places[i], &used, &limit))
            continue;
        bool is_fuller = share(used, limit) > share(disk->used_bytes, disk->limit_bytes);
        bool is_first_limit = limit && !disk->limit_bytes;
        if (disk->has && !is_fuller && !is_first_limit)
            continue;
        disk->has = SLOT_HAS_DISK | (limit ? SLOT_HAS_DISK_LIMIT : 0);
        disk->used_bytes = used;
        disk->limit_bytes = limit;
    }
    disk->is_full =
        disk->limit_bytes && disk->used_bytes >= disk->limit_bytes - disk->limit_bytes / 128;
    return disk->is_full && !was_full;
}
