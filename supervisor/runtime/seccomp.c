/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"

static const struct {
    const char *name;
    uint32_t action;
    bool has_errno;
} actions[] = {
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG, false},
};

static const struct {
    const char *name;
    enum scmp_compare op;
} comparisons[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static void release_context(scmp_filter_ctx *context)
{
    if (*context)
        seccomp_release(*context);
}

/* errno_return is -1 when the profile gives none: then EPERM, as config-linux.md says. */
static int find_action(const char *name, int64_t errno_return, const char *path, uint32_t *action,
                       struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        uint32_t value = errno_return < 0 ? EPERM : (uint32_t)errno_return;
        *action = actions[i].has_errno ? SCMP_ACT_ERRNO(value & 0xffff) : actions[i].action;
        return 0;
    }
    return error_set(error, EINVAL, "%s: \"%s\" is not known to this runtime", path, name);
}

static int add_architectures(scmp_filter_ctx context, const json_t *list, struct error *error)
{
    size_t i;
    json_t *entry;

    json_array_foreach ((json_t *)list, i, entry) {
        const char *name = json_string_value(entry);
        char lower[32] = "";
        if (!name || strncmp(name, "SCMP_ARCH_", 10) != 0 || strlen(name) >= sizeof(lower) + 10)
            return error_set(error, EINVAL, "linux.seccomp.architectures[%zu]: not a SCMP_ARCH_...",
                             i);
        for (size_t c = 0; name[c + 10]; c++)
            lower[c] = (char)(name[c + 10] >= 'A' && name[c + 10] <= 'Z' ? name[c + 10] | 0x20
                                                                         : name[c + 10]);
        uint32_t architecture = seccomp_arch_resolve_name(lower);
        if (architecture == 0)
            return error_set(error, EINVAL, "linux.seccomp.architectures: \"%s\" is not known",
                             name);
        int r = seccomp_arch_add(context, architecture);
        if (r < 0 && r != -EEXIST)
            return error_sys(error, -r, "linux.seccomp.architectures: %s", name);
    }
    return 0;
}

static int read_comparison(const json_t *object, struct scmp_arg_cmp *comparison,
                           struct error *error)
{
    static const char path[] = "linux.seccomp.syscalls.args";
    int64_t index = 0, value = 0, value_two = 0;
    const char *op = NULL;
    const struct config_key keys[] = {
        {"index", CONFIG_INTEGER, &index, true},
        {"value", CONFIG_INTEGER, &value, true},
        {"valueTwo", CONFIG_INTEGER, &value_two, false},
        {"op", CONFIG_STRING, &op, true},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, path, keys, error);
    if (r == 0)
        r = config_check_range("linux.seccomp.syscalls.args.index", index, 0, 5, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LENGTH(comparisons); i++) {
        if (strcmp(comparisons[i].name, op) != 0)
            continue;
        *comparison = (struct scmp_arg_cmp){(unsigned)index, comparisons[i].op, (scmp_datum_t)value,
                                            (scmp_datum_t)value_two};
        return 0;
    }
    return error_set(error, EINVAL, "%s.op: \"%s\" is not known", path, op);
}

static int add_rule(scmp_filter_ctx context, const json_t *object, uint32_t default_action,
                    struct error *error)
{
    const json_t *names = NULL, *args = NULL;
    const char *action_name = NULL;
    int64_t errno_return = -1;
    uint32_t action;
    struct scmp_arg_cmp comparisons_of_rule[6];
    size_t i, arg_count = json_array_size(json_object_get(object, "args"));
    json_t *entry;
    const struct config_key keys[] = {
        {"names", CONFIG_ARRAY, &names, true},
        {"action", CONFIG_STRING, &action_name, true},
        {"errnoRet", CONFIG_INTEGER, &errno_return, false},
        {"args", CONFIG_ARRAY, &args, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux.seccomp.syscalls", keys, error);
    if (r == 0)
        r = find_action(action_name, errno_return, "linux.seccomp.syscalls.action", &action, error);
    if (r == 0 && arg_count > ARRAY_LENGTH(comparisons_of_rule))
        r = error_set(error, E2BIG, "linux.seccomp.syscalls.args: more than 6");
    for (i = 0; r == 0 && i < arg_count; i++)
        r = read_comparison(json_array_get(args, i), &comparisons_of_rule[i], error);
    if (r < 0)
        return r;
    if (action == default_action)
        return 0; /* libseccomp refuses rules that change nothing */
    json_array_foreach ((json_t *)names, i, entry) {
        const char *name = json_string_value(entry);
        int number = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
        if (number == __NR_SCMP_ERROR)
            continue;
        r = seccomp_rule_add_array(context, action, number, (unsigned)arg_count,
                                   comparisons_of_rule);
        if (r < 0 && r != -EEXIST)
            return error_sys(error, -r, "linux.seccomp.syscalls: %s", name);
    }
    return 0;
}

/* The program leaves libseccomp 2.5 through a descriptor only. */
static int export_program(scmp_filter_ctx context, struct sock_fprog *program, struct error *error)
{
    _cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return error_sys(error, errno, "linux.seccomp: memfd");
    int r = seccomp_export_bpf(context, fd);
    if (r < 0)
        return error_sys(error, -r, "linux.seccomp: compile");
    if (fstat(fd, &st) < 0)
        return error_sys(error, errno, "linux.seccomp: stat");
    size_t count = (size_t)st.st_size / sizeof(struct sock_filter);
    if (count == 0 || count > BPF_MAXINSNS)
        return error_set(error, E2BIG, "linux.seccomp: %zu instructions; the kernel takes %d",
                         count, BPF_MAXINSNS);
    program->filter = malloc((size_t)st.st_size);
    if (!program->filter)
        return error_sys(error, ENOMEM, "linux.seccomp");
    if (pread(fd, program->filter, (size_t)st.st_size, 0) != st.st_size)
        return error_set(error, EIO, "linux.seccomp: short read of the program");
    program->len = (unsigned short)count;
    return 0;
}

static int compile(const json_t *profile, struct seccomp_program *made, struct error *error)
{
    const json_t *architectures = NULL, *rules = NULL, *flags = NULL;
    const char *default_name = NULL;
    int64_t default_errno = -1;
    uint32_t default_action;
    size_t i;
    json_t *rule;
    const struct config_key keys[] = {
        {"defaultAction", CONFIG_STRING, &default_name, true},
        {"defaultErrnoRet", CONFIG_INTEGER, &default_errno, false},
        {"architectures", CONFIG_ARRAY, &architectures, false},
        {"flags", CONFIG_ARRAY, &flags, false},
        {"syscalls", CONFIG_ARRAY, &rules, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(profile, "linux.seccomp", keys, error);
    if (r == 0)
        r = find_action(default_name, default_errno, "linux.seccomp.defaultAction", &default_action,
                        error);
    if (r == 0 && json_array_size(flags) > 0)
        r = error_set(error, EINVAL, "linux.seccomp.flags: none is known to this runtime");
    if (r < 0)
        return r;
    __attribute__((cleanup(release_context))) scmp_filter_ctx context =
        seccomp_init(default_action);
    if (!context)
        return error_sys(error, ENOMEM, "linux.seccomp");
    /* no_new_privs is the config's business; a binary tree makes common calls as cheap as rare
     * ones. */
    seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
    seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    r = add_architectures(context, architectures, error);
    json_array_foreach ((json_t *)rules, i, rule) {
        if (r == 0)
            r = add_rule(context, rule, default_action, error);
    }
    return r < 0 ? r : export_program(context, &made->program, error);
}

int seccomp_program_new(const json_t *profile, struct seccomp_program **program,
                        struct error *error)
{
    struct seccomp_program *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "linux.seccomp");
    made->profile = json_deep_copy(profile);
    int r =
        made->profile ? compile(profile, made, error) : error_sys(error, ENOMEM, "linux.seccomp");
    if (r < 0) {
        seccomp_program_free(made);
        return r;
    }
    *program = made;
    return 0;
}

void seccomp_program_free(struct seccomp_program *program)
{
    if (!program)
        return;
    json_decref(program->profile);
    free(program->program.filter);
    free(program);
}

bool seccomp_program_is_of(const struct seccomp_program *program, const json_t *profile)
{
    return program && json_equal(program->profile, profile);
}
