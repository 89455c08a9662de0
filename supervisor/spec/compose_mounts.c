/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"

#define TMPFS_MODE_MAX 01777 /* no setuid, no setgid */

static void mount_clear(struct mount_spec *mount)
{
    free(mount->source);
    free(mount->target);
    *mount = (struct mount_spec){0};
}
#define _cleanup_mount_ __attribute__((cleanup(mount_clear)))

/* ---- targets ---- */

/* Directories that the runtime makes itself; what a tenant put there would fool its programs. */
static const char *const own_directories[] = {"/proc", "/sys", "/dev"};

static int set_target(const struct place *place, const char *text, struct mount_spec *mount,
                      struct error *error)
{
    char quoted[PLACE_QUOTE_SIZE];

    place_quote(text, quoted, sizeof(quoted));
    mount->target = strdup(text);
    if (!mount->target)
        return place_no_memory(place, error);
    if (*text != '/' || path_text_normalise(mount->target) < 0)
        return place_refuse(place, error,
                            "\"%s\" is not a place in the container; write an absolute path "
                            "without \"..\"",
                            quoted);
    if (strcmp(mount->target, "/") == 0)
        return place_refuse(place, error, "nothing can be mounted on /; that is the image");
    for (size_t i = 0; i < ARRAY_LENGTH(own_directories); i++) {
        const char *own = own_directories[i];
        bool is_shm = mount->kind == MOUNT_TMPFS && strcmp(mount->target, "/dev/shm") == 0;
        if (path_text_is_below(mount->target, own) && !is_shm)
            return place_refuse(place, error,
                                "\"%s\": nothing can be mounted on or below %s, except a tmpfs on "
                                "/dev/shm",
                                quoted, own);
    }
    return 0;
}

/* Gives the mount to the service. */
static int add_mount(const struct place *place, struct mount_spec *mount,
                     struct service_spec *service, struct error *error)
{
    for (size_t i = 0; i < service->mount_count; i++)
        if (strcmp(service->mounts[i].target, mount->target) == 0)
            return place_refuse(place, error, "%s is mounted on already; remove one of the two",
                                mount->target);
    if (service->mount_count >= COMPOSE_MOUNTS_MAX)
        return place_refuse(place, error, "more than %d mounts", COMPOSE_MOUNTS_MAX);
    struct mount_spec *mounts =
        reallocarray(service->mounts, service->mount_count + 1, sizeof(*mounts));
    if (!mounts)
        return place_no_memory(place, error);
    service->mounts = mounts;
    mounts[service->mount_count++] = *mount;
    *mount = (struct mount_spec){0};
    return 0;
}

/* ---- sources ---- */

static int set_bind_source(const struct place *place, const char *text, const char *host_dir,
                           struct mount_spec *mount, struct error *error)
{
    char quoted[PLACE_QUOTE_SIZE];
    _cleanup_free_ char *path = strdup(text);

    if (!path)
        return place_no_memory(place, error);
    if (*text == '~')
        return place_refuse(place, error,
                            "\"%s\": there is no home directory; write an absolute "
                            "path",
                            place_quote(text, quoted, sizeof(quoted)));
    if (path_text_normalise(path) < 0)
        return place_refuse(place, error,
                            "\"%s\" is not a source; write an absolute path, or one in the "
                            "tenant's directory (./html), without \"..\"",
                            place_quote(text, quoted, sizeof(quoted)));
    if (*text == '/')
        mount->source = steal_ptr(path);
    else if (asprintf(&mount->source, "%s%s%s", host_dir, *path ? "/" : "", path) < 0)
        mount->source = NULL;
    return mount->source ? 0 : place_no_memory(place, error);
}

int compose_check_volume_name(const struct place *place, const char *name, struct error *error)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = strlen(name);
    char quoted[PLACE_QUOTE_SIZE];

    if (length > 0 && length <= NAME_MAX_LENGTH && strchr(letters, name[0]) &&
        strspn(name + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
            length - 1)
        return 0;
    return place_refuse(
        place, error,
        "\"%s\" is not a volume name; write 1 to %d of letters, digits, '_', '.' "
        "and '-', with none of '.' and '-' in front (for a directory, write ./NAME)",
        place_quote(name, quoted, sizeof(quoted)), NAME_MAX_LENGTH);
}

/* A named volume must be declared at the top, as in Compose: a typing error makes no new one. */
static int set_volume_source(const struct place *place, const char *name,
                             const struct place *volumes, struct mount_spec *mount,
                             struct error *error)
{
    int r = compose_check_volume_name(place, name, error);

    if (r < 0)
        return r;
    if (!json_is_object(volumes->value) || !json_object_get(volumes->value, name))
        return place_refuse(place, error,
                            "volume \"%s\" is not declared; add it below the volumes: at the top "
                            "of the file (for a directory, write ./%s)",
                            name, name);
    mount->source = strdup(name);
    return mount->source ? 0 : place_no_memory(place, error);
}

/* ---- short syntax: SOURCE:TARGET[:ro|rw] ---- */

static int read_short(const struct place *place, struct service_reader *reader, struct error *error)
{
    _cleanup_mount_ struct mount_spec mount = {0};
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    char *target = strchr(text, ':');
    if (!target)
        return place_refuse_value(place, error,
                                  "SOURCE:TARGET; a volume without a name could not be found "
                                  "again");
    *target++ = '\0';
    char *mode = strchr(target, ':');
    if (mode) {
        *mode++ = '\0';
        if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
            return place_refuse_value(place, error,
                                      "SOURCE:TARGET[:ro|rw]; no other option is known");
        mount.is_read_only = strcmp(mode, "ro") == 0;
    }
    mount.kind = strchr("./~", *text) && *text ? MOUNT_BIND : MOUNT_VOLUME;
    r = set_target(place, target, &mount, error);
    if (r == 0)
        r = mount.kind == MOUNT_BIND
                ? set_bind_source(place, text, reader->source->host_dir, &mount, error)
                : set_volume_source(place, text, reader->volumes, &mount, error);
    return r < 0 ? r : add_mount(place, &mount, reader->service, error);
}

/* ---- tmpfs sizes and modes ---- */

/* An octal mode; without a 0 in front only where mount options are written (tmpfs(5)). */
static int parse_mode(const char *text, bool is_option, uint32_t *mode)
{
    uint32_t value = 0;

    if (!is_option && *text != '0')
        return -EINVAL;
    if (text[0] == '0' && text[1] == 'o')
        text += 2;
    if (!*text || strlen(text) > 5 || strspn(text, "01234567") != strlen(text))
        return -EINVAL;
    for (; *text; text++)
        value = value * 8 + (uint32_t)(*text - '0');
    if (value == 0 || value > TMPFS_MODE_MAX)
        return -EINVAL;
    *mode = value;
    return 0;
}

/* ---- long syntax ---- */

struct long_mount {
    struct service_reader *reader;
    struct mount_spec mount;
    char *type, *source, *target;
    bool has_tmpfs;
};

static int read_type(const struct place *place, void *target, struct error *error)
{
    static const struct {
        const char *name;
        enum mount_kind kind;
    } kinds[] = {{"bind", MOUNT_BIND}, {"volume", MOUNT_VOLUME}, {"tmpfs", MOUNT_TMPFS}};
    struct long_mount *reading = target;
    int r = place_text(place, &reading->type, error);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i].name, reading->type) == 0)
            reading->mount.kind = kinds[i].kind;
    if (reading->mount.kind == 0)
        return place_refuse_value(place, error, "one of bind, volume, tmpfs");
    return 0;
}

static int read_source(const struct place *place, void *target, struct error *error)
{
    return place_text(place, &((struct long_mount *)target)->source, error);
}

static int read_target(const struct place *place, void *target, struct error *error)
{
    return place_text(place, &((struct long_mount *)target)->target, error);
}

static int read_read_only(const struct place *place, void *target, struct error *error)
{
    return place_bool(place, &((struct long_mount *)target)->mount.is_read_only, error);
}

static int read_tmpfs_size(const struct place *place, void *target, struct error *error)
{
    return place_size(place, COMPOSE_TMPFS_MIN, COMPOSE_MEMORY_MAX,
                      &((struct long_mount *)target)->mount.size_bytes, error);
}

static int read_tmpfs_mode(const struct place *place, void *target, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r == 0 && parse_mode(text, false, &((struct long_mount *)target)->mount.mode) < 0)
        return place_refuse_value(place, error,
                                  "an octal mode up to 01777; write it with a 0 in front: 0755");
    return r;
}

static int read_tmpfs_options(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"size", read_tmpfs_size, NULL},
        {"mode", read_tmpfs_mode, NULL},
        {NULL, NULL, NULL},
    };

    ((struct long_mount *)target)->has_tmpfs = true;
    return keys_read(place, keys, target, error);
}

static int check_long(const struct place *place, const struct long_mount *reading,
                      struct error *error)
{
    if (!reading->type)
        return place_refuse(place, error, "type is missing; write type: bind, volume or tmpfs");
    if (!reading->target)
        return place_refuse(place, error, "target is missing; write target: /path");
    if (reading->mount.kind == MOUNT_TMPFS && reading->source)
        return place_refuse(place, error, "a tmpfs has no source; remove it");
    if (reading->mount.kind != MOUNT_TMPFS && !reading->source)
        return place_refuse(place, error, "source is missing; a %s needs one", reading->type);
    if (reading->mount.kind != MOUNT_TMPFS && reading->has_tmpfs)
        return place_refuse(place, error, "tmpfs options do not go with type: %s", reading->type);
    return 0;
}

static int finish_long(const struct place *place, struct long_mount *reading, struct error *error)
{
    struct place target = place_member(place, "target"), source = place_member(place, "source");
    struct service_reader *reader = reading->reader;
    int r = check_long(place, reading, error);

    if (r == 0)
        r = set_target(&target, reading->target, &reading->mount, error);
    if (r == 0 && reading->mount.kind == MOUNT_BIND)
        r = set_bind_source(&source, reading->source, reader->source->host_dir, &reading->mount,
                            error);
    if (r == 0 && reading->mount.kind == MOUNT_VOLUME)
        r = set_volume_source(&source, reading->source, reader->volumes, &reading->mount, error);
    return r < 0 ? r : add_mount(place, &reading->mount, reader->service, error);
}

static int read_long(const struct place *place, struct service_reader *reader, struct error *error)
{
    static const struct key keys[] = {
        {"type", read_type, NULL},
        {"source", read_source, NULL},
        {"target", read_target, NULL},
        {"read_only", read_read_only, NULL},
        {"tmpfs", read_tmpfs_options, NULL},
        {"bind", NULL, "binds are always private, and their source must exist; remove it"},
        {"volume", NULL, "a volume has no options; remove it"},
        {"consistency", NULL, "it means nothing on Linux; remove it"},
        {NULL, NULL, NULL},
    };
    struct long_mount reading = {.reader = reader};
    int r = keys_read(place, keys, &reading, error);

    if (r == 0)
        r = finish_long(place, &reading, error);
    mount_clear(&reading.mount);
    free(reading.type);
    free(reading.source);
    free(reading.target);
    return r;
}

int compose_read_volumes(const struct place *place, void *target, struct error *error)
{
    int r = place_need_array(place, error);

    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        r = json_is_object(item.value) ? read_long(&item, target, error)
                                       : read_short(&item, target, error);
    }
    return r;
}

/* ---- tmpfs: TARGET[:size=N,mode=N] ---- */

static int apply_option(const struct place *place, const char *option, struct mount_spec *mount,
                        struct error *error)
{
    if (strncmp(option, "size=", 5) == 0 && parse_size(option + 5, &mount->size_bytes) == 0 &&
        mount->size_bytes >= COMPOSE_TMPFS_MIN && mount->size_bytes <= COMPOSE_MEMORY_MAX)
        return 0;
    if (strncmp(option, "mode=", 5) == 0 && parse_mode(option + 5, true, &mount->mode) == 0)
        return 0;
    return place_refuse_value(place, error,
                              "TARGET[:size=64m,mode=1777]; these two options are known, size from "
                              "4k, mode in octal up to 1777");
}

static int read_tmpfs_item(const struct place *place, struct service_reader *reader,
                           struct error *error)
{
    _cleanup_mount_ struct mount_spec mount = {.kind = MOUNT_TMPFS};
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    char *options = strchr(text, ':');
    if (options)
        *options++ = '\0';
    while (r == 0 && options) {
        char *option = strsep(&options, ",");
        r = apply_option(place, option, &mount, error);
    }
    if (r == 0)
        r = set_target(place, text, &mount, error);
    return r < 0 ? r : add_mount(place, &mount, reader->service, error);
}

int compose_read_tmpfs(const struct place *place, void *target, struct error *error)
{
    int r = 0;

    if (!json_is_array(place->value))
        return read_tmpfs_item(place, target, error);
    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        r = read_tmpfs_item(&item, target, error);
    }
    return r;
}
