/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STORE_H
#define RUNTIME_STORE_H

/*
 * The directory in which programs that come and go find the containers they share:
 *
 *     ROOT/ID/            0700; its lock (flock(2)) orders the verbs that change the container
 *             state.json  what a later verb must know; replaced as a whole, so that it can be read
 *                         without the lock
 *             config.json the config as it was when the container was created
 *             start.sock  the created container waits at this socket to be started
 *             notify/     is mounted in the container, if it has somebody to notify (sd_notify(3))
 *     ROOT/.NAME          not containers: caches, and containers that are just being made
 *
 * A container's directory appears under its name at once, locked and with its state in it: until
 * then it is a hidden one, and what a creation that was killed leaves of that is removed by the
 * next one and by store_each(). So it goes, too: whoever waited for the lock of a directory that
 * has been removed is told that there is no such container. Everything goes through directory
 * descriptors.
 */

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/identity.h"

#define STORE_ID_MAX        NAME_MAX /* it is the name of a directory */
#define STORE_STATE_MAX     (1u << 20)
#define STORE_CONFIG_MAX    (16u << 20)
#define STORE_START_SOCKET  "start.sock"
#define STORE_NOTIFY        "notify"
#define STORE_NOTIFY_SOCKET "notify.sock"

struct store {
    int fd;
    char path[PATH_MAX];
};

struct store_entry {
    const struct store *store;
    char id[STORE_ID_MAX + 1];
    int fd; /* the directory; -1: none */
    bool is_locked;
};

/* runtime.md, "State"; and "paused", as all runtimes say. */
enum store_status {
    STORE_CREATING,
    STORE_CREATED,
    STORE_RUNNING,
    STORE_PAUSED,
    STORE_STOPPED,
};

/* state.json. Strings belong to json when the state was read, else to whoever filled it in. */
struct store_state {
    json_t *json; /* NULL, or a reference of our own */
    const char *id, *oci_version, *bundle, *rootfs;
    const char *created;       /* RFC 3339, with nanoseconds */
    const char *owner;         /* name of the user who created it, or "#UID" */
    struct identity process;   /* pid 0: there is none yet */
    const char *cgroup;        /* path below the hierarchies; NULL: it has none of its own */
    const char *scope;         /* systemd unit; NULL: none */
    const char *freezer;       /* absolute path of the file that tells if it is frozen; or NULL */
    bool has_own_pids;         /* its first process's end ends all others */
    bool has_poststop;         /* there are poststop hooks */
    const json_t *annotations; /* NULL: none */
};

/* Whether id may name a container; -EINVAL with a sentence. */
int store_id_check(const char *id, struct error *error);

/*
 * Opens the directory; is_made makes it where it is missing, with its parents. -ENOENT without a
 * message when it is not there. One that belongs to or can be written by others is refused. Close
 * with store_close().
 */
int store_open(struct store *store, const char *path, bool is_made, struct error *error);
void store_close(struct store *store);

/*
 * Makes a container's directory with both files in it. The entry is locked. -EEXIST when there is
 * such a container. Close with store_entry_close().
 */
int store_create(const struct store *store, const struct store_state *state, const char *config,
                 size_t config_length, struct store_entry *entry, struct error *error);

/* Opens the directory of a container, without the lock. -ENOENT: it does not exist. */
int store_find(const struct store *store, const char *id, struct store_entry *entry,
               struct error *error);

/* Waits, at most timeout_ms, for the lock (-EBUSY). -ENOENT: the container was removed meanwhile.
 */
int store_lock(struct store_entry *entry, int timeout_ms, struct error *error);
void store_unlock(struct store_entry *entry);

/* Removes the container's files and directory; the entry, which must be locked, stays open. */
int store_remove(struct store_entry *entry, struct error *error);
/* Gives the lock back and closes. */
void store_entry_close(struct store_entry *entry);

/* Calls visit for each name in the store, in order of the names; ends when it returns non-zero. */
int store_each(const struct store *store, int (*visit)(const char *id, void *context),
               void *context, struct error *error);

/* ---- state.json ---- */

/* Reads text that may be anything: -EINVAL with a sentence unless it is a whole state. */
int store_state_parse(const char *text, size_t length, struct store_state *state,
                      struct error *error);
/* -ENOENT: the container was removed meanwhile. Free with store_state_free(). */
int store_state_read(const struct store_entry *entry, struct store_state *state,
                     struct error *error);
/* Replaces it as a whole. The entry must be locked. */
int store_state_write(const struct store_entry *entry, const struct store_state *state,
                      struct error *error);
void store_state_free(struct store_state *state);

/* What the container is doing now. */
enum store_status store_status(const struct store_entry *entry, const struct store_state *state);
/* "running" */
const char *store_status_name(enum store_status status);

/* config.json, as text that the caller frees. */
int store_config_read(const struct store_entry *entry, char **text, size_t *length,
                      struct error *error);

static inline void store_entry_cleanup(struct store_entry *entry)
{
    store_entry_close(entry);
}
static inline void store_state_cleanup(struct store_state *state)
{
    store_state_free(state);
}
#define _cleanup_store_entry_ __attribute__((cleanup(store_entry_cleanup)))
#define _cleanup_store_state_ __attribute__((cleanup(store_state_cleanup)))

#endif
