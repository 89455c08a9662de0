/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?format=csv (RFC 4180): a header line, then a line a container; absent figures are empty. A cell
 * of text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
 * Injection"). Control characters never arrive here: text is cleaned.
 */
#include <string.h>

#include "common/board/overview.h"

static void text_cell(struct out *out, const char *text)
{
    bool is_formula = strchr("=+-@\t\r", text[0]) != NULL;
    bool is_quoted = strpbrk(text, "\",\r\n") != NULL;

    if (is_quoted)
        out_char(out, '"');
    if (is_formula)
        out_char(out, '\'');
    out_escaped(out, text, is_quoted ? OUT_CSV : OUT_PLAIN);
    if (is_quoted)
        out_char(out, '"');
}

static void cell(struct out *out, const struct figure *figure)
{
    out_char(out, ',');
    if (figure->kind == FIGURE_TEXT)
        text_cell(out, figure->text);
    else if (figure->kind != FIGURE_ABSENT)
        out_figure(out, figure, 0);
}

/* "device_1", "pressure_cpu" */
static void flat_name(struct out *out, const struct figure_group *group, unsigned i)
{
    out_char(out, ',');
    out_text(out, group->flat_key);
    out_char(out, '_');
    if (group->names)
        out_text(out, group->names[i]);
    else
        out_count(out, i + 1);
}

static void group_heads(struct out *out, const struct figure_group *group)
{
    for (unsigned i = 0; i < group->count; i++) {
        if (!group->names)
            flat_name(out, group, i);
        for (size_t j = 0; j < group->row_count; j++) {
            flat_name(out, group, i);
            out_char(out, '_');
            out_text(out, group->rows[j].key);
        }
    }
}

static void group_cells(struct out *out, const struct figure_group *group,
                        const struct container_slot *slot)
{
    char made[GROUP_NAME_SIZE];

    for (unsigned i = 0; i < group->count; i++) {
        const char *name = group_element_name(group, slot->has, slot, i, made);
        if (!group->names) {
            out_char(out, ',');
            out_text(out, name ? name : "");
        }
        for (size_t j = 0; j < group->row_count; j++) {
            struct figure figure = {.kind = FIGURE_ABSENT};
            if (name)
                figure = group_figure_of(group, &group->rows[j], slot->has, slot, i);
            cell(out, &figure);
        }
    }
}

static void container(struct out *out, const struct overview *overview, uint32_t index)
{
    struct container_slot slot;

    if (!overview_slot(overview, index, &slot))
        return;
    out_count(out, index);
    for (size_t i = 0; i < column_figure_count; i++) {
        struct figure figure = column_figure_of(&column_figures[i], &overview->moment, &slot);
        cell(out, &figure);
    }
    for (size_t i = 0; i < figure_group_count; i++)
        group_cells(out, &figure_groups[i], &slot);
    out_literal(out, "\r\n");
}

void status_write_csv(struct out *out, const struct overview *overview)
{
    const struct status_query *query = overview->query;
    const struct selection *selection = &overview->selection;

    out_literal(out, "slot");
    for (size_t i = 0; i < column_figure_count; i++) {
        out_char(out, ',');
        out_text(out, column_figures[i].key);
    }
    for (size_t i = 0; i < figure_group_count; i++)
        group_heads(out, &figure_groups[i]);
    out_literal(out, "\r\n");
    for (uint32_t i = 0; i < selection->count && !query->is_without_table && !out->is_broken; i++)
        container(out, overview, selection->rows[i].slot);
}
