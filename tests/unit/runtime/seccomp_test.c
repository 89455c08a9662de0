/* SPDX-License-Identifier: Apache-2.0 */
/* Actions, listener, flags and what is refused. seccomp_match_test.c has what a rule matches. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "tests/unit/runtime/seccomp_stage.h"

/* ---- actions ---- */

#define RULE(action)                                                                               \
    "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['getppid'], " action "}]}"

static void answers_of_actions(void **state)
{
    static const struct {
        const char *profile;
        int answer;
    } cases[] = {
        {RULE("'action': 'SCMP_ACT_ERRNO'"), EPERM},
        {RULE("'action': 'SCMP_ACT_ERRNO', 'errnoRet': null, 'args': null"), EPERM},
        {RULE("'action': 'SCMP_ACT_ERRNO', 'errnoRet': 38"), ENOSYS},
        {RULE("'action': 'SCMP_ACT_ERRNO', 'errnoRet': 4"), EINTR},
        {RULE("'action': 'SCMP_ACT_KILL'"), -SIGSYS},
        {RULE("'action': 'SCMP_ACT_KILL_THREAD'"), -SIGSYS},
        {RULE("'action': 'SCMP_ACT_KILL_PROCESS'"), -SIGSYS},
        {RULE("'action': 'SCMP_ACT_TRAP'"), -SIGSYS},
        {RULE("'action': 'SCMP_ACT_LOG'"), 0},
        {RULE("'action': 'SCMP_ACT_ALLOW'"), 0},
        {RULE("'action': 'SCMP_ACT_TRACE'"), ENOSYS}, /* without a tracer: seccomp(2) */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = stage_program(cases[i].profile);
        int answer = stage_errno(program, (struct call){SYS_getppid, {0}});
        if (answer != cases[i].answer)
            fail_msg("%s: %d in place of %d", cases[i].profile, answer, cases[i].answer);
        seccomp_program_free(program);
    }
}

/* errnoRet 0: the call is not made and reports success. */
static void errno_of_zero(void **state)
{
    struct seccomp_program *program =
        stage_program("{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['kill'], "
                      "'action': 'SCMP_ACT_ERRNO', 'errnoRet': 0}]}");

    (void)state;
    assert_int_equal(stage_errno(program, (struct call){SYS_kill, {0, SIGKILL}}), 0);
    seccomp_program_free(program);
}

static volatile sig_atomic_t trapped_call;

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    trapped_call = info->si_syscall;
}

static void trap_tells_the_call(void **state)
{
    struct seccomp_program *program = stage_program(RULE("'action': 'SCMP_ACT_TRAP'"));
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGSYS, &action, NULL);
        stage_load(program);
        syscall(SYS_getppid);
        _exit(trapped_call == SYS_getppid ? 0 : STAGE_ABSURD);
    }
    assert_int_equal(stage_end(pid), 0);
    seccomp_program_free(program);
}

static void *call_getppid(void *unused)
{
    syscall(SYS_getppid);
    return unused;
}

/* One ends the thread, the other the process with all its threads. */
static void kill_thread_is_not_kill_process(void **state)
{
    static const struct {
        const char *profile;
        int end;
    } cases[] = {
        {RULE("'action': 'SCMP_ACT_KILL'"), 7},
        {RULE("'action': 'SCMP_ACT_KILL_THREAD'"), 7},
        {RULE("'action': 'SCMP_ACT_KILL_PROCESS'"), -SIGSYS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = stage_program(cases[i].profile);
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            signal(SIGSYS, SIG_DFL);
            stage_load(program);
            if (pthread_create(&thread, NULL, call_getppid, NULL) != 0)
                _exit(STAGE_ABSURD);
            pthread_join(thread, NULL);
            _exit(7);
        }
        assert_int_equal(stage_end(pid), cases[i].end);
        seccomp_program_free(program);
    }
}

static bool has_return(const struct seccomp_program *program, uint32_t value)
{
    for (unsigned i = 0; i < program->program.len; i++)
        if (program->program.filter[i].code == (BPF_RET | BPF_K) &&
            program->program.filter[i].k == value)
            return true;
    return false;
}

/* The kernel's log is not ours to read everywhere; that the call is not simply allowed is. */
static void log_is_more_than_allow(void **state)
{
    struct seccomp_program *program = stage_program(RULE("'action': 'SCMP_ACT_LOG'"));

    (void)state;
    assert_true(has_return(program, SECCOMP_RET_LOG));
    seccomp_program_free(program);
    program = stage_program("{'defaultAction': 'SCMP_ACT_LOG'}");
    assert_true(has_return(program, SECCOMP_RET_LOG));
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), 0);
    seccomp_program_free(program);
}

static void trace_wakes_the_tracer(void **state)
{
    struct seccomp_program *program =
        stage_program(RULE("'action': 'SCMP_ACT_TRACE', 'errnoRet': 4711"));
    unsigned long message = 0;
    int status;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        stage_load(program);
        _exit(syscall(SYS_getppid) > 0 ? 0 : STAGE_ABSURD);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL),
                     0);
    assert_int_equal(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
    assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message), 0);
    assert_int_equal(message, 4711);
    assert_int_equal(ptrace(PTRACE_CONT, pid, 0, 0), 0);
    assert_int_equal(stage_end(pid), 0);
    seccomp_program_free(program);
}

/* ---- the listener ---- */

#define NOTIFY                                                                                     \
    "{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/run/agent.sock', "                      \
    "'listenerMetadata': 'a=b', 'flags': ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'], "             \
    "'syscalls': [{'names': ['getppid'], 'action': 'SCMP_ACT_NOTIFY'}]}"

/* In a child: loads the filter, gives the listener's number away, asks, checks the answer. */
static void be_watched(const struct seccomp_program *program, int socket)
{
    alarm(TIMEOUT_S);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener = seccomp_load_listener(&program->program, program->flags);
    if (listener < 0 || write(socket, &listener, sizeof(listener)) != sizeof(listener))
        _exit(STAGE_LOAD_FAILED);
    bool is_closed_on_exec = fcntl(listener, F_GETFD) == FD_CLOEXEC;
    long first = syscall(SYS_getppid);
    long second = syscall(SYS_getppid);
    int errnum = errno;
    _exit(is_closed_on_exec && first == 4711 && second == -1 && errnum == ENODATA ? 0
                                                                                  : STAGE_ABSURD);
}

static void answer_next(int listener, pid_t pid, int64_t value, int errnum)
{
    struct seccomp_notif asked = {0};

    assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked), 0);
    assert_int_equal(asked.pid, pid);
    assert_int_equal(asked.data.nr, SYS_getppid);
    struct seccomp_notif_resp answer = {.id = asked.id, .val = value, .error = -errnum};
    assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
}

static void a_listener_answers(void **state)
{
    struct seccomp_program *program = stage_program(NOTIFY);
    int pair[2], theirs = -1;

    (void)state;
    assert_true(program->has_notify);
    assert_string_equal(program->listener_path, "/run/agent.sock");
    assert_string_equal(program->listener_metadata, "a=b");
    assert_int_equal(program->flags, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_watched(program, pair[1]);
    assert_int_equal(read(pair[0], &theirs, sizeof(theirs)), sizeof(theirs));
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int listener = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
    assert_true(listener >= 0);
    answer_next(listener, pid, 4711, 0);
    answer_next(listener, pid, 0, ENODATA);
    assert_int_equal(stage_end(pid), 0);
    close(listener);
    close(pidfd);
    close(pair[0]);
    close(pair[1]);
    seccomp_program_free(program);
}

/* config-linux.md: without SCMP_ACT_NOTIFY the path is ignored. */
static void a_listener_that_nothing_needs(void **state)
{
    struct seccomp_program *program =
        stage_program("{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/run/agent.sock', "
                      "'flags': ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV']}");

    (void)state;
    assert_false(program->has_notify);
    assert_null(program->listener_path);
    assert_int_equal(program->flags, 0);
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), 0);
    seccomp_program_free(program);
}

/* ---- flags ---- */

static void flags_reach_the_kernel(void **state)
{
    static const struct {
        const char *profile;
        unsigned flags;
    } cases[] = {
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': []}", 0},
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_TSYNC']}", 0},
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG']}",
         SECCOMP_FILTER_FLAG_LOG},
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', "
         "'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_LOG']}",
         SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_LOG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = stage_program(cases[i].profile);
        assert_int_equal(program->flags, cases[i].flags);
        assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), 0);
        seccomp_program_free(program);
    }
}

/* ---- what is refused ---- */

#define ALLOW      "{'defaultAction': 'SCMP_ACT_ALLOW', "
#define DUP        ALLOW "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_ERRNO', "
#define DIGITS_20  "12345678901234567890"
#define ARG(entry) DUP "'args': [" entry "]}]}"

static void bad_profiles_are_refused_by_name(void **state)
{
    static const struct {
        const char *profile, *message;
    } cases[] = {
        {"{}", "linux.seccomp.defaultAction"},
        {"{'defaultAction': 'ALLOW'}", "linux.seccomp.defaultAction: \"ALLOW\""},
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'defaultErrnoRet': 1}",
         "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no errno; remove 1"},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': -1}",
         "linux.seccomp.defaultErrnoRet: -1"},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 4096}",
         "linux.seccomp.defaultErrnoRet: 4096 is not within 0..4095"},
        {"{'defaultAction': 'SCMP_ACT_NOTIFY', 'listenerPath': '/a'}",
         "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY"},
        {ALLOW "'architectures': ['x86_64']}", "linux.seccomp.architectures[0]: \"x86_64\""},
        {ALLOW "'architectures': ['SCMP_ARCH_X86', 'SCMP_ARCH_VAX']}",
         "linux.seccomp.architectures[1]: \"SCMP_ARCH_VAX\""},
        {ALLOW "'architectures': [1]}", "linux.seccomp.architectures[0]: must be a string"},
        {ALLOW "'architectures': ['SCMP_ARCH_S390X']}",
         "linux.seccomp.architectures: SCMP_ARCH_S390X has another byte order"},
        {ALLOW "'flags': ['SECCOMP_FILTER_FLAG_NEW_LISTENER']}",
         "linux.seccomp.flags[0]: \"SECCOMP_FILTER_FLAG_NEW_LISTENER\""},
        {ALLOW "'flags': [true]}", "linux.seccomp.flags[0]: must be a string"},
        {ALLOW "'listenerMetadata': 'x'}", "linux.seccomp.listenerMetadata: needs"},
        {ALLOW "'syscalls': [1]}", "linux.seccomp.syscalls[0]: must be an object"},
        {ALLOW "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_LOG'}, {'names': ['dup']}]}",
         "linux.seccomp.syscalls[1].action: is missing"},
        {ALLOW "'syscalls': [{'names': [], 'action': 'SCMP_ACT_LOG'}]}",
         "linux.seccomp.syscalls[0].names: is empty"},
        {ALLOW "'syscalls': [{'names': ['dup', 3], 'action': 'SCMP_ACT_LOG'}]}",
         "linux.seccomp.syscalls[0].names[1]: "},
        {ALLOW "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_LOG', 'errnoRet': 5}]}",
         "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_LOG takes no errno; remove 5"},
        {DUP "'errnoRet': 70000}]}", "linux.seccomp.syscalls[0].errnoRet: 70000"},
        {DUP "'errnoRet': -3}]}", "linux.seccomp.syscalls[0].errnoRet: -3"},
        {ALLOW "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_NOTIFY'}]}",
         "linux.seccomp.listenerPath: "},
        {ALLOW "'listenerPath': '', 'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_NOTIFY'}]}",
         "linux.seccomp.listenerPath: "},
        {ALLOW "'listenerPath': '/" DIGITS_20 DIGITS_20 DIGITS_20 DIGITS_20 DIGITS_20
               "1234567', 'syscalls': [{'names': ['dup'], "
               "'action': 'SCMP_ACT_NOTIFY'}]}",
         "linux.seccomp.listenerPath: 108 bytes"},
        {ALLOW "'listenerPath': '/a', 'syscalls': [{'names': ['read', 'write'], 'action': "
               "'SCMP_ACT_NOTIFY'}]}",
         "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY is not possible for write"},
        {ARG("{'index': 6, 'value': 0, 'op': 'SCMP_CMP_EQ'}"),
         "linux.seccomp.syscalls[0].args[0].index: 6 is not within 0..5"},
        {ARG("{'index': 0, 'value': -1, 'op': 'SCMP_CMP_EQ'}"),
         "linux.seccomp.syscalls[0].args[0].value: -1"},
        {ARG("{'index': 0, 'value': 1, 'valueTwo': 1.5, 'op': 'SCMP_CMP_EQ'}"),
         "linux.seccomp.syscalls[0].args[0].valueTwo: "},
        {ARG("{'index': 0, 'op': 'SCMP_CMP_EQ'}"),
         "linux.seccomp.syscalls[0].args[0].value: is missing"},
        {ARG("{'index': 0, 'value': 1, 'op': 'SCMP_CMP_EQ'}, {'index': 1, 'value': 1, 'op': '=='}"),
         "linux.seccomp.syscalls[0].args[1].op: \"==\""},
        {ALLOW "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_ERRNO', 'args': [{'index': 0, "
               "'value': 1, 'op': 'SCMP_CMP_EQ'}]}, {'names': ['dup'], 'action': 'SCMP_ACT_LOG', "
               "'args': [{'index': 0, 'value': 1, 'op': 'SCMP_CMP_EQ'}]}]}",
         "linux.seccomp.syscalls[1]: SCMP_ACT_LOG for dup contradicts"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = NULL;
        struct error error = ERROR_INIT;
        json_t *profile = stage_profile(cases[i].profile);
        if (seccomp_program_new(profile, &program, &error) >= 0)
            fail_msg("%s: is accepted", cases[i].profile);
        if (!strstr(error.message, cases[i].message))
            fail_msg("%s: %s", cases[i].message, error.message);
        assert_null(program);
        json_decref(profile);
    }
}

static void calls_nobody_knows_are_skipped(void **state)
{
    struct seccomp_program *program =
        stage_program("{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': "
                      "['no_such_call_yet', 'getppid'], 'action': 'SCMP_ACT_ERRNO'}]}");

    (void)state;
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), EPERM);
    seccomp_program_free(program);
}

static void a_program_remembers_its_profile(void **state)
{
    json_t *profile = stage_profile(NOTIFY), *equal = json_deep_copy(profile);
    json_t *other = stage_profile("{'defaultAction': 'SCMP_ACT_ALLOW'}");
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(seccomp_program_new(profile, &program, &error), 0);
    json_decref(profile);
    assert_true(seccomp_program_is_of(program, program->profile));
    assert_true(seccomp_program_is_of(program, equal));
    assert_false(seccomp_program_is_of(program, other));
    assert_false(seccomp_program_is_of(NULL, other));
    assert_string_equal(program->listener_path, "/run/agent.sock");
    json_decref(equal);
    json_decref(other);
    seccomp_program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_actions),
        cmocka_unit_test(errno_of_zero),
        cmocka_unit_test(trap_tells_the_call),
        cmocka_unit_test(kill_thread_is_not_kill_process),
        cmocka_unit_test(log_is_more_than_allow),
        cmocka_unit_test(trace_wakes_the_tracer),
        cmocka_unit_test(a_listener_answers),
        cmocka_unit_test(a_listener_that_nothing_needs),
        cmocka_unit_test(flags_reach_the_kernel),
        cmocka_unit_test(bad_profiles_are_refused_by_name),
        cmocka_unit_test(calls_nobody_knows_are_skipped),
        cmocka_unit_test(a_program_remembers_its_profile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
