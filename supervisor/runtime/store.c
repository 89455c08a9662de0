/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/runtime/store_file.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
#define HIDDEN_PREFIX   ".new-"
#define HIDDEN_MAX      1000 /* containers that can be made at once */
#define LOCK_PAUSE_USEC 500
#define LOCK_PAUSE_MAX  20000

/* ---- names ---- */

int store_id_check(const char *id, struct error *error)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_+.-";
    size_t length = strlen(id);

    if (length == 0)
        return error_set(error, EINVAL, "container id cannot be empty");
    if (length > STORE_ID_MAX)
        return error_set(error, EINVAL, "invalid container id: %zu characters; at most %d are good",
                         length, STORE_ID_MAX);
    if (id[0] == '.')
        return error_set(error, EINVAL, "invalid container id \"%.64s\": it begins with a dot", id);
    if (id[strspn(id, allowed)] != '\0')
        return error_set(error, EINVAL,
                         "invalid container id \"%.64s\": only letters, digits and _+.- are good",
                         id);
    return 0;
}

/* ---- the store ---- */

/* Makes path and what is missing above it; the last part is for the owner only. */
static int make_path(const char *path)
{
    char buffer[PATH_MAX];

    snprintf(buffer, sizeof(buffer), "%s", path);
    for (char *at = strchr(buffer + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(buffer, 0755) < 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    return mkdir(buffer, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int store_open(struct store *store, const char *path, bool is_made, struct error *error)
{
    struct stat st;

    store->fd = -1;
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= sizeof(store->path))
        return error_set(error, EINVAL, "root \"%.128s\": must be an absolute path and not /",
                         path);
    memcpy(store->path, path, strlen(path) + 1);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && is_made) {
        int r = make_path(path);
        if (r < 0)
            return error_sys(error, -r, "make %s", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(error, errno, "open %s", path);
    /* Whoever can write there could have us kill what he likes. */
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return error_set(error, EPERM,
                         "%s: it belongs to user %u with mode %04o; it must be ours (user %u) and "
                         "writable by nobody else: Operation not permitted",
                         path, st.st_uid, st.st_mode & 07777, geteuid());
    store->fd = steal_fd(&fd);
    return 0;
}

void store_close(struct store *store)
{
    close_fd(&store->fd);
}

/* ---- containers that are being made, or were when their creation was killed ---- */

/* Removes a directory with what may be in it: nearly always the first two alone. */
static int remove_directory(int fd, int store_fd, const char *name)
{
    static const char *const always[] = {"config.json", "state.json"};
    static const char *const seldom[] = {STORE_FILE_NEW, STORE_START_SOCKET};

    for (size_t i = 0; i < ARRAY_LENGTH(always); i++)
        unlinkat(fd, always[i], 0);
    if (unlinkat(store_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(seldom); i++)
        unlinkat(fd, seldom[i], 0);
    unlinkat(fd, STORE_NOTIFY "/" STORE_NOTIFY_SOCKET, 0);
    unlinkat(fd, STORE_NOTIFY, AT_REMOVEDIR);
    return unlinkat(store_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Whether the directory that we hold is still the one of that name. */
static bool is_linked_as(int fd, int store_fd, const char *name)
{
    struct stat ours, linked;

    return fstat(fd, &ours) == 0 && fstatat(store_fd, name, &linked, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == linked.st_dev && ours.st_ino == linked.st_ino;
}

/* Opens a hidden directory and takes its lock, which whoever makes a container in it has until it
 * gets its name. -EWOULDBLOCK: it is another's; -ENOENT: it is gone, or is no longer called so. */
static int lock_hidden(int store_fd, const char *name)
{
    _cleanup_close_ int fd = openat(store_fd, name, DIRECTORY_FLAGS);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    return is_linked_as(fd, store_fd, name) ? steal_fd(&fd) : -ENOENT;
}

/* Removes what a creation that was killed has left: nobody has its lock. */
static void remove_left(int store_fd, const char *name)
{
    _cleanup_close_ int fd = lock_hidden(store_fd, name);

    if (fd >= 0)
        remove_directory(fd, store_fd, name);
}

/* ---- all of them ---- */

static bool is_hidden(const char *name)
{
    return strncmp(name, HIDDEN_PREFIX, strlen(HIDDEN_PREFIX)) == 0;
}

static int is_of_interest(const struct dirent *entry)
{
    return (entry->d_name[0] != '.' || is_hidden(entry->d_name)) &&
           (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN);
}

int store_each(const struct store *store, int (*visit)(const char *id, void *context),
               void *context, struct error *error)
{
    struct dirent **names = NULL;
    int r = 0;
    int count = scandirat(store->fd, ".", &names, is_of_interest, alphasort);

    if (count < 0)
        return error_sys(error, errno, "read %s", store->path);
    for (int i = 0; i < count; i++) {
        if (is_hidden(names[i]->d_name))
            remove_left(store->fd, names[i]->d_name);
        else if (r == 0)
            r = visit(names[i]->d_name, context);
        free(names[i]);
    }
    free(names);
    return r;
}

/* ---- one container ---- */

static int no_such_container(const struct store *store, const char *id, struct error *error)
{
    return error_set(error, ENOENT, "container does not exist: no \"%s\" in %s", id, store->path);
}

static void set_entry(struct store_entry *entry, const struct store *store, const char *id)
{
    *entry = (struct store_entry){.store = store, .fd = -1};
    snprintf(entry->id, sizeof(entry->id), "%s", id);
}

/*
 * Makes a hidden directory that is ours alone, and locked. The names are the same each time, so
 * that what was left under one is found by the next creation. Others may take a new directory for
 * one that was left, until we have its lock: then the next name is tried. Returns its descriptor or
 * a negative errno.
 */
static int make_hidden(int store_fd, char *name, size_t size)
{
    for (unsigned try = 0; try < HIDDEN_MAX; try++) {
        snprintf(name, size, HIDDEN_PREFIX "%u", try);
        int r = mkdirat(store_fd, name, 0700) < 0 ? -errno : 0;
        if (r == -EEXIST) {
            remove_left(store_fd, name);
            r = mkdirat(store_fd, name, 0700) < 0 ? -errno : 0;
        }
        if (r == 0)
            r = lock_hidden(store_fd, name);
        if (r != -EEXIST && r != -EWOULDBLOCK && r != -ENOENT)
            return r;
    }
    return -EEXIST;
}

static int fill(struct store_entry *entry, const struct store_state *state, const char *config,
                size_t config_length, struct error *error)
{
    int r = store_file_create(entry->fd, "config.json", config, config_length);
    if (r < 0)
        return error_sys(error, -r, "write %s/%s/config.json", entry->store->path, entry->id);
    return store_state_create(entry, state, error);
}

int store_create(const struct store *store, const struct store_state *state, const char *config,
                 size_t config_length, struct store_entry *entry, struct error *error)
{
    char hidden[64];

    set_entry(entry, store, "");
    int r = store_id_check(state->id, error);
    if (r < 0)
        return r;
    set_entry(entry, store, state->id);
    entry->fd = make_hidden(store->fd, hidden, sizeof(hidden));
    if (entry->fd < 0)
        return error_sys(error, -entry->fd, "make a directory in %s", store->path);
    entry->is_locked = true;
    r = fill(entry, state, config, config_length, error);
    if (r == 0 && renameat2(store->fd, hidden, store->fd, state->id, RENAME_NOREPLACE) < 0)
        r = errno == EEXIST
                ? error_set(error, EEXIST, "container with given ID already exists: \"%s\" in %s",
                            state->id, store->path)
                : error_sys(error, errno, "make %s/%s", store->path, state->id);
    if (r < 0) {
        remove_directory(entry->fd, store->fd, hidden);
        store_entry_close(entry);
    }
    return r;
}

int store_find(const struct store *store, const char *id, struct store_entry *entry,
               struct error *error)
{
    set_entry(entry, store, "");
    int r = store_id_check(id, error);
    if (r < 0)
        return r;
    set_entry(entry, store, id);
    entry->fd = openat(store->fd, id, DIRECTORY_FLAGS);
    if (entry->fd >= 0)
        return 0;
    return errno == ENOENT ? no_such_container(store, id, error)
                           : error_sys(error, errno, "open %s/%s", store->path, id);
}

int store_lock(struct store_entry *entry, int timeout_ms, struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    useconds_t pause_usec = LOCK_PAUSE_USEC;

    while (flock(entry->fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(error, errno, "lock container \"%s\"", entry->id);
        if (clock_monotonic_ms() >= end_ms)
            return error_set(error, EBUSY,
                             "container \"%s\" is busy: another command has been working on it for "
                             "%d seconds; try again when it is done",
                             entry->id, timeout_ms / 1000);
        usleep(pause_usec);
        pause_usec = pause_usec * 2 > LOCK_PAUSE_MAX ? LOCK_PAUSE_MAX : pause_usec * 2;
    }
    entry->is_locked = true;
    if (is_linked_as(entry->fd, entry->store->fd, entry->id))
        return 0;
    store_unlock(entry);
    return no_such_container(entry->store, entry->id, error);
}

/* Explicitly, for a process that still holds a copy of the descriptor would keep the lock. */
void store_unlock(struct store_entry *entry)
{
    if (entry->is_locked)
        flock(entry->fd, LOCK_UN);
    entry->is_locked = false;
}

int store_remove(struct store_entry *entry, struct error *error)
{
    int r = remove_directory(entry->fd, entry->store->fd, entry->id);

    return r < 0 && r != -ENOENT
               ? error_sys(error, -r, "remove %s/%s", entry->store->path, entry->id)
               : 0;
}

void store_entry_close(struct store_entry *entry)
{
    if (entry->fd >= 0)
        store_unlock(entry);
    close_fd(&entry->fd);
}
