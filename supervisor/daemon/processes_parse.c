/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/processes.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define SECTOR 512

int process_parse_stat(const char *text, struct process_stat *stat)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    int64_t threads, pages;

    if (!open || !close || close < open)
        return -EINVAL;
    *stat = (struct process_stat){0};
    size_t length = (size_t)(close - open - 1);
    if (length >= sizeof(stat->name))
        length = sizeof(stat->name) - 1;
    memcpy(stat->name, open + 1, length);
    /* Fields 3, 20, 22 and 24 of proc(5). */
    if (sscanf(close + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNd64
               " %*d %" SCNu64 " %*u %" SCNd64,
               &stat->state, &threads, &stat->start_ticks, &pages) != 4 ||
        !isalpha((unsigned char)stat->state))
        return -EINVAL;
    stat->threads = threads > 0 && threads < UINT32_MAX ? (uint32_t)threads : 0;
    stat->resident_pages = pages > 0 ? (uint64_t)pages : 0;
    return 0;
}

/* The text behind "key:" at the start of a line, or NULL. */
static const char *find_key(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}

static int read_key(const char *text, const char *key, uint64_t *value)
{
    const char *at = find_key(text, key);

    return at && sscanf(at, "%" SCNu64, value) == 1 ? 0 : -EINVAL;
}

int process_parse_io(const char *text, uint64_t *read_bytes, uint64_t *write_bytes)
{
    int r = read_key(text, "read_bytes", read_bytes);

    return r == 0 ? read_key(text, "write_bytes", write_bytes) : r;
}

int process_parse_status(const char *text, pid_t *pid_inside, uint32_t *uid)
{
    const char *at = find_key(text, "Uid"), *pids = find_key(text, "NSpid");
    int last = 0, value, used;

    if (!at || sscanf(at, "%*u %" SCNu32, uid) != 1)
        return -EINVAL;
    if (!pids)
        pids = "";
    while (sscanf(pids, "%d%n", &value, &used) == 1) {
        last = value;
        pids += used;
        if (*pids == '\n')
            break;
    }
    *pid_inside = last;
    return 0;
}

int process_parse_fdinfo(const char *text, uint64_t *position, unsigned *flags, int *mount_id)
{
    const char *at = find_key(text, "flags"), *mount = find_key(text, "mnt_id");

    if (read_key(text, "pos", position) < 0 || !at || sscanf(at, "%o", flags) != 1)
        return -EINVAL;
    if (!mount || sscanf(mount, "%d", mount_id) != 1)
        *mount_id = -1;
    return 0;
}

int process_parse_syscall(const char *text, long *number)
{
    char *end;

    if (strncmp(text, "running", 7) == 0)
        return -ENOENT;
    errno = 0;
    *number = strtol(text, &end, 10);
    if (end == text || errno || (*end != ' ' && *end != '\n' && *end))
        return -EINVAL;
    return *number < 0 ? -ENOENT : 0;
}

int process_parse_sched(const char *text, uint64_t *last_ran_usec)
{
    const char *line = strstr(text, "\nse.exec_start");
    const char *colon = line ? strchr(line, ':') : NULL;
    double msec;

    if (!colon || sscanf(colon + 1, "%lf", &msec) != 1 || !(msec >= 0 && msec < 1e15))
        return -EINVAL;
    *last_ran_usec = (uint64_t)(msec * 1000);
    return 0;
}

void process_format_command(const char *text, size_t length, bool is_whole,
                            char command[PROCESS_COMMAND_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < length && used < PROCESS_COMMAND_SIZE - 1; i++) {
        if (!text[i] && !is_whole)
            break;
        command[used++] = text[i] ? text[i] : ' ';
    }
    /* Programs that write a title over their arguments leave blanks behind it. */
    while (used > 0 && command[used - 1] == ' ')
        used--;
    command[used] = '\0';
}

/* The value of "key=" among the options of a mount, cut out of them; NULL: none. */
static const char *take_option(char *options, const char *key)
{
    size_t length = strlen(key);
    char *option;

    while ((option = strsep(&options, ",")))
        if (strncmp(option, key, length) == 0 && option[length] == '=')
            return option + length + 1;
    return NULL;
}

int process_parse_mount(char *line, struct process_mount *mount)
{
    char *dash = strstr(line, " - "), *rest = dash ? dash + 3 : NULL;
    int used = 0;

    *mount = (struct process_mount){0};
    if (!dash ||
        sscanf(line, "%d %*d %u:%u%n", &mount->id, &mount->major, &mount->minor, &used) != 3 ||
        line[used] != ' ')
        return -EINVAL;
    mount->type = strsep(&rest, " ");
    mount->source = strsep(&rest, " ");
    if (!mount->source || !rest)
        return -EINVAL;
    rest[strcspn(rest, "\n")] = '\0';
    if (strcmp(mount->type, "overlay") == 0)
        mount->upper = take_option(rest, "upperdir");
    return 0;
}

int process_parse_disk(const char *line, struct disk_stat *disk)
{
    uint64_t read_sectors, write_sectors;

    *disk = (struct disk_stat){0};
    if (sscanf(line,
               "%u %u %31s %" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64
               " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &disk->major, &disk->minor, disk->name, &disk->reads, &read_sectors,
               &disk->read_msec, &disk->writes, &write_sectors, &disk->write_msec, &disk->in_flight,
               &disk->busy_msec) != 11)
        return -EINVAL;
    disk->read_bytes = read_sectors * SECTOR;
    disk->write_bytes = write_sectors * SECTOR;
    return 0;
}
