/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: a table of its keys, and the code that walks it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/store.h"
#include "supervisor/runtime/store_file.h"
#include "supervisor/sys/openat2.h"

/* Changes when an older reader could take the file for something it is not. */
#define STATE_VERSION 1

/* ---- files ---- */

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -ENOSPC;
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

int store_file_create(int directory, const char *name, const char *text, size_t length)
{
    _cleanup_close_ int fd =
        openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? -errno : write_all(fd, text, length);
}

int store_file_replace(int directory, const char *name, const char *text, size_t length)
{
    _cleanup_close_ int fd = openat(directory, STORE_FILE_NEW,
                                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    int r = write_all(fd, text, length);
    if (r == 0 && renameat(directory, STORE_FILE_NEW, directory, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(directory, STORE_FILE_NEW, 0);
    return r;
}

/* ---- keys ---- */

enum kind {
    KIND_TEXT,
    KIND_PATH,   /* text that begins with '/' */
    KIND_NUMBER, /* from 0 */
    KIND_FLAG,
    KIND_TEXTS, /* an object of texts */
};

static const struct key {
    const char *name;
    enum kind kind;
    bool is_optional;
    size_t offset; /* in struct store_state */
} keys[] = {
#define KEY(name, kind, is_optional, field)                                                        \
    {                                                                                              \
        name, kind, is_optional, offsetof(struct store_state, field)                               \
    }
    KEY("ociVersion", KIND_TEXT, false, oci_version),
    KEY("id", KIND_TEXT, false, id),
    KEY("pid", KIND_NUMBER, false, process.pid),
    KEY("startTime", KIND_NUMBER, false, process.start_time),
    KEY("bundle", KIND_PATH, false, bundle),
    KEY("rootfs", KIND_PATH, false, rootfs),
    KEY("created", KIND_TEXT, false, created),
    KEY("owner", KIND_TEXT, false, owner),
    KEY("cgroup", KIND_PATH, true, cgroup),
    KEY("scope", KIND_TEXT, true, scope),
    KEY("freezer", KIND_PATH, true, freezer),
    KEY("hasOwnPids", KIND_FLAG, false, has_own_pids),
    KEY("hasPoststop", KIND_FLAG, false, has_poststop),
    KEY("annotations", KIND_TEXTS, true, annotations),
#undef KEY
};

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool are_texts(const json_t *value)
{
    const char *name;
    json_t *text;

    json_object_foreach ((json_t *)value, name, text)
        if (!json_is_string(text))
            return false;
    return json_is_object(value);
}

/* The pid is an int, the start time 64 bits wide. */
static bool store_number(const struct key *key, const json_t *value, void *field)
{
    json_int_t number = json_integer_value(value);
    bool is_pid = key->offset == offsetof(struct store_state, process.pid);

    if (!json_is_integer(value) || number < 0 || (is_pid && number > INT_MAX))
        return false;
    if (is_pid)
        *(pid_t *)field = (pid_t)number;
    else
        *(uint64_t *)field = (uint64_t)number;
    return true;
}

static bool store_value(const struct key *key, const json_t *value, struct store_state *state)
{
    void *field = (char *)state + key->offset;

    switch (key->kind) {
    case KIND_TEXT:
    case KIND_PATH:
        *(const char **)field = json_string_value(value);
        return json_is_string(value) &&
               (key->kind == KIND_TEXT || json_string_value(value)[0] == '/');
    case KIND_NUMBER:
        return store_number(key, value, field);
    case KIND_FLAG:
        *(bool *)field = json_is_true(value);
        return json_is_boolean(value);
    case KIND_TEXTS:
        *(const json_t **)field = value;
        return are_texts(value);
    }
    return false;
}

/* ---- reading ---- */

static int read_keys(struct store_state *state, struct error *error)
{
    const char *name;
    json_t *value;

    json_object_foreach (state->json, name, value) {
        const struct key *key = find_key(name);
        if (strcmp(name, "version") == 0)
            continue;
        if (!key)
            return error_set(error, EINVAL, "state.json: \"%.64s\" is not a key of it", name);
        if (!store_value(key, value, state))
            return error_set(error, EINVAL, "state.json: \"%s\" has a wrong value", name);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (!keys[i].is_optional && !json_object_get(state->json, keys[i].name))
            return error_set(error, EINVAL, "state.json: \"%s\" is missing", keys[i].name);
    return 0;
}

int store_state_parse(const char *text, size_t length, struct store_state *state,
                      struct error *error)
{
    json_error_t where;

    *state = (struct store_state){0};
    state->json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!state->json)
        return error_set(error, EINVAL, "state.json:%d: %s", where.line, where.text);
    const json_t *version = json_object_get(state->json, "version");
    int r = 0;
    if (!json_is_integer(version) || json_integer_value(version) != STATE_VERSION)
        r = error_set(error, EINVAL, "state.json: not of version %d, which this program writes",
                      STATE_VERSION);
    if (r == 0)
        r = read_keys(state, error);
    if (r == 0)
        r = store_id_check(state->id, error);
    if (r < 0)
        store_state_free(state);
    return r;
}

int store_state_read(const struct store_entry *entry, struct store_state *state,
                     struct error *error)
{
    _cleanup_free_ char *text = NULL;
    size_t length;

    *state = (struct store_state){0};
    int r = read_text_beneath(entry->fd, "state.json", STORE_STATE_MAX, &text, &length);
    if (r == -ENOENT)
        return error_set(error, ENOENT, "container does not exist: no \"%s\" in %s", entry->id,
                         entry->store->path);
    if (r < 0)
        return error_sys(error, -r, "read %s/%s/state.json", entry->store->path, entry->id);
    r = store_state_parse(text, length, state, error);
    if (r == 0 && strcmp(state->id, entry->id) != 0) {
        r = error_set(error, EINVAL, "state.json is of a container \"%s\"", state->id);
        store_state_free(state);
    }
    if (r < 0)
        error_wrap(error, "container \"%s\"", entry->id);
    return r;
}

void store_state_free(struct store_state *state)
{
    json_decref(state->json);
    *state = (struct store_state){0};
}

int store_config_read(const struct store_entry *entry, char **text, size_t *length,
                      struct error *error)
{
    int r = read_text_beneath(entry->fd, "config.json", STORE_CONFIG_MAX, text, length);

    return r < 0 ? error_sys(error, -r, "read %s/%s/config.json", entry->store->path, entry->id)
                 : 0;
}

/* ---- writing ---- */

static json_t *value_of(const struct key *key, const struct store_state *state)
{
    const void *field = (const char *)state + key->offset;
    const char *text;

    switch (key->kind) {
    case KIND_TEXT:
    case KIND_PATH:
        text = *(const char *const *)field;
        return text ? json_string(text) : NULL;
    case KIND_NUMBER:
        if (key->offset == offsetof(struct store_state, process.pid))
            return json_integer(*(const pid_t *)field);
        return json_integer((json_int_t) * (const uint64_t *)field);
    case KIND_FLAG:
        return json_boolean(*(const bool *)field);
    case KIND_TEXTS:
        return json_incref(*(json_t *const *)field);
    }
    return NULL;
}

static int write_state(const struct store_entry *entry, const struct store_state *state,
                       int (*write_file)(int, const char *, const char *, size_t),
                       struct error *error)
{
    json_t *json = json_pack("{s:i}", "version", STATE_VERSION);
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        json_t *value = value_of(&keys[i], state);
        if (value || !keys[i].is_optional)
            failed |= json_object_set_new(json, keys[i].name, value);
    }
    _cleanup_free_ char *text = failed ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (!text)
        return error_set(error, EINVAL, "state of container \"%s\": not complete, or not UTF-8",
                         entry->id);
    int r = write_file(entry->fd, "state.json", text, strlen(text));
    return r < 0 ? error_sys(error, -r, "write %s/%s/state.json", entry->store->path, entry->id)
                 : 0;
}

int store_state_create(const struct store_entry *entry, const struct store_state *state,
                       struct error *error)
{
    return write_state(entry, state, store_file_create, error);
}

int store_state_write(const struct store_entry *entry, const struct store_state *state,
                      struct error *error)
{
    return write_state(entry, state, store_file_replace, error);
}

/* ---- status ---- */

/* cgroup.freeze of v2 says "1", freezer.state of v1 "FROZEN" (or "FREEZING"). */
static bool is_frozen(const char *path)
{
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    char first = 0;

    return fd >= 0 && read(fd, &first, 1) == 1 && (first == '1' || first == 'F');
}

enum store_status store_status(const struct store_entry *entry, const struct store_state *state)
{
    if (state->process.pid == 0) {
        /* Its maker holds the lock as long as it is at work. */
        _cleanup_close_ int fd = openat(entry->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool is_being_made = !entry->is_locked && fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
                             errno == EWOULDBLOCK;
        return is_being_made ? STORE_CREATING : STORE_STOPPED;
    }
    if (!identity_is_alive(&state->process))
        return STORE_STOPPED;
    if (faccessat(entry->fd, STORE_START_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return STORE_CREATED;
    return is_frozen(state->freezer) ? STORE_PAUSED : STORE_RUNNING;
}

const char *store_status_name(enum store_status status)
{
    static const char *const names[] = {
        [STORE_CREATING] = "creating", [STORE_CREATED] = "created", [STORE_RUNNING] = "running",
        [STORE_PAUSED] = "paused",     [STORE_STOPPED] = "stopped",
    };

    return names[status];
}
