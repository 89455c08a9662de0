/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a service: its processes, and what keeps it waiting, as the supervisor sees them. */
#include "common/cleanup.h"
#include "common/control.h"
#include "mod_container/json_table.h"
#include "mod_container/service_page.h"

/* ---- processes ---- */

static const struct json_column process_columns[] = {
    {"pid", "PID", "n", JSON_SHOWN_NUMBER},
    {"pid_inside", "Inside", "n", JSON_SHOWN_NUMBER},
    {"state", "State", "", JSON_SHOWN_TEXT},
    {"command", "Program", "wrap", JSON_SHOWN_TEXT},
    {"user", "User", "n", JSON_SHOWN_NUMBER},
    {"cpu_percent", "CPU", "n", JSON_SHOWN_PERCENT},
    {"memory_bytes", "Memory", "n", JSON_SHOWN_BYTES},
    {"threads", "Threads", "n", JSON_SHOWN_NUMBER},
    {"read_bytes", "Read", "n", JSON_SHOWN_BYTES},
    {"write_bytes", "Written", "n", JSON_SHOWN_BYTES},
    {"wait_channel", "Waits in", "", JSON_SHOWN_TEXT},
    {"age_seconds", "Age", "n", JSON_SHOWN_SECONDS},
};

void service_processes(struct service_page *service)
{
    struct out *out = &service->page.out;

    service_open(service, "processes", "Processes");
    if (service->slot.pid == 0) {
        out_text(out, "<p class=\"quiet\">It has none.</p>\n");
        service_close(service);
        return;
    }
    _cleanup_json_ json_t *answer = service_ask(service, "processes", NULL);
    if (answer)
        json_table_write(out, json_object_get(answer, "processes"), "Processes", process_columns,
                         ARRAY_LENGTH(process_columns), "It has none.");
    if (json_is_true(json_object_get(answer, "more")))
        out_text(out, "<p class=\"quiet\">There are more.</p>\n");
    service_close(service);
}

/* ---- why ---- */

static const struct json_column waiting_columns[] = {
    {"tid", "Task", "n", JSON_SHOWN_NUMBER},
    {"name", "Program", "", JSON_SHOWN_TEXT},
    {"wait_channel", "Waits in", "", JSON_SHOWN_TEXT},
    {"syscall", "Call", "", JSON_SHOWN_TEXT},
    {"seconds", "For", "n", JSON_SHOWN_SECONDS},
    {"share_percent", "Of the looks", "n", JSON_SHOWN_PERCENT},
};

static const struct json_column top_columns[] = {
    {"pid", "PID", "n", JSON_SHOWN_NUMBER},
    {"command", "Program", "wrap", JSON_SHOWN_TEXT},
    {"state", "State", "", JSON_SHOWN_TEXT},
    {"cpu_percent", "CPU", "n", JSON_SHOWN_PERCENT},
    {"memory_bytes", "Memory", "n", JSON_SHOWN_BYTES},
    {"read_bytes_rate", "Reads", "n", JSON_SHOWN_RATE},
    {"write_bytes_rate", "Writes", "n", JSON_SHOWN_RATE},
};

static const struct json_column file_columns[] = {
    {"path", "File", "wrap", JSON_SHOWN_TEXT},
    {"pid", "PID", "n", JSON_SHOWN_NUMBER},
    {"write_bytes_rate", "Written", "n", JSON_SHOWN_RATE},
    {"size_bytes", "Size", "n", JSON_SHOWN_BYTES},
};

static const struct json_column device_columns[] = {
    {"name", "Disk", "", JSON_SHOWN_TEXT},
    {"busy_percent", "Busy", "n", JSON_SHOWN_PERCENT},
    {"read_bytes_rate", "Read", "n", JSON_SHOWN_RATE},
    {"write_bytes_rate", "Written", "n", JSON_SHOWN_RATE},
    {"wait_ms", "A request waits", "n", JSON_SHOWN_MSEC},
    {"queue", "Queue", "n", JSON_SHOWN_NUMBER},
};

static void write_sentences(struct out *out, const json_t *sentences)
{
    json_t *sentence;
    size_t i;

    out_text(out, "<ul class=\"sentences\">\n");
    json_array_foreach (sentences, i, sentence) {
        out_text(out, "<li>");
        json_value_write(out, sentence, JSON_SHOWN_TEXT);
        out_text(out, "</li>\n");
    }
    out_text(out, "</ul>\n");
}

static void write_findings(struct out *out, const json_t *answer)
{
    const json_t *top = json_object_get(answer, "top");
    const struct {
        const char *title;
        const json_t *array;
        const struct json_column *columns;
        size_t count;
    } tables[] = {
        {"Tasks that wait and cannot be interrupted", json_object_get(answer, "uninterruptible"),
         waiting_columns, ARRAY_LENGTH(waiting_columns)},
        {"Most CPU", json_object_get(top, "cpu"), top_columns, ARRAY_LENGTH(top_columns)},
        {"Most memory", json_object_get(top, "memory"), top_columns, ARRAY_LENGTH(top_columns)},
        {"Most disk", json_object_get(top, "disk"), top_columns, ARRAY_LENGTH(top_columns)},
        {"Files that are written", json_object_get(answer, "files"), file_columns,
         ARRAY_LENGTH(file_columns)},
        {"Disks behind it", json_object_get(answer, "devices"), device_columns,
         ARRAY_LENGTH(device_columns)},
    };

    write_sentences(out, json_object_get(answer, "sentences"));
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        out_format(out, "<h3>%s</h3>\n", tables[i].title);
        json_table_write(out, tables[i].array, tables[i].title, tables[i].columns, tables[i].count,
                         "None.");
    }
}

void service_why(struct service_page *service)
{
    struct out *out = &service->page.out;

    service_open(service, "why", "Why is it slow?");
    if (!service->query->is_why) {
        out_text(out, "<p class=\"quiet\"><a href=\"");
        page_address(&service->page, service->tenant, service->service);
        out_text(out, "?why#h-why\">Look now</a>: tasks that wait, the busiest processes, the "
                      "files that they write and the disks behind them.</p>\n");
        service_close(service);
        return;
    }
    _cleanup_json_ json_t *answer = service_ask(service, "why", NULL);
    if (answer)
        write_findings(out, answer);
    service_close(service);
}
