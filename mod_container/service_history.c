/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a service: what happened to it, what it wrote, what it was made from. */
#include <string.h>

#include <apr_strings.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "mod_container/json_table.h"
#include "mod_container/scope.h"
#include "mod_container/service_page.h"

#define EVENTS_SHOWN 25
#define LINES_SHOWN  20

/* ---- events ---- */

static void write_lines(struct out *out, const json_t *lines)
{
    json_t *line;
    size_t i;

    out_text(out, "<pre class=\"log\" tabindex=\"0\" role=\"region\" aria-label=\"Log lines\">");
    json_array_foreach (lines, i, line) {
        bool is_error = strcmp(json_text_of(line, "stream"), "stderr") == 0;
        if (json_is_string(line)) {
            json_value_write(out, line, JSON_SHOWN_TEXT);
        } else {
            json_value_write(out, json_object_get(line, "time"), JSON_SHOWN_TIME);
            out_text(out, is_error ? " <span class=\"stderr\">stderr " : " <span>");
            out_html(out, json_text_of(line, "text"));
            out_text(out, "</span>");
        }
        out_text(out, "\n");
    }
    out_text(out, "</pre>\n");
}

/* Who asked for it: the name that a client gave, else its uid. */
static void write_actor(struct out *out, const json_t *actor)
{
    static const char *const keys[] = {"user", "ip", "program"};
    const char *gap = "";

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (!*json_text_of(actor, keys[i]))
            continue;
        out_text(out, gap);
        out_html(out, json_text_of(actor, keys[i]));
        gap = ", ";
    }
    if (!*gap && json_is_integer(json_object_get(actor, "uid"))) {
        out_text(out, "uid ");
        json_value_write(out, json_object_get(actor, "uid"), JSON_SHOWN_NUMBER);
    }
}

/* The victim of the OOM killer is an object, or null. */
static void write_victim(struct out *out, const json_t *victim)
{
    if (!json_is_object(victim))
        return;
    out_text(out, "<div class=\"victim\">out of memory: the kernel killed <b>");
    out_html(out, json_text_of(victim, "name"));
    out_text(out, "</b>");
    if (json_object_get(victim, "pid")) {
        out_text(out, ", pid ");
        json_value_write(out, json_object_get(victim, "pid"), JSON_SHOWN_NUMBER);
    }
    if (json_object_get(victim, "memory_bytes")) {
        out_text(out, ", which had ");
        json_value_write(out, json_object_get(victim, "memory_bytes"), JSON_SHOWN_BYTES);
    }
    out_text(out, "</div>");
}

/*
 * What happened, and who asked for it. A Location that is limited to some tenants is their own
 * view: it does not tell them the operator's name and address, which the text ends with, too.
 */
static void write_what(struct service_page *service, const json_t *event)
{
    const char *text = json_text_of(event, "event");
    const char *asked = strstr(text, " asked by ");

    if (asked && status_scope_is_limited(service->page.overview->config))
        text = apr_pstrmemdup(service->page.r->pool, text, (apr_size_t)(asked - text));
    out_html(&service->page.out, text);
}

static void write_who(struct service_page *service, const json_t *event)
{
    const json_t *actor = json_object_get(event, "actor");
    const char *user = service->page.r->user;

    if (!json_is_object(actor))
        return;
    if (!status_scope_is_limited(service->page.overview->config))
        write_actor(&service->page.out, actor);
    else if (user && strcmp(json_text_of(actor, "user"), user) == 0)
        out_html(&service->page.out, user);
    else
        out_text(&service->page.out, "an operator");
}

static void write_event(struct service_page *service, const json_t *event)
{
    const json_t *exit = json_object_get(event, "exit");
    bool is_warning = strcmp(json_text_of(event, "level"), "warning") == 0;
    struct out *out = &service->page.out;

    out_text(out, "<tr><td data-l=\"Time\" class=\"n\">");
    json_value_write(out, json_object_get(event, "time"), JSON_SHOWN_TIME);
    out_text(out, "</td><td data-l=\"What\" class=\"wrap\">");
    if (is_warning)
        out_text(out, "<b class=\"pill slow\">warning</b> ");
    write_what(service, event);
    write_victim(out, json_object_get(exit, "oom_victim"));
    if (service->page.overview->config->status_logs == 1 &&
        json_array_size(json_object_get(exit, "log")) > 0)
        write_lines(out, json_object_get(exit, "log"));
    out_text(out, "</td><td data-l=\"Asked by\">");
    write_who(service, event);
    out_text(out, "</td></tr>\n");
}

void service_events(struct service_page *service)
{
    struct out *out = &service->page.out;

    service_open(service, "events", "Events");
    _cleanup_json_ json_t *answer =
        service_ask(service, "events", json_pack("{s:i}", "tail", EVENTS_SHOWN));
    const json_t *events = json_object_get(answer, "events");
    if (answer && json_array_size(events) == 0)
        out_text(out, "<p class=\"quiet\">Nothing happened yet.</p>\n");
    if (json_array_size(events) > 0) {
        out_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                      "aria-labelledby=\"h-events\"><table><thead><tr><th scope=\"col\" "
                      "class=\"n\">Time (UTC)</th><th scope=\"col\">What</th><th "
                      "scope=\"col\">Asked by</th></tr></thead><tbody>\n");
        for (size_t i = json_array_size(events); i > 0; i--) /* the newest first */
            write_event(service, json_array_get(events, i - 1));
        out_text(out, "</tbody></table></div>\n");
    }
    service_close(service);
}

/* ---- the log ---- */

void service_logs(struct service_page *service)
{
    struct out *out = &service->page.out;

    if (service->page.overview->config->status_logs != 1)
        return;
    service_open(service, "log", "The last lines of its log");
    _cleanup_json_ json_t *answer =
        service_ask(service, "logs", json_pack("{s:n, s:i}", "cursor", "tail", LINES_SHOWN));
    const json_t *lines = json_object_get(answer, "lines");
    if (json_array_size(lines) > 0)
        write_lines(out, lines);
    else if (answer)
        out_text(out, "<p class=\"quiet\">It wrote none.</p>\n");
    service_close(service);
}

/* ---- what it was made from ---- */

static const struct json_column mount_columns[] = {
    {"target", "Mounted at", "wrap", JSON_SHOWN_TEXT},
    {"type", "Type", "", JSON_SHOWN_TEXT},
    {"access", "Access", "", JSON_SHOWN_TEXT},
};

static void fact(struct out *out, const char *label, const json_t *value, enum json_kind kind)
{
    bool is_empty =
        json_is_string(value) ? !*json_string_value(value) : json_number_value(value) == 0;

    if (is_empty)
        return;
    out_format(out, "<dt>%s</dt><dd>", label);
    json_value_write(out, value, kind);
    out_text(out, "</dd>\n");
}

static void write_cpus(struct out *out, const json_t *milli)
{
    if (json_integer_value(milli) <= 0)
        return;
    out_text(out, "<dt>CPU limit</dt><dd>");
    html_milli(out, (uint64_t)json_integer_value(milli), 2);
    out_text(out, " CPUs</dd>\n");
}

void service_spec(struct service_page *service)
{
    struct out *out = &service->page.out;
    json_t *mount;
    size_t i;

    service_open(service, "spec", "Spec, network and mounts");
    _cleanup_json_ json_t *answer = service_ask(service, "inspect", NULL);
    json_t *spec = json_object_get(answer, "spec");
    const json_t *network = json_object_get(answer, "network");
    if (answer) {
        out_text(out, "<dl class=\"facts\">\n");
        fact(out, "Image", json_object_get(spec, "image"), JSON_SHOWN_TEXT);
        fact(out, "Command", json_object_get(spec, "command"), JSON_SHOWN_TEXT);
        fact(out, "Memory limit", json_object_get(spec, "memory_limit_bytes"), JSON_SHOWN_BYTES);
        write_cpus(out, json_object_get(spec, "cpu_limit_milli"));
        fact(out, "Tasks limit", json_object_get(spec, "tasks_limit"), JSON_SHOWN_NUMBER);
        fact(out, "IPv4", json_object_get(network, "ipv4"), JSON_SHOWN_TEXT);
        fact(out, "IPv6", json_object_get(network, "ipv6"), JSON_SHOWN_TEXT);
        fact(out, "Link", json_object_get(network, "link"), JSON_SHOWN_TEXT);
        out_text(out, "</dl>\n");
        for (i = 0; (mount = json_array_get(json_object_get(spec, "mounts"), i)); i++)
            json_object_set_new(mount, "access",
                                json_string(json_is_true(json_object_get(mount, "read_only"))
                                                ? "read only"
                                                : "read and write"));
        json_table_write(out, json_object_get(spec, "mounts"), "Mounts", mount_columns,
                         ARRAY_LENGTH(mount_columns), "Nothing is mounted.");
    }
    service_close(service);
}
