/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices rule of cgroup v2: a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE (bpf(2), the
 * kernel's Documentation/admin-guide/cgroup-v2.rst, "Device controller"). It runs at each open and
 * mknod of a device and gets struct bpf_cgroup_dev_ctx; 0 denies, 1 allows.
 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#define ATTACHED_MAX 64 /* the kernel's BPF_CGROUP_MAX_PROGS */

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    long r = syscall(SYS_bpf, command, attributes, sizeof(*attributes));

    return r < 0 ? -errno : (int)r;
}

/* ---- the rules ---- */

static int check_rule(const struct cgroup_device_rule *rule, size_t i, struct error *error)
{
    size_t length = strnlen(rule->access, sizeof(rule->access));

    if (!rule->type || !strchr("abc", rule->type))
        return error_set(error, EINVAL, "devices[%zu].type: must be a, b or c", i);
    /* dev_t has 12 bits for the major number and 20 for the minor inside the kernel. */
    if (rule->major < -1 || rule->major >= 1 << 12 || rule->minor < -1 || rule->minor >= 1 << 20)
        return error_set(error, EINVAL,
                         "devices[%zu]: %" PRId64 ":%" PRId64
                         " is no device number; -1 stands for any",
                         i, rule->major, rule->minor);
    if (length == 0 || length == sizeof(rule->access) || strspn(rule->access, "rwm") != length)
        return error_set(error, EINVAL, "devices[%zu].access: must be made of r, w and m", i);
    return 0;
}

int cgroup_device_check(const struct cgroup_resources *resources, struct error *error)
{
    if (resources->device_count > CGROUP_DEVICE_RULES_MAX)
        return error_set(error, E2BIG, "devices: %zu rules; at most %d", resources->device_count,
                         CGROUP_DEVICE_RULES_MAX);
    for (size_t i = 0; i < resources->device_count; i++) {
        int r = check_rule(&resources->devices[i], i, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the program ---- */

/* Registers: what is asked for, and a scratch. R1 is the context until the four are loaded. */
enum {
    SCRATCH = BPF_REG_1,
    TYPE = BPF_REG_2,
    ACCESS = BPF_REG_3,
    MAJOR = BPF_REG_4,
    MINOR = BPF_REG_5
};

struct program {
    struct bpf_insn *at;
    size_t count;
};

static void emit(struct program *program, int code, int destination, int source, int offset,
                 int immediate)
{
    program->at[program->count++] = (struct bpf_insn){
        .code = (uint8_t)code,
        .dst_reg = (uint8_t)destination & 15,
        .src_reg = (uint8_t)source & 15,
        .off = (int16_t)offset,
        .imm = immediate,
    };
}

static void emit_load(struct program *program, int destination, size_t offset)
{
    emit(program, BPF_LDX | BPF_W | BPF_MEM, destination, BPF_REG_1, (int)offset, 0);
}

static void emit_return(struct program *program, bool is_allowed)
{
    emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, is_allowed);
    emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Jumps are patched by patch_jumps() when the rule's end is known. */
static void emit_next_unless(struct program *program, int reg, int64_t value)
{
    emit(program, BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, (int)value);
}

static void patch_jumps(struct program *program, size_t start)
{
    for (size_t i = start; i < program->count; i++)
        if (BPF_CLASS(program->at[i].code) == BPF_JMP && BPF_OP(program->at[i].code) == BPF_JNE &&
            program->at[i].off == 0)
            program->at[i].off = (int16_t)(program->count - i - 1);
}

static int access_bits(const char *access)
{
    return (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0) |
           (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) |
           (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0);
}

/*
 * ACCESS holds the accesses that no later rule has decided. An allowing rule that matches takes its
 * own out, and when none is left the answer is yes; a denying rule says no if it names one of them.
 */
static void emit_rule(struct program *program, const struct cgroup_device_rule *rule)
{
    size_t start = program->count;
    int bits = access_bits(rule->access);

    if (rule->type != 'a')
        emit_next_unless(program, TYPE,
                         rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule->major >= 0)
        emit_next_unless(program, MAJOR, rule->major);
    if (rule->minor >= 0)
        emit_next_unless(program, MINOR, rule->minor);
    if (rule->is_allow) {
        emit(program, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0, ~bits);
        emit_next_unless(program, ACCESS, 0);
        emit_return(program, true);
    } else {
        emit(program, BPF_ALU64 | BPF_MOV | BPF_X, SCRATCH, ACCESS, 0, 0);
        emit(program, BPF_ALU64 | BPF_AND | BPF_K, SCRATCH, 0, 0, bits);
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, SCRATCH, 0, 2, 0);
        emit_return(program, false);
    }
    patch_jumps(program, start);
}

size_t cgroup_device_assemble(const struct cgroup_device_rule *rules, size_t count,
                              struct bpf_insn *instructions)
{
    struct program program = {.at = instructions};

    emit_load(&program, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    emit(&program, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
    emit(&program, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
    emit(&program, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
    emit_load(&program, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
    emit_load(&program, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
    for (size_t i = count; i-- > 0;)
        emit_rule(&program, &rules[i]);
    emit_return(&program, false);
    return program.count;
}

/* ---- in the kernel ---- */

static int load(const struct cgroup_resources *resources, struct error *error)
{
    _cleanup_free_ struct bpf_insn *program = calloc(CGROUP_DEVICE_PROGRAM_MAX, sizeof(*program));
    union bpf_attr attributes = {0};

    if (!program)
        return error_sys(error, ENOMEM, "devices");
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insn_cnt =
        (uint32_t)cgroup_device_assemble(resources->devices, resources->device_count, program);
    attributes.insns = (uintptr_t)program;
    attributes.license = (uintptr_t) "Apache-2.0";
    memcpy(attributes.prog_name, "devices", sizeof("devices"));
    int fd = bpf(BPF_PROG_LOAD, &attributes); /* close-on-exec by itself */
    if (fd == -ENOSYS || fd == -EPERM)
        return error_sys(
            error, EOPNOTSUPP,
            "devices: the kernel must take a BPF program for this rule (CONFIG_CGROUP_BPF, "
            "CAP_BPF and CAP_NET_ADMIN)");
    return fd < 0 ? error_sys(error, -fd, "devices: load the BPF program of %zu rules",
                              resources->device_count)
                  : fd;
}

static int detach(int directory, uint32_t id)
{
    union bpf_attr attributes = {.prog_id = id};
    _cleanup_close_ int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attributes);

    if (fd < 0)
        return fd;
    attributes = (union bpf_attr){0};
    attributes.target_fd = (uint32_t)directory;
    attributes.attach_bpf_fd = (uint32_t)fd;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    return bpf(BPF_PROG_DETACH, &attributes);
}

/* The new program joins the old ones, which all must allow, and then these go: never a moment
 * without. */
int cgroup_device_attach(int directory, const struct cgroup_resources *resources,
                         struct error *error)
{
    uint32_t old[ATTACHED_MAX];
    union bpf_attr attributes = {0};

    int r = cgroup_device_check(resources, error);
    if (r < 0)
        return r;
    _cleanup_close_ int program = load(resources, error);
    if (program < 0)
        return program;

    attributes.query.target_fd = (uint32_t)directory;
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = (uintptr_t)old;
    attributes.query.prog_cnt = ATTACHED_MAX;
    r = bpf(BPF_PROG_QUERY, &attributes);
    if (r < 0)
        return error_sys(error, -r, "devices: list the group's BPF programs");
    uint32_t old_count = attributes.query.prog_cnt;

    attributes = (union bpf_attr){0};
    attributes.target_fd = (uint32_t)directory;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    r = bpf(BPF_PROG_ATTACH, &attributes);
    if (r < 0)
        return error_sys(error, -r, "devices: attach the BPF program");
    for (uint32_t i = 0; i < old_count && i < ATTACHED_MAX; i++) {
        r = detach(directory, old[i]);
        if (r < 0)
            return error_sys(error, -r, "devices: detach the BPF program %u", old[i]);
    }
    return 0;
}
