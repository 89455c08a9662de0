/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RUNTIME_VERBS_H
#define CLI_RUNTIME_VERBS_H

/*
 * container-runtime: one run of the program is one verb on one container (or on all that match).
 *
 *     runtime_main.c     the table of verbs, help, and the way from argv to a verb
 *     runtime_options.c  the table of options
 *     runtime_log.c      errors and --log
 *     runtime_seal.c     the program that runs is a copy that no container can change
 *     runtime_begin.c    the C library's beginning, without what is slow in a virtual machine
 *     runtime_store.c    from an id to a container; state.json to what people and engines read
 *     runtime_cgroup.c, runtime_scope.c   where a container's cgroup is, made by us or by systemd
 *     runtime_create.c, runtime_start.c, runtime_run.c, runtime_exec.c ...   verbs
 *     runtime_checkpoint.c, runtime_restore.c  what criu does, runtime_criu*.c: how it is called
 *     runtime_wait.c, runtime_terminal.c   the foreground: signals, exit status, terminal
 *     runtime_notify.c   sd_notify(3) from inside
 *     runtime_file.c     pid files, sockets, JSON files
 *     runtime_time.c     the time as text
 *
 * A verb returns the exit status of the program, or a negative errno with a sentence in error.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "common/error.h"
#include "supervisor/cli/runtime_options.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/container.h"
#include "supervisor/runtime/plan.h"
#include "supervisor/runtime/store.h"

/* How long a verb waits for another one on the same container, and for processes to die. */
#define RUNTIME_LOCK_TIMEOUT_MS 60000
#define RUNTIME_KILL_TIMEOUT_MS 10000
#define RUNTIME_TIME_SIZE       40

struct runtime {
    struct runtime_options options;
    const char *verb;
    struct store store; /* fd -1: not open */
};

typedef int runtime_verb(struct runtime *runtime, int count, char **args, struct error *error);

runtime_verb runtime_create_verb, runtime_start_verb, runtime_run_verb, runtime_state_verb,
    runtime_kill_verb, runtime_delete_verb, runtime_exec_verb, runtime_ps_verb, runtime_pause_verb,
    runtime_resume_verb, runtime_events_verb, runtime_update_verb, runtime_list_verb,
    runtime_spec_verb, runtime_features_verb, runtime_checkpoint_verb, runtime_restore_verb;

/* ---- runtime_seal.c ---- */

/*
 * Makes sure that verbs which start something run from a read-only mount. Called by the program's
 * entry, before the C library's; the builds for the sanitizers do without.
 */
void runtime_seal_early(long *stack);
/* What came of it. Without root's rights the file cannot be written anyway, and all is well. */
int runtime_seal_check(struct error *error);
/*
 * Gives the copy's descriptor back. The kernel waits for all its processors then (a mount goes
 * away), for half a millisecond; this does not.
 */
void runtime_seal_close(void);
/* No descriptor of the caller is passed on by accident, nobody may trace us. */
void runtime_close_up(void);

/* ---- runtime_store.c ---- */

/* A container that a verb works on. */
struct runtime_container {
    struct store_entry entry;
    struct store_state state;
};

/* Opens the store; a missing one is made only on demand (is_made), else it is -ENOENT. */
int runtime_open_store(struct runtime *runtime, bool is_made, struct error *error);
/* Finds a container and reads its state; with is_locked under its lock. */
int runtime_find(struct runtime *runtime, const char *id, bool is_locked,
                 struct runtime_container *container, struct error *error);
void runtime_container_close(struct runtime_container *container);
/* The config as it was at the creation. NULL: the error says why. */
json_t *runtime_config_json(const struct runtime_container *container, struct error *error);
int runtime_config(const struct runtime_container *container, struct config **config,
                   struct error *error);
/* The container as `state` and `list -f json` print it. NULL: no memory. */
json_t *runtime_state_object(const struct runtime_container *container);
/*
 * Calls visit for the container id, or with --regex for each whose name matches. The first error
 * ends it. -ENOENT when nothing matches.
 */
int runtime_for_each(struct runtime *runtime, const char *id,
                     int (*visit)(struct runtime *runtime, const char *id, struct error *error),
                     struct error *error);

static inline void runtime_container_cleanup(struct runtime_container *container)
{
    runtime_container_close(container);
}
#define _cleanup_runtime_container_ __attribute__((cleanup(runtime_container_cleanup)))

/* ---- runtime_cgroup.c ---- */

/* Whether we lack what root may do to cgroups; then a container can live without its own. */
bool runtime_is_rootless(const struct runtime *runtime);

struct runtime_cgroup {
    struct cgroup_driver *driver; /* NULL: cgroups are disabled, or there are none to be had */
    struct cgroup *cgroup;        /* the same */
    char *path, *scope, *freezer; /* for state.json; owned; may be NULL */
    pid_t placeholder;            /* of runtime_scope.c; 0: none */
};

/* Where the group of a new container will be: fills in path, scope and freezer. */
int runtime_cgroup_name(const struct runtime *runtime, const char *id, const struct config *config,
                        struct runtime_cgroup *cgroup, struct error *error);
/* Makes it and sets its limits. */
int runtime_cgroup_make(const struct runtime *runtime, const char *id, const struct config *config,
                        struct runtime_cgroup *cgroup, struct error *error);
/* Opens the group of a container that exists; -ENOENT if it has none or it is gone. */
int runtime_cgroup_find(const struct store_state *state, struct runtime_cgroup *cgroup,
                        struct error *error);
/* Kills what is left in it and removes it. */
int runtime_cgroup_remove(struct runtime_cgroup *cgroup, struct error *error);
void runtime_cgroup_close(struct runtime_cgroup *cgroup);

static inline void runtime_cgroup_cleanup(struct runtime_cgroup *cgroup)
{
    runtime_cgroup_close(cgroup);
}
#define _cleanup_runtime_cgroup_ __attribute__((cleanup(runtime_cgroup_cleanup)))

/* ---- runtime_scope.c ---- */

/* Names the systemd scope of a new container; fills in path and scope. */
int runtime_scope_name(const struct runtime *runtime, const char *id, const struct config *config,
                       struct runtime_cgroup *cgroup, struct error *error);
/* Makes it, with a placeholder in it. */
int runtime_scope_make(const struct runtime *runtime, const char *id, const struct config *config,
                       struct runtime_cgroup *cgroup, struct error *error);
/* To be called when the container's process is in the group. */
void runtime_scope_settle(struct runtime_cgroup *cgroup);
/* Tells systemd of new limits. */
int runtime_scope_update(const char *unit, const struct cgroup_resources *resources,
                         const struct cgroup_driver *driver, struct error *error);
/* Stops the scope; one that is gone is no error. */
int runtime_scope_remove(const char *unit, struct error *error);

/* ---- runtime_create.c ---- */

/* A container that is being made. */
struct runtime_creation {
    struct runtime_container container;
    struct config *config;
    struct runtime_cgroup cgroup;
    struct container made; /* its process */
    bool is_made, has_notify;
    char *bundle;
    char created[RUNTIME_TIME_SIZE], owner[64];
};

struct runtime_passed;
/* Makes the process of a container in its cgroup: fills in creation->made and is_made. */
typedef int runtime_maker(struct runtime *runtime, const struct runtime_passed *passed,
                          struct runtime_creation *creation, struct error *error);

/*
 * Makes a container until it waits for its start. with_socket: another program can start it;
 * wants_terminal: its terminal's master is wanted in creation->made. maker makes the process, NULL:
 * one that waits to be started. Where it fails nothing is left. Otherwise the container stays
 * locked, and what is open in creation open, until the program ends.
 */
int runtime_creation_make(struct runtime *runtime, const char *id, bool with_socket,
                          bool wants_terminal, runtime_maker *maker,
                          struct runtime_creation *creation, struct error *error);
/* Takes everything back: process, cgroup, directory; poststop hooks run. */
void runtime_creation_undo(struct runtime_creation *creation);

/* ---- runtime_run.c ---- */

/*
 * Makes a container (see runtime_creation_make()) and starts it, unless there is a maker: then it
 * runs already. With --detach that is all; else it stays until the container's end and deletes it.
 */
int runtime_run_made(struct runtime *runtime, const char *id, runtime_maker *maker,
                     struct error *error);

/* ---- runtime_delete.c ---- */

/* Removes cgroup and directory of a locked container without a process, and runs its hooks. */
int runtime_destroy(struct runtime_container *container, struct error *error);
/* Runs every poststop hook; those that fail are warnings. */
void runtime_poststop(const struct config *config, const char *id);

/* ---- runtime_kill.c ---- */

/* The number of a signal by number or name, with or without SIG; -EINVAL. */
int runtime_signal_number(const char *text);

/* ---- runtime_exec_process.c ---- */

/* The process of `exec`: --process, or the container's with the options' changes. */
int runtime_exec_process(const struct runtime *runtime, json_t *config, int count, char **args,
                         struct config_process **process, struct error *error);

/* ---- runtime_seccomp.c ---- */

/* Compiles or fetches the filter; NULL in *program for no profile. */
int runtime_seccomp(const struct runtime *runtime, const struct config *config,
                    struct seccomp_program **program, struct error *error);

/* ---- runtime_wait.c ---- */

/* Signals are held back for runtime_wait() from here on. Returns a signalfd or a negative errno. */
int runtime_hold_signals(void);
/*
 * Stays in the foreground of a process until it ends: passes signals on to it, its terminal, if it
 * has one here, and to the caller's service manager what comes at notify (-1: none). Returns its
 * exit status, 128 + the signal that killed it.
 */
int runtime_wait(struct container *made, int signals, int notify, struct error *error);

/* ---- runtime_terminal.c ---- */

struct runtime_terminal;

/* Takes the terminal's master (which stays the caller's) between our own standard descriptors. */
int runtime_terminal_open(int master, struct runtime_terminal **terminal, struct error *error);
/* The descriptors to wait for; returns how many (at most 4). */
struct pollfd;
size_t runtime_terminal_prepare(struct runtime_terminal *terminal, struct pollfd *polls);
void runtime_terminal_move(struct runtime_terminal *terminal, const struct pollfd *polls);
/* Lets a process that gets a terminal begin with the size of ours, unless it says another. */
void runtime_terminal_size(struct config_process *process);
/* Gives it the size of ours. */
void runtime_terminal_resize(const struct runtime_terminal *terminal);
/* Copies what it still holds; our own terminal is again as it was. */
void runtime_terminal_close(struct runtime_terminal *terminal);

/* ---- runtime_notify.c ---- */

/*
 * Gives the config of a new container a socket for sd_notify(3), if the caller has one and the
 * config says nothing of one: a mount of a directory in the store, and NOTIFY_SOCKET. 1: it has one
 * now, and runtime_notify_make() must make the directory; 0, or a negative errno.
 */
int runtime_notify_add(const struct runtime *runtime, const char *id, json_t *config);
int runtime_notify_make(const struct store_entry *entry, struct error *error);
/* Listens there, before the start. *fd is -1 if it has none, or we have nobody to tell. */
int runtime_notify_open(const struct store_entry *entry, int *fd, struct error *error);
/*
 * Passes on what has come, of READY=1 with the MAINPID unless that is 0. Whether READY=1 was in it.
 */
bool runtime_notify_forward(int fd, pid_t main_pid);
/* Waits until it is ready, or pidfd says that it has ended. fd -1: not at all. */
void runtime_notify_wait(int fd, int pidfd, pid_t main_pid);

/* ---- runtime_time.c ---- */

/*
 * Now in UTC as RFC 3339 has it, with nanoseconds if wanted. strftime(3) and gmtime_r(3) would read
 * the machine's time zone first.
 */
void runtime_time_now(bool has_nanoseconds, char text[RUNTIME_TIME_SIZE]);
/* The same of any time from 1970 on. */
void runtime_time_format(const struct timespec *time, bool has_nanoseconds,
                         char text[RUNTIME_TIME_SIZE]);

/* ---- runtime_file.c ---- */

/*
 * Reads a regular file, or with "-" the standard input, of at most max bytes; the caller frees.
 */
int runtime_file_read(const char *path, size_t max, char **text, size_t *length,
                      struct error *error);
/* Writes a pid as a whole or not at all. */
int runtime_pid_file_write(const char *path, pid_t pid, struct error *error);
/* Connects to a Unix socket, however long its path is. Returns a descriptor. */
int runtime_socket_connect(const char *path, struct error *error);
/* Makes a listening SOCK_SEQPACKET socket of that name in the directory. Returns a descriptor. */
int runtime_socket_listen(int directory, const char *name, struct error *error);
/* Sends a pidfd to the socket at path; what says whose: "standard" or "setns". */
int runtime_send_pidfd(const char *path, int pidfd, const char *what, struct error *error);
/* Connects to the console socket (*console is -1 if none is asked for); refuses what makes no
 * sense.
 */
int runtime_console(const struct runtime *runtime, bool has_terminal, bool is_detached,
                    int *console, struct error *error);

#define RUNTIME_PASSED_MAX PLAN_PASSED_MAX
/* The descriptors to pass: those of LISTEN_FDS (sd_listen_fds(3)) and of --preserve-fds. */
struct runtime_passed {
    int fds[RUNTIME_PASSED_MAX];
    size_t count, listen_count;
};
int runtime_passed_find(const struct runtime *runtime, bool with_listen,
                        struct runtime_passed *passed, struct error *error);

#endif
