/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_CHART_H
#define MOD_CONTAINER_CHART_H

/*
 * Pictures of figures as inline SVG without scripts and styles of their own: bars, sparklines,
 * charts with axes. Colours come from the page's style sheet by class; each picture has its text
 * beside it or in its label, so that nothing is told by a picture alone. Knows no httpd.
 */

#include <stdbool.h>
#include <stdint.h>

#include "mod_container/chart_scale.h"
#include "mod_container/html.h"

#define CHART_POINTS_MAX 1440 /* 30 days of half hours */

/* A figure that is not known at that moment: a gap in the line. */
#define CHART_GAP UINT64_MAX

/* A bar filled to percent (at most 100), with its heat as class. It is hidden from screen readers:
 * the text beside it says the same. */
void chart_bar(struct out *out, unsigned percent);

/*
 * A line of count values (the newest last, CHART_GAP where unknown) with no axes. The top is the
 * limit, drawn as a line, or the greatest value but at least top_least without one. label_name
 * ("CPU") opens the label for screen readers; write_value writes a value with its unit.
 */
struct spark {
    const char *name;
    const uint64_t *values;
    unsigned count;
    uint64_t limit; /* 0: none */
    uint64_t top_least;
    void (*write_value)(struct out *out, uint64_t value);
};
void chart_spark(struct out *out, const struct spark *spark);

/* A chart with axes, grid, limit line, fault ticks and its text in a caption. */
struct chart {
    const char *name;       /* "Memory", our own text */
    const char *id;         /* of the elements, unique on the page */
    const uint64_t *values; /* oldest first */
    const uint32_t *faults; /* as many as values: how many in that step; NULL: none are known */
    unsigned count;         /* at most CHART_POINTS_MAX */
    uint64_t step_seconds;
    uint64_t end_unix; /* where the last step ends */
    uint64_t limit;    /* 0: none */
    uint64_t top_least;
    bool is_binary; /* ticks at powers of two (sizes), else at 1, 2, 5 */
    void (*write_value)(struct out *out, uint64_t value);
};
void chart_draw(struct out *out, const struct chart *chart);

#endif
