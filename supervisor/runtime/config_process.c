/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

/* setgroups(2): NGROUPS_MAX */
#define GROUPS_MAX 65536

static int read_additional_gids(const json_t *array, struct config_process *process,
                                struct error *error)
{
    char path[64];
    size_t count = json_array_size(array);
    int r = config_check_count(array, "process.user.additionalGids", GROUPS_MAX, error);

    if (r < 0)
        return r;
    process->additional_gids = calloc(count + 1, sizeof(*process->additional_gids));
    if (!process->additional_gids)
        return error_sys(error, ENOMEM, "process.user.additionalGids");
    for (size_t i = 0; r == 0 && i < count; i++) {
        const json_t *entry = json_array_get(array, i);
        snprintf(path, sizeof(path), "process.user.additionalGids[%zu]", i);
        if (!json_is_integer(entry))
            return error_set(error, EINVAL, "%s: must be an integer", path);
        r = config_check_range(path, json_integer_value(entry), 0, CONFIG_ID_MAX, error);
        process->additional_gids[i] = (uint32_t)json_integer_value(entry);
    }
    process->additional_gid_count = count;
    return r;
}

static int read_user(const json_t *object, struct config_process *process, struct error *error)
{
    const json_t *gids = NULL;
    int64_t uid = 0, gid = 0, mask = 0;
    const struct config_key keys[] = {
        {"uid", CONFIG_INTEGER, &uid, true},
        {"gid", CONFIG_INTEGER, &gid, true},
        {"umask", CONFIG_INTEGER, &mask, false},
        {"additionalGids", CONFIG_ARRAY, &gids, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.user", keys, error);
    if (r == 0)
        r = config_check_range("process.user.uid", uid, 0, CONFIG_ID_MAX, error);
    if (r == 0)
        r = config_check_range("process.user.gid", gid, 0, CONFIG_ID_MAX, error);
    if (r == 0)
        r = config_check_range("process.user.umask", mask, 0, 0777, error);
    if (r < 0)
        return r;
    process->uid = (uint32_t)uid;
    process->gid = (uint32_t)gid;
    process->umask = (uint32_t)mask;
    process->has_umask = config_has(object, "umask");
    return read_additional_gids(gids, process, error);
}

/* The kernel's struct winsize has 16 bits. */
static int read_console_size(const json_t *object, struct config_process *process,
                             struct error *error)
{
    int64_t height = 0, width = 0;
    const struct config_key keys[] = {
        {"height", CONFIG_INTEGER, &height, true},
        {"width", CONFIG_INTEGER, &width, true},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.consoleSize", keys, error);
    if (r == 0)
        r = config_check_range("process.consoleSize.height", height, 0, UINT16_MAX, error);
    if (r == 0)
        r = config_check_range("process.consoleSize.width", width, 0, UINT16_MAX, error);
    process->console_rows = (uint16_t)height;
    process->console_columns = (uint16_t)width;
    return r;
}

static int read_cpus(const char *text, const char *path, bool *is_given, cpu_set_t *cpus,
                     struct error *error)
{
    uint64_t bits[CONFIG_BITS / 64];

    if (!text || !*text)
        return 0;
    int r = config_read_bits(text, path, bits, error);
    if (r < 0)
        return r;
    CPU_ZERO(cpus);
    for (unsigned cpu = 0; cpu < CONFIG_BITS && cpu < CPU_SETSIZE; cpu++)
        if (bits[cpu / 64] >> (cpu % 64) & 1)
            CPU_SET(cpu, cpus);
    *is_given = true;
    return 0;
}

static int read_affinity(const json_t *object, struct config_process *process, struct error *error)
{
    const char *initial = NULL, *final = NULL;
    const struct config_key keys[] = {
        {"initial", CONFIG_STRING, &initial, false},
        {"final", CONFIG_STRING, &final, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.execCPUAffinity", keys, error);
    if (r == 0)
        r = read_cpus(initial, "process.execCPUAffinity.initial", &process->has_initial_affinity,
                      &process->initial_affinity, error);
    if (r == 0)
        r = read_cpus(final, "process.execCPUAffinity.final", &process->has_final_affinity,
                      &process->final_affinity, error);
    return r;
}

static int read_oom_score(const json_t *object, struct config_process *process, struct error *error)
{
    int64_t score = 0;
    const struct config_key keys[] = {
        {"oomScoreAdj", CONFIG_INTEGER, &score, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process", keys, error);
    if (r == 0) /* proc(5) */
        r = config_check_range("process.oomScoreAdj", score, -1000, 1000, error);
    process->has_oom_score_adj = config_has(object, "oomScoreAdj");
    process->oom_score_adj = (int)score;
    return r;
}

static void forget_if_empty(const char **text)
{
    if (*text && !**text)
        *text = NULL;
}

static int read_command(const json_t *args, const json_t *env, struct config_process *process,
                        struct error *error)
{
    int r = config_check_absolute("process.cwd", process->cwd, error);

    if (r == 0)
        r = config_read_strings(args, "process.args", &process->args, error);
    if (r == 0 && !process->args[0])
        r = error_set(error, EINVAL, "process.args: is empty; name the program to run");
    if (r == 0 && !*process->args[0])
        r = error_set(error, EINVAL, "process.args[0]: is empty; name the program to run");
    if (r == 0)
        r = config_read_strings(env, "process.env", &process->env, error);
    return r;
}

struct process_parts {
    const json_t *user, *args, *env, *capabilities, *rlimits, *console, *scheduler, *io_priority,
        *affinity;
};

static int read_parts(const struct process_parts *parts, struct config_process *process,
                      struct error *error)
{
    int r = read_command(parts->args, parts->env, process, error);

    if (r == 0 && parts->user)
        r = read_user(parts->user, process, error);
    if (r == 0 && parts->console && process->has_terminal)
        r = read_console_size(parts->console, process, error);
    if (r == 0 && parts->capabilities)
        r = config_read_capabilities(parts->capabilities, process, error);
    if (r == 0)
        r = config_read_rlimits(parts->rlimits, process, error);
    if (r == 0)
        r = read_oom_score(process->json, process, error);
    if (r == 0 && parts->scheduler)
        r = config_read_scheduler(parts->scheduler, &process->scheduler, error);
    process->has_io_priority = parts->io_priority != NULL;
    if (r == 0 && parts->io_priority)
        r = config_read_io_priority(parts->io_priority, &process->io_priority, error);
    if (r == 0 && parts->affinity)
        r = read_affinity(parts->affinity, process, error);
    return r;
}

static int read_process(struct config_process *process, struct error *error)
{
    struct process_parts parts = {0};
    const struct config_key keys[] = {
        {"cwd", CONFIG_STRING, &process->cwd, true},
        {"args", CONFIG_ARRAY, &parts.args, true},
        {"env", CONFIG_ARRAY, &parts.env, false},
        {"user", CONFIG_OBJECT, &parts.user, false},
        {"terminal", CONFIG_BOOL, &process->has_terminal, false},
        {"consoleSize", CONFIG_OBJECT, &parts.console, false},
        {"capabilities", CONFIG_OBJECT, &parts.capabilities, false},
        {"rlimits", CONFIG_ARRAY, &parts.rlimits, false},
        {"noNewPrivileges", CONFIG_BOOL, &process->no_new_privileges, false},
        {"apparmorProfile", CONFIG_STRING, &process->apparmor_profile, false},
        {"selinuxLabel", CONFIG_STRING, &process->selinux_label, false},
        {"scheduler", CONFIG_OBJECT, &parts.scheduler, false},
        {"ioPriority", CONFIG_OBJECT, &parts.io_priority, false},
        {"execCPUAffinity", CONFIG_OBJECT, &parts.affinity, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(process->json, "process", keys, error);
    if (r < 0)
        return r;
    forget_if_empty(&process->apparmor_profile);
    forget_if_empty(&process->selinux_label);
    return read_parts(&parts, process, error);
}

static void cleanup_process(struct config_process **process)
{
    config_process_free(*process);
}

int config_process_read(json_t *json, struct config_process **process, struct error *error)
{
    _cleanup_(cleanup_process) struct config_process *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "read the process");
    made->json = json_incref(json);
    int r = read_process(made, error);
    if (r < 0)
        return r;
    *process = steal_ptr(made);
    return 0;
}

void config_process_free(struct config_process *process)
{
    if (!process)
        return;
    free(process->args);
    free(process->env);
    free(process->additional_gids);
    json_decref(process->json);
    free(process);
}
