/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control.h"
#include "supervisor/daemon/processes.h"

static json_t *text_or_null(const char *text)
{
    return *text ? control_text(text, strlen(text)) : json_null();
}

static json_t *number_or_null(bool is_known, uint64_t value)
{
    return is_known ? json_integer((json_int_t)value) : json_null();
}

static uint64_t age_seconds(const struct process *process)
{
    uint64_t now = clock_boottime_usec() / 1000000;
    uint64_t started = process->start_ticks / (uint64_t)sysconf(_SC_CLK_TCK);

    return now > started ? now - started : 0;
}

json_t *process_to_json(const struct process *process)
{
    const char state[2] = {process->state, '\0'};
    const char *command = process->command[0] ? process->command : process->name;
    bool has_io = process->now.has_io;

    return json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:o, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I}",       //
        "pid", (int)process->pid,                                                                 //
        "pid_inside", number_or_null(process->pid_inside > 0, (uint64_t)process->pid_inside),     //
        "state", state,                                                                           //
        "name", text_or_null(process->name),                                                      //
        "command", text_or_null(command),                                                         //
        "user", number_or_null(process->user >= 0, (uint64_t)process->user),                      //
        "cpu_percent", (double)(long)(process->cpu_percent * 10 + 0.5) / 10,                      //
        "cpu_usec", (json_int_t)process->now.cpu_usec,                                            //
        "memory_bytes", (json_int_t)process->memory_bytes,                                        //
        "threads", (json_int_t)process->threads,                                                  //
        "read_bytes", number_or_null(has_io, process->now.read_bytes),                            //
        "write_bytes", number_or_null(has_io, process->now.write_bytes),                          //
        "read_bytes_rate", number_or_null(has_io && process->first.has_io, process->read_rate),   //
        "write_bytes_rate", number_or_null(has_io && process->first.has_io, process->write_rate), //
        "wait_channel", text_or_null(process->wait_channel),                                      //
        "age_seconds", (json_int_t)age_seconds(process));
}

/* ---- order ---- */

static uint64_t weight(const struct process *process, enum process_order order)
{
    switch (order) {
    case PROCESS_BY_CPU:
        return (uint64_t)(process->cpu_percent * 1000);
    case PROCESS_BY_MEMORY:
        return process->memory_bytes;
    case PROCESS_BY_DISK:
        return process->read_rate + process->write_rate;
    }
    return 0;
}

static int compare(const struct process *a, const struct process *b, enum process_order order)
{
    uint64_t left = weight(a, order), right = weight(b, order);

    if (left != right)
        return left > right ? -1 : 1;
    if (order != PROCESS_BY_MEMORY)
        return compare(a, b, PROCESS_BY_MEMORY);
    return a->pid - b->pid;
}

static int compare_cpu(const void *a, const void *b)
{
    return compare(a, b, PROCESS_BY_CPU);
}

static int compare_memory(const void *a, const void *b)
{
    return compare(a, b, PROCESS_BY_MEMORY);
}

static int compare_disk(const void *a, const void *b)
{
    return compare(a, b, PROCESS_BY_DISK);
}

json_t *process_list_to_json(struct process_list *list, enum process_order order, size_t most,
                             bool is_busy_only, size_t budget, bool *has_more)
{
    static int (*const orders[])(const void *, const void *) = {
        [PROCESS_BY_CPU] = compare_cpu,
        [PROCESS_BY_MEMORY] = compare_memory,
        [PROCESS_BY_DISK] = compare_disk,
    };
    json_t *array = json_array();
    bool is_cut = list->total > PROCESSES_MAX;

    qsort(list->processes, list->count, sizeof(*list->processes), orders[order]);
    for (size_t i = 0; i < list->count; i++) {
        const struct process *process = &list->processes[i];
        if (process->is_gone || (is_busy_only && weight(process, order) == 0))
            continue;
        json_t *object = process_to_json(process);
        size_t cost = object ? json_dumpb(object, NULL, 0, JSON_COMPACT) + 1 : 0;
        if (!object || json_array_size(array) == most || cost > budget) {
            json_decref(object);
            is_cut = true;
            break;
        }
        budget -= cost;
        json_array_append_new(array, object);
    }
    if (has_more)
        *has_more = is_cut;
    return array;
}
