/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RUNTIME_CRIU_H
#define CLI_RUNTIME_CRIU_H

/*
 * How criu(8) is called, which saves the processes of a container in a directory of images and
 * makes them anew from there.
 *
 *     runtime_criu.c         the program, its command line, its log
 *     runtime_criu_mounts.c  which mounts are the host's and only named in the images
 *
 * Beside criu's own images the directory gets two files: descriptors.json, the names by which criu
 * knows the standard descriptors (null: what it restores by itself), and mounts.json.
 */

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "supervisor/cli/runtime_verbs.h"

#define RUNTIME_CRIU_NETWORK                                                                       \
    "extRootNetNS" /* runc's name for a network namespace that is joined                           \
                    */
#define RUNTIME_CRIU_DESCRIPTORS "descriptors.json"
#define RUNTIME_CRIU_MOUNTS      "mounts.json"

/* One call of criu. */
struct runtime_criu {
    char program[PATH_MAX];
    char images[PATH_MAX], work[PATH_MAX], log[PATH_MAX];
    const char *action; /* "dump", "pre-dump", "restore" */
    char **args;        /* owned, as are the strings */
    size_t count;
    char cgroup_options[256]; /* of /sys/fs/cgroup, before it ran */
    bool has_no_memory;       /* an argument was lost: runtime_criu_start() tells */
};

/* Whether there is a criu to be called, in PATH or where --criu says, and cgroup v2, and root. */
bool runtime_criu_is_possible(const struct runtime *runtime);

/* Finds the program for root: its path, in a buffer of PATH_MAX bytes. */
int runtime_criu_check(const struct runtime *runtime, char *path, struct error *error);

/*
 * Begins a command line with what the options of checkpoint and restore say. is_made makes the
 * directories of images and log. Errors name the option, or say that there is no criu. Close with
 * runtime_criu_close().
 */
int runtime_criu_open(const struct runtime *runtime, const char *action, bool is_made,
                      struct runtime_criu *criu, struct error *error);
/* Whether a container of that config can be saved and restored: -EOPNOTSUPP and a sentence. */
int runtime_criu_check_config(const struct config *config, struct error *error);

void runtime_criu_add(struct runtime_criu *criu, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Starts it, as a child with nothing on its standard descriptors. prepare, unless NULL, is called
 * in the child before: system calls only; what it returns other than 0 ends the child. Returns the
 * pid or a negative errno.
 */
pid_t runtime_criu_start(struct runtime_criu *criu, int (*prepare)(void *context), void *context,
                         struct error *error);
/* Waits for its end. A failure names the log and the last error in it. */
int runtime_criu_finish(const struct runtime_criu *criu, pid_t pid, struct error *error);
void runtime_criu_close(struct runtime_criu *criu);

/* Writes and reads a JSON file in the directory of images; NULL with an error. */
int runtime_criu_json_write(const struct runtime_criu *criu, const char *name, const json_t *json,
                            struct error *error);
json_t *runtime_criu_json_read(const struct runtime_criu *criu, const char *name,
                               struct error *error);

static inline void runtime_criu_cleanup(struct runtime_criu *criu)
{
    runtime_criu_close(criu);
}
#define _cleanup_runtime_criu_ __attribute__((cleanup(runtime_criu_cleanup)))

/* ---- runtime_criu_mounts.c ---- */

/*
 * Tells criu which mounts of the process are the host's (bind mounts of the config, what lies
 * beneath them, device nodes), and describes all in a JSON object: "external" says what criu is to
 * put in their place, "protected" what every mount forbids. The caller owns it; NULL: the error
 * says why.
 */
json_t *runtime_criu_mounts_save(struct runtime_criu *criu, const struct config *config, pid_t pid,
                                 struct error *error);
/* Tells criu where the host's mounts are found now. */
int runtime_criu_mounts_restore(struct runtime_criu *criu, const struct config *config,
                                const json_t *saved, struct error *error);
/* Whether every mount of the process that forbade something (nosuid, read-only) still does. */
int runtime_criu_mounts_check(const json_t *saved, pid_t pid, struct error *error);

#endif
