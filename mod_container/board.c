/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/board.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <apr_strings.h>

#include "common/units.h"

struct board_mapping {
    struct board *board;
    struct scoreboard_reader *reader;
    unsigned users; /* views, and one more while it is the current one; under the board's lock */
};

struct board {
    pthread_mutex_t lock;
    const char *path;
    struct board_mapping *current; /* NULL: none could be opened */
};

static void mapping_unref(struct board_mapping *mapping)
{
    if (!mapping || --mapping->users > 0)
        return;
    scoreboard_close(mapping->reader);
    free(mapping);
}

static apr_status_t board_end(void *data)
{
    struct board *board = data;

    mapping_unref(board->current);
    pthread_mutex_destroy(&board->lock);
    return APR_SUCCESS;
}

struct board *board_create(apr_pool_t *child_pool, const char *path)
{
    struct board *board = apr_pcalloc(child_pool, sizeof(*board));

    pthread_mutex_init(&board->lock, NULL);
    board->path = apr_pstrdup(child_pool, path);
    apr_pool_cleanup_register(child_pool, board, board_end, apr_pool_cleanup_null);
    return board;
}

/* Puts what is at the path now in the place of the current mapping, if it can be opened. */
static int reopen(struct board *board, struct error *error)
{
    struct board_mapping *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "open the scoreboard");
    int r = scoreboard_open(board->path, &made->reader, error);
    if (r < 0) {
        free(made);
        if (r == -ENOENT)
            error_set(error, ENOENT, "no supervisor is running: there is no scoreboard at %s",
                      board->path);
        return r;
    }
    made->board = board;
    made->users = 1;
    mapping_unref(board->current);
    board->current = made;
    return 0;
}

static void explain_stale(struct board_view *view)
{
    char age[32];

    format_duration(view->age_usec, age, sizeof(age));
    error_set(&view->why, ETIMEDOUT, "the supervisor has given no sign of life for %s", age);
}

/*
 * A board that is not live may have been replaced: look again, each time, for that costs one
 * open(2) and only while something is wrong. What cannot be opened any more but was not retired
 * stays in view as the last that is known.
 */
static void choose(struct board *board, struct board_view *view)
{
    struct board_mapping *current = board->current;

    if (current && scoreboard_is_live(current->reader, &view->age_usec)) {
        view->condition = BOARD_LIVE;
    } else {
        int r = reopen(board, &view->why);
        current = board->current;
        if (current)
            scoreboard_info(current->reader, &view->info);
        if (r < 0 && (!current || view->info.retired || r == -EPROTO))
            return;
        if (scoreboard_is_live(current->reader, &view->age_usec)) {
            view->condition = BOARD_LIVE;
        } else if (view->info.retired) {
            error_set(&view->why, ESRCH, "the supervisor has ended");
            return;
        } else {
            view->condition = BOARD_STALE;
            explain_stale(view);
        }
    }
    current->users++;
    view->mapping = current;
    view->reader = current->reader;
}

void board_acquire(struct board *board, struct board_view *view)
{
    memset(view, 0, sizeof(*view));
    view->condition = BOARD_UNREACHABLE;
    pthread_mutex_lock(&board->lock);
    choose(board, view);
    pthread_mutex_unlock(&board->lock);
    if (view->reader)
        scoreboard_info(view->reader, &view->info);
    else
        memset(&view->info, 0, sizeof(view->info));
}

void board_release(struct board_view *view)
{
    if (!view->mapping)
        return;
    struct board *board = view->mapping->board;
    pthread_mutex_lock(&board->lock);
    mapping_unref(view->mapping);
    pthread_mutex_unlock(&board->lock);
    view->mapping = NULL;
    view->reader = NULL;
}
