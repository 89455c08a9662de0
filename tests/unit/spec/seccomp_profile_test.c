/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/seccomp.h"
#include "supervisor/spec/oci_parts.h"

#define TIMEOUT_S 20

static struct seccomp_program *program, *program_with_chroot;

static struct seccomp_program *compile(char *const *capabilities)
{
    struct seccomp_program *made = NULL;
    struct error error = ERROR_INIT;
    json_t *profile = seccomp_profile(capabilities);

    assert_non_null(profile);
    if (seccomp_program_new(profile, &made, &error) < 0)
        print_error("%s\n", error.message);
    json_decref(profile);
    return made;
}

/* In a child: loads the filter for itself and what it becomes. */
static void load(struct seccomp_program *made)
{
    alarm(TIMEOUT_S);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &made->program) < 0)
        _exit(120);
}

/* ---- calls, each in a child of its own ---- */

struct call {
    long number;
    unsigned long args[6];
};

/* The errno of one call under the filter, 0 for success. */
static int errno_of(struct seccomp_program *made, const struct call *call)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        load(made);
        const unsigned long *a = call->args;
        long r = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        _exit(r < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define HIGH_BIT (1UL << 32)

static void dangerous_calls_fail_cleanly(void **state)
{
    static const struct {
        const char *what;
        struct call call;
        int errnum;
    } cases[] = {
        {"mount", {SYS_mount, {0}}, EPERM},
        {"umount2", {SYS_umount2, {0}}, EPERM},
        {"pivot_root", {SYS_pivot_root, {0}}, EPERM},
        {"fsopen", {SYS_fsopen, {0}}, EPERM},
        {"open_tree", {SYS_open_tree, {0}}, EPERM},
        {"mount_setattr", {SYS_mount_setattr, {0}}, EPERM},
        {"unshare(NEWUSER)", {SYS_unshare, {CLONE_NEWUSER}}, EPERM},
        {"setns", {SYS_setns, {0}}, EPERM},
        {"keyctl", {SYS_keyctl, {0}}, EPERM},
        {"add_key", {SYS_add_key, {0}}, EPERM},
        {"request_key", {SYS_request_key, {0}}, EPERM},
        {"bpf", {SYS_bpf, {0}}, EPERM},
        {"perf_event_open", {SYS_perf_event_open, {0}}, EPERM},
        {"userfaultfd", {SYS_userfaultfd, {0}}, EPERM},
        {"io_uring_setup", {SYS_io_uring_setup, {0}}, EPERM},
        {"ptrace", {SYS_ptrace, {PTRACE_TRACEME}}, EPERM},
        {"process_vm_readv", {SYS_process_vm_readv, {0}}, EPERM},
        {"pidfd_getfd", {SYS_pidfd_getfd, {0}}, EPERM},
        {"open_by_handle_at", {SYS_open_by_handle_at, {0}}, EPERM},
        {"name_to_handle_at", {SYS_name_to_handle_at, {0}}, EPERM},
        {"kexec_load", {SYS_kexec_load, {0}}, EPERM},
        {"init_module", {SYS_init_module, {0}}, EPERM},
        {"finit_module", {SYS_finit_module, {0}}, EPERM},
        {"reboot", {SYS_reboot, {0}}, EPERM},
        {"swapon", {SYS_swapon, {0}}, EPERM},
        {"sethostname", {SYS_sethostname, {0}}, EPERM},
        {"settimeofday", {SYS_settimeofday, {0}}, EPERM},
        {"chroot", {SYS_chroot, {0}}, EPERM},
        {"syslog", {SYS_syslog, {2}}, EPERM},
        {"mbind", {SYS_mbind, {0}}, EPERM},

        /* C libraries fall back on ENOSYS; both pass in memory what a filter must see. */
        {"clone3", {SYS_clone3, {0}}, ENOSYS},
        {"openat2", {SYS_openat2, {0}}, ENOSYS},
        {"a call of the future", {1000, {0}}, ENOSYS},

        {"clone(NEWUSER)", {SYS_clone, {CLONE_NEWUSER | SIGCHLD}}, EPERM},
        {"clone(NEWNS)", {SYS_clone, {CLONE_NEWNS | SIGCHLD}}, EPERM},
        {"clone(NEWNET|NEWPID)", {SYS_clone, {CLONE_NEWNET | CLONE_NEWPID | SIGCHLD}}, EPERM},
        {"clone(NEWCGROUP)", {SYS_clone, {CLONE_NEWCGROUP | SIGCHLD}}, EPERM},
        {"clone(NEWUSER) above 32 bits", {SYS_clone, {HIGH_BIT | CLONE_NEWUSER | SIGCHLD}}, EPERM},

        {"socket(ALG)", {SYS_socket, {AF_ALG, SOCK_SEQPACKET}}, EAFNOSUPPORT},
        {"socket(VSOCK)", {SYS_socket, {AF_VSOCK, SOCK_STREAM}}, EAFNOSUPPORT},
        {"socket(UNSPEC)", {SYS_socket, {AF_UNSPEC, SOCK_STREAM}}, EAFNOSUPPORT},
        {"socket(KEY)", {SYS_socket, {AF_KEY, SOCK_RAW}}, EAFNOSUPPORT},
        {"socket(BLUETOOTH)", {SYS_socket, {AF_BLUETOOTH, SOCK_RAW}}, EAFNOSUPPORT},
        {"socket(X25)", {SYS_socket, {AF_X25, SOCK_SEQPACKET}}, EAFNOSUPPORT},
        {"socket(ALG) above 32 bits",
         {SYS_socket, {HIGH_BIT | AF_ALG, SOCK_SEQPACKET}},
         EAFNOSUPPORT},

        {"TIOCSTI", {SYS_ioctl, {0, TIOCSTI}}, EPERM},
        {"TIOCLINUX", {SYS_ioctl, {0, TIOCLINUX}}, EPERM},
        {"TIOCSTI above 32 bits", {SYS_ioctl, {0, HIGH_BIT | TIOCSTI}}, EPERM},
        {"TIOCSTI as a negative", {SYS_ioctl, {0, 0xffffffff00005412UL}}, EPERM},

        {"personality", {SYS_personality, {ADDR_NO_RANDOMIZE}}, ENOSYS},
        {"personality READ_IMPLIES_EXEC", {SYS_personality, {READ_IMPLIES_EXEC}}, ENOSYS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int r = errno_of(program, &cases[i].call);
        if (r != cases[i].errnum)
            fail_msg("%s: %d in place of %d", cases[i].what, r, cases[i].errnum);
    }
}

/* What passes the filter gets the kernel's own answer. */
static void usual_calls_reach_the_kernel(void **state)
{
    static const struct {
        const char *what;
        struct call call;
        int errnum;
    } cases[] = {
        {"getpid", {SYS_getpid, {0}}, 0},
        {"socket(UNIX)", {SYS_socket, {AF_UNIX, SOCK_STREAM}}, 0},
        {"socket(INET)", {SYS_socket, {AF_INET, SOCK_STREAM}}, 0},
        {"socket(NETLINK)", {SYS_socket, {AF_NETLINK, SOCK_RAW}}, 0},
        {"ioctl FIONREAD", {SYS_ioctl, {~0UL, FIONREAD}}, EBADF},
        {"ioctl TIOCSTI + 1", {SYS_ioctl, {~0UL, TIOCSTI + 1}}, EBADF},
        {"ioctl TIOCSTI - 1", {SYS_ioctl, {~0UL, TIOCSTI - 1}}, EBADF},
        {"ioctl TIOCLINUX - 1", {SYS_ioctl, {~0UL, TIOCLINUX - 1}}, EBADF},
        {"ioctl TIOCLINUX + 1", {SYS_ioctl, {~0UL, TIOCLINUX + 1}}, EBADF},
        {"ioctl 0", {SYS_ioctl, {~0UL, 0}}, EBADF},
        {"ioctl TIOCGPTN", {SYS_ioctl, {~0UL, TIOCGPTN}}, EBADF},
        {"ioctl TIOCGPTN as musl calls it", {SYS_ioctl, {~0UL, 0xffffffff80045430UL}}, EBADF},
        {"personality, asked", {SYS_personality, {0xffffffffUL}}, 0},
        {"personality, Linux", {SYS_personality, {PER_LINUX}}, 0},
        {"close", {SYS_close, {~0UL}}, EBADF},
        {"io_destroy", {SYS_io_destroy, {0}}, EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int r = errno_of(program, &cases[i].call);
        if (r != cases[i].errnum)
            fail_msg("%s: %d in place of %d", cases[i].what, r, cases[i].errnum);
    }
}

static void nothing_becomes_setuid(void **state)
{
    char directory[] = "/tmp/seccomp-test-XXXXXX", path[64], made[64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/f", directory);
    snprintf(made, sizeof(made), "%s/g", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    const unsigned long file = (unsigned long)path, new = (unsigned long)made, at = AT_FDCWD;
    const unsigned long tmp = (unsigned long)directory;
    const struct {
        struct call call;
        int errnum;
    } cases[] = {
        {{SYS_chmod, {file, 04755}}, EPERM},
        {{SYS_chmod, {file, 02755}}, EPERM},
        {{SYS_chmod, {file, HIGH_BIT | 04755}}, EPERM},
        {{SYS_chmod, {file, 01755}}, 0},
        {{SYS_fchmod, {(unsigned long)fd, 06755}}, EPERM},
        {{SYS_fchmod, {(unsigned long)fd, 0700}}, 0},
        {{SYS_fchmodat, {at, file, 04755}}, EPERM},
        {{SYS_fchmodat, {at, file, 0755}}, 0},
        {{452 /* fchmodat2 */, {at, file, 04755, 0}}, ENOSYS},
        {{SYS_mknod, {new, S_IFREG | 04755, 0}}, EPERM},
        {{SYS_mknodat, {at, new, S_IFREG | 02755, 0}}, EPERM},
        {{SYS_creat, {new, 04755}}, EPERM},
        {{SYS_open, {new, O_CREAT | O_WRONLY, 04755}}, EPERM},
        {{SYS_open, {new, O_CREAT | O_WRONLY, 02755}}, EPERM},
        {{SYS_openat, {at, new, O_CREAT | O_WRONLY, 04755}}, EPERM},
        {{SYS_openat, {at, new, HIGH_BIT | O_CREAT | O_WRONLY, HIGH_BIT | 06755}}, EPERM},
        {{SYS_openat, {at, tmp, O_TMPFILE | O_WRONLY, 04755}}, EPERM},
        {{SYS_openat, {at, tmp, O_TMPFILE | O_WRONLY, 0755}}, 0},
        {{SYS_openat, {at, file, O_RDONLY, 0}}, 0},
        /* Without O_CREAT the mode is what the register held. */
        {{SYS_openat, {at, file, O_RDONLY, 06000}}, 0},
        {{SYS_open, {file, O_RDONLY, ~0UL}}, 0},
        {{SYS_openat, {at, new, O_CREAT | O_WRONLY, 0644}}, 0},
        {{SYS_mknod, {new, S_IFIFO | 0600, 0}}, EEXIST},
        {{SYS_creat, {new, 0600}}, 0},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int r = errno_of(program, &cases[i].call);
        if (r != cases[i].errnum)
            fail_msg("case %zu (call %ld): %d in place of %d", i, cases[i].call.number, r,
                     cases[i].errnum);
    }
    close(fd);
    unlink(path);
    unlink(made);
    assert_int_equal(rmdir(directory), 0);
}

static void a_capability_brings_its_calls(void **state)
{
    const struct call chroot_call = {SYS_chroot, {0}}, ptrace_call = {SYS_ptrace, {~0UL}};

    (void)state;
    assert_int_equal(errno_of(program_with_chroot, &chroot_call), EFAULT);
    assert_int_equal(errno_of(program_with_chroot, &ptrace_call), EPERM);
}

/* ---- programs ---- */

static void usual_programs_run(void **state)
{
    static const char *const commands[] = {
        "ls / >/dev/null",
        "/usr/sbin/php-fpm8.2 -v",
        "php8.2 -v",
        "php8.2 -r 'echo array_sum(range(1, 9)), gethostbyname(\"localhost\");'",
        "python3 -c 'import subprocess, threading, socket; "
        "t = threading.Thread(target=lambda: socket.getaddrinfo(\"localhost\", 80)); t.start(); "
        "t.join(); print(subprocess.check_output([\"id\", \"-u\"]))'",
        "curl --version",
        "d=$(mktemp -d) && touch $d/a && cp -p $d/a $d/b && mv $d/b $d/c && chmod 600 $d/c && "
        "ln -s c $d/d && mkfifo $d/e && rm -r $d",
        "seq 1000 | sort -R | wc -l",
        "tar -C /usr/include/asm-generic -c . | gzip | gunzip | tar -t | head -1",
        "bash -c 'coproc cat; echo x >&${COPROC[1]}; read -u ${COPROC[0]} y; kill $COPROC_PID'",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);
            dup2(null, 0);
            dup2(null, 1);
            load(program);
            execl("/bin/sh", "sh", "-ec", commands[i], (char *)NULL);
            _exit(121);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("%s: status 0x%x", commands[i], (unsigned)status);
    }
}

/* Every name that is missing here is a call that gets ENOSYS in silence. */
static void the_profile_is_small_enough(void **state)
{
    (void)state;
    assert_in_range(program->program.len, 100, 2048); /* BPF_MAXINSNS is 4096 */
}

static int compile_all(void **state)
{
    char chroot_name[] = "CAP_SYS_CHROOT";
    char *const capabilities[] = {chroot_name, NULL};

    (void)state;
    program = compile(NULL);
    program_with_chroot = compile(capabilities);
    return program && program_with_chroot ? 0 : -1;
}

static int free_all(void **state)
{
    (void)state;
    seccomp_program_free(program);
    seccomp_program_free(program_with_chroot);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dangerous_calls_fail_cleanly),
        cmocka_unit_test(usual_calls_reach_the_kernel),
        cmocka_unit_test(nothing_becomes_setuid),
        cmocka_unit_test(a_capability_brings_its_calls),
        cmocka_unit_test(usual_programs_run),
        cmocka_unit_test(the_profile_is_small_enough),
    };

    return cmocka_run_group_tests(tests, compile_all, free_all);
}
