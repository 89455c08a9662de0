/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFIG_STAGE_H
#define TESTS_CONFIG_STAGE_H

/*
 * A config that is right, and ways to change one value of it. JSON is written with ' for ". A path
 * such as "process.user.uid" or "linux.namespaces.2.path" names a value; the value NULL removes it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/config_reader.h"

#define STAGE_BUNDLE "/bundle"

static const char stage_base[] =
    "{'ociVersion':'1.3.0','process':{'user':{'uid':0,'gid':0},'args':['sh'],'cwd':'/'},"
    "'root':{'path':'rootfs','readonly':true},'hostname':'a',"
    "'mounts':[{'destination':'/srv','type':'none','source':'/data','options':['rbind','ro']},"
    "{'destination':'/tmp','type':'tmpfs','options':['mode=1777','noatime','size=1m']}],"
    "'hooks':{},'annotations':{},"
    "'linux':{'namespaces':[{'type':'mount'},{'type':'uts'},{'type':'pid'}]}}";

/* A row of a table: what is put where, and how the message must begin; NULL: it is taken. */
struct stage_row {
    const char *path, *value, *message;
};

static json_t *stage_parse(const char *text)
{
    struct error error = ERROR_INIT;
    _cleanup_free_ char *copy = strdup(text);

    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = config_parse(copy, strlen(copy), "stage", &error);
    if (!json)
        fail_msg("%s: %s", text, error.message);
    return json;
}

/* A value alone, which is no document. */
static json_t *stage_value(const char *text)
{
    _cleanup_free_ char *document = NULL;

    if (asprintf(&document, "[%s]", text) < 0)
        fail_msg("no memory");
    _cleanup_json_ json_t *array = stage_parse(document);
    return json_incref(json_array_get(array, 0));
}

static void stage_set(json_t *json, const char *path, const char *value)
{
    size_t length = strcspn(path, ".");
    _cleanup_free_ char *key = strndup(path, length);
    bool is_last = !path[length];

    if (json_is_array(json) && is_last && value)
        json_array_set_new(json, strtoul(key, NULL, 10), stage_value(value));
    else if (json_is_array(json) && is_last)
        json_array_remove(json, strtoul(key, NULL, 10));
    else if (json_is_array(json))
        stage_set(json_array_get(json, strtoul(key, NULL, 10)), path + length + 1, value);
    else if (!is_last && !json_object_get(json, key))
        fail_msg("%s: there is no %s", path, key);
    else if (!is_last)
        stage_set(json_object_get(json, key), path + length + 1, value);
    else if (value)
        json_object_set_new(json, key, stage_value(value));
    else
        json_object_del(json, key);
}

/* Reads the base with one value changed; path NULL: as it is. The caller frees. */
static inline struct config *stage_read(const char *path, const char *value)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    struct config *config = NULL;
    struct error error = ERROR_INIT;

    if (path)
        stage_set(json, path, value);
    if (config_read(json, STAGE_BUNDLE, &config, &error) < 0)
        fail_msg("%s = %s: %s", path, value, error.message);
    return config;
}

static inline void stage_check_row(const struct stage_row *row)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    stage_set(json, row->path, row->value);
    int r = config_read(json, STAGE_BUNDLE, &config, &error);
    if (!row->message && r < 0)
        fail_msg("%s = %s: %s", row->path, row->value, error.message);
    if (row->message && r >= 0)
        fail_msg("taken: %s = %s", row->path, row->value);
    if (row->message && strncmp(error.message, row->message, strlen(row->message)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", error.message, row->message);
}

#define STAGE_CHECK(rows)                                                                          \
    do {                                                                                           \
        for (size_t row_index = 0; row_index < ARRAY_LENGTH(rows); row_index++)                    \
            stage_check_row(&(rows)[row_index]);                                                   \
    } while (0)

#endif
