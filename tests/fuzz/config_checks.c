/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/config_checks.h"

#include <errno.h>
#include <linux/mount.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"

void check_outcome(int r, int is_made, const struct error *error)
{
    check(r <= 0 && (r == 0) == !!is_made);
    check(r == 0 || (error->code == -r && error->message[0]));
}

void check_absolute_paths(char *const *paths)
{
    for (; paths && *paths; paths++)
        check((*paths)[0] == '/');
}

static bool is_apart(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
    return (uint64_t)a + a_count <= b || (uint64_t)b + b_count <= a;
}

void check_id_map(const struct id_range *map, size_t count)
{
    check(count <= ID_RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        /* (uid_t) -1 is nobody's. */
        check(map[i].count > 0 && (uint64_t)map[i].inside + map[i].count <= UINT32_MAX &&
              (uint64_t)map[i].outside + map[i].count <= UINT32_MAX);
        for (size_t k = 0; k < i; k++)
            check(is_apart(map[i].inside, map[i].count, map[k].inside, map[k].count) &&
                  is_apart(map[i].outside, map[i].count, map[k].outside, map[k].count));
    }
}

/* ---- process ---- */

static void check_capabilities(const struct config_capabilities *capabilities)
{
    const uint64_t all =
        (UINT64_C(2) << 40) - 1; /* CAP_CHECKPOINT_RESTORE is the last with a name */

    check(!(capabilities->effective & ~capabilities->permitted));
    check(!(capabilities->ambient & ~(capabilities->permitted & capabilities->inheritable)));
    check(!((capabilities->bounding | capabilities->permitted | capabilities->inheritable) & ~all));
    check(capabilities->is_given || !(capabilities->bounding | capabilities->permitted));
}

/* Each line of what is left out is logged as a warning of its own. */
static void check_notes(const char *notes, size_t size)
{
    check(memchr(notes, '\0', size) != NULL);
    for (const char *line = *notes ? notes : NULL; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        check(strncmp(line, "process.capabilities", 20) == 0);
    }
}

static void check_scheduling(const struct config_process *process)
{
    const struct config_scheduler *scheduler = &process->scheduler;

    if (scheduler->is_given)
        check(scheduler->policy <= 6 && scheduler->nice >= -20 && scheduler->nice <= 19 &&
              scheduler->priority <= 99 && scheduler->flags <= 0x7f);
    if (process->has_io_priority)
        check(process->io_priority >> 13 >= 1 && process->io_priority >> 13 <= 3 &&
              (process->io_priority & 0x1fff) <= 7);
    if (process->has_initial_affinity)
        check(CPU_COUNT(&process->initial_affinity) > 0);
    if (process->has_final_affinity)
        check(CPU_COUNT(&process->final_affinity) > 0);
}

void check_process(const struct config_process *process)
{
    check(process->args && process->args[0] && process->args[0][0]);
    check(process->env && process->cwd[0] == '/');
    check(process->uid != UINT32_MAX && process->gid != UINT32_MAX && process->umask <= 0777);
    check(process->has_umask || process->umask == 0);
    for (size_t i = 0; i < process->additional_gid_count; i++)
        check(process->additional_gids[i] != UINT32_MAX);
    check(process->has_terminal || !(process->console_rows || process->console_columns));
    check(process->rlimit_count <= RLIM_NLIMITS);
    for (size_t i = 0; i < process->rlimit_count; i++) {
        const struct config_rlimit *limit = &process->rlimits[i];
        check(limit->resource >= 0 && limit->resource < RLIM_NLIMITS && limit->name);
        check(limit->limit.rlim_cur <= limit->limit.rlim_max);
        for (size_t k = 0; k < i; k++)
            check(process->rlimits[k].resource != limit->resource);
    }
    check(process->oom_score_adj >= -1000 && process->oom_score_adj <= 1000);
    check(!process->apparmor_profile || *process->apparmor_profile);
    check(!process->selinux_label || *process->selinux_label);
    check_notes(process->notes, sizeof(process->notes));
    check_capabilities(&process->capabilities);
    check_scheduling(process);
}

/* ---- mounts ---- */

static void check_attributes(uint64_t set, uint64_t cleared)
{
    uint64_t policy = set & MOUNT_ATTR__ATIME;

    check(!((set & cleared) & ~(uint64_t)MOUNT_ATTR__ATIME));
    check(policy == 0 || policy == MOUNT_ATTR_NOATIME || policy == MOUNT_ATTR_STRICTATIME);
    check(policy == 0 || (cleared & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
    check(!(cleared & MOUNT_ATTR__ATIME) ||
          (cleared & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME); /* else mount_setattr(2): EINVAL */
    check(!((set | cleared) & MOUNT_ATTR_IDMAP));
}

void check_mount_data(const char *data)
{
    const char *const *names = config_mount_option_names();

    for (const char *option = data; option; option = strchr(option, ',')) {
        option += *option == ',';
        size_t length = strcspn(option, ",");
        for (size_t i = 0; names[i]; i++)
            check(strlen(names[i]) != length || strncmp(names[i], option, length) != 0);
    }
    check(!data || (*data && strlen(data) < 4096));
}

void check_mount(const struct config_mount *mount)
{
    const char *at = mount->destination;

    check(*at == '/' && (!at[1] || at[strlen(at) - 1] != '/'));
    check(!strstr(at, "//") && !strstr(at, "/./"));
    check(mount->type ? *mount->type : mount->is_remount);
    check(mount->is_bind == (mount->type && strcmp(mount->type, "bind") == 0));
    check(!mount->is_bind || mount->is_remount || mount->source);
    check(!mount->is_bind || !mount->source || *mount->source == '/');
    check(!mount->is_bind || !mount->data);
    check(!mount->is_recursive || mount->is_bind);
    check(!mount->is_idmapped || mount->is_bind);
    check(!mount->is_idmap_recursive || mount->is_idmapped);
    check(!mount->has_tmpcopyup || strcmp(mount->type, "tmpfs") == 0);
    check((mount->uid_map_count > 0) == (mount->gid_map_count > 0));
    check(mount->uid_map_count == 0 || mount->is_idmapped);
    check_id_map(mount->uid_map, mount->uid_map_count);
    check_id_map(mount->gid_map, mount->gid_map_count);
    check_attributes(mount->attributes, mount->cleared);
    check_attributes(mount->tree_attributes, mount->tree_cleared);
}

/* ---- resources ---- */

static void check_lists(const struct cgroup_resources *resources)
{
    for (size_t i = 0; i < resources->throttle_count; i++)
        check(resources->throttles[i].kind < CGROUP_THROTTLE_KINDS &&
              resources->throttles[i].major < 1 << 12 && resources->throttles[i].minor < 1 << 20 &&
              resources->throttles[i].rate <= INT64_MAX);
    for (size_t i = 0; i < resources->weight_count; i++)
        check(resources->weights[i].major < 1 << 12 && resources->weights[i].minor < 1 << 20);
    for (size_t i = 0; i < resources->hugepage_count; i++) /* part of a file's name */
        check(!strpbrk(resources->hugepages[i].page_size, "/.") &&
              resources->hugepages[i].limit <= INT64_MAX);
    for (size_t i = 0; i < resources->priority_count; i++)
        check(*resources->priorities[i].interface &&
              !strpbrk(resources->priorities[i].interface, "/: \t\n"));
    for (size_t i = 0; i < resources->rdma_count; i++)
        check(*resources->rdma[i].device && !strpbrk(resources->rdma[i].device, " \t\n=") &&
              (resources->rdma[i].has_handles || resources->rdma[i].has_objects));
    for (size_t i = 0; i < resources->unified_count; i++)
        check(strchr(resources->unified[i].file, '.') && !strchr(resources->unified[i].file, '/'));
}

/* The rules become a program, every jump of which stays within it. */
static void check_devices(const struct cgroup_resources *resources)
{
    static struct bpf_insn program[CGROUP_DEVICE_PROGRAM_MAX];

    if (cgroup_device_check(resources, NULL) < 0)
        check(0);
    size_t count = cgroup_device_assemble(resources->devices, resources->device_count, program);
    check(count >= 2 && count <= CGROUP_DEVICE_PROGRAM_MAX);
    for (size_t i = 0; i < count; i++) {
        bool is_jump = BPF_CLASS(program[i].code) == BPF_JMP && BPF_OP(program[i].code) != BPF_EXIT;
        check(!is_jump || (program[i].off > 0 && i + 1 + (size_t)program[i].off < count));
    }
    check(program[count - 1].code == (BPF_JMP | BPF_EXIT));
}

void check_resources(const struct cgroup_resources *resources)
{
    const char *const lists[] = {resources->cpus, resources->mems};

    check(resources->memory_limit >= -1 && resources->memory_reservation >= -1 &&
          resources->memory_swap >= -1 && resources->swappiness <= 100);
    check(resources->has_swappiness || resources->swappiness == 0);
    check(resources->cpu_shares <= INT64_MAX && resources->cpu_period <= INT64_MAX &&
          resources->cpu_burst <= INT64_MAX && resources->cpu_realtime_period <= INT64_MAX);
    check(resources->cpu_quota <= 0 || resources->cpu_burst <= (uint64_t)resources->cpu_quota);
    check(resources->cpu_idle == 0 || (resources->cpu_idle == 1 && resources->has_cpu_idle));
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
        check(!lists[i] || (*lists[i] && !lists[i][strspn(lists[i], "0123456789-, ")]));
    check_lists(resources);
    check_devices(resources);
}
