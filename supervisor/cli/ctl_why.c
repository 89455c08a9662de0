/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl processes and why: looks into one service, which the supervisor takes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_cell.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

#define CELL_MAX 512

struct member {
    struct table_column column;
    const char *key;
    enum cell_look look;
};

static const struct member process_members[] = {
    {{"PID", true, 0}, "pid", CELL_NUMBER},
    {{"INSIDE", true, 0}, "pid_inside", CELL_NUMBER},
    {{"USER", true, 0}, "user", CELL_NUMBER},
    {{"S", false, 0}, "state", CELL_TEXT},
    {{"CPU%", true, 0}, "cpu_percent", CELL_DECIMAL},
    {{"MEM", true, 0}, "memory_bytes", CELL_BYTES},
    {{"READ/S", true, 0}, "read_bytes_rate", CELL_BYTES},
    {{"WRITE/S", true, 0}, "write_bytes_rate", CELL_BYTES},
    {{"AGE", true, 0}, "age_seconds", CELL_SECONDS},
    {{"THREADS", true, 0}, "threads", CELL_NUMBER},
    {{"WAITS IN", false, 20}, "wait_channel", CELL_TEXT},
    {{"COMMAND", false, 60}, "command", CELL_TEXT},
};

static const struct member waiting_members[] = {
    {{"PID", true, 0}, "pid", CELL_NUMBER},
    {{"TASK", true, 0}, "tid", CELL_NUMBER},
    {{"NAME", false, 0}, "name", CELL_TEXT},
    {{"WAITS IN", false, 0}, "wait_channel", CELL_TEXT},
    {{"CALL", false, 0}, "syscall", CELL_TEXT},
    {{"SINCE", true, 0}, "seconds", CELL_SECONDS},
    {{"SEEN%", true, 0}, "share_percent", CELL_DECIMAL},
};

static const struct member file_members[] = {
    {{"PID", true, 0}, "pid", CELL_NUMBER},
    {{"WRITE/S", true, 0}, "write_bytes_rate", CELL_BYTES},
    {{"SIZE", true, 0}, "size_bytes", CELL_BYTES},
    {{"FILE", false, 100}, "path", CELL_TEXT},
};

static const struct member device_members[] = {
    {{"DISK", false, 0}, "name", CELL_TEXT},
    {{"BUSY%", true, 0}, "busy_percent", CELL_DECIMAL},
    {{"READ/S", true, 0}, "read_bytes_rate", CELL_BYTES},
    {{"WRITE/S", true, 0}, "write_bytes_rate", CELL_BYTES},
    {{"WAIT MS", true, 0}, "wait_ms", CELL_DECIMAL},
    {{"QUEUE", true, 0}, "queue", CELL_NUMBER},
};

static void show_value(const json_t *value, enum cell_look look, char *cell)
{
    if (look == CELL_TEXT)
        snprintf(cell, CELL_MAX, "%s", json_is_string(value) ? json_string_value(value) : "");
    else
        cell_number(json_is_number(value) ? json_number_value(value) : -1, look, cell, CELL_MAX);
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
