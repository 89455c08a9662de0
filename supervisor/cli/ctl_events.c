/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl events: pages of the journal of events, and what comes behind them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_text.h"

#define FOLLOW_PAUSE_SECONDS 1
/* Without --tail, --since or "all": what fits a screen. */
#define TAIL_DEFAULT 20

/* What to ask for. */
struct question {
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    char since[32]; /* times compare as texts; "": from the beginning */
    int64_t tail;   /* below 0: from the oldest on */
};

static void print_text(const json_t *value)
{
    text_print_clean(stdout, json_string_value(value), json_string_length(value));
}

/* One line, and below it what the log said last when it ended in trouble. */
static void print_event(const struct ctl *ctl, const json_t *event)
{
    const json_t *lines = json_object_get(json_object_get(event, "exit"), "log"), *line;
    const char *level = json_string_value(json_object_get(event, "level"));
    bool is_warning = level && strcmp(level, "warning") == 0;
    size_t i;

    print_text(json_object_get(event, "time"));
    putchar(' ');
    print_text(json_object_get(event, "tenant"));
    putchar('/');
    print_text(json_object_get(event, "service"));
    printf(": %s", is_warning && ctl->has_colour ? "\033[33m" : "");
    print_text(json_object_get(event, "event"));
    printf("%s\n", is_warning && ctl->has_colour ? "\033[0m" : "");
    json_array_foreach (lines, i, line) {
        printf("    | ");
        print_text(line);
        putchar('\n');
    }
}

static int print_events(const struct ctl *ctl, const struct question *question,
                        const json_t *events, struct error *error)
{
    const json_t *event;
    size_t i;

    json_array_foreach (events, i, event) {
        const char *time = json_string_value(json_object_get(event, "time"));
        if (!time || !json_is_string(json_object_get(event, "event")))
            return error_set(error, EPROTO, "the supervisor sent an event without time or text");
        if (strcmp(time, question->since) < 0)
            continue;
        if (ctl->output == CTL_OUTPUT_JSON) {
            text_print_json(stdout, event,
                            JSON_COMPACT | (ctl->is_stdout_terminal ? JSON_ENSURE_ASCII : 0));
            putchar('\n');
        } else {
            print_event(ctl, event);
        }
    }
    return fflush(stdout) == 0 ? 0 : error_sys(error, errno, "write to stdout");
}

static int read_page(const struct ctl *ctl, const struct question *question, const char *cursor,
                     json_t **answer, enum control_code *code, struct error *error)
{
    json_t *request = json_pack("{s:s, s:s?}", "verb", "events", "cursor", cursor);

    if (request && question->tenant[0])
        json_object_set_new(request, "tenant", json_string(question->tenant));
    if (request && question->service[0])
        json_object_set_new(request, "service", json_string(question->service));
    if (request && !cursor && question->tail >= 0)
        json_object_set_new(request, "tail", json_integer(question->tail));
    int r = ctl_call(ctl, request, 0, answer, code, error);
    if (r < 0)
        return r;
    if (!json_is_array(json_object_get(*answer, "events")) ||
        !json_is_string(json_object_get(*answer, "next")))
        return error_set(error, EPROTO, "the supervisor's answer has no events or no next");
    return 0;
}

static int print_journal(const struct ctl *ctl, const struct question *question,
                         enum control_code *code, struct error *error)
{
    _cleanup_free_ char *cursor = NULL;

    for (;;) {
        _cleanup_json_ json_t *page = NULL;
        int r = read_page(ctl, question, cursor, &page, code, error);
        if (r == 0)
            r = print_events(ctl, question, json_object_get(page, "events"), error);
        if (r < 0)
            return r;
        bool has_more = json_is_true(json_object_get(page, "more"));
        if (!has_more && !ctl->follow)
            return 0;
        if (!has_more)
            sleep(FOLLOW_PAUSE_SECONDS);
        free(cursor);
        cursor = strdup(json_string_value(json_object_get(page, "next")));
        if (!cursor)
            return error_sys(error, ENOMEM, "read the journal");
    }
}

/* The time `usec` ago, in the journal's form. */
static void time_ago(uint64_t usec, char *text, size_t size)
{
    uint64_t now = clock_realtime_usec();
    time_t seconds = (time_t)((now > usec ? now - usec : 0) / 1000000);
    struct tm when;

    if (gmtime_r(&seconds, &when))
        strftime(text, size, "%Y-%m-%dT%H:%M:%S", &when);
}

int ctl_events(const struct ctl *ctl, int count, char **args)
{
    struct question question = {.tail = ctl->tail};
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    int r = 0;

    if (count && strchr(args[0], '/'))
        r = name_split(args[0], question.tenant, question.service, &error);
    else if (count)
        r = name_check("tenant", args[0], &error);
    if (r < 0)
        return ctl_usage(ctl, "%s", error.message);
    if (count && !question.tenant[0])
        snprintf(question.tenant, sizeof(question.tenant), "%s", args[0]);
    if (ctl->since_usec)
        time_ago(ctl->since_usec, question.since, sizeof(question.since));
    else if (!ctl->has_tail)
        question.tail = TAIL_DEFAULT;
    r = print_journal(ctl, &question, &code, &error);
    return r < 0 ? ctl_fail(ctl, count ? args[0] : NULL, r, code, &error) : CTL_OK;
}
