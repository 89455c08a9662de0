/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of a container in the foreground: what is typed goes in, what it writes comes out.
 * Each direction has one small buffer and reads only when that is empty, so that a container which
 * writes without end waits for its reader (CVE-2022-31030 was a runtime that did not).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"

/* pipe(7): so much can be written to a pipe that poll() says is ready. */
#define BUFFER_SIZE 4096

struct way {
    int from, to; /* from -1: at its end */
    size_t begin, end;
    char buffer[BUFFER_SIZE];
};

struct runtime_terminal {
    int master, output; /* output -1: standard output itself is written to */
    bool is_raw;
    struct termios before;
    struct way in, out;
};

/* ---- our own terminal ---- */

static void make_raw(struct runtime_terminal *terminal)
{
    struct termios raw;

    /* In the background it is not ours to change. */
    if (tcgetattr(STDIN_FILENO, &terminal->before) < 0 || tcgetpgrp(STDIN_FILENO) != getpgrp())
        return;
    raw = terminal->before;
    cfmakeraw(&raw);
    terminal->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static bool find_size(struct winsize *size)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* One that does not know its size leaves that of process.consoleSize. */
        if (ioctl(fd, TIOCGWINSZ, size) == 0 && (size->ws_row || size->ws_col))
            return true;
    return false;
}

void runtime_terminal_size(struct config_process *process)
{
    struct winsize size;

    if (process->console_rows || process->console_columns || !find_size(&size))
        return;
    process->console_rows = size.ws_row;
    process->console_columns = size.ws_col;
}

void runtime_terminal_resize(const struct runtime_terminal *terminal)
{
    struct winsize size;

    if (find_size(&size))
        ioctl(terminal->master, TIOCSWINSZ, &size);
}

/*
 * Standard output anew: poll(2) does not promise that a terminal takes all of a buffer, and who
 * waits for its reader in write(2) reaps nobody, so that the container could not end. Its own flags
 * are shared with others, and stay.
 */
static int open_output(void)
{
    return open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int runtime_terminal_open(int master, struct runtime_terminal **out, struct error *error)
{
    struct runtime_terminal *terminal = calloc(1, sizeof(*terminal));

    *out = terminal;
    if (!terminal)
        return error_sys(error, ENOMEM, "terminal");
    terminal->master = master;
    terminal->in = (struct way){.from = STDIN_FILENO, .to = master};
    terminal->output = open_output();
    terminal->out = (struct way){
        .from = master,
        .to = terminal->output < 0 ? STDOUT_FILENO : terminal->output,
    };
    fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
    runtime_terminal_resize(terminal);
    make_raw(terminal);
    return 0;
}

/* ---- moving ---- */

static bool is_empty(const struct way *way)
{
    return way->begin == way->end;
}

static void prepare_way(const struct way *way, struct pollfd *polls)
{
    polls[0] = (struct pollfd){.fd = is_empty(way) ? way->from : -1, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = is_empty(way) ? -1 : way->to, .events = POLLOUT};
}

size_t runtime_terminal_prepare(struct runtime_terminal *terminal, struct pollfd *polls)
{
    prepare_way(&terminal->in, polls);
    prepare_way(&terminal->out, polls + 2);
    return 4;
}

static bool is_transient(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static void fill(struct way *way)
{
    ssize_t got = read(way->from, way->buffer, sizeof(way->buffer));

    if (got > 0) {
        way->begin = 0;
        way->end = (size_t)got;
    } else if (got == 0 || !is_transient()) {
        way->from = -1; /* EIO: nobody has the terminal open any more */
    }
}

static void drain(struct way *way)
{
    ssize_t written = write(way->to, way->buffer + way->begin, way->end - way->begin);

    if (written > 0)
        way->begin += (size_t)written;
    else if (written < 0 && !is_transient())
        way->begin = way->end; /* nobody reads; the program is to go on even so */
}

static void move_way(struct way *way, const struct pollfd *polls)
{
    if (polls[0].fd >= 0 && polls[0].revents)
        fill(way);
    if (polls[1].fd >= 0 && polls[1].revents)
        drain(way);
}

void runtime_terminal_move(struct runtime_terminal *terminal, const struct pollfd *polls)
{
    move_way(&terminal->in, polls);
    move_way(&terminal->out, polls + 2);
}

/* The last words: what was written before the end, but not what a process left behind may write. */
void runtime_terminal_close(struct runtime_terminal *terminal)
{
    struct way *way = &terminal->out;

    for (int left = 64; left > 0; left--) {
        while (!is_empty(way)) {
            struct pollfd reader = {.fd = way->to, .events = POLLOUT};
            poll(&reader, 1, -1);
            drain(way);
        }
        struct pollfd ready = {.fd = way->from, .events = POLLIN};
        if (way->from < 0 || poll(&ready, 1, 0) <= 0)
            break;
        fill(way);
        if (is_empty(way))
            break;
    }
    if (terminal->is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
    close_fd(&terminal->output);
    free(terminal);
}
