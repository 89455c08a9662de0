/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SECCOMP_CACHE_H
#define RUNTIME_SECCOMP_CACHE_H

/*
 * Compiled seccomp filters on disk, so that a `container-runtime run` need not spend milliseconds
 * on libseccomp. One file a profile, named by the SHA-256 of the profile (without its listener) and
 * of all else that decides what comes out: the version of libseccomp, of our compiler and this
 * format, and the machine's architecture. Several processes may use a directory at once.
 *
 * A filter from the cache is what keeps a container inside, so an entry counts only if nobody but
 * ourselves can have written it: the directory and the file belong to us and are closed to
 * everybody else, the file has one name, and its content has the SHA-256 its header says. Whatever
 * is wrong with the cache, the profile is compiled; nothing of it makes a start fail.
 */

#include "supervisor/runtime/seccomp.h"

/* Files in the directory at most; the oldest go. An entry in use counts as new once a day. */
#define SECCOMP_CACHE_FILES_MAX 64

/*
 * As seccomp_program_new(), but first looks into the directory, and puts there what it had to
 * compile. cache_dir_fd: a directory of mode 0700 that belongs to the effective user, for example
 * below /run (libseccomp may learn new calls without a new version, so the cache should not outlive
 * the machine's uptime by much); -1 for no cache.
 */
int seccomp_program_cached(const json_t *profile, int cache_dir_fd,
                           struct seccomp_program **program, struct error *error);

#endif
