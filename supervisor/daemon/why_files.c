/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files that a container writes most. The kernel counts what a process writes, not into which
 * file; so the files that it has open for writing are listed, those first whose position moved.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/why_internal.h"

#define WRITERS_MAX          64 /* processes whose files are looked at first */
#define FILES_OF_PROCESS_MAX 64
#define FILES_TOLD_MAX       10

/* How PHP names the file of a session (session.save_handler = files); the key is behind it. */
#define SESSION_PREFIX "sess_"

static int compare_written(const void *a, const void *b)
{
    const struct process *left = a, *right = b;

    if (left->first.write_bytes != right->first.write_bytes)
        return left->first.write_bytes > right->first.write_bytes ? -1 : 1;
    return left->pid - right->pid;
}

/* 1 when fd number `name` is open for writing on something with a path. */
static int read_file(const struct process *process, const char *name, struct open_file *file)
{
    char path[64], text[512];
    uint64_t position;
    unsigned flags;

    snprintf(path, sizeof(path), "fdinfo/%.20s", name);
    if (process_read_text(process->directory, path, text, sizeof(text)) <= 0 ||
        process_parse_fdinfo(text, &position, &flags, &file->mount_id) < 0 ||
        (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH))
        return 0;
    snprintf(path, sizeof(path), "fd/%.20s", name);
    ssize_t length = readlinkat(process->directory, path, file->path, sizeof(file->path) - 1);
    if (length <= 0 || file->path[0] != '/' || strncmp(file->path, "/dev/", 5) == 0 ||
        strncmp(file->path, "/proc/", 6) == 0)
        return 0;
    file->path[length] = '\0';
    file->pid = process->pid;
    file->directory = process->directory;
    file->fd = atoi(name);
    file->position = position;
    return 1;
}

static void visit_process(const struct process *process, struct file_list *list,
                          void (*take)(struct file_list *, const struct open_file *))
{
    int fd = openat(process->directory, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    size_t looked_at = 0;

    if (!entries && fd >= 0)
        close(fd);
    while (entries && looked_at < FILES_OF_PROCESS_MAX && (entry = readdir(entries))) {
        struct open_file file = {.process_rate = process->write_rate};
        if (entry->d_name[0] == '.')
            continue;
        looked_at++;
        if (read_file(process, entry->d_name, &file) > 0)
            take(list, &file);
    }
}

static void take_first(struct file_list *list, const struct open_file *file)
{
    if (list->count < WHY_FILES_MAX)
        list->files[list->count++] = *file;
}

int file_list_first(struct file_list *list, struct process_list *processes)
{
    list->files = calloc(WHY_FILES_MAX, sizeof(*list->files));
    if (!list->files)
        return -ENOMEM;
    qsort(processes->processes, processes->count, sizeof(*processes->processes), compare_written);
    for (size_t i = 0; i < processes->count && i < WRITERS_MAX; i++)
        if (!processes->processes[i].is_gone)
            visit_process(&processes->processes[i], list, take_first);
    for (size_t i = 0; i < list->count; i++) {
        list->files[i].first_position = list->files[i].position;
        list->files[i].has_first = true;
    }
    return 0;
}

/* The same descriptor on the same path is the same file, or as good as. */
static void take_now(struct file_list *list, const struct open_file *file)
{
    for (size_t i = 0; i < list->count; i++) {
        struct open_file *known = &list->files[i];
        if (known->pid != file->pid || known->fd != file->fd)
            continue;
        if (strcmp(known->path, file->path) == 0) {
            known->position = file->position;
            known->process_rate = file->process_rate;
        }
        return;
    }
    take_first(list, file);
}

uint64_t open_file_written(const struct open_file *file)
{
    return file->has_first && file->position > file->first_position
               ? file->position - file->first_position
               : 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct open_file *left = a, *right = b;
    uint64_t x = open_file_written(left), y = open_file_written(right);

    if (x != y)
        return x > y ? -1 : 1;
    if (left->process_rate != right->process_rate)
        return left->process_rate > right->process_rate ? -1 : 1;
    return left->pid != right->pid ? left->pid - right->pid : left->fd - right->fd;
}

/* Many processes have one log open: it is told once, for the one that writes most. */
static bool is_told_before(const struct file_list *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (list->files[i].mount_id == list->files[index].mount_id &&
            strcmp(list->files[i].path, list->files[index].path) == 0)
            return true;
    return false;
}

void file_list_now(struct file_list *list, struct process_list *processes)
{
    size_t kept = 0;

    if (!list->files)
        return;
    for (size_t i = 0; i < processes->count && i < WRITERS_MAX; i++)
        if (!processes->processes[i].is_gone)
            visit_process(&processes->processes[i], list, take_now);
    qsort(list->files, list->count, sizeof(*list->files), compare_files);
    for (size_t i = 0; i < list->count && kept < FILES_TOLD_MAX; i++) {
        const struct open_file *file = &list->files[i];
        if ((open_file_written(file) > 0 || file->process_rate > 0) && !is_told_before(list, i))
            list->files[kept++] = *file;
    }
    list->count = kept;
}

void file_list_sizes(struct file_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct open_file *file = &list->files[i];
        struct statx st;
        char path[32];
        snprintf(path, sizeof(path), "fd/%d", file->fd);
        if (statx(file->directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                  STATX_TYPE | STATX_SIZE, &st) == 0) {
            if (!S_ISREG(st.stx_mode))
                continue;
            file->has_size = true;
            file->size = st.stx_size;
            file->major = st.stx_dev_major;
            file->minor = st.stx_dev_minor;
        }
        list->files[kept++] = *file;
    }
    list->count = kept;
}

void file_list_hide_keys(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *name = strrchr(list->files[i].path, '/');
        if (name && strncmp(name + 1, SESSION_PREFIX, strlen(SESSION_PREFIX)) == 0)
            snprintf(name + 1 + strlen(SESSION_PREFIX),
                     sizeof(list->files[i].path) -
                         (size_t)(name + 1 - list->files[i].path + strlen(SESSION_PREFIX)),
                     "...");
    }
}

json_t *file_list_to_json(const struct file_list *list, uint64_t elapsed_usec)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct open_file *file = &list->files[i];
        uint64_t written = open_file_written(file);
        double seconds = (double)(elapsed_usec ? elapsed_usec : 1) / 1e6;
        json_array_append_new(
            array,
            json_pack(
                "{s:o, s:i, s:o, s:o, s:o}", "path", control_text(file->path, strlen(file->path)),
                "pid", (int)file->pid, "write_bytes",
                written ? json_integer((json_int_t)written) : json_null(), "write_bytes_rate",
                written ? json_integer((json_int_t)((double)written / seconds)) : json_null(),
                "size_bytes", file->has_size ? json_integer((json_int_t)file->size) : json_null()));
    }
    return array;
}
