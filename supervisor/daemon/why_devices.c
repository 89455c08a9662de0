/* SPDX-License-Identifier: Apache-2.0 */

/* The disks behind a container: through overlays, partitions and mappings to what is really busy.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/why_internal.h"

#define DISKSTATS_MAX  65536
#define MOUNTINFO_MAX  65536
#define MOUNTS_MAX     256
#define MAPPINGS_DEPTH 4 /* LVM on LUKS on RAID */

void disk_list_read(struct disk_list *list)
{
    _cleanup_free_ char *text = malloc(DISKSTATS_MAX);
    char *rest = text, *line;

    list->count = 0;
    if (!text || process_read_text(AT_FDCWD, "/proc/diskstats", text, DISKSTATS_MAX) <= 0)
        return;
    while (list->count < WHY_DISKS_MAX && (line = strsep(&rest, "\n")))
        if (process_parse_disk(line, &list->disks[list->count]) == 0)
            list->count++;
}

static const struct disk_stat *find_disk(const struct disk_list *list, unsigned major,
                                         unsigned minor)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->disks[i].major == major && list->disks[i].minor == minor)
            return &list->disks[i];
    return NULL;
}

static uint64_t difference(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static void add_disk(struct device_list *list, const struct disk_stat *first,
                     const struct disk_stat *now)
{
    double seconds = (double)(list->elapsed_usec ? list->elapsed_usec : 1) / 1e6;
    uint64_t requests =
        difference(now->reads, first->reads) + difference(now->writes, first->writes);
    uint64_t waited = difference(now->read_msec, first->read_msec) +
                      difference(now->write_msec, first->write_msec);
    double busy = (double)difference(now->busy_msec, first->busy_msec) / (seconds * 10);

    for (size_t i = 0; i < list->count; i++)
        if (list->devices[i].major == now->major && list->devices[i].minor == now->minor)
            return;
    if (list->count == WHY_DEVICES_MAX)
        return;
    struct device *device = &list->devices[list->count++];
    *device = (struct device){
        .major = now->major,
        .minor = now->minor,
        .busy_percent = busy > 100 ? 100 : busy,
        .read_rate = (uint64_t)((double)difference(now->read_bytes, first->read_bytes) / seconds),
        .write_rate =
            (uint64_t)((double)difference(now->write_bytes, first->write_bytes) / seconds),
        .wait_msec = requests ? (double)waited / (double)requests : -1,
        .queue = now->in_flight,
    };
    strcpy(device->name, now->name);
}

/* "254:1\n" out of a file "dev" of /sys; -1 when there is none. */
static int read_number(const char *path, unsigned *major, unsigned *minor)
{
    char text[32];

    if (process_read_text(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return -1;
    return sscanf(text, "%u:%u", major, minor) == 2 ? 0 : -1;
}

static void add_block(struct device_list *list, unsigned major, unsigned minor, int depth);

/* Those that a mapping (LVM, LUKS, RAID) is made of; how many. */
static size_t add_mapped(struct device_list *list, unsigned major, unsigned minor, int depth)
{
    char path[96], file[PATH_MAX];
    size_t count = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major, minor);
    _cleanup_closedir_ DIR *slaves = opendir(path);
    while (depth > 0 && slaves && (entry = readdir(slaves))) {
        unsigned below_major, below_minor;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s/dev", path, entry->d_name);
        if (read_number(file, &below_major, &below_minor) < 0)
            continue;
        add_block(list, below_major, below_minor, depth - 1);
        count++;
    }
    return count;
}

static void add_block(struct device_list *list, unsigned major, unsigned minor, int depth)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major, minor);
    if (access(path, F_OK) == 0) {
        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major, minor);
        read_number(path, &major, &minor);
    }
    if (add_mapped(list, major, minor, depth) > 0)
        return;
    const struct disk_stat *first = find_disk(&list->first, major, minor);
    const struct disk_stat *now = find_disk(&list->now, major, minor);
    if (first && now)
        add_disk(list, first, now);
}

void device_list_add(struct device_list *list, unsigned major, unsigned minor)
{
    if (major != 0) /* 0: tmpfs, overlay and others without a device */
        add_block(list, major, minor, MAPPINGS_DEPTH);
}

void device_list_add_group(struct device_list *list, const struct cgroup_stats *stats)
{
    const struct cgroup_io_table *table = &stats->io[CGROUP_IO_SERVICE_BYTES];

    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].value > 0)
            device_list_add(list, table->entries[i].major, table->entries[i].minor);
}

/*
 * A path of a mount's options, seen by whoever mounted it: the engine's own mounts lead somewhere
 * here, others nowhere. Only the device's number is taken.
 */
static int device_of_path(const char *path, unsigned *major, unsigned *minor)
{
    struct stat st;
    _cleanup_close_ int fd = *path == '/' ? open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    dev_t device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
    *major = major(device);
    *minor = minor(device);
    return 0;
}

static void add_mount(struct device_list *list, const struct process_mount *mount)
{
    unsigned major = mount->major, minor = mount->minor;

    /* btrfs and others number their volumes themselves; the source names the disk. */
    if (major == 0 && mount->upper)
        device_of_path(mount->upper, &major, &minor);
    else if (major == 0 && strncmp(mount->source, "/dev/", 5) == 0)
        device_of_path(mount->source, &major, &minor);
    device_list_add(list, major, minor);
}

/* Whether a file that is written to is on the mount: then its disk comes first. */
static bool is_written(const struct file_list *files, const struct process_mount *mount)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->files[i].mount_id == mount->id)
            return true;
    return false;
}

void device_list_add_mounts(struct device_list *list, int directory, const struct file_list *files)
{
    _cleanup_free_ char *text = malloc(MOUNTINFO_MAX);
    struct process_mount mounts[MOUNTS_MAX];
    size_t count = 0;
    char *rest = text, *line;

    if (!text || process_read_text(directory, "mountinfo", text, MOUNTINFO_MAX) <= 0)
        return;
    while (count < MOUNTS_MAX && (line = strsep(&rest, "\n")))
        if (process_parse_mount(line, &mounts[count]) == 0)
            count++;
    for (size_t i = 0; i < files->count; i++)
        device_list_add(list, files->files[i].major, files->files[i].minor);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            if (is_written(files, &mounts[i]) == (pass == 0))
                add_mount(list, &mounts[i]);
}

const struct device *device_list_busiest(const struct device_list *list)
{
    const struct device *busiest = NULL;

    for (size_t i = 0; i < list->count; i++)
        if (!busiest || list->devices[i].busy_percent > busiest->busy_percent)
            busiest = &list->devices[i];
    return busiest;
}

json_t *device_list_to_json(const struct device_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct device *device = &list->devices[i];
        json_array_append_new(
            array,
            json_pack("{s:o, s:I, s:I, s:f, s:I, s:I, s:o, s:I}", "name",
                      control_text(device->name, strlen(device->name)), "major",
                      (json_int_t)device->major, "minor", (json_int_t)device->minor, "busy_percent",
                      device->busy_percent, "read_bytes_rate", (json_int_t)device->read_rate,
                      "write_bytes_rate", (json_int_t)device->write_rate, "wait_ms",
                      device->wait_msec < 0 ? json_null() : json_real(device->wait_msec), "queue",
                      (json_int_t)device->queue));
    }
    return array;
}
