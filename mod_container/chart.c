/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/chart.h"

#include <time.h>

void chart_bar(struct out *out, unsigned percent)
{
    out_text(out, "<svg class=\"bar");
    out_text(out, chart_heat(percent));
    out_text(out, "\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                  "<rect width=\"");
    out_count(out, percent > 100 ? 100 : percent);
    out_text(out, "\" height=\"1\"/></svg>");
}

/* ---- lines ---- */

struct summary {
    uint64_t last, greatest, average;
    unsigned known;
};

static struct summary summarize(const uint64_t *values, unsigned count)
{
    struct summary summary = {.last = CHART_GAP};
    unsigned __int128 sum = 0;

    for (unsigned i = 0; i < count; i++) {
        summary.last = values[i];
        if (values[i] == CHART_GAP)
            continue;
        sum += values[i];
        summary.known++;
        if (values[i] > summary.greatest)
            summary.greatest = values[i];
    }
    if (summary.known > 0)
        summary.average = (uint64_t)(sum / summary.known);
    return summary;
}

/* From 0 at the top of the picture to height at its foot. */
static unsigned y_of(uint64_t value, uint64_t top, unsigned height)
{
    if (value >= top)
        return 0;
    return height - (unsigned)((unsigned __int128)value * height / top);
}

/*
 * The d of a path (SVG 2, "Path data"): relative commands, and one "h" for a stretch without
 * change, for most of what is drawn is flat. Steps are step units wide, from x on.
 */
static void write_path(struct out *out, const uint64_t *values, unsigned count, unsigned x,
                       unsigned step, uint64_t top, unsigned base, unsigned height)
{
    unsigned flat = 0, y = 0;
    bool is_down = false; /* the pen is on paper */

    for (unsigned i = 0; i < count; i++) {
        if (values[i] == CHART_GAP) {
            if (flat > 0)
                out_format(out, "h%u", flat * step);
            flat = 0;
            is_down = false;
            continue;
        }
        unsigned here = base + y_of(values[i], top, height);
        if (!is_down) {
            out_format(out, "M%u %uh0", x + i * step, here); /* a single point is a dot */
            is_down = true;
        } else if (here == y) {
            flat++;
        } else {
            if (flat > 0)
                out_format(out, "h%u", flat * step);
            out_format(out, "l%u %d", step, (int)here - (int)y);
            flat = 0;
        }
        y = here;
    }
    if (flat > 0)
        out_format(out, "h%u", flat * step);
}

#define SPARK_HEIGHT 40
#define SPARK_STEP   2

void chart_spark(struct out *out, const struct spark *spark)
{
    struct summary summary = summarize(spark->values, spark->count);
    unsigned width = spark->count > 1 ? (spark->count - 1) * SPARK_STEP : SPARK_STEP;
    uint64_t top = spark->limit;

    if (summary.known == 0)
        return;
    if (top == 0)
        top = summary.greatest > spark->top_least ? summary.greatest : spark->top_least;
    if (top == 0)
        top = 1;
    out_text(out, "<svg class=\"spark");
    out_text(out,
             chart_heat(chart_percent(summary.last == CHART_GAP ? 0 : summary.last, spark->limit)));
    out_format(out,
               "\" viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\" role=\"img\" "
               "aria-label=\"%s: most ",
               width, SPARK_HEIGHT, spark->name);
    spark->write_value(out, summary.greatest);
    if (spark->limit) {
        out_text(out, ", limit ");
        spark->write_value(out, spark->limit);
        out_format(out, "\"><path class=\"limit\" d=\"M0 1h%u\"/>", width);
    } else {
        out_text(out, "\">");
    }
    out_text(out, "<path d=\"");
    write_path(out, spark->values, spark->count, 0, SPARK_STEP, top, 1, SPARK_HEIGHT - 2);
    out_text(out, "\"/></svg>");
}

/* ---- charts with axes ---- */

/* In units of the picture; it is scaled to the space there is. */
#define CHART_WIDTH  480
#define CHART_HEIGHT 170
#define PLOT_LEFT    62
#define PLOT_TOP     10
#define PLOT_WIDTH   404
#define PLOT_HEIGHT  132
#define SUBPIXELS    10 /* the line is drawn in tenths of a unit */

static void draw_scale(struct out *out, const struct chart *chart, uint64_t top, uint64_t tick)
{
    out_text(out, "<g class=\"grid\">");
    for (uint64_t value = 0; value <= top; value += tick)
        out_format(out, "<path d=\"M%d %uh%d\"/>", PLOT_LEFT,
                   PLOT_TOP + y_of(value, top, PLOT_HEIGHT), PLOT_WIDTH);
    out_text(out, "</g><g class=\"scale\">");
    for (uint64_t value = 0; value <= top; value += tick) {
        out_format(out, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", PLOT_LEFT - 6,
                   PLOT_TOP + y_of(value, top, PLOT_HEIGHT) + 4);
        chart->write_value(out, value);
        out_text(out, "</text>");
    }
    out_text(out, "</g>");
}

/* A moment on the axis of time: the day for long ranges, else hours and minutes; UTC. */
static void write_moment(struct out *out, uint64_t unix_seconds, uint64_t range_seconds)
{
    time_t moment = (time_t)unix_seconds;
    struct tm at;
    char text[32];

    gmtime_r(&moment, &at);
    strftime(text, sizeof(text), range_seconds > 2 * 86400 ? "%-d %b" : "%H:%M", &at);
    out_text(out, text);
}

static void draw_times(struct out *out, const struct chart *chart)
{
    static const uint64_t steps[] = {600,      1200,  3600,      3 * 3600,
                                     6 * 3600, 86400, 5 * 86400, 10 * 86400};
    uint64_t range = chart->count * chart->step_seconds;
    uint64_t start = chart->end_unix > range ? chart->end_unix - range : 0;
    uint64_t step = steps[0];

    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && range / step > 7; i++)
        step = steps[i];
    out_text(out, "<g class=\"scale\">");
    for (uint64_t at = (start / step + 1) * step; range > 0 && at < start + range; at += step) {
        unsigned x = PLOT_LEFT + (unsigned)((at - start) * PLOT_WIDTH / range);
        if (x < PLOT_LEFT + 12 || x > PLOT_LEFT + PLOT_WIDTH - 10)
            continue;
        out_format(out, "<path d=\"M%u %dv4\"/><text x=\"%u\" y=\"%d\" text-anchor=\"middle\">", x,
                   PLOT_TOP + PLOT_HEIGHT, x, PLOT_TOP + PLOT_HEIGHT + 17);
        write_moment(out, at, range);
        out_text(out, "</text>");
    }
    out_text(out, "</g>");
}

static void draw_faults(struct out *out, const struct chart *chart)
{
    bool is_open = false;

    for (unsigned i = 0; chart->faults && i < chart->count; i++) {
        if (chart->faults[i] == 0)
            continue;
        if (!is_open)
            out_text(out, "<path class=\"faults\" d=\"");
        is_open = true;
        out_format(out, "M%u %dv-12", PLOT_LEFT + (2 * i + 1) * PLOT_WIDTH / (2 * chart->count),
                   PLOT_TOP + PLOT_HEIGHT);
    }
    if (is_open)
        out_text(out, "\"/>");
}

static void draw_line(struct out *out, const struct chart *chart, uint64_t top)
{
    unsigned width = chart->count > 1 ? chart->count - 1 : 1;

    /* One step is one unit wide there, whatever their number. */
    out_format(out,
               "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %u %u\" "
               "preserveAspectRatio=\"none\"><path class=\"line\" d=\"",
               PLOT_LEFT, PLOT_TOP, PLOT_WIDTH, PLOT_HEIGHT, width, PLOT_HEIGHT * SUBPIXELS);
    write_path(out, chart->values, chart->count, 0, 1, top, 0, PLOT_HEIGHT * SUBPIXELS);
    out_text(out, "\"/></svg>");
}

static unsigned long count_faults(const struct chart *chart)
{
    unsigned long sum = 0;

    for (unsigned i = 0; chart->faults && i < chart->count; i++)
        sum += chart->faults[i];
    return sum;
}

/* What the picture shows, in words. */
static void caption(struct out *out, const struct chart *chart, const struct summary *summary)
{
    const struct {
        const char *name;
        uint64_t value;
    } parts[] = {
        {"now", summary->last}, {"average", summary->average}, {"most", summary->greatest}};

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].value == CHART_GAP)
            continue;
        out_format(out, "%s ", parts[i].name);
        chart->write_value(out, parts[i].value);
        out_text(out, i + 1 < sizeof(parts) / sizeof(parts[0]) ? ", " : "");
    }
    if (chart->limit) {
        out_text(out, ", limit ");
        chart->write_value(out, chart->limit);
    }
    if (chart->faults)
        out_format(out, ", %lu faults", count_faults(chart));
}

void chart_draw(struct out *out, const struct chart *chart)
{
    struct summary summary = summarize(chart->values, chart->count);
    uint64_t tick, greatest = summary.greatest > chart->limit ? summary.greatest : chart->limit;
    uint64_t top = chart_round_top(greatest > chart->top_least ? greatest : chart->top_least,
                                   chart->is_binary, &tick);

    out_format(out, "<figure class=\"chart\"><figcaption><b id=\"%s\">%s</b> <span id=\"%s-text\">",
               chart->id, chart->name, chart->id);
    if (summary.known == 0) {
        out_text(out, "no figures in this time</span></figcaption></figure>\n");
        return;
    }
    caption(out, chart, &summary);
    out_format(out,
               "</span></figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" "
               "aria-labelledby=\"%s %s-text\">",
               CHART_WIDTH, CHART_HEIGHT, chart->id, chart->id);
    draw_scale(out, chart, top, tick);
    draw_times(out, chart);
    draw_line(out, chart, top);
    if (chart->limit)
        out_format(out, "<path class=\"limit\" d=\"M%d %uh%d\"/>", PLOT_LEFT,
                   PLOT_TOP + y_of(chart->limit, top, PLOT_HEIGHT), PLOT_WIDTH);
    draw_faults(out, chart);
    out_text(out, "</svg></figure>\n");
}
