/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_FIGURES_H
#define COMMON_FIGURES_H

/*
 * The one table of what is told about a container: a row is a figure, with its key in each format
 * of the status page, in containerctl, and its OpenMetrics family. Renderers walk it; a new figure
 * is one row. docs/admin-api.md lists the keys. libc only; any process, any thread; nothing here is
 * written after the start.
 *
 * A figure that is not known is absent, never zero. Numbers are current rates and totals.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/scoreboard.h"

enum figure_kind {
    FIGURE_ABSENT = 0, /* not known: "-" on the page, left out of auto, null in JSON */
    FIGURE_TEXT,
    FIGURE_COUNT,   /* count is a whole number */
    FIGURE_SIGNED,  /* number */
    FIGURE_DECIMAL, /* count is in units of 10 to the power of -decimals */
};

struct figure {
    enum figure_kind kind;
    unsigned decimals; /* FIGURE_DECIMAL: 1 to 6 */
    const char *text;  /* as it came; the renderer cleans and escapes it */
    uint64_t count;
    int64_t number; /* FIGURE_SIGNED */
};

/* The time an answer speaks of, the same for all containers. */
struct moment {
    uint64_t boottime_usec;
    uint64_t realtime_usec;
};

enum metric_type {
    METRIC_NONE = 0,
    METRIC_GAUGE,
    METRIC_COUNTER,
    METRIC_INFO,
    METRIC_SUMMARY, /* quantiles only */
};

/*
 * The OpenMetrics family of a row. Rows of one family are neighbours; the first gives type, unit
 * and help. A text figure becomes a label of its family's one sample, whose value is 1.
 */
struct metric {
    const char *family; /* base units, without _total; NULL: not in OpenMetrics */
    enum metric_type type;
    const char *unit; /* "seconds", "bytes", "ratio", or NULL */
    const char *help;
    const char *labels; /* 'direction="read"'; of a text figure, the label's name; or NULL */
    uint8_t shift;      /* the value is the figure's with so many more decimals: percent to ratio */
    bool has_created;   /* the counter begins with the run: _created is told */
};

#define FIGURE_SUM  0x1u /* the sum over containers means something */
#define FIGURE_RATE 0x2u /* said of the last interval: Prometheus makes its own from the total */

struct column_figure {
    const char *key;      /* JSON, CSV, sort=KEY: snake_case with its unit */
    const char *auto_key; /* ?auto: CamelCase */
    /* The field: where in the struct, how many bytes (4 or 8 for numbers). With a function and a
       metric: what the function reads besides has. */
    uint16_t offset;
    uint16_t width;
    enum figure_kind kind;
    uint8_t decimals; /* FIGURE_DECIMAL */
    uint8_t flags;    /* FIGURE_SUM ... */
    uint64_t has;     /* bits that must all be set in the struct's has */
    /* For what no single field tells; else NULL. */
    struct figure (*figure)(const struct moment *moment, const struct container_slot *slot);
    struct metric metric;
};

/* Of struct container_slot. */
extern const struct column_figure column_figures[];
extern const size_t column_figure_count;

/* Of struct host_figures; row->figure is always NULL. */
extern const struct column_figure host_figure_rows[];
extern const size_t host_figure_row_count;

/*
 * Figures that a container has several times: per block device, per resource under pressure, per
 * class of answers. JSON has an array of objects, OpenMetrics a label, auto and CSV flattened keys
 * ("Device1ReadBytes", "device_1_read_bytes"; "PressureCpuSomeTotalSeconds").
 */
struct figure_group {
    const char *key;       /* JSON: the array; "devices" */
    const char *name_key;  /* JSON: of an element's name; OpenMetrics: the label; "device" */
    const char *flat_key;  /* CSV: "device"; before "_1_read_bytes" */
    const char *flat_auto; /* auto: "Device" */
    /* The elements' names where they are fixed: {"cpu", "memory", "io"}; else NULL: numbered. */
    const char *const *names;
    unsigned count;
    uint16_t offset, stride;
    uint64_t has;                     /* of the first element */
    unsigned has_shift;               /* of each following one, further left */
    const struct column_figure *rows; /* offsets within the element */
    size_t row_count;
};

extern const struct figure_group figure_groups[];
extern const size_t figure_group_count;

/* Pressure of the host's tasks: a group of struct host_figures. */
extern const struct figure_group host_pressure_group;

/* The figure of a row. */
struct figure column_figure_of(const struct column_figure *row, const struct moment *moment,
                               const struct container_slot *slot);
struct figure host_figure_of(const struct column_figure *row, const struct host_figures *host);

/* Room for a device's name, "4294967295:4294967295". */
#define GROUP_NAME_SIZE 24

/*
 * The name of element i of a group ("cpu", "8:0"), in name where it is made; NULL when the
 * container has no such element. base is the slot or the host's figures, has its has.
 */
const char *group_element_name(const struct figure_group *group, uint64_t has, const void *base,
                               unsigned i, char name[GROUP_NAME_SIZE]);

/* The figure of one row of that element, which is there. */
struct figure group_figure_of(const struct figure_group *group, const struct column_figure *row,
                              uint64_t has, const void *base, unsigned i);

/* The row with that key, or NULL. */
const struct column_figure *column_figure_find(const char *key);

/* Room that a number of any kind needs, with its zero. */
#define FIGURE_NUMBER_SIZE 32

/*
 * Writes a number (not a text, not absent) with shift more decimals, without a locale: "12",
 * "-3", "0.5", "2.0" (a decimal keeps one digit behind the point; further zeros go). Returns its
 * length; terminated.
 */
size_t figure_print(const struct figure *figure, unsigned shift, char *text);

/* The same for a whole number: at most 20 digits. */
size_t figure_print_count(uint64_t count, char *text);

/* Adds a figure to a sum; a sum of nothing is absent. */
void figure_add(struct figure *sum, const struct figure *figure);

#endif
