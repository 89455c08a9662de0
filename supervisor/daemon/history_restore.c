/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/history_internal.h"

#define USEC_PER_SEC UINT64_C(1000000)

void history_begin(struct engine *engine, const char *board_path)
{
    if (scoreboard_open(board_path, &engine->old_board, NULL) == 0 &&
        !scoreboard_is_of_this_boot(engine->old_board))
        history_begun(engine);
}

void history_begun(struct engine *engine)
{
    scoreboard_close(steal_ptr(engine->old_board));
}

/* ---- from the board of an engine that was killed ---- */

/* The minutes that it had not written to disk yet go there with the next half hour. */
static void keep_minutes(struct service *service, const struct slot_history *history)
{
    struct history_point points[HISTORY_SECONDS_POINTS];
    size_t count = history_points(history, HISTORY_MINUTES, points);
    uint64_t age = clock_boottime_usec() - history->rings[HISTORY_MINUTES].end_boottime_usec;
    uint64_t end = (clock_realtime_usec() - age) / USEC_PER_SEC / 60;
    struct history_step known[HISTORY_MINUTES_POINTS];

    if (count == 0 || end < count ||
        history_file_read(service->engine->data_fd, service->tenant, service->spec->name,
                          HISTORY_GRAIN_MINUTE, end - count + 1, count, known, NULL) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct history_step step = {.point = points[i]};
        if (memcmp(&points[i], &history_step_absent.point, sizeof(points[i])) != 0 &&
            memcmp(&known[i], &history_step_absent, sizeof(known[i])) == 0)
            history_add_record(service, HISTORY_GRAIN_MINUTE, end - count + 1 + i, &step);
    }
}

static bool restore_from_board(struct service *service)
{
    struct engine *engine = service->engine;
    struct container_slot slot;
    struct slot_history history;
    uint32_t index = 0;

    if (!engine->old_board ||
        scoreboard_find(engine->old_board, service->tenant, service->spec->name, &index, &slot) < 0)
        return false;
    if (scoreboard_history_read(engine->old_board, index, &history) < 0)
        return false;
    scoreboard_history_write(engine->board, service->slot, &history);
    keep_minutes(service, &history);
    return true;
}

/* ---- from the tenant's file ---- */

struct file_ring {
    enum history_ring ring;
    enum history_grain grain;
    size_t points;
};

static const struct file_ring file_rings[] = {
    {HISTORY_MINUTES, HISTORY_GRAIN_MINUTE, HISTORY_MINUTES_POINTS},
    {HISTORY_HALF_HOURS, HISTORY_GRAIN_HALF_HOUR, HISTORY_HALF_HOURS_POINTS},
};

/* Pushes what is known; the ring makes gaps of what is not. */
static void restore_ring(struct service *service, const struct file_ring *ring)
{
    struct history_step steps[HISTORY_SECONDS_POINTS];
    uint32_t seconds = history_grain_seconds[ring->grain];
    uint64_t real = clock_realtime_usec(), boot = clock_boottime_usec();
    /* The step that runs has been written too, if the engine ended in order. */
    uint64_t last = real / USEC_PER_SEC / seconds + 1, first = last - ring->points + 1;

    if (history_file_read(service->engine->data_fd, service->tenant, service->spec->name,
                          ring->grain, first, ring->points, steps, NULL) < 0)
        return;
    for (size_t i = 0; i < ring->points; i++) {
        uint64_t end = (first + i) * seconds * USEC_PER_SEC;
        uint64_t age = real > end ? real - end : 0;
        if (memcmp(&steps[i].point, &history_step_absent.point, sizeof(steps[i].point)) != 0 &&
            age < boot)
            scoreboard_history_push(service->engine->board, service->slot, ring->ring,
                                    seconds * 1000, boot - age, &steps[i].point);
    }
}

void history_restore(struct service *service)
{
    if (restore_from_board(service))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(file_rings); i++)
        restore_ring(service, &file_rings[i]);
}
