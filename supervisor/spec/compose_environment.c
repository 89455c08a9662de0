/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/sys/openat2.h"

/* ---- environment ---- */

static int check_variable_name(const struct place *place, const char *name, size_t length,
                               struct error *error)
{
    if (length > 0 && strcspn(name, "= \t\r\n\"'") >= length)
        return 0;
    return place_refuse(place, error, "a variable needs a name without blanks, quotes and '='");
}

static int add_variable(const struct place *place, struct service_reader *reader, char *assignment,
                        struct error *error)
{
    if (reader->environment.count >= COMPOSE_ENV_MAX) {
        free(assignment);
        return place_refuse(place, error, "more than %d variables", COMPOSE_ENV_MAX);
    }
    if (environment_set(&reader->environment, assignment) < 0)
        return place_no_memory(place, error);
    return 0;
}

static int read_environment_member(const struct place *member, struct service_reader *reader,
                                   struct error *error)
{
    _cleanup_free_ char *value = NULL;
    char *assignment = NULL;

    if (json_is_null(member->value))
        return place_refuse(member, error,
                            "has no value, and nothing is inherited from the supervisor; "
                            "write %.80s: \"\" for an empty one",
                            member->key);
    int r = check_variable_name(member, member->key, strlen(member->key), error);
    if (r == 0)
        r = place_text(member, &value, error);
    if (r < 0)
        return r;
    if (asprintf(&assignment, "%s=%s", member->key, value) < 0)
        return place_no_memory(member, error);
    return add_variable(member, reader, assignment, error);
}

static int read_environment_item(const struct place *item, struct service_reader *reader,
                                 struct error *error)
{
    _cleanup_free_ char *assignment = NULL;
    int r = place_text(item, &assignment, error);

    if (r < 0)
        return r;
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return place_refuse_value(item, error,
                                  "of the form KEY=VALUE; nothing is inherited from the "
                                  "supervisor");
    r = check_variable_name(item, assignment, (size_t)(equals - assignment), error);
    return r < 0 ? r : add_variable(item, reader, steal_ptr(assignment), error);
}

int compose_read_environment(const struct place *place, void *target, struct error *error)
{
    const char *name;
    json_t *value;
    int r = 0;

    if (json_is_array(place->value)) {
        for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
            struct place item = place_item(place, i);
            r = read_environment_item(&item, target, error);
        }
        return r;
    }
    if (!json_is_object(place->value))
        return place_refuse_value(place, error,
                                  "a mapping or a list; write KEY: VALUE or - KEY=VALUE lines");
    json_object_foreach (place->value, name, value) {
        struct place member = place_member(place, name);
        r = read_environment_member(&member, target, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- env_file ---- */

/* Reads path beneath the tenant's directory, or an absolute one as the operator wrote it. */
static int read_file(const struct compose_source *source, const char *path, char **text)
{
    size_t length;

    if (*path != '/')
        return read_text_beneath(source->dir_fd, path, COMPOSE_ENV_FILE_MAX, text, &length);
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -errno;
    return read_text_beneath(root, path + 1, COMPOSE_ENV_FILE_MAX, text, &length);
}

static int refuse_file(const struct place *place, int errnum, struct error *error)
{
    switch (errnum) {
    case EXDEV:
    case ELOOP:
        return place_refuse_value(place, error,
                                  "beneath the tenant's directory; write a path without \"..\", "
                                  "or an absolute one");
    case EFBIG:
        return place_refuse_value(place, error, "at most %d bytes long", COMPOSE_ENV_FILE_MAX);
    case EINVAL:
    case EISDIR:
        return place_refuse_value(place, error, "a regular file of text");
    default:
        return place_refuse_value(place, error, "a file that can be read: %s", strerror(errnum));
    }
}

static int read_one_env_file(const struct place *place, struct service_reader *reader,
                             struct error *error)
{
    _cleanup_free_ char *path = NULL, *text = NULL;
    struct error inner = ERROR_INIT;

    if (!json_is_string(place->value))
        return place_refuse_value(place, error, "the path of a file; write one: ./php.env");
    int r = place_text(place, &path, error);
    if (r < 0)
        return r;
    if (!*path)
        return place_refuse_value(place, error, "the path of a file");
    r = read_file(reader->source, path, &text);
    if (r < 0)
        return refuse_file(place, -r, error);
    r = env_file_parse(text, path, &reader->file_environment, &inner);
    if (r < 0)
        place_refuse(place, error, "%s", inner.message); /* FILE:LINE of the key goes in front */
    return r;
}

int compose_read_env_file(const struct place *place, void *target, struct error *error)
{
    int r = 0;

    if (!json_is_array(place->value))
        return read_one_env_file(place, target, error);
    if (json_array_size(place->value) > COMPOSE_ENV_FILES_MAX)
        return place_refuse(place, error, "more than %d files", COMPOSE_ENV_FILES_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        r = read_one_env_file(&item, target, error);
    }
    return r;
}

int compose_finish_environment(const struct place *place, struct service_reader *reader,
                               struct error *error)
{
    struct string_list *all = &reader->file_environment;
    size_t bytes = 0;

    for (size_t i = 0; i < reader->environment.count; i++)
        if (environment_set(all, strdup(reader->environment.items[i])) < 0)
            return place_no_memory(place, error);
    for (size_t i = 0; i < all->count; i++)
        bytes += strlen(all->items[i]) + 1;
    if (all->count > COMPOSE_ENV_MAX || bytes > COMPOSE_ENV_BYTES_MAX) {
        struct place environment = place_member(place, "environment");
        return place_refuse(&environment, error,
                            "%zu variables with %zu bytes; at most %d with %d bytes are possible",
                            all->count, bytes, COMPOSE_ENV_MAX, COMPOSE_ENV_BYTES_MAX);
    }
    reader->service->environment = steal_ptr(all->items);
    all->count = 0;
    return 0;
}
