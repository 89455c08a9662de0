/* SPDX-License-Identifier: Apache-2.0 */
/* The words of linux.seccomp: actions, operators, architectures, flags. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/seccomp_internal.h"

/* include/linux/err.h: the kernel answers this one for every greater number (seccomp(2)). */
#define MAX_ERRNO 4095

static const struct {
    const char *name;
    uint32_t action;
    int64_t number_max; /* 0: takes no errnoRet */
} actions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, 0},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), MAX_ERRNO},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, 0},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, 0},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, 0},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG, 0},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, 0},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), SECCOMP_RET_DATA}, /* PTRACE_GETEVENTMSG, ptrace(2) */
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, 0},
};

static const struct {
    const char *name;
    enum scmp_compare op;
} operators[] = {
    {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    {"SCMP_CMP_NE", SCMP_CMP_NE},
};

/* As seccomp_arch_resolve_name(3) calls them: a libseccomp may know fewer than the specification.
 */
static const struct {
    const char *name, *library_name;
} architectures[] = {
    {"SCMP_ARCH_AARCH64", "aarch64"},
    {"SCMP_ARCH_ARM", "arm"},
    {"SCMP_ARCH_LOONGARCH64", "loongarch64"},
    {"SCMP_ARCH_M68K", "m68k"},
    {"SCMP_ARCH_MIPS", "mips"},
    {"SCMP_ARCH_MIPS64", "mips64"},
    {"SCMP_ARCH_MIPS64N32", "mips64n32"},
    {"SCMP_ARCH_MIPSEL", "mipsel"},
    {"SCMP_ARCH_MIPSEL64", "mipsel64"},
    {"SCMP_ARCH_MIPSEL64N32", "mipsel64n32"},
    {"SCMP_ARCH_PARISC", "parisc"},
    {"SCMP_ARCH_PARISC64", "parisc64"},
    {"SCMP_ARCH_PPC", "ppc"},
    {"SCMP_ARCH_PPC64", "ppc64"},
    {"SCMP_ARCH_PPC64LE", "ppc64le"},
    {"SCMP_ARCH_RISCV64", "riscv64"},
    {"SCMP_ARCH_S390", "s390"},
    {"SCMP_ARCH_S390X", "s390x"},
    {"SCMP_ARCH_SH", "sh"},
    {"SCMP_ARCH_SHEB", "sheb"},
    {"SCMP_ARCH_X32", "x32"},
    {"SCMP_ARCH_X86", "x86"},
    {"SCMP_ARCH_X86_64", "x86_64"},
};

static const struct {
    const char *name;
    unsigned bit;
} flags[] = {
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    /* Filters for all threads at once: the process that loads has one, and exec keeps only that. */
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

const char *seccomp_action_name(size_t index)
{
    return index < ARRAY_LENGTH(actions) ? actions[index].name : NULL;
}

const char *seccomp_operator_name(size_t index)
{
    return index < ARRAY_LENGTH(operators) ? operators[index].name : NULL;
}

const char *seccomp_architecture_name(size_t index)
{
    for (size_t i = 0; i < ARRAY_LENGTH(architectures); i++)
        if (seccomp_arch_resolve_name(architectures[i].library_name) != 0 && index-- == 0)
            return architectures[i].name;
    return NULL;
}

const char *seccomp_flag_name(size_t index, unsigned *bit)
{
    if (index >= ARRAY_LENGTH(flags))
        return NULL;
    *bit = flags[index].bit;
    return flags[index].name;
}

/*
 * Without a program the kernel gets as far as looking for it (EFAULT) only if it knows the flags
 * (seccomp(2)). WAIT_KILLABLE_RECV is about listeners and not accepted without one.
 */
bool seccomp_flag_is_supported(unsigned bit)
{
    unsigned together =
        bit & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ? bit | SECCOMP_FILTER_FLAG_NEW_LISTENER : bit;

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, together, NULL) < 0 && errno == EFAULT;
}

int seccomp_action_find(const char *name, int64_t number, const char *path, uint32_t *action,
                        struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        *action = actions[i].action;
        if (number >= 0 && actions[i].number_max == 0)
            return error_set(error, EINVAL,
                             "%s: %s takes no errno; remove %lld or use SCMP_ACT_ERRNO", path, name,
                             (long long)number);
        if (actions[i].number_max == 0)
            return 0;
        if (number < 0)
            number = EPERM; /* config-linux.md: the default */
        *action |= (uint32_t)number & SECCOMP_RET_DATA;
        return config_check_range(path, number, 0, actions[i].number_max, error);
    }
    return error_set(error, EINVAL, "%s: \"%.80s\" is not an action of config-linux.md", path,
                     name);
}

int seccomp_operator_find(const char *name, const char *path, enum scmp_compare *op,
                          struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(operators); i++) {
        if (strcmp(operators[i].name, name) != 0)
            continue;
        *op = operators[i].op;
        return 0;
    }
    return error_set(error, EINVAL, "%s: \"%.80s\" is not an operator of config-linux.md", path,
                     name);
}

int seccomp_architecture_find(const char *name, const char *path, uint32_t *architecture,
                              struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(architectures); i++) {
        if (strcmp(architectures[i].name, name) != 0)
            continue;
        *architecture = seccomp_arch_resolve_name(architectures[i].library_name);
        if (*architecture != 0)
            return 0;
        return error_set(error, EINVAL,
                         "%s: %s is newer than this machine's libseccomp; remove it (its calls are "
                         "killed then) or update libseccomp",
                         path, name);
    }
    return error_set(error, EINVAL, "%s: \"%.80s\" is not an architecture of config-linux.md", path,
                     name);
}

int seccomp_flag_find(const char *name, const char *path, unsigned *bit, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        if (strcmp(flags[i].name, name) != 0)
            continue;
        *bit = flags[i].bit;
        return 0;
    }
    return error_set(error, EINVAL, "%s: \"%.80s\" is not a flag of config-linux.md", path, name);
}
