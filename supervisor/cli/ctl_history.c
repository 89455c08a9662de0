/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl history: what one service did, step by step. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_cell.h"
#include "supervisor/cli/ctl_table.h"

#define CELL_MAX 64

/* The members of a point, in their order. */
static const struct {
    struct table_column column;
    enum cell_look look;
} figures[] = {
    {{"CPU%", true, 0}, CELL_DECIMAL},  {{"MEM", true, 0}, CELL_BYTES},
    {{"DISK/S", true, 0}, CELL_BYTES},  {{"REQ/S", true, 0}, CELL_DECIMAL},
    {{"FAULTS", true, 0}, CELL_NUMBER},
};

/* Nothing ran, and nothing happened. */
static bool is_empty(const json_t *point)
{
    for (size_t i = 0; i + 1 < ARRAY_LENGTH(figures); i++)
        if (json_is_number(json_array_get(point, i)))
            return false;
    return json_integer_value(json_array_get(point, ARRAY_LENGTH(figures) - 1)) == 0;
}

static int add_row(struct table *table, time_t end, const json_t *point)
{
    char cell[CELL_MAX];
    struct tm when;

    localtime_r(&end, &when);
    strftime(cell, sizeof(cell), "%Y-%m-%d %H:%M", &when);
    int r = table_add(table, cell, NULL);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(figures); i++) {
        const json_t *value = json_array_get(point, i);
        cell_number(json_is_number(value) ? json_number_value(value) : -1, figures[i].look, cell,
                    sizeof(cell));
        r = table_add(table, cell, NULL);
    }
    return r;
}

static int print(const json_t *answer)
{
    struct table_column columns[ARRAY_LENGTH(figures) + 1] = {{"UNTIL", false, 0}};
    const json_t *points = json_object_get(answer, "points"), *point;
    json_int_t step = json_integer_value(json_object_get(answer, "step_seconds")),
               end = json_integer_value(json_object_get(answer, "end_unix"));
    size_t i, count = json_array_size(points);

    for (i = 0; i < ARRAY_LENGTH(figures); i++)
        columns[i + 1] = figures[i].column;
    _cleanup_table_ struct table *table = table_new(columns, ARRAY_LENGTH(columns));
    if (!table)
        return -ENOMEM;
    json_array_foreach (points, i, point) {
        time_t until = (time_t)(end - (json_int_t)(count - 1 - i) * step);
        if (!is_empty(point) && add_row(table, until, point) < 0)
            return -ENOMEM;
    }
    table_print(table, stdout, false);
    return 0;
}

int ctl_history(const struct ctl *ctl, int count, char **args)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    (void)count;
    if (name_split(args[0], tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "verb", "history", "tenant", tenant,
                                "service", service, "range", ctl->range ? ctl->range : "24h");
    int r = ctl_call(ctl, request, 0, &answer, &code, &error);
    if (r < 0)
        return ctl_fail(ctl, args[0], r, code, &error);
    if (ctl->output != CTL_OUTPUT_JSON)
        return print(answer) < 0 ? CTL_FAILED : CTL_OK;
    json_object_del(answer, "version"); /* of the protocol */
    json_object_del(answer, "ok");
    return ctl_print_json(ctl, steal_ptr(answer)) < 0 ? CTL_FAILED : CTL_OK;
}
