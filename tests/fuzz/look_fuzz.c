/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a look into a container reads (supervisor/daemon/processes.h) and the kernel's messages
 * about processes it killed (oom.h). Tenants choose names of processes and files, command lines,
 * and parts of mount options.
 *
 * libFuzzer: -max_len=4096 -dict=tests/fuzz/look.dict
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/oom.h"
#include "supervisor/daemon/processes.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the name is, the fields behind it are those of the kernel. */
static void check_stat(const char *name)
{
    _cleanup_free_ char *text = NULL;
    struct process_stat stat;

    int r = process_parse_stat(name, &stat);
    check(r == 0 || r == -EINVAL);
    check(asprintf(&text, "7 (%s) D 1 2 3 0 -1 5 6 7 8 9 10 11 12 13 20 0 4 0 323054 9 17 1\n",
                   name) > 0);
    check(process_parse_stat(text, &stat) == 0);
    check(stat.state == 'D' && stat.threads == 4 && stat.start_ticks == 323054 &&
          stat.resident_pages == 17);
    check(strncmp(stat.name, name, sizeof(stat.name) - 1) == 0 &&
          memchr(stat.name, '\0', sizeof(stat.name)) != NULL);
}

static void check_texts(const char *text)
{
    uint64_t first = 0, second = 0;
    unsigned flags = 0;
    uint32_t uid = 0;
    pid_t pid = 0;
    long number = 0;
    int mount = 0;

    check(process_parse_io(text, &first, &second) <= 0);
    check(process_parse_status(text, &pid, &uid) <= 0);
    check(process_parse_fdinfo(text, &first, &flags, &mount) <= 0);
    check(process_parse_sched(text, &first) <= 0);
    int r = process_parse_syscall(text, &number);
    check(r == -EINVAL || r == -ENOENT || (r == 0 && number >= 0));
}

static void check_command(const char *data, size_t size)
{
    char whole[PROCESS_COMMAND_SIZE], first[PROCESS_COMMAND_SIZE];

    process_format_command(data, size, true, whole);
    process_format_command(data, size, false, first);
    check(strlen(whole) < sizeof(whole) && strlen(first) <= strnlen(data, size));
    check(strncmp(whole, first, strlen(first)) == 0);
}

static void check_line(char *line)
{
    struct process_mount mount;
    struct disk_stat disk;

    if (process_parse_disk(line, &disk) == 0)
        check(memchr(disk.name, '\0', sizeof(disk.name)) != NULL);
    if (process_parse_mount(line, &mount) == 0)
        check(mount.type && mount.source && (!mount.upper || strcmp(mount.type, "overlay") == 0));
}

/* Whatever the name is, the pid is the kernel's, and so is the group. */
static void check_kill(const char *name)
{
    struct oom_victim victim = {.pid = 1};
    char cgroup[OOM_CGROUP_MAX];
    _cleanup_free_ char *text = NULL;

    int r = oom_parse(name, cgroup, &victim);
    check(r >= 0 && r <= 2);
    if (r == 1)
        check(victim.pid > 0 && memchr(cgroup, '\0', sizeof(cgroup)) != NULL);
    check(asprintf(&text,
                   "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/t/a,task_memcg=/t/a/b,task=%s,"
                   "pid=4711,uid=33",
                   name) > 0);
    check(oom_parse(text, cgroup, &victim) == 1);
    check(victim.pid == 4711 && strcmp(cgroup, "/t/a") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char *rest = text;

    check_stat(text);
    check_texts(text);
    check_command((const char *)data, size);
    check_kill(text);
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        check_line(line);
    return 0;
}
