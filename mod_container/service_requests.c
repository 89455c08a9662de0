/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a service: its requests, from the traffic board. What visitors sent is only text. */
#include "common/cleanup.h"
#include "mod_container/columns.h"
#include "mod_container/gate.h"
#include "mod_container/service_page.h"
#include "mod_container/traffic.h"

#define IN_FLIGHT_SHOWN 20

static void write_totals(struct service_page *service)
{
    static const char *const classes[STATUS_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct container_slot *slot = &service->slot;
    struct traffic_totals totals;
    struct out *out = &service->page.out;

    if (traffic_totals(service->page.r, service->tenant, service->service, &totals) < 0) {
        out_text(out, "<p class=\"quiet\">No request has come yet.</p>\n");
        return;
    }
    out_text(out, "<p class=\"totals\"><b>");
    out_count(out, totals.in_flight);
    out_text(out, "</b> in flight, <b>");
    write_request_rate(out, slot->requests_rate_milli);
    out_text(out, "</b>, <b>");
    out_count(out, totals.requests);
    out_text(out, "</b> in all:");
    for (size_t i = 0; i < STATUS_CLASSES; i++) {
        if (totals.status_classes[i] == 0)
            continue;
        out_format(out, " %s ", classes[i]);
        out_count(out, totals.status_classes[i]);
    }
    out_text(out, "; in ");
    html_size(out, totals.bytes_in);
    out_text(out, ", out ");
    html_size(out, totals.bytes_out);
    if (totals.refused) {
        out_text(out, "; refused at the door ");
        out_count(out, totals.refused);
    }
    if (slot->has & SLOT_HAS_LATENCY) {
        out_text(out, "; last minute: p50 ");
        html_latency(out, slot->latency_p50_usec);
        out_text(out, ", p95 ");
        html_latency(out, slot->latency_p95_usec);
        out_text(out, ", p99 ");
        html_latency(out, slot->latency_p99_usec);
    }
    out_text(out, "</p>\n");
}

/* What ContainerMaxRequests lets in and keeps out, if there is one. */
static void write_gate(struct service_page *service)
{
    static const struct {
        enum gate_answer answer;
        const char *text;
    } reasons[] = {
        {GATE_FULL, "all places taken"},
        {GATE_QUEUE_FULL, "queue full"},
        {GATE_LATE, "waited too long"},
        {GATE_CLIENT, "too many of one client"},
    };
    struct gate_figures figures;
    struct out *out = &service->page.out;

    if (gate_read(service->tenant, service->service, &figures) < 0)
        return;
    out_format(out,
               "<p class=\"totals\"><b>%u of %u</b> requests in flight that the limit allows, "
               "<b>%u</b> waiting",
               figures.in_flight, figures.limit, figures.waiting);
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
        if (figures.refused[reasons[i].answer] == 0)
            continue;
        out_format(out, "; refused, %s: ", reasons[i].text);
        out_count(out, figures.refused[reasons[i].answer]);
    }
    out_text(out, "</p>\n");
}

static void open_cell(struct out *out, const char *label, const char *css)
{
    out_format(out, "<td class=\"%s\" data-l=\"%s\">", css, label);
}

static void write_request(struct out *out, const struct traffic_request *request, bool is_ended)
{
    out_text(out, "<tr>");
    open_cell(out, "Began", "n");
    html_duration(out, request->age_usec);
    out_text(out, " ago</td>");
    open_cell(out, "Request", "wrap");
    out_html(out, request->method);
    out_text(out, " ");
    out_html(out, request->uri);
    out_text(out, "</td>");
    open_cell(out, "Client", "");
    out_html(out, request->client);
    out_text(out, "</td>");
    open_cell(out, "Protocol", "");
    out_html(out, request->protocol);
    out_text(out, "</td>");
    if (is_ended) {
        open_cell(out, "Status", "n");
        out_format(out, "%u%s</td>", request->status, request->is_aborted ? ", broken off" : "");
        open_cell(out, "Took", "n");
        html_latency(out, request->duration_usec);
        out_text(out, "</td>");
        open_cell(out, "Size", "n");
        html_size_titled(out, request->bytes_out, "");
        out_text(out, "</td>");
    }
    out_text(out, "</tr>\n");
}

static void write_list(struct service_page *service, const char *title,
                       const struct traffic_request *requests, size_t count, bool is_ended)
{
    static const char *const labels[] = {"Began",  "Request", "Client", "Protocol",
                                         "Status", "Took",    "Size"};
    static const char *const css[] = {"n", "", "", "", "n", "n", "n"};
    struct out *out = &service->page.out;

    out_format(out,
               "<h3>%s</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
               "aria-label=\"%s\"><table><thead><tr>",
               title, title);
    for (size_t i = 0; i < (is_ended ? ARRAY_LENGTH(labels) : 4); i++)
        out_format(out, "<th scope=\"col\" class=\"%s\">%s</th>", css[i], labels[i]);
    out_text(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++)
        write_request(out, &requests[i], is_ended);
    out_text(out, "</tbody></table></div>\n");
}

void service_requests(struct service_page *service)
{
    struct traffic_request requests[IN_FLIGHT_SHOWN];
    uint32_t total = 0;
    struct out *out = &service->page.out;

    service_open(service, "requests", "Requests");
    write_totals(service);
    write_gate(service);
    size_t count = traffic_in_flight(service->page.r, service->tenant, service->service, requests,
                                     ARRAY_LENGTH(requests), &total);
    if (count > 0)
        write_list(service, "In flight, the oldest first", requests, count, false);
    if (total > count)
        out_format(out, "<p class=\"quiet\">and %zu more</p>\n", total - count);
    count = traffic_last_requests(service->page.r, service->tenant, service->service, requests,
                                  TRAFFIC_RECENT);
    if (count > 0)
        write_list(service, "The last that ended", requests, count, true);
    service_close(service);
}

_Static_assert(TRAFFIC_RECENT <= IN_FLIGHT_SHOWN, "one array holds either list");
