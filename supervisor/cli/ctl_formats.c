/* SPDX-License-Identifier: Apache-2.0 */
/* The status page's formats for machines, written by the module's own code to standard output. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/board/overview.h"
#include "common/board/summary.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/ctl_board.h"

static void pass_piece(struct out *out)
{
    size_t length = (size_t)(out->at - out->piece->bytes);

    if (!out->is_broken && fwrite(out->piece->bytes, 1, length, stdout) != length)
        out->is_broken = true;
    piece_unref(out->piece);
    out->piece = NULL;
    out->at = out->end = NULL;
}

static void explain(const struct ctl_board *board, struct board_view *view)
{
    char age[32];

    view->condition = board->is_live ? BOARD_LIVE : BOARD_STALE;
    if (!board->is_live)
        error_set(&view->why, ETIMEDOUT, "the supervisor has given no sign of life for %s",
                  format_duration(board->age_usec, age, sizeof(age)));
}

static void write_as(enum status_format format, struct out *out, const struct overview *overview)
{
    switch (format) {
    case STATUS_AUTO:
        status_write_auto(out, overview);
        break;
    case STATUS_JSON:
        status_write_json(out, overview);
        break;
    case STATUS_CSV:
        status_write_csv(out, overview);
        break;
    default:
        status_write_openmetrics(out, overview, false);
        break;
    }
}

int board_write(const struct ctl_board *board, const struct status_query *query)
{
    struct summary_cache *cache = summary_cache_new();
    struct board_view view = {
        .reader = board->reader, .info = board->info, .age_usec = board->age_usec};
    struct out out = {.pass = pass_piece};
    uint64_t started = board->info.engine_started_boottime_usec;

    if (!cache)
        return -ENOMEM;
    explain(board, &view);
    const struct summary *summary = summary_take(cache, &board->selector, &board->info);
    int r = summary ? 0 : -ENOMEM;
    if (r == 0) {
        const struct overview overview = {
            .board = &view,
            .query = query,
            .moment = board->moment,
            .server_version = "containerctl/" MOD_CONTAINER_VERSION,
            .supervisor_uptime_usec =
                board->moment.boottime_usec > started ? board->moment.boottime_usec - started : 0,
            .host = board->host,
            .selector = board->selector,
            .selection = board->selection,
            .sums = summary->sums,
        };
        write_as(query->format, &out, &overview);
        if (out.piece)
            pass_piece(&out);
    }
    summary_release(cache, summary);
    summary_cache_free(cache);
    return r;
}
