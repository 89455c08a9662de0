/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/hook_process.h"
#include "supervisor/sys/clone.h"

json_t *state_json(const struct config *config, const char *id, const char *status, pid_t pid)
{
    json_t *state = json_pack("{s:s, s:s, s:s, s:s}", "ociVersion", config->oci_version, "id", id,
                              "status", status, "bundle", config->bundle ? config->bundle : "/");

    if (state && pid > 0)
        json_object_set_new(state, "pid", json_integer(pid));
    if (state && config->annotations)
        json_object_set(state, "annotations", (json_t *)config->annotations);
    return state;
}

/* ---- what a hook said ---- */

const char *hook_text(char *said)
{
    size_t length = strlen(said);

    while (length && (said[length - 1] == '\n' || said[length - 1] == '\r'))
        said[--length] = '\0';
    while ((*said & 0xc0) == 0x80)
        said++;
    json_t *text = json_string(said);
    for (char *c = said; *c; c++) {
        if (*c == '\n' || *c == '\t')
            *c = ' ';
        else if ((unsigned char)*c < ' ' || *c == 0x7f || (!text && *c & 0x80))
            *c = '?';
    }
    json_decref(text);
    return said;
}

/* ---- one hook ---- */

struct running_hook {
    struct hook_process process;
    int failure_fd; /* our end of the pipe that says why it was not executed */
};

/* The descriptors may be 0 to 2 themselves, if the runtime was started without those: they are
 * moved out of the way first. Only system calls. */
static _Noreturn void execute(const struct config_hook *hook, int state_fd, int stderr_fd,
                              int failure_fd)
{
    sigset_t none;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    state_fd = fcntl(state_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    stderr_fd = fcntl(stderr_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    failure_fd = fcntl(failure_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (dup2(state_fd, STDIN_FILENO) == STDIN_FILENO &&
        dup2(stderr_fd, STDERR_FILENO) == STDERR_FILENO &&
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve(hook->path, hook->args, hook->env);
    int errnum = errno;
    if (write(failure_fd, &errnum, sizeof(errnum)) < 0)
        _exit(126);
    _exit(127);
}

static int make_pipe(int *read_end, int *write_end, int flags)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | flags) < 0)
        return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

static int start(struct running_hook *running, int state_fd, struct error *error)
{
    _cleanup_close_ int stderr_end = -1, failure_end = -1;

    int r = make_pipe(&running->process.stderr_fd, &stderr_end, 0);
    if (r == 0)
        r = make_pipe(&running->failure_fd, &failure_end, O_NONBLOCK);
    if (r < 0)
        return error_sys(error, -r, "make a pipe");
    lseek(state_fd, 0, SEEK_SET);
    struct hook_process *process = &running->process;
    process->pid = clone_process(CLONE_PIDFD, -1, &process->pidfd);
    if (process->pid == 0)
        execute(process->hook, state_fd, stderr_end, failure_end);
    return process->pid < 0 ? error_sys(error, -process->pid, "fork") : 0;
}

static int explain(struct running_hook *running, int status, struct error *error)
{
    int errnum = 0;

    if (read(running->failure_fd, &errnum, sizeof(errnum)) == sizeof(errnum))
        return error_set(error, ECANCELED, "it could not be executed: %s", strerror(errnum));
    const char *said = hook_text(running->process.said), *colon = *said ? ": " : "";
    if (WIFSIGNALED(status))
        return error_set(error, ECANCELED, "killed by signal %d (%s)%s%s", WTERMSIG(status),
                         strsignal(WTERMSIG(status)), colon, said);
    return error_set(error, ECANCELED, "exit status %d%s%s", WEXITSTATUS(status), colon, said);
}

/* What became of it; it is gone afterwards. */
static int finish(struct running_hook *running, struct error *error)
{
    const struct hook_process *process = &running->process;
    int status = 0;
    bool is_in_time = hook_process_wait(&running->process);

    if (!is_in_time)
        kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(error, errno, "wait for it");
    if (!is_in_time)
        return error_set(error, ETIMEDOUT, "took longer than its timeout of %lld s",
                         (long long)process->hook->timeout_s);
    return status ? explain(running, status, error) : 0;
}

static int run_one(const struct config_hook *hook, int state_fd, struct error *error)
{
    struct running_hook running = {
        .process = {.hook = hook, .pid = -1, .pidfd = -1, .stderr_fd = -1},
        .failure_fd = -1,
    };

    int r = start(&running, state_fd, error);
    if (r == 0)
        r = finish(&running, error);
    close_fd(&running.process.pidfd);
    close_fd(&running.process.stderr_fd);
    close_fd(&running.failure_fd);
    return r;
}

/* ---- all of a kind ---- */

/* Sealed: what one hook writes to its standard input is not the next one's state. */
static int make_state_file(const struct config *config, const char *id, const char *status,
                           pid_t pid, struct error *error)
{
    json_t *state = state_json(config, id, status, pid);
    _cleanup_free_ char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;
    _cleanup_close_ int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    json_decref(state);
    if (!text || fd < 0)
        return error_sys(error, text ? errno : ENOMEM, "hooks: write the state");
    size_t length = strlen(text);
    if (write(fd, text, length) != (ssize_t)length)
        return error_set(error, EIO, "hooks: write the state");
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return error_sys(error, errno, "hooks: seal the state");
    return steal_fd(&fd);
}

int hooks_run(const struct config *config, enum config_hook_kind kind, const char *id,
              const char *status, pid_t pid, struct error *error)
{
    const struct config_hooks *hooks = &config->hooks[kind];

    if (hooks->count == 0)
        return 0;
    _cleanup_close_ int state_fd = make_state_file(config, id, status, pid, error);
    if (state_fd < 0)
        return state_fd;
    int result = 0;
    for (size_t i = 0; i < hooks->count; i++) {
        struct error failure = ERROR_INIT;
        int r = run_one(&hooks->list[i], state_fd, &failure);
        if (r == 0 || result < 0)
            continue;
        result = error_set(error, -r, "hooks.%s[%zu] %s: %s", config_hook_kind_name(kind), i,
                           hooks->list[i].path, failure.message);
        if (kind != HOOK_POSTSTOP)
            break;
    }
    return result;
}
