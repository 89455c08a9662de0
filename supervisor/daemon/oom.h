/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_OOM_H
#define DAEMON_OOM_H

/*
 * Whom the kernel killed for lack of memory. A control group only counts such kills; names are in
 * the kernel's log (the kernel's Documentation/ABI/testing/dev-kmsg), which may be read where the
 * supervisor has CAP_SYSLOG or kernel.dmesg_restrict is 0. Elsewhere the victim stays unknown.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct oom_victim {
    pid_t pid; /* as the host sees it; 0: not known */
    char name[64];
    uint64_t memory_bytes; /* what it had in memory; 0: not known */
};

struct oom_log;

/* Reads the kernel's log from now on. NULL where it may not be read, which is no error. */
struct oom_log *oom_log_open(void);
void oom_log_close(struct oom_log *log);

/*
 * The last process that was killed because the group of that path, or one below it, was at its
 * limit, and that was not asked for before. False when there is none, or the log is NULL.
 */
bool oom_log_take(struct oom_log *log, const char *cgroup_path, struct oom_victim *victim);

/* {"pid", "name", "memory_bytes"}, null for what is not known; a new reference. */
json_t *oom_victim_to_json(const struct oom_victim *victim);

/* ---- for the unit test and the fuzzer ---- */

/*
 * One message of the kernel. Returns 1 for the line that names the group, which fills cgroup and
 * victim but for its memory, 2 for the line that tells the memory of the process in victim->pid,
 * 0 for any other.
 */
#define OOM_CGROUP_MAX 512
int oom_parse(const char *message, char cgroup[OOM_CGROUP_MAX], struct oom_victim *victim);

#endif
