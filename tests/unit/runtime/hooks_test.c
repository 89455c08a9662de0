/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that are run: shells which note what they find in files of a directory of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/runtime/hooks.h"

#define PATIENCE_MS 20000 /* for what takes no time; an emulated machine is slow */
#define HOOKS_MAX   4

static struct error error;
static char directory[] = "/tmp/hooks_test.XXXXXX";
static char told[65536]; /* what came out on stderr during the last run */

/* ---- files ---- */

static const char *file_path(const char *name)
{
    static char path[2][128];
    static unsigned turn;
    char *buffer = path[turn++ % 2];

    snprintf(buffer, sizeof(path[0]), "%s/%s", directory, name);
    return buffer;
}

static const char *noted(const char *name)
{
    static char text[65536];
    _cleanup_close_ int fd = open(file_path(name), O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof(text) - 1);

    if (length < 0)
        fail_msg("no hook has written \"%s\"", name);
    text[length] = '\0';
    return text;
}

static bool is_noted(const char *name)
{
    return access(file_path(name), F_OK) == 0;
}

static pid_t noted_pid(const char *name)
{
    pid_t pid = (pid_t)strtol(noted(name), NULL, 10);

    assert_true(pid > 1);
    return pid;
}

static size_t count_descriptors(void)
{
    _cleanup_closedir_ DIR *list = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(list))
        count++;
    return count;
}

/* ---- a config of shell hooks ---- */

struct fixture {
    struct config config;
    struct config_hook hooks[HOOKS_MAX];
    char *args[HOOKS_MAX][5];
    char *env[2];
};

static struct fixture fixture;

static struct config_hook *add(enum config_hook_kind kind, const char *script)
{
    struct config_hooks *hooks = &fixture.config.hooks[kind];
    size_t i = hooks->count++;

    assert_true(i < HOOKS_MAX && (!hooks->list || hooks->list == fixture.hooks));
    hooks->list = fixture.hooks;
    char *args[5] = {"sh", "-c", (char *)script, directory, NULL};
    memcpy(fixture.args[i], args, sizeof(args));
    /* The directory is $0 of the script. */
    fixture.hooks[i] = (struct config_hook){"/bin/sh", fixture.args[i], fixture.env, 0};
    return &fixture.hooks[i];
}

/* Runs them and keeps what goes to our stderr meanwhile. Nothing may be left open or unwaited. */
static int run_with(enum config_hook_kind kind, const char *status, pid_t pid)
{
    size_t open_before = count_descriptors();
    int old_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int kept_fd = memfd_create("stderr", MFD_CLOEXEC);

    error = (struct error)ERROR_INIT;
    assert_true(old_fd >= 0 && kept_fd >= 0);
    dup2(kept_fd, STDERR_FILENO);
    int r = hooks_run(&fixture.config, kind, "blog", status, pid, &error);
    dup2(old_fd, STDERR_FILENO);
    ssize_t length = pread(kept_fd, told, sizeof(told) - 1, 0);
    told[length > 0 ? length : 0] = '\0';
    close(kept_fd);
    close(old_fd);
    assert_int_equal(count_descriptors(), open_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return r;
}

static int run(enum config_hook_kind kind)
{
    return run_with(kind, "created", 4711);
}

static void assert_runs(enum config_hook_kind kind)
{
    if (run(kind) < 0)
        fail_msg("%s", error.message);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    fixture = (struct fixture){
        .config = {.oci_version = "1.3.0", .bundle = "/srv/bundle"},
        .env = {"PATH=/usr/bin:/bin"},
    };
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref((json_t *)fixture.config.annotations);
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what a hook gets ---- */

static void test_state(void **state)
{
    (void)state;
    fixture.config.annotations = json_pack("{s:s, s:s}", "org.example.a", "1", "b", "\"\n");
    add(HOOK_CREATE_RUNTIME, "cat >$0/state");
    assert_runs(HOOK_CREATE_RUNTIME);
    json_t *got = json_loads(noted("state"), 0, NULL);
    json_t *wanted = json_pack("{s:s, s:s, s:s, s:i, s:s, s:{s:s, s:s}}", "ociVersion", "1.3.0",
                               "id", "blog", "status", "created", "pid", 4711, "bundle",
                               "/srv/bundle", "annotations", "org.example.a", "1", "b", "\"\n");
    assert_true(json_equal(got, wanted));
    json_decref(got);
    json_decref(wanted);
}

static void test_state_without_process(void **state)
{
    (void)state;
    add(HOOK_POSTSTOP, "cat >$0/state");
    assert_int_equal(run_with(HOOK_POSTSTOP, "stopped", 0), 0);
    json_t *got = json_loads(noted("state"), 0, NULL);
    json_t *wanted = json_pack("{s:s, s:s, s:s, s:s}", "ociVersion", "1.3.0", "id", "blog",
                               "status", "stopped", "bundle", "/srv/bundle");
    assert_true(json_equal(got, wanted));
    json_decref(got);
    json_decref(wanted);
}

/* Whatever those before did to it. */
static void test_every_hook_gets_the_state(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "cat >$0/1");
    add(HOOK_PRESTART, "(echo lie >&0; echo lie >/proc/self/fd/0; : >/proc/self/fd/0) 2>/dev/null; "
                       "head -c 5 >$0/2");
    add(HOOK_PRESTART, "cat >$0/3");
    assert_runs(HOOK_PRESTART);
    char first[1024];
    snprintf(first, sizeof(first), "%s", noted("1"));
    assert_memory_equal(first, "{\"ociVersion\"", 13);
    assert_string_equal(noted("2"), "{\"oci");
    assert_string_equal(noted("3"), first);
}

static void test_state_that_nobody_reads(void **state)
{
    _cleanup_free_ char *text = malloc(1 << 20);

    (void)state;
    memset(text, 'x', 1 << 20);
    fixture.config.annotations = json_pack("{s:s%}", "long", text, (1 << 20) - 1);
    add(HOOK_PRESTART, "exit 0");
    add(HOOK_PRESTART, "wc -c >$0/size");
    assert_runs(HOOK_PRESTART);
    assert_true(strtol(noted("size"), NULL, 10) > 1 << 20);
}

/* What a shell exports itself is not what it was given: env(1) is the hook. */
static void note_environment(char **env)
{
    static char *args[] = {"env", NULL};
    int old_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int fd = open(file_path("env"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    memset(fixture.config.hooks, 0, sizeof(fixture.config.hooks));
    struct config_hook *hook = add(HOOK_POSTSTART, "");
    *hook = (struct config_hook){"/usr/bin/env", args, env, 0};
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    int r = run(HOOK_POSTSTART);
    dup2(old_fd, STDOUT_FILENO);
    close(old_fd);
    close(fd);
    assert_int_equal(r, 0);
}

static void test_environment(void **state)
{
    char *env[] = {"FIRST=1", "SECOND=two words", NULL}, *none[] = {NULL};

    (void)state;
    setenv("SECRET", "of the runtime", 1);
    note_environment(env);
    assert_string_equal(noted("env"), "FIRST=1\nSECOND=two words\n");
    note_environment(none);
    assert_string_equal(noted("env"), "");
    unsetenv("SECRET");
}

static void test_arguments(void **state)
{
    char *args[] = {"a name",  "-c", "tr '\\0' '\\n' </proc/$$/cmdline >\"$0/args\"; exit 0",
                    directory, "",   "two words",
                    "$HOME",   NULL};
    char wanted[512];

    (void)state;
    add(HOOK_POSTSTART, "")->args = args;
    assert_runs(HOOK_POSTSTART);
    snprintf(wanted, sizeof(wanted), "a name\n-c\n%s\n%s\n\ntwo words\n$HOME\n", args[2],
             directory);
    assert_string_equal(noted("args"), wanted);
}

static void test_no_descriptor_leaks(void **state)
{
    int leaky = open("/", O_RDONLY | O_DIRECTORY), high = dup2(leaky, 200);

    (void)state;
    add(HOOK_PRESTART, "exec ls /proc/self/fd >$0/fds");
    assert_runs(HOOK_PRESTART);
    close(leaky);
    close(high);
    assert_string_equal(noted("fds"), "0\n1\n2\n3\n"); /* 3: the directory that ls reads */
}

/* What whoever started the tests ignores (a shell's background job does) is ignored in hooks too.
 */
static uint64_t ignored_by_caller(void)
{
    char line[128];
    uint64_t ignored = 0;

    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "SigIgn:", 7) == 0)
            ignored = strtoull(line + 7, NULL, 16);
    fclose(file);
    return ignored & ~(UINT64_C(1) << (SIGPIPE - 1));
}

static void test_signals_are_as_usual(void **state)
{
    sigset_t all, before;
    char wanted[80];

    (void)state;
    snprintf(wanted, sizeof(wanted), "SigBlk:\t%016d\nSigIgn:\t%016" PRIx64 "\n", 0,
             ignored_by_caller());
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    signal(SIGPIPE, SIG_IGN);
    add(HOOK_PRESTART, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status >$0/signals");
    int r = run(HOOK_PRESTART);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(r, 0);
    assert_string_equal(noted("signals"), wanted);
}

/* A runtime that was started with closed standard descriptors uses their numbers itself. */
static void test_caller_without_standard_descriptors(void **state)
{
    int status;

    (void)state;
    add(HOOK_PRESTART, "cat >$0/state; echo why >&2; exit 9");
    pid_t pid = fork();
    if (pid == 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        int r = hooks_run(&fixture.config, HOOK_PRESTART, "blog", "created", 1, &error);
        _exit(r == -ECANCELED && strstr(error.message, "exit status 9: why") ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_equal(noted("state"), "{\"ociVersion\"", 13);
}

/* ---- which run, and when ---- */

static void test_order(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "sleep 0.2; echo 1 >>$0/order");
    add(HOOK_PRESTART, "echo 2 >>$0/order");
    add(HOOK_PRESTART, "echo 3 >>$0/order");
    assert_runs(HOOK_PRESTART);
    assert_string_equal(noted("order"), "1\n2\n3\n");
}

static void test_only_of_its_kind(void **state)
{
    (void)state;
    add(HOOK_POSTSTOP, "touch $0/ran");
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        if (kind != HOOK_POSTSTOP)
            assert_runs((enum config_hook_kind)kind);
    assert_false(is_noted("ran"));
    assert_runs(HOOK_POSTSTOP);
    assert_true(is_noted("ran"));
}

static void test_failure_ends_the_rest(void **state)
{
    static const enum config_hook_kind kinds[] = {HOOK_PRESTART, HOOK_CREATE_RUNTIME,
                                                  HOOK_POSTSTART};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        memset(fixture.config.hooks, 0, sizeof(fixture.config.hooks));
        add(kinds[i], "exit 0");
        add(kinds[i], "exit 3");
        add(kinds[i], "touch $0/ran");
        assert_int_equal(run(kinds[i]), -ECANCELED);
        assert_int_equal(error.code, ECANCELED);
        assert_non_null(strstr(error.message, "[1] /bin/sh: exit status 3"));
        assert_false(is_noted("ran"));
    }
}

static void test_poststop_goes_on(void **state)
{
    (void)state;
    add(HOOK_POSTSTOP, "exit 3");
    add(HOOK_POSTSTOP, "echo 2 >>$0/order");
    add(HOOK_POSTSTOP, "echo 3 >>$0/order; exit 4");
    add(HOOK_POSTSTOP, "echo 4 >>$0/order");
    assert_int_equal(run(HOOK_POSTSTOP), -ECANCELED);
    assert_string_equal(error.message, "hooks.poststop[0] /bin/sh: exit status 3");
    assert_string_equal(noted("order"), "2\n3\n4\n");
}

/* ---- failures in words ---- */

static void test_message_has_the_end_of_stderr(void **state)
{
    (void)state;
    add(HOOK_CREATE_RUNTIME, "echo out of luck >&2; echo >&2; exit 42");
    assert_int_equal(run(HOOK_CREATE_RUNTIME), -ECANCELED);
    assert_string_equal(error.message,
                        "hooks.createRuntime[0] /bin/sh: exit status 42: out of luck");
    assert_string_equal(told, "out of luck\n\n");
}

static void test_stderr_is_passed_on(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "echo by the way >&2");
    assert_runs(HOOK_PRESTART);
    assert_string_equal(told, "by the way\n");
}

static void test_long_stderr_is_cut_in_front(void **state)
{
    static const char before[] = "hooks.prestart[0] /bin/sh: exit status 1: ";
    size_t begin = sizeof(before) - 1;

    (void)state;
    add(HOOK_PRESTART, "i=1000; while [ $i -lt 4000 ]; do echo $i,; i=$((i+1)); done >&2; exit 1");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_memory_equal(error.message, before, begin);
    assert_int_equal(strlen(error.message + begin), 511); /* without the last end of line */
    assert_string_equal(error.message + strlen(error.message) - 11, "3998, 3999,");
    assert_int_equal(strlen(told), 3000 * 6);
}

/* Characters of three bytes: the first of those that are kept is not whole. */
static void test_stderr_is_cut_between_characters(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "i=0; while [ $i -lt 400 ]; do printf '\\342\\202\\254'; i=$((i+1)); done "
                       ">&2; exit 1");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    json_t *text = json_string(error.message);
    assert_non_null(text);
    json_decref(text);
    assert_non_null(strstr(error.message, "exit status 1: \u20ac\u20ac"));
    assert_int_equal(strlen(strstr(error.message, "\u20ac")), 510);
}

static void test_stderr_that_is_no_text(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "printf 'caf\\351 ferm\\351' >&2; exit 1");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_string_equal(error.message, "hooks.prestart[0] /bin/sh: exit status 1: caf? ferm?");
}

static void test_signal(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "echo help >&2; kill -SEGV $$");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_string_equal(
        error.message, "hooks.prestart[0] /bin/sh: killed by signal 11 (Segmentation fault): help");
}

static void test_missing_program(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "")->path = "/nonexistent/hook";
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_string_equal(error.message, "hooks.prestart[0] /nonexistent/hook: it could not be "
                                       "executed: No such file or directory");
}

static void test_program_that_is_none(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "")->path = "/etc/passwd";
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_string_equal(
        error.message,
        "hooks.prestart[0] /etc/passwd: it could not be executed: Permission denied");
}

/* What a shell ends with when it does not find a command is not our own failure. */
static void test_status_127(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "exit 127");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    assert_string_equal(error.message, "hooks.prestart[0] /bin/sh: exit status 127");
}

/* Where the caller's SIGCHLD is ignored, the kernel tells nobody how a hook ended. */
static void test_unknown_end_is_a_failure(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "exit 0");
    signal(SIGCHLD, SIG_IGN);
    int r = run(HOOK_PRESTART);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(r, -ECHILD);
    assert_non_null(strstr(error.message, "hooks.prestart[0] /bin/sh: wait for it"));
}

/* ---- time ---- */

static void test_timeout(void **state)
{
    int64_t begin_ms = clock_monotonic_ms();

    (void)state;
    add(HOOK_PRESTART, "echo $$ >$0/pid; exec sleep 60")->timeout_s = 1;
    add(HOOK_PRESTART, "touch $0/ran");
    assert_int_equal(run(HOOK_PRESTART), -ETIMEDOUT);
    int64_t took_ms = clock_monotonic_ms() - begin_ms;
    assert_string_equal(error.message,
                        "hooks.prestart[0] /bin/sh: took longer than its timeout of 1 s");
    assert_true(took_ms >= 1000 && took_ms < PATIENCE_MS);
    assert_int_equal(kill(noted_pid("pid"), 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_false(is_noted("ran"));
}

static void test_timeout_of_one_that_talks(void **state)
{
    int64_t begin_ms = clock_monotonic_ms();

    (void)state;
    add(HOOK_POSTSTOP, "trap '' TERM; exec 1>&2; while :; do echo y; sleep 0.01; done")->timeout_s =
        1;
    add(HOOK_POSTSTOP, "touch $0/ran");
    assert_int_equal(run(HOOK_POSTSTOP), -ETIMEDOUT);
    assert_true(clock_monotonic_ms() - begin_ms < PATIENCE_MS);
    assert_true(is_noted("ran"));
}

static void test_in_time(void **state)
{
    (void)state;
    add(HOOK_PRESTART, "exit 0")->timeout_s = INT64_MAX;
    add(HOOK_PRESTART, "sleep 0.1")->timeout_s = 3600;
    assert_runs(HOOK_PRESTART);
}

static void test_process_left_behind_delays_nobody(void **state)
{
    int64_t begin_ms = clock_monotonic_ms();

    (void)state;
    add(HOOK_PRESTART, "sleep 60 & echo $! >$0/pid");
    assert_runs(HOOK_PRESTART);
    assert_true(clock_monotonic_ms() - begin_ms < PATIENCE_MS);
    assert_int_equal(kill(noted_pid("pid"), SIGKILL), 0); /* it was left alone */
}

/* Nor one that goes on talking. It ends when nobody listens any more (SIGPIPE). */
static void test_talker_left_behind_delays_nobody(void **state)
{
    int64_t begin_ms = clock_monotonic_ms();

    (void)state;
    add(HOOK_PRESTART, "yes >&2 & echo $! >$0/pid; echo bad >&2; exit 1");
    assert_int_equal(run(HOOK_PRESTART), -ECANCELED);
    pid_t pid = noted_pid("pid");
    while (kill(pid, 0) == 0 && clock_monotonic_ms() - begin_ms < PATIENCE_MS)
        usleep(10000);
    assert_true(clock_monotonic_ms() - begin_ms < PATIENCE_MS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_state),
        TEST(test_state_without_process),
        TEST(test_every_hook_gets_the_state),
        TEST(test_state_that_nobody_reads),
        TEST(test_environment),
        TEST(test_arguments),
        TEST(test_no_descriptor_leaks),
        TEST(test_signals_are_as_usual),
        TEST(test_caller_without_standard_descriptors),
        TEST(test_order),
        TEST(test_only_of_its_kind),
        TEST(test_failure_ends_the_rest),
        TEST(test_poststop_goes_on),
        TEST(test_message_has_the_end_of_stderr),
        TEST(test_stderr_is_passed_on),
        TEST(test_long_stderr_is_cut_in_front),
        TEST(test_stderr_is_cut_between_characters),
        TEST(test_stderr_that_is_no_text),
        TEST(test_signal),
        TEST(test_missing_program),
        TEST(test_program_that_is_none),
        TEST(test_status_127),
        TEST(test_unknown_end_is_a_failure),
        TEST(test_timeout),
        TEST(test_timeout_of_one_that_talks),
        TEST(test_in_time),
        TEST(test_process_left_behind_delays_nobody),
        TEST(test_talker_left_behind_delays_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
