/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: criu(8) makes the processes of a container anew. All around them is as `run` has it:
 * directory in the store, cgroup, pid file, hooks after the start, the foreground.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "common/units.h"
#include "supervisor/cli/runtime_criu.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/sys/mount.h"

#define MAX_PASSED 4 /* the standard descriptors and a network namespace */

/* What the child that becomes criu needs. */
struct place {
    const struct config *config;
    int ready; /* a pipe: at its end the child is in its cgroup */
    int passed[MAX_PASSED];
    size_t passed_count;
    bool has_new_keyring, has_no_new_privileges;
};

/* ---- the child ---- */

/*
 * criu wants the root to be a mount, into which it can write. Nobody else sees this one: the
 * namespace goes away with criu.
 */
static int make_root(const struct config *config)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(config->root_path, config->root_path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -errno;
    return 0;
}

static int prepare(void *context)
{
    const struct place *place = context;
    char byte;

    if (read(place->ready, &byte, 1) != 1)
        return -ECANCELED;
    for (size_t i = 0; i < place->passed_count; i++)
        if (fcntl(place->passed[i], F_SETFD, 0) < 0)
            return -errno;
    if (place->has_new_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
        errno != ENOSYS)
        return -errno;
    int r = make_root(place->config);
    /* criu 3.17 forgets it; what criu makes inherits it. */
    if (r == 0 && place->has_no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    return r;
}

/* ---- what it is given ---- */

/* Above the standard descriptors, which criu itself does not get. */
static int pass(struct runtime_criu *criu, struct place *place, int fd, const char *name,
                struct error *error)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);

    if (copy < 0)
        return error_sys(error, errno, "pass descriptor %d on", fd);
    place->passed[place->passed_count++] = copy;
    runtime_criu_add(criu, "--inherit-fd");
    runtime_criu_add(criu, "fd[%d]:%s", copy, name);
    return 0;
}

static int pass_descriptors(struct runtime_criu *criu, struct place *place, struct error *error)
{
    json_t *names = runtime_criu_json_read(criu, RUNTIME_CRIU_DESCRIPTORS, error);
    int r = names ? 0 : -error->code;

    for (int fd = STDIN_FILENO; r == 0 && fd <= STDERR_FILENO; fd++) {
        const char *name = json_string_value(json_array_get(names, (size_t)fd));
        if (name && (strncmp(name, "pipe:", 5) == 0 || strncmp(name, "file[", 5) == 0))
            r = pass(criu, place, fd, name, error);
    }
    json_decref(names);
    return r;
}

static int pass_network(struct runtime_criu *criu, struct place *place, struct error *error)
{
    const char *path = place->config->namespaces[NAMESPACE_NETWORK].path;

    if (!path)
        return 0;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_sys(error, errno, "linux.namespaces: network %s", path)
                  : pass(criu, place, fd, RUNTIME_CRIU_NETWORK, error);
}

/* ---- what is restored, and stands still ---- */

/* In a child, for there is no way back out of a mount namespace. */
static void restrict_root(const struct config *config, int pidfd)
{
    uint64_t attributes = MOUNT_ATTR_NODEV | (config->is_root_read_only ? MOUNT_ATTR_RDONLY : 0);

    if (setns(pidfd, CLONE_NEWNS) < 0)
        _exit(errno);
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    _exit(root < 0 ? errno : -mount_change(root, 0, attributes, 0, 0, -1));
}

/* criu leaves the root's mount without its attributes. */
static int finish_root(const struct runtime_creation *creation, struct error *error)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        restrict_root(creation->config, creation->made.pidfd);
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            child = -1;
    if (child < 0)
        return error_sys(error, errno, "enter the restored container");
    return status == 0 ? 0
                       : error_sys(error, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
                                   "give the restored root its attributes back");
}

/* Nothing of the container has run yet (--leave-stopped). */
static int let_go(const struct runtime_creation *creation, const json_t *mounts,
                  struct error *error)
{
    int r = finish_root(creation, error);

    if (r == 0)
        r = runtime_criu_mounts_check(mounts, creation->made.pid, error);
    return r < 0 ? r : cgroup_signal(creation->cgroup.cgroup, SIGCONT, error);
}

/* ---- running criu ---- */

static int find_pid(const char *path, struct runtime_creation *creation, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    uint64_t pid = 0;
    size_t length;
    int r = runtime_file_read(path, 64, &text, &length, error);

    unlink(path);
    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    r = parse_u64(text, INT32_MAX, &pid);
    if (r < 0 || pid == 0)
        return error_set(error, EINVAL, "criu wrote \"%.32s\" as the pid", text);
    /* Our child (--restore-sibling), not reaped: it is that one. */
    int pidfd = pidfd_open((pid_t)pid, 0);
    if (pidfd < 0)
        return error_sys(error, errno, "the restored process %d", (int)pid);
    creation->made = (struct container)CONTAINER_INIT;
    creation->made.pid = (pid_t)pid;
    creation->made.pidfd = pidfd;
    creation->is_made = true;
    return 0;
}

static int run_criu(struct runtime_criu *criu, struct place *place,
                    struct runtime_creation *creation, struct error *error)
{
    int ready[2];

    if (pipe2(ready, O_CLOEXEC) < 0)
        return error_sys(error, errno, "make a pipe");
    place->ready = ready[0];
    pid_t child = runtime_criu_start(criu, prepare, place, error);
    int r = child < 0 ? child : 0;
    if (r == 0)
        r = cgroup_attach(creation->cgroup.cgroup, child, error);
    runtime_scope_settle(&creation->cgroup);
    if (r == 0 && write(ready[1], "", 1) != 1)
        r = error_sys(error, errno, "let criu begin");
    close(ready[0]);
    close(ready[1]);
    if (child < 0)
        return r;
    /* Without the byte the child ends by itself. */
    int finished = runtime_criu_finish(criu, child, r == 0 ? error : NULL);
    return r < 0 ? r : finished;
}

static void add_restore(struct runtime_criu *criu, const struct runtime_creation *creation,
                        const char *pid_file)
{
    runtime_criu_add(criu, "--restore-detached");
    runtime_criu_add(criu, "--restore-sibling");
    runtime_criu_add(criu, "--pidfile");
    runtime_criu_add(criu, "%s", pid_file);
    runtime_criu_add(criu, "--root");
    runtime_criu_add(criu, "%s", creation->config->root_path);
    runtime_criu_add(criu, "--leave-stopped");
    runtime_criu_add(criu, "--cgroup-root");
    runtime_criu_add(criu, "%s", creation->cgroup.path);
}

static int check(const struct runtime *runtime, const struct runtime_passed *passed,
                 const struct runtime_creation *creation, struct error *error)
{
    const struct config *config = creation->config;

    if (!creation->cgroup.cgroup)
        return error_set(error, EOPNOTSUPP,
                         "restore: only a container with a cgroup of its own "
                         "can be restored");
    if (config->hooks[HOOK_PRESTART].count || config->hooks[HOOK_CREATE_RUNTIME].count)
        return error_set(error, EOPNOTSUPP,
                         "restore: prestart and createRuntime hooks cannot run at a restore; what "
                         "they do must be done before (a network namespace can be given by path)");
    if (runtime->options.has_no_pivot)
        return error_set(error, EOPNOTSUPP, "restore: --no-pivot: criu uses pivot_root");
    if (passed->count)
        return error_set(error, EOPNOTSUPP,
                         "restore: descriptors (LISTEN_FDS, --preserve-fds) can be passed to a new "
                         "program only");
    return runtime_criu_check_config(config, error);
}

/* A runtime_maker. */
static int restore(struct runtime *runtime, const struct runtime_passed *passed,
                   struct runtime_creation *creation, struct error *error)
{
    _cleanup_runtime_criu_ struct runtime_criu criu = {0};
    const struct config_process *process = creation->config->process;
    struct place place = {
        .config = creation->config,
        .has_new_keyring = !runtime->options.has_no_new_keyring,
        .has_no_new_privileges = process && process->no_new_privileges,
    };
    char name[64], pid_file[PATH_MAX];
    json_t *mounts = NULL;
    int console;

    int r = check(runtime, passed, creation, error);
    if (r == 0)
        r = runtime_console(runtime, false, runtime->options.is_detached, &console, error);
    if (r == 0)
        r = runtime_criu_open(runtime, "restore", false, &criu, error);
    snprintf(name, sizeof(name), "restore.%d.pid", (int)getpid());
    if (r == 0)
        r = path_join(pid_file, criu.work, name, error);
    if (r == 0 && !(mounts = runtime_criu_json_read(&criu, RUNTIME_CRIU_MOUNTS, error)))
        r = -error->code;
    if (r == 0)
        r = runtime_criu_mounts_restore(&criu, creation->config, mounts, error);
    if (r == 0)
        r = pass_descriptors(&criu, &place, error);
    if (r == 0)
        r = pass_network(&criu, &place, error);
    if (r == 0) {
        add_restore(&criu, creation, pid_file);
        unlink(pid_file);
        r = run_criu(&criu, &place, creation, error);
        if (r < 0)
            unlink(pid_file);
    }
    if (r == 0)
        r = find_pid(pid_file, creation, error);
    if (r == 0)
        r = let_go(creation, mounts, error);
    for (size_t i = 0; i < place.passed_count; i++)
        close(place.passed[i]);
    json_decref(mounts);
    return r;
}

int runtime_restore_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_criu_ struct runtime_criu criu = {0};
    int r = store_id_check(args[0], error);

    (void)count;
    /* Before anything is made: is there a criu, and are there images? */
    if (r == 0)
        r = runtime_criu_open(runtime, "restore", false, &criu, error);
    json_t *mounts = r < 0 ? NULL : runtime_criu_json_read(&criu, RUNTIME_CRIU_MOUNTS, error);
    if (r == 0 && !mounts)
        r = -error->code;
    json_decref(mounts);
    return r < 0 ? r : runtime_run_made(runtime, args[0], restore, error);
}
