/* SPDX-License-Identifier: Apache-2.0 */
/* The section in mod_status' page: states, sums and letters, and no names. */
#include <ctype.h>

#include <http_protocol.h>
#include <mod_status.h>

#include "common/units.h"
#include "mod_container/module.h"
#include "mod_container/status.h"

#define LETTERS_A_LINE 64

/* What is summed up here, of the table of figures. */
static const struct {
    const char *key, *label;
    bool is_size;
} sums[] = {
    {"cpu_percent", "CPU, percent of one", false},
    {"memory_bytes", "Memory", true},
    {"tasks", "Tasks", false},
    {"requests", "Requests", false},
    {"requests_rate", "Requests a second", false},
    {"requests_in_flight", "Requests in flight", false},
    {"faults", "Faults", false},
};

static const struct figure *sum_of(const struct overview *overview, const char *key)
{
    return &overview->sums[column_figure_find(key) - column_figures];
}

/* Short: "ContainersRunning: 3", "ContainersTotalMemoryBytes: 123". */
static void write_short(struct out *out, const struct overview *overview)
{
    const struct selection *selection = &overview->selection;

    out_format(out, "ContainerSupervisorState: %s\nContainersTotal: %u\n",
               board_condition_name(overview->board->condition), selection->containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        const char *name = container_state_name((enum container_state)state);
        out_format(out, "Containers%c%s: %u\n", toupper((unsigned char)name[0]), name + 1,
                   selection->by_state[state]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(sums); i++) {
        const struct figure *sum = sum_of(overview, sums[i].key);
        if (sum->kind == FIGURE_ABSENT)
            continue;
        out_format(out, "ContainersTotal%s: ", column_figure_find(sums[i].key)->auto_key);
        out_figure(out, sum, 0);
        out_char(out, '\n');
    }
    out_literal(out, "ContainerScoreboard: ");
    out_bytes(out, selection->letters, selection->letter_count);
    out_char(out, '\n');
}

static void write_letters(struct out *out, const struct selection *selection)
{
    out_literal(out, "<pre>");
    for (uint32_t i = 0; i < selection->letter_count; i += LETTERS_A_LINE) {
        uint32_t rest = selection->letter_count - i;
        out_bytes(out, selection->letters + i, rest < LETTERS_A_LINE ? rest : LETTERS_A_LINE);
        out_char(out, '\n');
    }
    out_literal(out, "</pre>\n<p>");
    for (uint32_t state = CONTAINER_OPEN; state < CONTAINER_STATE_COUNT; state++)
        out_format(out, "\"<b><code>%c</code></b>\" %s%s",
                   container_state_letter((enum container_state)state),
                   container_state_name((enum container_state)state),
                   state + 1 < CONTAINER_STATE_COUNT ? ",\n" : "</p>\n");
}

static void write_sum(struct out *out, const struct figure *sum, bool is_size)
{
    char text[32];

    if (is_size)
        out_text(out, format_size(sum->count, text, sizeof(text)));
    else
        out_figure(out, sum, 0);
}

/* In the manner of the page around it: a heading, a table with borders, the letters. */
static void write_long(struct out *out, const struct overview *overview)
{
    const struct selection *selection = &overview->selection;

    out_format(out,
               "<hr />\n<h2>Containers</h2>\n<p>Supervisor: %s. Containers: %u.</p>\n"
               "<table border=\"0\">\n",
               board_condition_name(overview->board->condition), selection->containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++)
        if (selection->by_state[state])
            out_format(out, "<tr><th align=\"left\">%s</th><td align=\"right\">%u</td></tr>\n",
                       container_state_name((enum container_state)state),
                       selection->by_state[state]);
    for (size_t i = 0; i < ARRAY_LENGTH(sums); i++) {
        const struct figure *sum = sum_of(overview, sums[i].key);
        if (sum->kind == FIGURE_ABSENT)
            continue;
        out_format(out, "<tr><th align=\"left\">%s</th><td align=\"right\">", sums[i].label);
        write_sum(out, sum, sums[i].is_size);
        out_literal(out, "</td></tr>\n");
    }
    out_literal(out, "</table>\n");
    write_letters(out, selection);
}

/* The status page around it is httpd's buffer: ours goes out behind what it holds. */
int status_hook_section(request_rec *r, int flags)
{
    static const struct status_query all = {.order = ORDER_SLOT, .page = 1};
    struct overview *overview = apr_palloc(r->pool, sizeof(*overview));
    struct out out;
    _cleanup_board_view_ struct board_view board;

    board_acquire(module_board(), &board);
    overview_begin(r, &board, &all, overview);
    if (overview_take_summary(r, overview) != OK)
        return OK;
    out_begin(&out, r);
    if (flags & AP_STATUS_SHORT)
        write_short(&out, overview);
    else
        write_long(&out, overview);
    out_end(&out);
    return OK;
}
