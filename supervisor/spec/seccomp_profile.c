/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/oci_parts.h"
#include "supervisor/spec/seccomp_calls.h"

/*
 * The seccomp profile of a container, in the form of the OCI runtime-spec (config-linux.md,
 * "Seccomp"). An allow list: a call that is not named gets ENOSYS, on which C libraries fall back
 * to older calls (clone3, openat2, fchmodat2). What a program might ask for in earnest and may not
 * do gets EPERM, which programs know from life as another user than root. seccomp_calls.c has the
 * names; here are the rules that look at arguments.
 *
 * The filter sees arguments as 64 bits where the kernel often takes 32 (CVE-2019-10063: a command
 * of ioctl with a bit set above these was another number for the filter). So what is denied is
 * always denied by its low 32 bits, and what is allowed by value is compared as a whole.
 *
 * Only the machine's own ABI is allowed; a program of another one (32-bit x86, x32) is killed. Each
 * ABI is one more door, and socketcall(2) of 32-bit x86 hides arguments in memory, where no filter
 * sees them.
 */

#define LOW_32        UINT64_C(0xffffffff)
#define SPECIAL_BITS  (S_ISUID | S_ISGID)
#define O_TMPFILE_BIT UINT64_C(020000000) /* __O_TMPFILE of asm-generic/fcntl.h */
#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

/* One comparison; value and value_two as seccomp_rule_add(3) takes datum_a and datum_b. */
struct comparison {
    unsigned index;
    const char *op;
    uint64_t value, value_two;
};

static struct comparison equal(unsigned index, uint64_t value)
{
    return (struct comparison){index, "SCMP_CMP_EQ", value, 0};
}

static struct comparison greater(unsigned index, uint64_t value)
{
    return (struct comparison){index, "SCMP_CMP_GT", value, 0};
}

/* (argument & mask) == value */
static struct comparison masked(unsigned index, uint64_t mask, uint64_t value)
{
    return (struct comparison){index, "SCMP_CMP_MASKED_EQ", mask, value};
}

/* Adds a rule: errnum 0 allows, another number is what the call answers. */
static void add_rule(json_t **rules, json_t *names, int errnum,
                     const struct comparison *comparisons, size_t count)
{
    json_t *args = json_array();

    for (size_t i = 0; i < count; i++)
        json_build_append(&args, json_pack("{s:i, s:s, s:I, s:I}", "index",
                                           (int)comparisons[i].index, "op", comparisons[i].op,
                                           "value", (json_int_t)comparisons[i].value, "valueTwo",
                                           (json_int_t)comparisons[i].value_two));
    if (errnum == 0)
        json_build_append(rules, json_pack("{s:o, s:s, s:o}", "names", names, "action",
                                           "SCMP_ACT_ALLOW", "args", args));
    else
        json_build_append(rules, json_pack("{s:o, s:s, s:i, s:o}", "names", names, "action",
                                           "SCMP_ACT_ERRNO", "errnoRet", errnum, "args", args));
}

static void add_call(json_t **rules, const char *name, int errnum, struct comparison comparison)
{
    add_rule(rules, json_pack("[s]", name), errnum, &comparison, 1);
}

/*
 * Allows a call for every value of an argument's low 32 bits but those listed (sorted), which get
 * EPERM. libseccomp knows no "not equal under a mask", so the numbers are seen as the leaves of a
 * binary tree: whatever branches off the ways to the listed leaves is allowed as a whole.
 */
static void allow_all_but(json_t **rules, const char *name, unsigned index, const uint32_t *values,
                          size_t count, unsigned bit)
{
    uint64_t above = LOW_32 & ~((UINT64_C(2) << bit) - 1), here = UINT64_C(1) << bit;
    uint64_t prefix = values[0] & above;
    size_t zeros = 0;

    while (zeros < count && !(values[zeros] & here))
        zeros++;
    if (zeros == 0)
        add_call(rules, name, 0, masked(index, above | here, prefix));
    if (zeros == count)
        add_call(rules, name, 0, masked(index, above | here, prefix | here));
    if (bit == 0) {
        for (size_t i = 0; i < count; i++)
            add_call(rules, name, EPERM, masked(index, LOW_32, values[i]));
        return;
    }
    if (zeros > 0)
        allow_all_but(rules, name, index, values, zeros, bit - 1);
    if (zeros < count)
        allow_all_but(rules, name, index, values + zeros, count - zeros, bit - 1);
}

/*
 * clone(2): threads and children, no new namespace: a user namespace would bring all capabilities
 * back, and with them most of the kernel's attack surface. clone3 passes its flags in memory, where
 * a filter cannot look, so it stays unknown (ENOSYS) and C libraries call clone.
 */
static void add_clone(json_t **rules)
{
    add_call(rules, "clone", 0, masked(0, CLONE_NAMESPACES, 0));
    for (uint64_t flag = 1; flag <= LOW_32; flag <<= 1)
        if (CLONE_NAMESPACES & flag)
            add_call(rules, "clone", EPERM, masked(0, flag, flag));
}

/*
 * socket(2): the families that programs need. Netlink is how getaddrinfo(3) and getifaddrs(3) look
 * at addresses; packet sockets need CAP_NET_RAW anyway. The others (vsock reaches the hypervisor,
 * alg and many more are seldom used code of the kernel) do not exist here.
 */
static void add_socket(json_t **rules)
{
    static const uint64_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
    uint64_t next = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        for (; next < families[i]; next++)
            add_call(rules, "socket", EAFNOSUPPORT, equal(0, next));
        add_call(rules, "socket", 0, equal(0, families[i]));
        next = families[i] + 1;
    }
    add_call(rules, "socket", EAFNOSUPPORT, greater(0, AF_PACKET));
}

/*
 * ioctl(2): not TIOCSTI and TIOCLINUX, which put input into a terminal that may be shared with a
 * shell of the host (CVE-2017-5226).
 */
static void add_ioctl(json_t **rules)
{
    static const uint32_t denied[] = {TIOCSTI, TIOCLINUX};

    allow_all_but(rules, "ioctl", 1, denied, ARRAY_LENGTH(denied), 31);
}

/* personality(2): the usual ones, and the question which one is set. */
static void add_personality(json_t **rules)
{
    static const uint64_t known[] = {PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26,
                                     LOW_32};

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        add_call(rules, "personality", 0, equal(0, known[i]));
}

/*
 * Ids on disk are ids inside: a file that root inside makes setuid in a volume is setuid root on
 * the host's disk. So nothing becomes setuid or setgid in a container, where no_new_privs takes the
 * meaning from these bits anyway. openat2 passes its mode in memory and stays unknown (ENOSYS).
 */
static const struct {
    const char *name;
    unsigned mode_index;
    int flags_index; /* of open(2): the mode counts only when a file is made; -1: always */
} mode_calls[] = {
    {"chmod", 1, -1},   {"fchmod", 1, -1}, {"fchmodat", 2, -1}, {"mknod", 1, -1},
    {"mknodat", 2, -1}, {"creat", 1, -1},  {"open", 2, 1},      {"openat", 3, 2},
};

static void add_mode_calls(json_t **rules)
{
    static const uint64_t bits[] = {S_ISUID, S_ISGID}, makers[] = {O_CREAT, O_TMPFILE_BIT};

    for (size_t i = 0; i < ARRAY_LENGTH(mode_calls); i++) {
        const char *name = mode_calls[i].name;
        unsigned mode = mode_calls[i].mode_index, flags = (unsigned)mode_calls[i].flags_index;
        bool has_flags = mode_calls[i].flags_index >= 0;
        add_call(rules, name, 0, masked(mode, SPECIAL_BITS, 0));
        if (has_flags)
            add_call(rules, name, 0, masked(flags, O_CREAT | O_TMPFILE_BIT, 0));
        for (size_t b = 0; b < ARRAY_LENGTH(bits); b++) {
            for (size_t m = 0; has_flags && m < ARRAY_LENGTH(makers); m++) {
                const struct comparison both[] = {masked(flags, makers[m], makers[m]),
                                                  masked(mode, bits[b], bits[b])};
                add_rule(rules, json_pack("[s]", name), EPERM, both, ARRAY_LENGTH(both));
            }
            if (!has_flags)
                add_call(rules, name, EPERM, masked(mode, bits[b], bits[b]));
        }
    }
}

static json_t *split_names(const char *names)
{
    json_t *array = json_array();

    while (*names) {
        size_t length = strcspn(names, " ");
        json_build_append(&array, json_stringn(names, length));
        names += length + (names[length] == ' ');
    }
    return array;
}

static bool has_capability(char *const *capabilities, const char *name)
{
    for (; capabilities && *capabilities; capabilities++)
        if (strcmp(*capabilities, name) == 0)
            return true;
    return false;
}

json_t *seccomp_profile(char *const *capabilities)
{
    json_t *rules = json_array();

    for (const struct call_group *group = seccomp_call_groups; group->names; group++) {
        bool is_allowed =
            group->capability ? has_capability(capabilities, group->capability) : group->is_allowed;
        add_rule(&rules, split_names(group->names), is_allowed ? 0 : EPERM, NULL, 0);
    }
    add_clone(&rules);
    add_socket(&rules);
    add_ioctl(&rules);
    add_personality(&rules);
    add_mode_calls(&rules);
    return json_pack("{s:s, s:i, s:[s], s:o}", "defaultAction", "SCMP_ACT_ERRNO", "defaultErrnoRet",
                     ENOSYS, "architectures", SECCOMP_NATIVE_ARCHITECTURE, "syscalls", rules);
}
