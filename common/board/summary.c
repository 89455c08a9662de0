/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/summary.h"

#include <pthread.h>
#include <stdlib.h>

struct summary_cache {
    pthread_mutex_t lock;
    struct summary *last; /* NULL: none yet */
};

struct summary_cache *summary_cache_new(void)
{
    struct summary_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        abort();
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

static void unref(struct summary *summary)
{
    if (!summary || --summary->users > 0)
        return;
    selection_free(&summary->selection);
    free(summary->sums);
    free(summary);
}

void summary_cache_free(struct summary_cache *cache)
{
    if (!cache)
        return;
    unref(cache->last);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static void add_up(const struct selector *selector, struct summary *summary)
{
    struct container_slot slot;

    for (uint32_t i = 0; i < summary->selection.count; i++) {
        if (!selection_slot(selector, summary->selection.rows[i].slot, &slot))
            continue;
        for (size_t j = 0; j < column_figure_count; j++) {
            if (!(column_figures[j].flags & FIGURE_SUM))
                continue;
            struct figure figure = column_figure_of(&column_figures[j], &selector->moment, &slot);
            figure_add(&summary->sums[j], &figure);
        }
    }
}

static struct summary *make(const struct selector *selector, const struct scoreboard_info *info)
{
    static const struct status_query all = {.order = ORDER_SLOT, .page = 1};
    struct selector whole = *selector;
    struct summary *summary = calloc(1, sizeof(*summary));

    if (!summary)
        return NULL;
    whole.query = &all;
    summary->users = 1;
    summary->engine_started_boottime_usec = info->engine_started_boottime_usec;
    summary->changes = info->changes;
    summary->sums = calloc(column_figure_count, sizeof(*summary->sums));
    if (!summary->sums || selection_take(&whole, &summary->selection) < 0) {
        unref(summary);
        return NULL;
    }
    add_up(&whole, summary);
    return summary;
}

static bool is_of(const struct summary *summary, const struct scoreboard_info *info)
{
    return summary && summary->engine_started_boottime_usec == info->engine_started_boottime_usec &&
           summary->changes == info->changes;
}

const struct summary *summary_take(struct summary_cache *cache, const struct selector *selector,
                                   const struct scoreboard_info *info)
{
    if (selector->allows || !selector->reader)
        return make(selector, info);
    pthread_mutex_lock(&cache->lock);
    struct summary *summary = is_of(cache->last, info) ? cache->last : NULL;
    if (summary)
        summary->users++;
    pthread_mutex_unlock(&cache->lock);
    if (summary)
        return summary;

    /* Outside the lock: who comes meanwhile makes one as well, and waits for nobody. */
    summary = make(selector, info);
    if (!summary)
        return NULL;
    pthread_mutex_lock(&cache->lock);
    summary->users++;
    unref(cache->last);
    cache->last = summary;
    pthread_mutex_unlock(&cache->lock);
    return summary;
}

void summary_release(struct summary_cache *cache, const struct summary *summary)
{
    if (!summary)
        return;
    pthread_mutex_lock(&cache->lock);
    unref((struct summary *)summary);
    pthread_mutex_unlock(&cache->lock);
}
