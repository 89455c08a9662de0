/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_CLONE_H
#define SYS_CLONE_H

/* clone3(2), pivot_root(2), capset(2), seccomp(2): calls that glibc does not wrap. */

#include <linux/filter.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * fork() into new namespaces: flags are CLONE_NEW*, with CLONE_PIDFD the child's pidfd
 * (close-on-exec) is stored in *pidfd. cgroup_fd, unless -1, is the cgroup v2 directory the child
 * is born into (CLONE_INTO_CGROUP). Returns the pid, 0 in the child, or a negative errno. SIGCHLD
 * is sent at its end. Call it from a process with one thread: the child may then call anything that
 * fork()'s child may.
 */
pid_t clone_process(uint64_t flags, int cgroup_fd, int *pidfd);

/* pivot_root(2). 0 or a negative errno. */
int pivot_root_to(const char *new_root, const char *put_old);

/* Sets the three capability sets of the calling thread, each a mask of capabilities(7). */
int capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);

/* Loads a seccomp filter (seccomp(2), SECCOMP_SET_MODE_FILTER). flags: SECCOMP_FILTER_FLAG_*. */
int seccomp_load_program(const struct sock_fprog *program, unsigned flags);

/*
 * The same for a filter with SECCOMP_RET_USER_NOTIF: returns the listener (close-on-exec), which
 * answers such calls (SECCOMP_IOCTL_NOTIF_RECV), or a negative errno. Whoever holds it should not
 * be under the filter: the process that loads hands it to its parent, for example by writing the
 * number to a pipe, from where the parent takes it with pidfd_getfd(2).
 */
int seccomp_load_listener(const struct sock_fprog *program, unsigned flags);

#endif
