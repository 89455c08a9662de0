/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: one page for people, written row by row. It needs neither script nor style of its own
 * to work; mod_container/page/ makes it comfortable. docs/admin-api.md says what is on it.
 */
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "mod_container/chart.h"
#include "mod_container/columns.h"
#include "mod_container/page.h"
#include "mod_container/page_static.h"
#include "mod_container/status_sections.h"

#define LETTERS_A_LINE 64

const char *status_security_policy(apr_pool_t *pool)
{
    (void)pool;
    page_static_start();
    return PAGE_SECURITY_POLICY;
}

/* ---- counts by state, each a link that filters ---- */

static void write_count(struct page *page, const struct status_query *query, bool is_current,
                        uint32_t count)
{
    out_text(&page->out, "<li><a href=\"");
    page_query(page, query);
    out_text(&page->out, is_current ? "\" aria-current=\"true\"><b>" : "\"><b>");
    out_count(&page->out, count);
    out_text(&page->out, "</b> ");
}

static void write_counts(struct page *page)
{
    const struct selection *selection = &page->overview->selection;
    const struct status_query *query = page->overview->query;
    struct status_query link = *query;

    link.page = 1;
    link.states = 0;
    out_text(&page->out, "<nav class=\"counts\" aria-label=\"Containers by state\" "
                         "data-key=\"counts\"><ul>\n");
    write_count(page, &link, query->states == 0, selection->containers);
    out_text(&page->out, "in all</a></li>\n");
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        if (selection->by_state[state] == 0)
            continue;
        link.states = UINT32_C(1) << state;
        write_count(page, &link, query->states == link.states, selection->by_state[state]);
        page_letter(&page->out, state);
        out_format(&page->out, " %s</a></li>\n", container_state_name((enum container_state)state));
    }
    out_text(&page->out, "</ul></nav>\n");
}

/* ---- the scoreboard: one letter a container ---- */

static void write_letter(struct page *page, uint32_t index)
{
    const struct selection *selection = &page->overview->selection;
    struct container_slot slot;
    struct out *out = &page->out;

    if (selection->letters[index] == container_state_letter(CONTAINER_OPEN)) {
        out_text(out, "<i class=\"off\">.</i>");
        return;
    }
    if (!overview_slot(page->overview, selection->letter_slots[index], &slot)) {
        out_text(out, "<i class=\"bad\" title=\"being written\">?</i>");
        return;
    }
    enum container_state state = page_state(&slot);
    out_format(out, "<a class=\"%s\" href=\"", state_css_class(state));
    page_address(page, slot.tenant, slot.service);
    out_text(out, "\" title=\"");
    out_html(out, slot.tenant);
    out_text(out, "/");
    out_html(out, slot.service);
    out_format(out, ": %s\" aria-label=\"", container_state_name(state));
    out_html(out, slot.tenant);
    out_text(out, "/");
    out_html(out, slot.service);
    out_format(out, ": %s\">%c</a>", container_state_name(state), container_state_letter(state));
}

static void write_letters(struct page *page)
{
    const struct selection *selection = &page->overview->selection;
    struct out *out = &page->out;

    out_text(out, "<section class=\"letters\" aria-labelledby=\"h-letters\" data-key=\"letters\">"
                  "<h2 id=\"h-letters\">Scoreboard</h2>\n<div class=\"board\">");
    for (uint32_t i = 0; i < selection->letter_count && !out->is_broken; i++) {
        if (i % LETTERS_A_LINE == 0)
            out_text(out, i == 0 ? "<span>" : "</span>\n<span>");
        write_letter(page, i);
    }
    out_text(out, selection->letter_count ? "</span></div>\n" : "</div>\n");
    out_text(out, "<ul class=\"key\" aria-label=\"Letters\">");
    for (uint32_t state = CONTAINER_OPEN; state < CONTAINER_STATE_COUNT; state++) {
        out_text(out, "<li>");
        page_letter(out, state);
        out_format(out, " %s</li>", container_state_name((enum container_state)state));
    }
    out_text(out, "</ul>\n</section>\n");
}

/* ---- filter and pages ---- */

static void write_option(struct page *page, const char *value, const char *label, bool is_selected)
{
    out_format(&page->out, "<option value=\"%s\"%s>%s</option>", value,
               is_selected ? " selected" : "", label);
}

static void write_state_options(struct page *page)
{
    const struct status_query *query = page->overview->query;
    uint32_t faults = UINT32_C(1) << CONTAINER_FAILED | UINT32_C(1) << CONTAINER_BACKOFF |
                      UINT32_C(1) << CONTAINER_UNHEALTHY | UINT32_C(1) << CONTAINER_LIMITED;

    write_option(page, "", "any state", query->states == 0);
    write_option(page, "X,B,U,L", "in trouble", query->states == faults);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        char letter[2] = {container_state_letter((enum container_state)state)};
        write_option(page, letter, container_state_name((enum container_state)state),
                     query->states == UINT32_C(1) << state);
    }
}

static void write_filter(struct page *page)
{
    static const unsigned limits[] = {25, 50, 100, 250, 500, 1000};
    const struct status_query *query = page->overview->query;
    unsigned limit = query->limit;
    struct out *out = &page->out;
    bool is_listed = false;

    out_text(out, "<form class=\"filter\" id=\"filter\" method=\"get\" role=\"search\" action=\"");
    page_address(page, query->tenant[0] ? query->tenant : NULL, NULL);
    out_format(out,
               "\"><label>Name <input type=\"search\" name=\"q\" maxlength=\"%d\" "
               "autocomplete=\"off\" spellcheck=\"false\" value=\"",
               QUERY_TEXT_MAX);
    out_html(out, query->text);
    out_text(out, "\"></label> <label>State <select name=\"state\">");
    write_state_options(page);
    out_text(out, "</select></label> <label>Rows <select name=\"limit\">");
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char number[12];
        apr_snprintf(number, sizeof(number), "%u", limits[i]);
        if (!is_listed && limit <= limits[i] && limit != limits[i]) {
            out_format(out, "<option selected>%u</option>", limit);
            is_listed = true;
        }
        write_option(page, number, number, limit == limits[i]);
        is_listed |= limit == limits[i];
    }
    out_text(out, "</select></label> ");
    page_hidden_query(page, query);
    out_text(out, "<button>Show</button></form>\n");
}

static void write_page_link(struct page *page, uint32_t number, const char *label)
{
    struct status_query link = *page->overview->query;

    link.page = number;
    out_text(&page->out, " <a href=\"");
    page_query(page, &link);
    out_format(&page->out, "\">%s</a>", label);
}

static void write_pages(struct page *page)
{
    const struct selection *selection = &page->overview->selection;
    uint32_t number = page->overview->query->page;
    struct out *out = &page->out;

    out_format(out, "<p class=\"pages\" data-key=\"pages\">%u of %u containers", selection->count,
               selection->matched);
    if (selection->pages > 1)
        out_format(out, ", page %u of %u", number, selection->pages);
    if (number > 1)
        write_page_link(page, number - 1, "previous");
    if (number < selection->pages)
        write_page_link(page, number + 1, "next");
    out_text(out, "</p>\n");
}

/* ---- the table ---- */

static void write_heading(struct page *page, const struct column *column)
{
    const struct status_query *query = page->overview->query;
    struct status_query link = *query;
    struct out *out = &page->out;
    bool is_current =
        column->sort && query->order == ORDER_FIGURE && strcmp(query->sort->key, column->sort) == 0;

    out_format(out, "<th scope=\"col\" class=\"c-%s %s\"", column->key, column->css);
    if (is_current)
        out_format(out, " aria-sort=\"%s\"", query->is_descending ? "descending" : "ascending");
    if (column->more)
        out_format(out, " title=\"%s\"", column->more);
    out_text(out, ">");
    if (!column->sort) {
        out_format(out, "%s</th>", column->label);
        return;
    }
    link.order = ORDER_FIGURE;
    link.sort = column_figure_find(column->sort);
    link.is_descending = is_current ? !query->is_descending : !column->is_sorted_up;
    link.page = 1;
    out_text(out, "<a href=\"");
    page_query(page, &link);
    out_format(out, "\">%s</a></th>", column->label);
}

static void write_row(struct page *page, uint32_t index, struct slot_history *history)
{
    struct container_slot slot;
    struct out *out = &page->out;

    if (!overview_slot(page->overview, index, &slot))
        return;
    bool has_history = scoreboard_history_read(page->overview->board->reader, index, history) == 0;
    const struct row row = {.moment = &page->overview->moment,
                            .slot = &slot,
                            .history = has_history ? history : NULL,
                            .page = page};

    out_format(out, "<tr data-key=\"%u\">", index);
    for (size_t i = 0; i < status_column_count; i++) {
        const struct column *column = &status_columns[i];
        out_text(out, "<td class=\"c-");
        out_text(out, column->key);
        out_text(out, " ");
        out_text(out, column->css);
        out_text(out, "\" data-l=\"");
        out_text(out, column->label);
        out_text(out, "\">");
        if (column->is_known(&row))
            column->write(out, &row);
        out_text(out, "</td>");
    }
    out_text(out, "</tr>\n");
}

static void write_table(struct page *page)
{
    const struct selection *selection = &page->overview->selection;
    struct out *out = &page->out;
    struct slot_history history;

    out_text(out, "<section class=\"list\" aria-labelledby=\"h-list\" data-key=\"list\"><h2 "
                  "id=\"h-list\">Containers</h2>\n");
    write_filter(page);
    write_pages(page);
    if (selection->count == 0) {
        out_text(out, "<p class=\"none\">No container is like that.</p></section>\n");
        return;
    }
    out_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                  "aria-labelledby=\"h-list\"><table id=\"containers\">\n<thead><tr>");
    for (size_t i = 0; i < status_column_count; i++)
        write_heading(page, &status_columns[i]);
    out_text(out, "</tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < selection->count && !out->is_broken; i++)
        write_row(page, selection->rows[i].slot, &history);
    out_text(out, "</tbody>\n</table></div></section>\n");
}

/* ---- the page ---- */

static void write_formats(struct page *page)
{
    static const enum status_format machine_formats[] = {STATUS_AUTO, STATUS_JSON, STATUS_CSV,
                                                         STATUS_OPENMETRICS};
    struct out *out = &page->out;

    out_text(out, "<p class=\"formats\" data-key=\"formats\">The same for programs:");
    for (size_t i = 0; i < sizeof(machine_formats) / sizeof(machine_formats[0]); i++) {
        const char *name = status_format_name(machine_formats[i]);
        out_text(out, " <a href=\"");
        page_address(page, NULL, NULL);
        out_format(out, "?format=%s\">%s</a>", name, name);
    }
    out_text(out, "</p>\n");
}

void status_render_html(request_rec *r, const struct overview *overview,
                        const struct status_query *query)
{
    struct page page;

    page_begin(&page, r, overview, query->tenant[0] ? query->tenant : "");
    page_head(&page, query->tenant[0] ? query->tenant : NULL, NULL);
    page_warning(&page);
    page_flash(&page, query->flash);
    if (overview->board->reader) {
        section_host(&page);
        write_counts(&page);
        out_text(&page.out, "<main id=\"main\">\n");
        section_faults(&page);
        write_letters(&page);
        if (!query->is_without_table && overview->selection.containers > 0) {
            write_table(&page);
            section_tenants(&page);
        }
        out_text(&page.out, "</main>\n");
    }
    write_formats(&page);
    page_foot(&page);
}
