/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"

static int print(const json_t *json, size_t flags, struct error *error)
{
    if (json_dumpf(json, stdout, flags) < 0 || putchar('\n') == EOF || fflush(stdout) == EOF)
        return error_sys(error, EIO, "write to the standard output");
    return 0;
}

int runtime_state_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    int r = runtime_find(runtime, args[0], false, &container, error);

    (void)count;
    if (r < 0)
        return r;
    json_t *object = runtime_state_object(&container);
    r = object ? print(object, JSON_INDENT(2), error) : error_sys(error, ENOMEM, "state");
    json_decref(object);
    return r;
}

/* ---- list ---- */

struct listing {
    struct runtime *runtime;
    json_t *containers;
};

/* One that cannot be read, or is just going away, must not hide the others. */
static int add(const char *id, void *context)
{
    _cleanup_runtime_container_ struct runtime_container container = {.entry.fd = -1};
    struct listing *listing = context;
    struct error error = ERROR_INIT;

    if (listing->runtime->options.is_quiet)
        return json_array_append_new(listing->containers, json_string(id)) < 0 ? -ENOMEM : 0;
    int r = runtime_find(listing->runtime, id, false, &container, &error);
    if (r < 0) {
        if (r != -ENOENT)
            runtime_log(RUNTIME_LOG_WARNING, "%s", error.message);
        return 0;
    }
    return json_array_append_new(listing->containers, runtime_state_object(&container)) < 0
               ? -ENOMEM
               : 0;
}

/* The columns of the table: runc's. */
static const struct column {
    const char *title, *key;
} columns[] = {
    {"ID", "id"},         {"PID", "pid"},         {"STATUS", "status"},
    {"BUNDLE", "bundle"}, {"CREATED", "created"}, {"OWNER", "owner"},
};

static const char *cell(const json_t *container, const char *key, char *buffer, size_t size)
{
    const json_t *value = json_object_get(container, key);

    if (!json_is_integer(value))
        return json_string_value(value);
    snprintf(buffer, size, "%d", (int)json_integer_value(value));
    return buffer;
}

static void print_table(const json_t *containers)
{
    size_t widths[ARRAY_LENGTH(columns)], i;
    json_t *container;
    char buffer[16];

    for (size_t c = 0; c < ARRAY_LENGTH(columns); c++) {
        widths[c] = strlen(columns[c].title);
        json_array_foreach ((json_t *)containers, i, container) {
            size_t length = strlen(cell(container, columns[c].key, buffer, sizeof(buffer)));
            widths[c] = length > widths[c] ? length : widths[c];
        }
    }
    for (size_t row = 0; row <= json_array_size(containers); row++)
        for (size_t c = 0; c < ARRAY_LENGTH(columns); c++) {
            const json_t *of = row ? json_array_get(containers, row - 1) : NULL;
            const char *text =
                of ? cell(of, columns[c].key, buffer, sizeof(buffer)) : columns[c].title;
            bool is_last = c + 1 == ARRAY_LENGTH(columns);
            printf("%-*s%s", is_last ? 0 : (int)widths[c], text, is_last ? "\n" : "   ");
        }
}

static int print_list(const struct runtime *runtime, const json_t *containers, struct error *error)
{
    const char *format = runtime->options.format ? runtime->options.format : "table";
    json_t *id;
    size_t i;

    if (runtime->options.is_quiet) {
        json_array_foreach ((json_t *)containers, i, id) {
            puts(json_string_value(id));
        }
    } else if (strcmp(format, "json") == 0) {
        return print(containers, JSON_COMPACT, error);
    } else if (strcmp(format, "table") == 0) {
        print_table(containers);
    } else {
        return error_set(error, EINVAL, "invalid format option: \"%s\" is not table or json",
                         format);
    }
    return fflush(stdout) == EOF ? error_sys(error, EIO, "write to the standard output") : 0;
}

int runtime_list_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    struct listing listing = {.runtime = runtime, .containers = json_array()};
    int r = runtime_open_store(runtime, false, error);

    (void)count, (void)args;
    if (r == 0)
        r = store_each(&runtime->store, add, &listing, error);
    else if (r == -ENOENT)
        r = 0; /* there has never been one */
    if (r == 0)
        r = print_list(runtime, listing.containers, error);
    json_decref(listing.containers);
    return r;
}
