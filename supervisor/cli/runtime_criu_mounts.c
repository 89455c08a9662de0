/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a container as criu is to see them. What is in them is read from the container's
 * own /proc/PID/mountinfo, not from the config: a recursive bind mount brings others along, and
 * links of the image may have led anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_criu.h"
#include "supervisor/sys/openat2.h"

#define MOUNTINFO_MAX (8u << 20)

struct mount {
    int id, parent;
    char *root, *at, *options, *type; /* pointers into the text */
    bool is_own;                      /* made for this container by its config */
    const struct mount *host;         /* the bind mount it lies in, or itself; NULL: none */
    const char *destination;          /* of a bind mount: as the config has it */
};

struct mounts {
    char *text;
    struct mount *list;
    size_t count;
};

/* ---- /proc/PID/mountinfo (proc(5)) ---- */

/* Blanks and backslashes are written in octal: "\040". */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        unsigned value;
        if (*from == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
            *to = (char)value;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static bool parse_line(char *line, struct mount *mount)
{
    char *dash = strstr(line, " - ");
    char *fields[6];

    if (!dash)
        return false;
    *dash = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        if (!(fields[i] = strsep(&line, " ")))
            return false;
    mount->type = dash + 3;
    mount->type[strcspn(mount->type, " ")] = '\0';
    mount->id = atoi(fields[0]);
    mount->parent = atoi(fields[1]);
    mount->root = fields[3];
    mount->at = fields[4];
    mount->options = fields[5];
    unescape(mount->root);
    unescape(mount->at);
    return true;
}

static void free_mounts(struct mounts *mounts)
{
    free(mounts->text);
    free(mounts->list);
}
#define _cleanup_mounts_ __attribute__((cleanup(free_mounts)))

static int read_mounts(pid_t pid, struct mounts *mounts, struct error *error)
{
    char path[64];
    size_t length;

    snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
    int r = runtime_file_read(path, MOUNTINFO_MAX, &mounts->text, &length, error);
    if (r < 0)
        return r;
    char *rest = mounts->text;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        struct mount *grown = realloc(mounts->list, (mounts->count + 1) * sizeof(*mounts->list));
        if (!grown)
            return error_sys(error, ENOMEM, "%s", path);
        mounts->list = grown;
        grown[mounts->count] = (struct mount){0};
        if (!parse_line(line, &grown[mounts->count++]))
            return error_set(error, EINVAL, "%s: not a list of mounts", path);
    }
    return 0;
}

static struct mount *find_mount(const struct mounts *mounts, uint64_t id)
{
    for (size_t i = 0; i < mounts->count; i++)
        if ((uint64_t)mounts->list[i].id == id)
            return &mounts->list[i];
    return NULL;
}

/* ---- whose a mount is ---- */

/* The config's paths, resolved inside, end in mounts; one that leads to none is not there now. */
static int mark_config(const struct mounts *mounts, const struct config *config, pid_t pid,
                       struct error *error)
{
    char path[64];
    struct statx st;

    snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    _cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_sys(error, errno, "open %s", path);
    for (size_t i = 0; i < config->mount_count; i++) {
        const struct config_mount *wanted = &config->mounts[i];
        _cleanup_close_ int fd = open_in_root(root, wanted->destination, O_PATH, 0);
        if (fd < 0 || wanted->is_remount)
            continue;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
            return error_sys(error, errno, "look at mount %s", wanted->destination);
        struct mount *mount = find_mount(mounts, st.stx_mnt_id);
        if (!mount)
            continue;
        mount->is_own = !wanted->is_bind;
        mount->host = wanted->is_bind ? mount : NULL;
        mount->destination = wanted->is_bind ? wanted->destination : NULL;
    }
    return 0;
}

/* What lies in a bind mount came with it. Parents may stand behind their children. */
static void mark_beneath(const struct mounts *mounts)
{
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (size_t i = 0; i < mounts->count; i++) {
            struct mount *mount = &mounts->list[i];
            const struct mount *parent =
                mount->is_own || mount->host ? NULL : find_mount(mounts, (uint64_t)mount->parent);
            if (!parent || !parent->host || parent == mount)
                continue;
            mount->host = parent->host;
            is_changed = true;
        }
    }
}

/* ---- saving ---- */

static int add_external(struct runtime_criu *criu, json_t *external, const struct mount *mount)
{
    const char *path = mount->root; /* of a device node: in the host's devtmpfs */

    if (!mount->host && strcmp(mount->type, "devtmpfs") != 0)
        return 0;
    runtime_criu_add(criu, "--external");
    runtime_criu_add(criu, "mnt[%s]:%s", mount->at, mount->at);
    if (mount->host)
        path = mount->at + strlen(mount->host->at);
    json_t *entry = json_pack("{s:s}", "path", path);
    if (entry && mount->host)
        json_object_set_new(entry, "destination", json_string(mount->host->destination));
    return json_object_set_new(external, mount->at, entry) < 0 ? -ENOMEM : 0;
}

/* The options that forbid something, of "ro,nosuid,relatime". */
static bool has_option(const char *options, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = options; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

static int add_protected(json_t *protected, const struct mount *mount)
{
    static const char *const names[] = {"ro", "nosuid", "nodev", "noexec"};
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (has_option(mount->options, names[i]))
            json_array_append_new(list, json_string(names[i]));
    return json_object_set_new(protected, mount->at, list) < 0 ? -ENOMEM : 0;
}

json_t *runtime_criu_mounts_save(struct runtime_criu *criu, const struct config *config, pid_t pid,
                                 struct error *error)
{
    _cleanup_mounts_ struct mounts mounts = {0};
    int r = read_mounts(pid, &mounts, error);

    if (r == 0)
        r = mark_config(&mounts, config, pid, error);
    if (r < 0)
        return NULL;
    mark_beneath(&mounts);
    json_t *external = json_object(), *protected = json_object();
    json_t *saved = json_pack("{s:o, s:o}", "external", external, "protected", protected);
    for (size_t i = 0; saved && r == 0 && i < mounts.count; i++) {
        r = add_external(criu, external, &mounts.list[i]);
        if (r == 0)
            r = add_protected(protected, &mounts.list[i]);
    }
    if (saved && r == 0)
        return saved;
    json_decref(saved);
    error_sys(error, ENOMEM, "mounts");
    return NULL;
}

/* ---- restoring ---- */

static const char *find_source(const struct config *config, const char *destination)
{
    const char *source = NULL;

    if (!destination)
        return "/dev";
    for (size_t i = 0; i < config->mount_count; i++)
        if (config->mounts[i].is_bind && strcmp(config->mounts[i].destination, destination) == 0)
            source = config->mounts[i].source;
    return source;
}

int runtime_criu_mounts_restore(struct runtime_criu *criu, const struct config *config,
                                const json_t *saved, struct error *error)
{
    const char *at, *destination, *path;
    json_t *entry;

    json_object_foreach (json_object_get(saved, "external"), at, entry) {
        destination = json_string_value(json_object_get(entry, "destination"));
        path = json_string_value(json_object_get(entry, "path"));
        const char *source = find_source(config, destination);
        if (!source)
            return error_set(error, EINVAL,
                             "mount %s: it was in the container, but config.json has no bind mount "
                             "with the destination %s",
                             at, destination);
        if (!path || strstr(path, ".."))
            return error_set(error, EINVAL, "%s: mount %s: its path is wrong", RUNTIME_CRIU_MOUNTS,
                             at);
        runtime_criu_add(criu, "--external");
        runtime_criu_add(criu, "mnt[%s]:%s%s", at, source, path);
    }
    return 0;
}

/* ---- checking ---- */

/* The one on top, if there are many at a place. */
static const struct mount *find_place(const struct mounts *mounts, const char *at)
{
    for (size_t i = mounts->count; i > 0; i--)
        if (strcmp(mounts->list[i - 1].at, at) == 0)
            return &mounts->list[i - 1];
    return NULL;
}

int runtime_criu_mounts_check(const json_t *saved, pid_t pid, struct error *error)
{
    _cleanup_mounts_ struct mounts mounts = {0};
    const char *at;
    json_t *names, *name;
    size_t i;
    int r = read_mounts(pid, &mounts, error);

    if (r < 0)
        return r;
    json_object_foreach (json_object_get(saved, "protected"), at, names) {
        const struct mount *mount = find_place(&mounts, at);
        if (!mount)
            return error_set(error, EIO, "mount %s: criu has not restored it", at);
        json_array_foreach (names, i, name) {
            if (!has_option(mount->options, json_string_value(name)))
                return error_set(error, EIO, "mount %s: criu has restored it without \"%s\": %s",
                                 at, json_string_value(name), mount->options);
        }
    }
    return 0;
}
