/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl processes and why: looks into one service, which the supervisor takes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

#define CELL_MAX 512

/* How a member of an answer is shown. */
enum look {
    SHOW_TEXT,
    SHOW_NUMBER,
    SHOW_PERCENT,
    SHOW_BYTES,
    SHOW_SECONDS,
    SHOW_MILLISECONDS,
};

struct member {
    struct table_column column;
    const char *key;
    enum look look;
};

static const struct member process_members[] = {
    {{"PID", true, 0}, "pid", SHOW_NUMBER},
    {{"INSIDE", true, 0}, "pid_inside", SHOW_NUMBER},
    {{"USER", true, 0}, "user", SHOW_NUMBER},
    {{"S", false, 0}, "state", SHOW_TEXT},
    {{"CPU%", true, 0}, "cpu_percent", SHOW_PERCENT},
    {{"MEM", true, 0}, "memory_bytes", SHOW_BYTES},
    {{"READ/S", true, 0}, "read_bytes_rate", SHOW_BYTES},
    {{"WRITE/S", true, 0}, "write_bytes_rate", SHOW_BYTES},
    {{"AGE", true, 0}, "age_seconds", SHOW_SECONDS},
    {{"THREADS", true, 0}, "threads", SHOW_NUMBER},
    {{"WAITS IN", false, 20}, "wait_channel", SHOW_TEXT},
    {{"COMMAND", false, 60}, "command", SHOW_TEXT},
};

static const struct member waiting_members[] = {
    {{"PID", true, 0}, "pid", SHOW_NUMBER},
    {{"TASK", true, 0}, "tid", SHOW_NUMBER},
    {{"NAME", false, 0}, "name", SHOW_TEXT},
    {{"WAITS IN", false, 0}, "wait_channel", SHOW_TEXT},
    {{"CALL", false, 0}, "syscall", SHOW_TEXT},
    {{"SINCE", true, 0}, "seconds", SHOW_SECONDS},
    {{"SEEN%", true, 0}, "share_percent", SHOW_PERCENT},
};

static const struct member file_members[] = {
    {{"PID", true, 0}, "pid", SHOW_NUMBER},
    {{"WRITE/S", true, 0}, "write_bytes_rate", SHOW_BYTES},
    {{"SIZE", true, 0}, "size_bytes", SHOW_BYTES},
    {{"FILE", false, 100}, "path", SHOW_TEXT},
};

static const struct member device_members[] = {
    {{"DISK", false, 0}, "name", SHOW_TEXT},
    {{"BUSY%", true, 0}, "busy_percent", SHOW_PERCENT},
    {{"READ/S", true, 0}, "read_bytes_rate", SHOW_BYTES},
    {{"WRITE/S", true, 0}, "write_bytes_rate", SHOW_BYTES},
    {{"WAIT", true, 0}, "wait_ms", SHOW_MILLISECONDS},
    {{"QUEUE", true, 0}, "queue", SHOW_NUMBER},
};

static void show_value(const json_t *value, enum look look, char *cell)
{
    double number = json_number_value(value);

    cell[0] = '\0';
    if (look == SHOW_TEXT) {
        snprintf(cell, CELL_MAX, "%s", json_is_string(value) ? json_string_value(value) : "");
        return;
    }
    if (!json_is_number(value) || number < 0)
        return;
    switch (look) {
    case SHOW_NUMBER:
        snprintf(cell, CELL_MAX, "%.0f", number);
        break;
    case SHOW_PERCENT:
        snprintf(cell, CELL_MAX, "%.1f", number);
        break;
    case SHOW_BYTES:
        format_size((uint64_t)number, cell, CELL_MAX);
        break;
    case SHOW_SECONDS:
        if (number < 60)
            snprintf(cell, CELL_MAX, "%.3gs", number);
        else
            format_duration((uint64_t)(number * 1e6), cell, CELL_MAX);
        break;
    case SHOW_MILLISECONDS:
        snprintf(cell, CELL_MAX, "%.1fms", number);
        break;
    case SHOW_TEXT:
        break;
    }
}

static int print_list(const struct ctl *ctl, const json_t *list, const struct member *members,
                      size_t count)
{
    struct table_column columns[ARRAY_LENGTH(process_members)];
    char cell[CELL_MAX];
    const json_t *row;
    size_t i;

    for (size_t c = 0; c < count; c++) {
        columns[c] = members[c].column;
        if (ctl->no_trunc)
            columns[c].max_width = 0;
    }
    _cleanup_table_ struct table *table = table_new(columns, count);
    if (!table)
        return -ENOMEM;
    json_array_foreach (list, i, row) {
        for (size_t c = 0; c < count; c++) {
            show_value(json_object_get(row, members[c].key), members[c].look, cell);
            if (table_add(table, cell, NULL) < 0)
                return -ENOMEM;
        }
    }
    table_print(table, stdout, false);
    return 0;
}

/* A heading and a table; nothing when the list is empty. */
static int print_part(const struct ctl *ctl, const char *heading, const json_t *list,
                      const struct member *members, size_t count)
{
    if (json_array_size(list) == 0)
        return 0;
    printf("\n%s\n", heading);
    return print_list(ctl, list, members, count);
}

static void print_pressure(const json_t *pressure)
{
    const char *kind;
    json_t *figures;

    if (json_object_size(pressure) == 0)
        return;
    printf("\nPressure: share of the last 10 and 60 seconds in which some, and in which all tasks "
           "waited\n");
    json_object_foreach ((json_t *)pressure, kind, figures) {
        const json_t *some = json_object_get(figures, "some"),
                     *full = json_object_get(figures, "full");
        printf("%-6s  some %5.1f%% %5.1f%%  all %5.1f%% %5.1f%%\n", kind,
               json_number_value(json_object_get(some, "avg10")),
               json_number_value(json_object_get(some, "avg60")),
               json_number_value(json_object_get(full, "avg10")),
               json_number_value(json_object_get(full, "avg60")));
    }
}

static int print_processes(const struct ctl *ctl, const json_t *answer)
{
    int r = print_list(ctl, json_object_get(answer, "processes"), process_members,
                       ARRAY_LENGTH(process_members));

    if (r == 0 && json_is_true(json_object_get(answer, "more")))
        printf("... and more\n");
    return r;
}

static int print_reasons(const struct ctl *ctl, const json_t *answer)
{
    const struct {
        const char *heading;
        const json_t *list;
        const struct member *members;
        size_t count;
    } parts[] = {
        {"Tasks in uninterruptible sleep", json_object_get(answer, "uninterruptible"),
         waiting_members, ARRAY_LENGTH(waiting_members)},
        {"Top by CPU", json_object_get(json_object_get(answer, "top"), "cpu"), process_members,
         ARRAY_LENGTH(process_members)},
        {"Top by memory", json_object_get(json_object_get(answer, "top"), "memory"),
         process_members, ARRAY_LENGTH(process_members)},
        {"Top by disk", json_object_get(json_object_get(answer, "top"), "disk"), process_members,
         ARRAY_LENGTH(process_members)},
        {"Files that are written", json_object_get(answer, "files"), file_members,
         ARRAY_LENGTH(file_members)},
        {"Disks, whoever uses them", json_object_get(answer, "devices"), device_members,
         ARRAY_LENGTH(device_members)},
    };
    const json_t *sentence;
    size_t i;
    int r = 0;

    json_array_foreach (json_object_get(answer, "sentences"), i, sentence) {
        text_print_clean(stdout, json_string_value(sentence), json_string_length(sentence));
        putchar('\n');
    }
    for (i = 0; r == 0 && i < ARRAY_LENGTH(parts); i++)
        r = print_part(ctl, parts[i].heading, parts[i].list, parts[i].members, parts[i].count);
    print_pressure(json_object_get(answer, "pressure"));
    return r;
}

/* Asks one question about one service and prints the answer. */
static int ask(const struct ctl *ctl, const char *name,
               int (*print)(const struct ctl *ctl, const json_t *answer))
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    if (name_split(name, tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = ctl_call(
        ctl, json_pack("{s:s, s:s, s:s}", "verb", ctl->verb, "tenant", tenant, "service", service),
        0, &answer, &code, &error);
    if (r < 0)
        return ctl_fail(ctl, name, r, code, &error);
    if (ctl->output != CTL_OUTPUT_JSON)
        return print(ctl, answer) < 0 ? CTL_FAILED : CTL_OK;
    json_object_del(answer, "version"); /* of the protocol */
    json_object_del(answer, "ok");
    return ctl_print_json(ctl, steal_ptr(answer)) < 0 ? CTL_FAILED : CTL_OK;
}

int ctl_processes(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    return ask(ctl, args[0], print_processes);
}

int ctl_why(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    return ask(ctl, args[0], print_reasons);
}
