/* SPDX-License-Identifier: Apache-2.0 */

/* The library as the supervisor and the command line use it: what each call gives and leaves. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/container.h"

#define BUSYBOX "/usr/bin/busybox"

static char bundle[] = "/tmp/container-test-XXXXXX";
static int descriptors; /* open before a test */

/* ---- the stage ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static int make_bundle(void **state)
{
    static const char *const directories[] = {"rootfs", "rootfs/bin", "rootfs/dev", "rootfs/proc"};
    char path[128], command[256];

    (void)state;
    if (!mkdtemp(bundle))
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
        snprintf(path, sizeof(path), "%s/%s", bundle, directories[i]);
        if (mkdir(path, 0755) < 0)
            return -1;
    }
    snprintf(command, sizeof(command), "cp " BUSYBOX " %s/rootfs/bin/sh", bundle);
    return system(command) == 0 ? 0 : -1;
}

static int remove_bundle(void **state)
{
    (void)state;
    return nftw(bundle, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int begin(void **state)
{
    (void)state;
    descriptors = count_descriptors();
    return 0;
}

/* Nothing is left: no child, no descriptor. */
static int end(void **state)
{
    (void)state;
    bool has_child = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    int count = count_descriptors();

    if (has_child || count != descriptors)
        fprintf(stderr, "left: a child %d, descriptors %d\n", has_child, count - descriptors);
    return has_child || count != descriptors;
}

/* A config with a shell that runs a script; more is JSON of the process. ' stands for ". */
static struct config *make_config(const char *script, const char *more)
{
    static const char format[] =
        "{'ociVersion':'1.3.0','process':{'user':{'uid':0,'gid':0},'cwd':'/',"
        "'args':['/bin/sh','-c','%s']%s},'root':{'path':'rootfs'},"
        "'mounts':[{'destination':'/proc','type':'proc','source':'proc'},"
        "{'destination':'/dev','type':'tmpfs','source':'tmpfs'},"
        "{'destination':'/dev/pts','type':'devpts','source':'devpts',"
        "'options':['newinstance','ptmxmode=0666']}],"
        "'linux':{'namespaces':[{'type':'mount'},{'type':'pid'},{'type':'uts'}]}}";
    struct error error = ERROR_INIT;
    struct config *config = NULL;
    _cleanup_free_ char *text = NULL;

    assert_true(asprintf(&text, format, script, more) > 0);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = config_parse(text, strlen(text), "test", &error);
    int r = json ? config_read(json, bundle, &config, &error) : -1;
    json_decref(json);
    if (r < 0)
        fail_msg("%s", error.message);
    return config;
}

static struct container_request request_of(const struct config *config)
{
    return (struct container_request){
        .id = "test",
        .config = config,
        .stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
        .console_fd = -1,
        .start_listener = -1,
    };
}

static struct container create(const struct container_request *request)
{
    struct container container;
    struct error error = ERROR_INIT;

    if (container_create(request, &container, &error) < 0)
        fail_msg("%s", error.message);
    return container;
}

static int reap(struct container *container)
{
    struct pollfd ended = {.fd = container->pidfd, .events = POLLIN};
    int status = 0;

    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_int_equal(waitpid(container->pid, &status, 0), container->pid);
    close_fd(&container->pidfd);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void assert_holds_nothing(const struct container *container)
{
    assert_int_equal(container->pid, -1);
    assert_int_equal(container->pidfd, -1);
    assert_int_equal(container->start_fd, -1);
    assert_int_equal(container->terminal_fd, -1);
}

/* ---- creation and start ---- */

static void a_created_container_waits_and_runs_when_it_is_started(void **state)
{
    _cleanup_config_ struct config *config = make_config("exit 7", "");
    struct container_request request = request_of(config);
    struct error error = ERROR_INIT;

    (void)state;
    struct container container = create(&request);
    struct pollfd ended = {.fd = container.pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 50), 0);
    assert_true(container.start_fd >= 0);
    assert_string_equal(container.warnings, "");
    assert_int_equal(container_start(&container, config, &error), 0);
    assert_int_equal(container.start_fd, -1);
    assert_int_equal(reap(&container), 7);
    assert_int_equal(container_signal(&container, 0), -EBADF);
}

static void a_created_container_can_be_abandoned(void **state)
{
    _cleanup_config_ struct config *config = make_config("exit 7", "");
    struct container_request request = request_of(config);

    (void)state;
    struct container container = create(&request);
    container_abandon(&container);
    assert_holds_nothing(&container);
}

static void a_signal_reaches_the_first_process(void **state)
{
    _cleanup_config_ struct config *config = make_config("while :; do :; done", "");
    struct container_request request = request_of(config);
    struct error error = ERROR_INIT;

    (void)state;
    struct container container = create(&request);
    assert_int_equal(container_start(&container, config, &error), 0);
    _cleanup_close_ int network = container_network_namespace(&container);
    assert_true(network >= 0);
    assert_int_equal(container_signal(&container, SIGKILL), 0);
    assert_int_equal(reap(&container), 128 + SIGKILL);
}

static void a_failed_creation_leaves_nothing_and_says_why(void **state)
{
    static const struct {
        const char *more, *message;
    } rows[] = {
        {",'cwd':'/bin/sh'", "process.cwd: working directory /bin/sh: Not a directory"},
        {",'scheduler':{'policy':'SCHED_DEADLINE'}",
         "process.scheduler: set {\"policy\":\"SCHED_DEADLINE\"}: Invalid argument"},
        {",'terminal':true", "process.terminal: is true, so somebody must take the terminal: give "
                             "a console socket"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool has_cwd = strstr(rows[i].more, "cwd") != NULL;
        _cleanup_config_ struct config *config = make_config("true", has_cwd ? "" : rows[i].more);
        struct error error = ERROR_INIT;
        struct container container;
        if (has_cwd)
            config->process->cwd = "/bin/sh";
        struct container_request request = request_of(config);
        assert_true(container_create(&request, &container, &error) < 0);
        assert_string_equal(error.message, rows[i].message);
        assert_holds_nothing(&container);
    }
}

static void a_failed_start_leaves_nothing(void **state)
{
    char program[PATH_MAX], away[PATH_MAX];
    _cleanup_config_ struct config *config = make_config("true", "");
    struct container_request request = request_of(config);
    struct error error = ERROR_INIT;

    (void)state;
    /* A program that is missing from the beginning is found missing by the creation. */
    snprintf(program, sizeof(program), "%s/rootfs/bin/sh", bundle);
    snprintf(away, sizeof(away), "%s/rootfs/bin/away", bundle);
    struct container container = create(&request);
    assert_int_equal(rename(program, away), 0);
    int r = container_start(&container, config, &error);
    assert_int_equal(rename(away, program), 0);
    assert_int_equal(r, -ENOENT);
    assert_non_null(strstr(error.message, "exec /bin/sh: no such program in the image"));
    assert_holds_nothing(&container);
}

/* `create` and `start` as two programs. */
static void a_container_is_started_by_who_connects_to_its_socket(void **state)
{
    _cleanup_config_ struct config *config = make_config("exit 3", "");
    struct container_request request = request_of(config);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error error = ERROR_INIT;

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/start", bundle);
    _cleanup_close_ int directory = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(container_start_at(directory, "start", config, &error), -ENOENT);
    _cleanup_close_ int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    request.start_listener = listener;
    struct container container = create(&request);
    close_fd(&listener);
    assert_int_equal(container.start_fd, -1);
    assert_int_equal(container_start_at(directory, "start", config, &error), 0);
    assert_int_equal(reap(&container), 3);
    assert_int_equal(container_start_at(directory, "start", config, &error), -ECONNREFUSED);
    unlinkat(directory, "start", 0);
}

/* ---- what is handed over ---- */

static void a_terminal_comes_back_where_it_is_wanted(void **state)
{
    _cleanup_config_ struct config *config = make_config("echo hello", ",'terminal':true");
    struct container_request request = request_of(config);
    struct error error = ERROR_INIT;
    char text[16] = "";

    (void)state;
    request.wants_terminal = true;
    struct container container = create(&request);
    assert_true(isatty(container.terminal_fd));
    assert_int_equal(container_start(&container, config, &error), 0);
    struct pollfd ready = {.fd = container.terminal_fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    assert_true(read(container.terminal_fd, text, sizeof(text) - 1) > 0);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(reap(&container), 0);
    close_fd(&container.terminal_fd);
}

static void passed_descriptors_begin_at_three(void **state)
{
    _cleanup_config_ struct config *config = make_config("echo passed >&4", "");
    struct container_request request = request_of(config);
    struct error error = ERROR_INIT;
    int ends[2];
    char text[16] = "";

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    request.passed = ends;
    request.passed_count = 2;
    struct container container = create(&request);
    assert_int_equal(container_start(&container, config, &error), 0);
    assert_int_equal(read(ends[0], text, sizeof(text)), 7);
    assert_string_equal(text, "passed\n");
    assert_int_equal(reap(&container), 0);
    request.passed_count = 1000;
    assert_int_equal(container_create(&request, &container, &error), -E2BIG);
    assert_holds_nothing(&container);
    close(ends[0]);
    close(ends[1]);
}

static void what_cannot_be_granted_is_a_warning(void **state)
{
    _cleanup_config_ struct config *config =
        make_config("true", ",'capabilities':{'bounding':['CAP_NOSUCH']}");
    struct container_request request = request_of(config);

    (void)state;
    struct container container = create(&request);
    assert_string_equal(container.warnings,
                        "process.capabilities: CAP_NOSUCH is not known and left out");
    container_abandon(&container);
}

/* ---- further processes ---- */

static void an_exec_runs_beside_the_first_process(void **state)
{
    _cleanup_config_ struct config *config = make_config("while :; do :; done", "");
    _cleanup_config_ struct config *other = make_config("exit 5", "");
    struct container_request request = request_of(config);
    struct container more;
    struct error error = ERROR_INIT;

    (void)state;
    struct container container = create(&request);
    assert_int_equal(container_start(&container, config, &error), 0);
    struct exec_request exec = {
        .id = "test",
        .config = config,
        .process = other->process,
        .pid = container.pid,
        .pidfd = container.pidfd,
        .stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
        .console_fd = -1,
    };
    assert_int_equal(container_exec(&exec, &more, &error), 0);
    assert_int_equal(reap(&more), 5);
    other->process->args[0][1] = 'x';
    assert_int_equal(container_exec(&exec, &more, &error), -ENOENT);
    assert_holds_nothing(&more);
    assert_int_equal(container_signal(&container, 0), 0);
    container_abandon(&container);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_created_container_waits_and_runs_when_it_is_started,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_created_container_can_be_abandoned, begin, end),
        cmocka_unit_test_setup_teardown(a_signal_reaches_the_first_process, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_creation_leaves_nothing_and_says_why, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_start_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_container_is_started_by_who_connects_to_its_socket, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_terminal_comes_back_where_it_is_wanted, begin, end),
        cmocka_unit_test_setup_teardown(passed_descriptors_begin_at_three, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_granted_is_a_warning, begin, end),
        cmocka_unit_test_setup_teardown(an_exec_runs_beside_the_first_process, begin, end),
    };

    if (geteuid() != 0 || access(BUSYBOX, X_OK) < 0) {
        puts("skipped: it takes root and " BUSYBOX);
        return 0;
    }
    return cmocka_run_group_tests(tests, make_bundle, remove_bundle);
}
