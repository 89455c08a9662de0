/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/faults.h"

#include <stdio.h>

#include "common/cleanup.h"
#include "common/units.h"

#define NOTE_INTERVAL_USEC UINT64_C(600000000)

static const char *const fault_texts[FAULT_COUNT] = {
    [FAULT_CPU] = "throttled: it used up its CPU limit",
    [FAULT_MEMORY] = "met its memory limit; the kernel takes back page cache or swaps",
    [FAULT_OOM] = "out of memory: the kernel killed a process at its memory limit",
    [FAULT_TASKS] = "a fork was refused: it is at its tasks limit",
    [FAULT_DISK] = "a disk or tmpfs of it is full to its limit",
    [FAULT_CRASH] = "ended by itself",
    [FAULT_HEALTH] = "its health check fails",
    [FAULT_REFUSED] = "requests were refused",
};

/* " (php-fpm, pid 8123, with 120M)", where the kernel tells. */
static void name_victim(struct service *service, char *text, size_t size)
{
    const struct oom_victim *victim = &service->oom_victim;
    char memory[16];

    text[0] = '\0';
    if (oom_log_take(service->engine->oom_log, service->cgroup_path, &service->oom_victim))
        snprintf(text, size, ": %s (pid %d), which had %s", victim->name, (int)victim->pid,
                 format_size(victim->memory_bytes, memory, sizeof(memory)));
}

static void note(struct service *service, enum slot_fault fault, const char *more)
{
    struct fault_notes *notes = &service->sampling.notes[fault];
    uint64_t now = clock_boottime_usec();

    notes->unnoted++;
    if (notes->noted_usec && now - notes->noted_usec < NOTE_INTERVAL_USEC)
        return;
    /* "in N samples": a line for each second of a throttled hour would bury all others. */
    if (notes->noted_usec)
        service_note(service, "%s%s (in %u samples of the last %u minutes)", fault_texts[fault],
                     more, notes->unnoted, (unsigned)((now - notes->noted_usec) / 60000000));
    else
        service_note(service, "%s%s", fault_texts[fault], more);
    notes->noted_usec = now;
    notes->unnoted = 0;
}

void fault_count(struct service *service, enum slot_fault fault, bool is_told)
{
    struct sampling *sampling = &service->sampling;
    char more[128] = "";

    if (fault == FAULT_OOM)
        name_victim(service, more, sizeof(more));
    sampling->faults++;
    sampling->last_fault = fault;
    sampling->last_fault_realtime_usec = clock_realtime_usec();
    sampling->minute.faults++;
    sampling->half_hour.faults++;
    if (!is_told)
        note(service, fault, more);
}

/* In the order of their weight: the last one counted is the one that the board names. */
static const struct {
    enum slot_fault fault;
    uint64_t has;
    size_t offset;
} counters[] = {
    {FAULT_CPU, SLOT_HAS_CPU_THROTTLE, offsetof(struct cgroup_sample, cpu_throttled_periods)},
    {FAULT_MEMORY, SLOT_HAS_MEMORY_HITS, offsetof(struct cgroup_sample, memory_limit_hits)},
    {FAULT_TASKS, SLOT_HAS_TASKS_HITS, offsetof(struct cgroup_sample, tasks_limit_hits)},
    {FAULT_OOM, SLOT_HAS_OOM, offsetof(struct cgroup_sample, oom_kills)},
};

void faults_compare(struct service *service, const struct cgroup_sample *before,
                    const struct cgroup_sample *now)
{
    for (size_t i = 0; i < ARRAY_LENGTH(counters); i++) {
        const uint64_t *was = (const void *)((const char *)before + counters[i].offset);
        const uint64_t *is = (const void *)((const char *)now + counters[i].offset);
        if ((before->has & now->has & counters[i].has) && *is > *was)
            fault_count(service, counters[i].fault, false);
    }
}
