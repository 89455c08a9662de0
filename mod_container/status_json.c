/* SPDX-License-Identifier: Apache-2.0 */
/* ?format=json: one object; absent figures are null. */
#include <http_protocol.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "mod_container/reply.h"
#include "mod_container/status.h"

/* cpu_percent of many CPUs with three decimals fits. */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static json_t *text_or_null(request_rec *r, const char *text)
{
    return *text ? json_string(reply_clean(r->pool, text)) : json_null();
}

static json_t *server_object(const struct overview *overview)
{
    return json_pack("{s:s, s:I}", "version", ap_get_server_description(), "uptime_seconds",
                     (json_int_t)overview->httpd_uptime_seconds);
}

/* Unreachable: the same keys, all null but for state and reason. */
static json_t *supervisor_object(request_rec *r, const struct overview *overview)
{
    static const char *const keys[] = {"version",
                                       "pid",
                                       "uptime_seconds",
                                       "sample_age_seconds",
                                       "sample_interval_seconds",
                                       "host_cpus",
                                       "host_memory_bytes",
                                       "slots"};
    const struct board_view *board = overview->board;
    const struct scoreboard_info *info = &board->info;
    json_t *object = json_pack("{s:s, s:o}", "state", board_condition_name(board->condition),
                               "reason", text_or_null(r, board->why.message));

    if (!board->reader) {
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
            json_object_set_new(object, keys[i], json_null());
        return object;
    }
    json_t *values[] = {text_or_null(r, info->version),
                        json_integer(info->engine_pid),
                        json_integer((json_int_t)(overview->supervisor_uptime_usec / 1000000)),
                        json_real((double)(board->age_usec / 1000) / 1000),
                        json_real((double)(info->sample_interval_usec / 1000) / 1000),
                        json_integer(info->cpus),
                        json_integer((json_int_t)info->memory_total_bytes),
                        json_integer(info->slot_count)};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        json_object_set_new(object, keys[i], values[i]);
    return object;
}

static json_t *counts_object(const struct overview *overview)
{
    json_t *object = json_object();

    json_object_set_new(object, "total", json_integer(overview->containers));
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++)
        json_object_set_new(object, container_state_name((enum container_state)state),
                            json_integer(overview->by_state[state]));
    return object;
}

static json_t *figure_json(apr_pool_t *pool, const struct figure *figure)
{
    switch (figure->kind) {
    case FIGURE_TEXT:
        return json_string(reply_clean(pool, figure->text));
    case FIGURE_COUNT:
        return json_integer((json_int_t)figure->count);
    case FIGURE_SIGNED:
        return json_integer((json_int_t)figure->number);
    case FIGURE_MILLI:
        return json_real((double)figure->count / 1000);
    case FIGURE_ABSENT:
        break;
    }
    return json_null();
}

/* Returns whether it wrote one. */
static bool write_container(request_rec *r, const struct overview *overview, uint32_t index,
                            const char *separator, apr_pool_t *scratch)
{
    struct container_slot slot;

    if (!overview_slot(overview, index, &slot))
        return false;
    json_t *object = json_pack("{s:i}", "slot", (int)index);
    for (size_t i = 0; i < status_column_count; i++) {
        if (!status_columns[i].key)
            continue;
        struct figure figure = status_columns[i].figure(&overview->moment, &slot);
        json_object_set_new(object, status_columns[i].key, figure_json(scratch, &figure));
    }
    _cleanup_free_ char *text = json_dumps(object, JSON_FLAGS);
    json_decref(object);
    if (!text)
        return false;
    ap_rvputs(r, separator, text, NULL);
    return true;
}

static void write_containers(request_rec *r, const struct overview *overview)
{
    const char *separator = "\n";
    apr_pool_t *scratch;

    apr_pool_create(&scratch, r->pool);
    ap_rputs(",\"containers\":[", r);
    for (uint32_t i = 0; overview->letters[i]; i++) {
        if (write_container(r, overview, i, separator, scratch))
            separator = ",\n";
        apr_pool_clear(scratch);
    }
    ap_rputs("]", r);
    apr_pool_destroy(scratch);
}

/* Container by container, so that ten thousand of them need no tree of all. */
void status_render_json(request_rec *r, const struct overview *overview,
                        const struct status_query *query)
{
    json_t *head = json_pack("{s:i, s:s, s:o, s:o, s:o, s:s}", "version", STATUS_JSON_VERSION,
                             "time", overview_time(r, overview), "server", server_object(overview),
                             "supervisor", supervisor_object(r, overview), "counts",
                             counts_object(overview), "scoreboard", overview->letters);
    _cleanup_free_ char *text = head ? json_dumps(head, JSON_FLAGS) : NULL;

    json_decref(head);
    if (!text)
        return;
    ap_rwrite(text, (int)strlen(text) - 1, r);
    if (!query->is_without_table)
        write_containers(r, overview);
    ap_rputs("}\n", r);
}
