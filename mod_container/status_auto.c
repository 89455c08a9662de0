/* SPDX-License-Identifier: Apache-2.0 */
/* ?auto: one "Key: value" a line, the same keys whatever the MPM; absent figures have no line. */
#include <apr_strings.h>
#include <ctype.h>
#include <http_protocol.h>

#include "mod_container/reply.h"
#include "mod_container/status.h"

static void line_text(request_rec *r, const char *key, const char *value)
{
    if (*value)
        ap_rvputs(r, key, ": ", reply_clean(r->pool, value), "\n", NULL);
}

static void line_count(request_rec *r, const char *key, uint64_t value)
{
    ap_rprintf(r, "%s: %" APR_UINT64_T_FMT "\n", key, value);
}

static void line_seconds(request_rec *r, const char *key, uint64_t usec)
{
    ap_rprintf(r, "%s: %" APR_UINT64_T_FMT ".%03u\n", key, usec / 1000000,
               (unsigned)(usec / 1000 % 1000));
}

static void supervisor_lines(request_rec *r, const struct overview *overview)
{
    const struct board_view *board = overview->board;
    const struct scoreboard_info *info = &board->info;

    line_text(r, "SupervisorState", board_condition_name(board->condition));
    line_text(r, "SupervisorReason", board->why.message);
    if (!board->reader)
        return;
    line_text(r, "SupervisorVersion", info->version);
    line_count(r, "SupervisorPid", info->engine_pid);
    line_count(r, "SupervisorUptimeSeconds", overview->supervisor_uptime_usec / 1000000);
    line_seconds(r, "SampleAgeSeconds", board->age_usec);
    line_seconds(r, "SampleIntervalSeconds", info->sample_interval_usec);
    line_count(r, "HostCpus", info->cpus);
    line_count(r, "HostMemoryBytes", info->memory_total_bytes);
    line_count(r, "Slots", info->slot_count);
}

/* "ContainersRunning", from the state's own name. */
static void count_lines(request_rec *r, const struct overview *overview)
{
    line_count(r, "Containers", overview->containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        const char *name = container_state_name((enum container_state)state);
        ap_rprintf(r, "Containers%c%s: %u\n", toupper((unsigned char)name[0]), name + 1,
                   overview->by_state[state]);
    }
}

static void container_lines(request_rec *r, const struct overview *overview, uint32_t index,
                            apr_pool_t *scratch)
{
    struct container_slot slot;

    if (!overview_slot(overview, index, &slot))
        return;
    const char *prefix = apr_psprintf(scratch, "Container[%u]", index);
    for (size_t i = 0; i < status_column_count; i++) {
        const struct column *column = &status_columns[i];
        if (!column->auto_key)
            continue;
        struct figure figure = column->figure(&overview->moment, &slot);
        const char *value = figure_text(scratch, &figure);
        if (!value)
            continue;
        if (figure.kind == FIGURE_TEXT)
            value = reply_clean(scratch, value);
        ap_rvputs(r, prefix, column->auto_key, ": ", value, "\n", NULL);
    }
}

void status_render_auto(request_rec *r, const struct overview *overview,
                        const struct status_query *query)
{
    apr_pool_t *scratch;

    line_text(r, "ServerVersion", ap_get_server_description());
    line_text(r, "CurrentTime", overview_time(r, overview));
    line_count(r, "ServerUptimeSeconds", overview->httpd_uptime_seconds);
    supervisor_lines(r, overview);
    count_lines(r, overview);
    apr_pool_create(&scratch, r->pool);
    for (uint32_t i = 0; overview->letters[i] && !query->is_without_table; i++) {
        container_lines(r, overview, i, scratch);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
    ap_rvputs(r, "Scoreboard: ", overview->letters, "\n", NULL);
}
