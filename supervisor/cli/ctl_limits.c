/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl limits: what limits one service, and links by which its tenant sees that, too. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/board/limit_link.h"
#include "common/board/limit_view.h"
#include "common/board/out_memory.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_board.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

/* ---- the truth ---- */

static void print_since(const struct limit_view *view, uint64_t then)
{
    uint64_t now = view->moment.realtime_usec;
    time_t seconds = (time_t)(then / 1000000);
    char when[32], age[32];
    struct tm local;

    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
    printf("%s, %s ago", when, format_duration(now > then ? now - then : 0, age, sizeof(age)));
}

static void print_cause(const struct limit_view *view)
{
    const struct limit_cause *cause = &view->cause;
    const struct limit_kind_row *row = limit_kind_row(cause->kind);
    char value[LIMIT_VALUE_SIZE], limit[LIMIT_VALUE_SIZE];

    printf("%s\n", row->title);
    if (cause->because)
        printf("What led to it: %s\n", limit_kind_row(cause->because)->title);
    if (cause->since_realtime_usec) {
        printf("Since: ");
        print_since(view, cause->since_realtime_usec);
        putchar('\n');
    }
    if (cause->has_figures)
        printf("In use: %s of %s\n", limit_value(row->unit, cause->value, value),
               limit_value(row->unit, cause->limit, limit));
    if (!cause->kind)
        return;
    printf("What to do: %s\n",
           limit_kind_row(cause->because ? cause->because : cause->kind)->advice);
    printf("Visitors who are refused: %u, Retry-After %u, reference %s\n", cause->status,
           cause->retry_after_seconds, view->reference);
}

static void print_last(const struct limit_view *view)
{
    if (!view->last.kind)
        return;
    printf("\nLast fault: %s\n", limit_kind_row(view->last.kind)->title);
    print_since(view, view->last.since_realtime_usec);
    printf("; %u in all; reference %s\n", view->slot->faults, view->last_reference);
}

static int add_value(struct table *table, enum limit_unit unit, bool is_known, uint64_t value)
{
    char text[LIMIT_VALUE_SIZE];

    return table_add(table, is_known ? limit_value(unit, value, text) : "-", NULL);
}

static int print_rows(const struct limit_view *view)
{
    static const struct table_column columns[] = {
        {"LIMIT", false, 0}, {"IN USE", true, 0}, {"OF", true, 0}, {"IN THIS RUN", false, 0}};
    _cleanup_table_ struct table *table = table_new(columns, ARRAY_LENGTH(columns));
    char text[64];
    int r = table ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < LIMIT_ROWS; i++) {
        const struct limit_row *row = &view->rows[i];
        snprintf(text, sizeof(text), row->has_hits ? "%" PRIu64 " %s" : "-", row->hits,
                 row->hits_label);
        r = table_add(table, row->label, NULL);
        if (r == 0)
            r = add_value(table, row->unit, row->has_value, row->value);
        if (r == 0)
            r = add_value(table, row->unit, row->has_limit, row->limit);
        if (r == 0)
            r = table_add(table, text, NULL);
    }
    if (r == 0) {
        putchar('\n');
        table_print(table, stdout, false);
    }
    return r;
}

static int print_view(const struct limit_view *view)
{
    printf("%s/%s: %s\n", view->slot->tenant, view->slot->service,
           container_state_name((enum container_state)view->slot->state));
    if (view->slot->message[0]) {
        text_print_clean(stdout, view->slot->message, strlen(view->slot->message));
        putchar('\n');
    }
    print_cause(view);
    print_last(view);
    return print_rows(view);
}

static int print_json(const struct ctl *ctl, const struct limit_view *view)
{
    struct out_memory memory;
    json_error_t problem;

    out_memory_begin(&memory);
    limit_view_json(&memory.out, view);
    _cleanup_free_ char *text = out_memory_end(&memory, NULL);
    json_t *json = json_loads(text, 0, &problem);
    return json ? ctl_print_json(ctl, json) : -ENOMEM;
}

static int show(const struct ctl *ctl, const char *name)
{
    _cleanup_ctl_board_ struct ctl_board board = {0};
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    uint8_t key[SEAL_KEY_SIZE] = {0};
    const struct moment moment = {clock_boottime_usec(), clock_realtime_usec()};
    struct container_slot slot;
    struct limit_view view;
    struct error error = ERROR_INIT;
    uint32_t index = 0;

    if (name_split(name, tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = ctl_board_open(ctl, &board, &error);
    if (r == 0) {
        r = scoreboard_find(board.reader, tenant, service, &index, &slot);
        if (r < 0)
            error_set(&error, -r,
                      r == -ENOENT ? "there is no service of this name"
                                   : "its slot cannot be read at this moment");
    }
    if (r < 0)
        return ctl_fail(ctl, name, r, CONTROL_OK, &error);
    /* Who may not read the key sees no references of visitors; the rest is the same. */
    bool has_key = limit_key_read(ctl->limit_key, key, NULL) == 0;
    limit_view_take(&slot, index, &moment, key, true, &view);
    if (!has_key) {
        strcpy(view.reference, "-");
        strcpy(view.last_reference, "-");
    }
    r = ctl->output == CTL_OUTPUT_JSON ? print_json(ctl, &view) : print_view(&view);
    return r < 0 ? CTL_FAILED : CTL_OK;
}

/* ---- links ---- */

/* "https://blog.example.org", with or without a slash at its end; the path is ours. */
static bool is_site(const char *url)
{
    const char *host = strncasecmp(url, "https://", 8) == 0  ? url + 8
                       : strncasecmp(url, "http://", 7) == 0 ? url + 7
                                                             : NULL;

    if (!host || !*host || *host == '/')
        return false;
    for (const unsigned char *at = (const unsigned char *)host; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == '?' || *at == '#' || (*at == '/' && at[1]))
            return false;
    return true;
}

static int print_link(const struct ctl *ctl, const char *link)
{
    size_t length = ctl->url ? strlen(ctl->url) : 0;

    while (length > 0 && ctl->url[length - 1] == '/')
        length--;
    printf("%.*s%s\n", (int)length, length ? ctl->url : "", link);
    return CTL_OK;
}

static int make_link(const struct ctl *ctl, const char *name)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    uint8_t key[SEAL_KEY_SIZE];
    struct error error = ERROR_INIT;
    uint64_t seconds = ctl->for_usec ? ctl->for_usec / 1000000 : LIMIT_LINK_DEFAULT_SECONDS;

    if (name_split(name, tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    if (ctl->url && !is_site(ctl->url))
        return ctl_usage(ctl, "--url \"%s\": write the tenant's site, as https://blog.example.org",
                         ctl->url);
    int r = limit_key_read(ctl->limit_key, key, &error);
    if (r < 0)
        return ctl_fail(ctl, name, r, CONTROL_OK, &error);
    _cleanup_free_ char *link =
        limit_link_make(key, tenant, service, clock_realtime_usec() / 1000000 + seconds);
    return link ? print_link(ctl, link) : CTL_FAILED;
}

int ctl_limits(const struct ctl *ctl, int count, char **args)
{
    if (count == 1 && strcmp(args[0], "link") != 0)
        return show(ctl, args[0]);
    if (count == 2 && strcmp(args[0], "link") == 0)
        return make_link(ctl, args[1]);
    return ctl_usage(ctl, "write limits TENANT/SERVICE, or limits link TENANT/SERVICE");
}
