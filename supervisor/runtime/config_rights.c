/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

/* What the process may do and have: capabilities, resource limits, scheduling. */

/* A set of all capabilities names 41; more names than this cannot all be different ones. */
#define CAPABILITIES_MAX 1024

/* ---- capabilities ---- */

/* Adds a line that is not there yet; one that has no room is left out. */
__attribute__((format(printf, 2, 3))) static void note(struct config_process *process,
                                                       const char *format, ...)
{
    char line[160];
    size_t used = strlen(process->notes);
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *c = line; *c; c++) /* a name with a line feed must not make a line of its own */
        *c = iscntrl((unsigned char)*c) ? '?' : *c;
    if (strstr(process->notes, line) || used + strlen(line) + 2 > sizeof(process->notes))
        return;
    snprintf(process->notes + used, sizeof(process->notes) - used, "%s%s", used ? "\n" : "", line);
}

/* A name that is not known must not fail the start (config.md, "Linux Process"). */
static int read_capability_set(const json_t *array, const char *path, uint64_t *set,
                               struct config_process *process, struct error *error)
{
    size_t i;
    json_t *entry;
    int r = config_check_count(array, path, CAPABILITIES_MAX, error);

    json_array_foreach ((json_t *)array, i, entry) {
        if (r == 0 && !json_is_string(entry))
            r = error_set(error, EINVAL, "%s[%zu]: must be a string", path, i);
        if (r < 0)
            return r;
        int number = capability_number(json_string_value(entry));
        if (number >= 0)
            *set |= UINT64_C(1) << number;
        else
            note(process, "process.capabilities: %.64s is not known and left out",
                 json_string_value(entry));
    }
    return r;
}

/* Takes out of a set what the kernel refuses whoever asks (capabilities(7)). */
static void confine(struct config_process *process, const char *name, uint64_t *set,
                    uint64_t possible, const char *needed)
{
    uint64_t lost = *set & ~possible;

    *set &= possible;
    for (int number = 0; lost && number < 64; number++)
        if (lost >> number & 1)
            note(process, "process.capabilities.%s: %s is left out, for it is not in %s", name,
                 capability_name(number), needed);
}

int config_read_capabilities(const json_t *object, struct config_process *process,
                             struct error *error)
{
    struct config_capabilities *capabilities = &process->capabilities;
    const json_t *lists[5] = {NULL};
    struct {
        const char *name, *path;
        uint64_t *set;
    } sets[5] = {
        {"bounding", "process.capabilities.bounding", &capabilities->bounding},
        {"effective", "process.capabilities.effective", &capabilities->effective},
        {"inheritable", "process.capabilities.inheritable", &capabilities->inheritable},
        {"permitted", "process.capabilities.permitted", &capabilities->permitted},
        {"ambient", "process.capabilities.ambient", &capabilities->ambient},
    };
    struct config_key keys[6] = {{0}};

    for (size_t i = 0; i < ARRAY_LENGTH(sets); i++)
        keys[i] = (struct config_key){sets[i].name, CONFIG_ARRAY, &lists[i], false};
    int r = config_read_object(object, "process.capabilities", keys, error);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(sets); i++)
        r = read_capability_set(lists[i], sets[i].path, sets[i].set, process, error);
    if (r < 0)
        return r;
    capabilities->is_given = true;
    confine(process, "effective", &capabilities->effective, capabilities->permitted, "permitted");
    confine(process, "ambient", &capabilities->ambient,
            capabilities->permitted & capabilities->inheritable, "permitted and inheritable");
    return 0;
}

/* ---- resource limits ---- */

/* The names of getrlimit(2). */
static const struct config_word rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
    {NULL, 0},
};

static int read_rlimit(const json_t *object, size_t index, struct config_process *process,
                       struct error *error)
{
    char path[48];
    const char *type = NULL;
    uint64_t soft = 0, hard = 0;
    const struct config_key keys[] = {
        {"type", CONFIG_STRING, &type, true},
        {"soft", CONFIG_UNSIGNED, &soft, true},
        {"hard", CONFIG_UNSIGNED, &hard, true},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "process.rlimits[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    int64_t resource = config_word_value(rlimit_names, type);
    if (resource < 0)
        return error_set(error, EINVAL, "%s.type: \"%.80s\" is not a limit of getrlimit(2)", path,
                         type);
    for (size_t i = 0; i < process->rlimit_count; i++)
        if (process->rlimits[i].resource == (int)resource)
            return error_set(error, EINVAL, "%s.type: %s is there twice", path, type);
    if (soft > hard)
        return error_set(error, EINVAL, "%s.soft: %llu is more than hard, %llu", path,
                         (unsigned long long)soft, (unsigned long long)hard);
    process->rlimits[process->rlimit_count++] = (struct config_rlimit){
        .resource = (int)resource,
        .name = type,
        .limit = {.rlim_cur = soft, .rlim_max = hard},
    };
    return 0;
}

int config_read_rlimits(const json_t *array, struct config_process *process, struct error *error)
{
    /* None can be there twice, so this many fit. */
    int r = config_check_count(array, "process.rlimits", RLIM_NLIMITS, error);

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++)
        r = read_rlimit(json_array_get(array, i), i, process, error);
    return r;
}

/* ---- scheduling ---- */

/* linux/sched.h, which does not go with sched.h */
#define POLICY_DEADLINE 6
static const struct config_word policies[] = {
    {"SCHED_OTHER", SCHED_OTHER},
    {"SCHED_FIFO", SCHED_FIFO},
    {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},
    {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", POLICY_DEADLINE},
    {NULL, 0},
};

static const struct config_word scheduler_flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}, {NULL, 0},
};

static int read_scheduler_flags(const json_t *array, uint64_t *flags, struct error *error)
{
    _cleanup_free_ char **names = NULL;
    int r = config_read_strings(array, "process.scheduler.flags", &names, error);

    for (size_t i = 0; r == 0 && names[i]; i++) {
        int64_t flag = config_word_value(scheduler_flags, names[i]);
        if (flag < 0)
            return error_set(error, EINVAL,
                             "process.scheduler.flags[%zu]: \"%.80s\" is not a flag "
                             "of sched_setattr(2)",
                             i, names[i]);
        *flags |= (uint64_t)flag;
    }
    return r;
}

/* sched(7): each policy has its own parameters. */
static int check_scheduler(const struct config_scheduler *scheduler, const char *policy,
                           int64_t priority, struct error *error)
{
    bool is_real_time = scheduler->policy == SCHED_FIFO || scheduler->policy == SCHED_RR;

    if (scheduler->policy != POLICY_DEADLINE &&
        (scheduler->runtime || scheduler->deadline || scheduler->period))
        return error_set(error, EINVAL,
                         "process.scheduler: runtime, deadline and period go with "
                         "SCHED_DEADLINE, not with %s",
                         policy);
    if (!is_real_time && priority != 0)
        return error_set(error, EINVAL,
                         "process.scheduler.priority: %lld goes with SCHED_FIFO and "
                         "SCHED_RR, not with %s",
                         (long long)priority, policy);
    return is_real_time ? config_check_range("process.scheduler.priority", priority, 1, 99, error)
                        : 0;
}

int config_read_scheduler(const json_t *object, struct config_scheduler *scheduler,
                          struct error *error)
{
    const char *policy = NULL;
    const json_t *flags = NULL;
    int64_t nice = 0, priority = 0;
    const struct config_key keys[] = {
        {"policy", CONFIG_STRING, &policy, true},
        {"nice", CONFIG_INTEGER, &nice, false},
        {"priority", CONFIG_INTEGER, &priority, false},
        {"flags", CONFIG_ARRAY, &flags, false},
        {"runtime", CONFIG_UNSIGNED, &scheduler->runtime, false},
        {"deadline", CONFIG_UNSIGNED, &scheduler->deadline, false},
        {"period", CONFIG_UNSIGNED, &scheduler->period, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.scheduler", keys, error);
    if (r < 0)
        return r;
    int64_t number = config_word_value(policies, policy);
    if (number < 0) /* SCHED_ISO of the spec is in no kernel */
        return error_set(error, EINVAL,
                         "process.scheduler.policy: \"%.80s\" is not a policy that "
                         "Linux has",
                         policy);
    scheduler->policy = (uint32_t)number;
    r = config_check_range("process.scheduler.nice", nice, -20, 19, error);
    if (r == 0)
        r = check_scheduler(scheduler, policy, priority, error);
    if (r == 0)
        r = read_scheduler_flags(flags, &scheduler->flags, error);
    if (r < 0)
        return r;
    scheduler->nice = (int32_t)nice;
    scheduler->priority = (uint32_t)priority;
    scheduler->is_given = true;
    return 0;
}

/* linux/ioprio.h: the class is above these bits. */
#define IOPRIO_SHIFT 13
static const struct config_word io_classes[] = {
    {"IOPRIO_CLASS_RT", 1},
    {"IOPRIO_CLASS_BE", 2},
    {"IOPRIO_CLASS_IDLE", 3},
    {NULL, 0},
};

int config_read_io_priority(const json_t *object, int *priority, struct error *error)
{
    const char *name = NULL;
    int64_t level = 0;
    const struct config_key keys[] = {
        {"class", CONFIG_STRING, &name, true},
        {"priority", CONFIG_INTEGER, &level, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.ioPriority", keys, error);
    if (r < 0)
        return r;
    int64_t number = config_word_value(io_classes, name);
    if (number < 0)
        return error_set(error, EINVAL,
                         "process.ioPriority.class: \"%.80s\" is not one of "
                         "IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE",
                         name);
    *priority = (int)(number << IOPRIO_SHIFT | level);
    return config_check_range("process.ioPriority.priority", level, 0, 7, error);
}
