/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/config_reader.h"

#define STORE_DEFAULT "/run/container-runtime"

/* ---- the store ---- */

/* Without --root: of root /run, of everybody else what $XDG_RUNTIME_DIR says. */
static int default_root(const struct runtime *runtime, char *path, struct error *error)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");

    bool has_directory = directory && *directory;
    if (geteuid() == 0 && (!has_directory || !runtime_is_rootless(runtime))) {
        snprintf(path, PATH_MAX, "%s", STORE_DEFAULT);
        return 0;
    }
    if (!has_directory)
        return error_set(error, EINVAL,
                         "where are containers kept? set XDG_RUNTIME_DIR or give --root DIR");
    return path_join(path, directory, "container-runtime", error);
}

int runtime_open_store(struct runtime *runtime, bool is_made, struct error *error)
{
    char path[PATH_MAX];
    const char *root = runtime->options.root;

    if (runtime->store.fd >= 0)
        return 0;
    int r = root && *root ? path_absolute(path, root, error) : default_root(runtime, path, error);
    for (size_t length = strlen(path); r == 0 && length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
    return r < 0 ? r : store_open(&runtime->store, path, is_made, error);
}

/*
 * A creation may run hooks for as long as they like: only `delete --force` waits for its end, and
 * everybody for verbs that are short.
 */
static int lock(const struct runtime *runtime, struct runtime_container *container,
                struct error *error)
{
    _cleanup_store_state_ struct store_state state = {0};
    int r = store_lock(&container->entry, 0, error);

    if (r != -EBUSY)
        return r;
    if (!runtime->options.is_forced && store_state_read(&container->entry, &state, NULL) == 0 &&
        store_status(&container->entry, &state) == STORE_CREATING)
        return error_set(error, EBUSY, "container \"%s\" is still being created",
                         container->entry.id);
    return store_lock(&container->entry, RUNTIME_LOCK_TIMEOUT_MS, error);
}

int runtime_find(struct runtime *runtime, const char *id, bool is_locked,
                 struct runtime_container *container, struct error *error)
{
    *container = (struct runtime_container){.entry.fd = -1};
    int r = store_id_check(id, error);
    if (r == 0)
        r = runtime_open_store(runtime, false, error);
    if (r == -ENOENT)
        return error_set(error, ENOENT, "container does not exist: no \"%s\" in %s", id,
                         runtime->store.path);
    if (r == 0)
        r = store_find(&runtime->store, id, &container->entry, error);
    if (r == 0 && is_locked)
        r = lock(runtime, container, error);
    if (r == 0)
        r = store_state_read(&container->entry, &container->state, error);
    if (r < 0)
        store_entry_close(&container->entry);
    return r;
}

void runtime_container_close(struct runtime_container *container)
{
    store_state_free(&container->state);
    store_entry_close(&container->entry);
}

/* ---- what a container is ---- */

json_t *runtime_config_json(const struct runtime_container *container, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    size_t length;

    if (store_config_read(&container->entry, &text, &length, error) < 0)
        return NULL;
    return config_parse(text, length, "config.json", error);
}

int runtime_config(const struct runtime_container *container, struct config **config,
                   struct error *error)
{
    json_t *json = runtime_config_json(container, error);

    if (!json)
        return error && error->code ? -error->code : -EINVAL;
    int r = config_read(json, container->state.bundle, config, error);
    json_decref(json);
    return r;
}

json_t *runtime_state_object(const struct runtime_container *container)
{
    const struct store_state *state = &container->state;
    enum store_status status = store_status(&container->entry, state);
    pid_t pid = status == STORE_STOPPED ? 0 : state->process.pid;
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "ociVersion", state->oci_version, "id",
                  state->id, "pid", (int)pid, "status", store_status_name(status), "bundle",
                  state->bundle, "rootfs", state->rootfs, "created", state->created);

    if (object && state->annotations)
        json_object_set(object, "annotations", (json_t *)state->annotations);
    if (object)
        json_object_set_new(object, "owner", json_string(state->owner));
    return object;
}

/* ---- many containers ---- */

struct match {
    struct runtime *runtime;
    regex_t regex;
    int (*visit)(struct runtime *runtime, const char *id, struct error *error);
    struct error *error;
    bool is_any;
};

static int visit_match(const char *id, void *context)
{
    struct match *match = context;

    if (regexec(&match->regex, id, 0, NULL, 0) != 0)
        return 0;
    match->is_any = true;
    return match->visit(match->runtime, id, match->error);
}

int runtime_for_each(struct runtime *runtime, const char *id,
                     int (*visit)(struct runtime *runtime, const char *id, struct error *error),
                     struct error *error)
{
    struct match match = {.runtime = runtime, .visit = visit, .error = error};
    char text[128];

    if (!runtime->options.is_regex)
        return visit(runtime, id, error);
    int failed = regcomp(&match.regex, id, REG_EXTENDED | REG_NOSUB);
    if (failed) {
        regerror(failed, &match.regex, text, sizeof(text));
        return error_set(error, EINVAL, "--regex \"%.64s\": %s", id, text);
    }
    int r = runtime_open_store(runtime, false, error);
    if (r == 0)
        r = store_each(&runtime->store, visit_match, &match, error);
    regfree(&match.regex);
    if ((r == 0 || r == -ENOENT) && !match.is_any && !runtime->options.is_forced)
        return error_set(error, ENOENT, "container does not exist: no name matches \"%s\"", id);
    return r == -ENOENT && !match.is_any ? 0 : r;
}
