/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/json_table.h"

#include "mod_container/html.h"

const char *json_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* A number as thousandths; negative ones and what is beyond all measure are 0. */
static uint64_t milli_of(const json_t *value)
{
    double number = json_number_value(value) * 1000;

    return number > 0 && number < 1e18 ? (uint64_t)number : 0;
}

static void write_time(struct out *out, const char *text)
{
    char copy[20];
    size_t length = strcspn(text, ".Z");

    if (length >= sizeof(copy)) {
        out_html(out, text);
        return;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (char *at = copy; *at; at++)
        if (*at == 'T')
            *at = ' ';
    out_html(out, copy);
}

static void write_number(struct out *out, const json_t *value, enum json_kind kind)
{
    uint64_t milli = milli_of(value);

    switch (kind) {
    case JSON_SHOWN_PERCENT:
        html_milli(out, milli, 1);
        out_text(out, " %");
        break;
    case JSON_SHOWN_BYTES:
        html_size_titled(out, milli / 1000, "");
        break;
    case JSON_SHOWN_RATE:
        html_size_titled(out, milli / 1000, "/s");
        break;
    case JSON_SHOWN_SECONDS:
        if (milli < 60000) {
            html_milli(out, milli, 1);
            out_text(out, " s");
        } else {
            html_duration(out, milli * 1000);
        }
        break;
    case JSON_SHOWN_MSEC:
        html_latency(out, milli);
        break;
    default:
        html_milli(out, milli, json_is_integer(value) ? 0 : 1);
        break;
    }
}

void json_value_write(struct out *out, const json_t *value, enum json_kind kind)
{
    if (json_is_string(value) && kind == JSON_SHOWN_TIME)
        write_time(out, json_string_value(value));
    else if (json_is_string(value))
        out_html(out, json_string_value(value));
    else if (json_is_number(value))
        write_number(out, value, kind);
}

void json_table_write(struct out *out, const json_t *array, const char *name,
                      const struct json_column *columns, size_t count, const char *none)
{
    json_t *row;
    size_t i;

    if (json_array_size(array) == 0) {
        out_format(out, "<p class=\"quiet\">%s</p>\n", none);
        return;
    }
    out_format(out,
               "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table>"
               "<thead><tr>",
               name);
    for (size_t at = 0; at < count; at++)
        out_format(out, "<th scope=\"col\" class=\"%s\">%s</th>", columns[at].css,
                   columns[at].label);
    out_text(out, "</tr></thead><tbody>\n");
    json_array_foreach (array, i, row) {
        out_text(out, "<tr>");
        for (size_t at = 0; at < count; at++) {
            out_format(out, "<td class=\"%s\" data-l=\"%s\">", columns[at].css, columns[at].label);
            json_value_write(out, json_object_get(row, columns[at].key), columns[at].kind);
            out_text(out, "</td>");
        }
        out_text(out, "</tr>\n");
    }
    out_text(out, "</tbody></table></div>\n");
}
