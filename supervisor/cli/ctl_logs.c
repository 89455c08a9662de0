/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl logs: pages of lines behind a cursor that only the supervisor understands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/scoreboard.h" /* the clock */
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_text.h"

#define FOLLOW_WAIT_MS 1000
/* After an empty answer that came at once: the supervisor need not wait, so we do. */
#define FOLLOW_PAUSE_MS 200

/* What has been printed so far. */
struct printer {
    const struct ctl *ctl;
    char open_stream[16]; /* the stream whose line is not ended yet, or "" */
};

static bool is_wanted(const struct ctl *ctl, const json_t *line)
{
    const char *stream = json_string_value(json_object_get(line, "stream"));

    return !ctl->stream || (stream && strcmp(stream, ctl->stream) == 0);
}

/* A partial line goes on in the next one of its stream; another stream's line must not mix in. */
static void print_line(struct printer *printer, const json_t *line)
{
    const json_t *text = json_object_get(line, "text");
    const char *stream = json_string_value(json_object_get(line, "stream"));
    const char *time = json_string_value(json_object_get(line, "time"));
    bool continues = printer->open_stream[0] && stream && strcmp(printer->open_stream, stream) == 0;

    if (printer->open_stream[0] && !continues)
        putchar('\n');
    if (printer->ctl->timestamps && !continues)
        printf("%s ", time ? time : "-");
    if (printer->ctl->is_stdout_terminal)
        text_print_clean(stdout, json_string_value(text), json_string_length(text));
    else
        fwrite(json_string_value(text), 1, json_string_length(text), stdout);
    printer->open_stream[0] = '\0';
    if (json_is_true(json_object_get(line, "partial")) && stream)
        snprintf(printer->open_stream, sizeof(printer->open_stream), "%s", stream);
    else
        putchar('\n');
}

/* One object a line, so that a reader need not wait for the end. */
static void print_line_json(const struct ctl *ctl, const json_t *line)
{
    text_print_json(stdout, line, JSON_COMPACT | (ctl->is_stdout_terminal ? JSON_ENSURE_ASCII : 0));
    putchar('\n');
}

static int print_lines(struct printer *printer, const json_t *lines, struct error *error)
{
    const json_t *line;
    size_t i;

    json_array_foreach (lines, i, line) {
        if (!json_is_string(json_object_get(line, "text")))
            return error_set(error, EPROTO, "the supervisor sent a log line without text");
        if (!is_wanted(printer->ctl, line))
            continue;
        if (printer->ctl->output == CTL_OUTPUT_JSON)
            print_line_json(printer->ctl, line);
        else
            print_line(printer, line);
    }
    if (fflush(stdout) != 0)
        return error_sys(error, errno, "write to stdout");
    return 0;
}

/* Puts the wanted ones of lines behind those kept, and drops the oldest over the number asked for.
 */
static void keep_last(const struct ctl *ctl, const json_t *lines, json_t *kept)
{
    json_t *line;
    size_t i;

    json_array_foreach (lines, i, line) {
        if (is_wanted(ctl, line))
            json_array_append(kept, line);
        if ((int64_t)json_array_size(kept) > ctl->tail)
            json_array_remove(kept, 0);
    }
}

/*
 * The next page. The supervisor counts `tail` over both streams, so with --stream everything is
 * asked for and counted here.
 */
static int read_page(const struct ctl *ctl, const char *tenant, const char *service,
                     const char *cursor, int wait_ms, json_t **answer, enum control_code *code,
                     struct error *error)
{
    json_t *request = json_pack("{s:s, s:s, s:s, s:s?, s:i}", "verb", "logs", "tenant", tenant,
                                "service", service, "cursor", cursor, "wait_ms", wait_ms);

    if (request && !cursor && ctl->tail >= 0 && !ctl->stream)
        json_object_set_new(request, "tail", json_integer(ctl->tail));
    int r = ctl_call(ctl, request, wait_ms, answer, code, error);
    if (r < 0)
        return r;
    if (!json_is_array(json_object_get(*answer, "lines")) ||
        !json_is_string(json_object_get(*answer, "cursor")))
        return error_set(error, EPROTO, "the supervisor's answer has no lines or no cursor");
    return 0;
}

/* Lets FOLLOW_PAUSE_MS pass between two empty answers, the time of the last call counted in. */
static void pace(uint64_t called_usec)
{
    uint64_t spent_usec = clock_boottime_usec() - called_usec;

    if (spent_usec < FOLLOW_PAUSE_MS * 1000)
        usleep((useconds_t)(FOLLOW_PAUSE_MS * 1000 - spent_usec));
}

static int print_log(struct printer *printer, const char *tenant, const char *service,
                     enum control_code *code, struct error *error)
{
    const struct ctl *ctl = printer->ctl;
    _cleanup_json_ json_t *kept = ctl->stream && ctl->tail >= 0 ? json_array() : NULL;
    _cleanup_free_ char *cursor = NULL;
    int wait_ms = 0;

    for (;;) {
        _cleanup_json_ json_t *page = NULL;
        uint64_t called_usec = clock_boottime_usec();
        int r = read_page(ctl, tenant, service, cursor, wait_ms, &page, code, error);
        if (r < 0)
            return r;
        const json_t *lines = json_object_get(page, "lines");
        bool has_more = json_is_true(json_object_get(page, "more"));
        if (kept)
            keep_last(ctl, lines, kept);
        if (!kept || !has_more)
            r = print_lines(printer, kept ? kept : lines, error);
        if (r < 0)
            return r;
        if (kept && !has_more) {
            json_decref(kept);
            kept = NULL;
        }
        if (!has_more && !ctl->follow)
            return 0;
        if (!has_more && json_array_size(lines) == 0)
            pace(called_usec);
        wait_ms = has_more ? 0 : FOLLOW_WAIT_MS;
        free(cursor);
        cursor = strdup(json_string_value(json_object_get(page, "cursor")));
        if (!cursor)
            return error_sys(error, ENOMEM, "read the log");
    }
}

int ctl_logs(const struct ctl *ctl, int count, char **args)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    struct printer printer = {.ctl = ctl};
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;

    (void)count;
    if (name_split(args[0], tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = print_log(&printer, tenant, service, &code, &error);
    if (printer.open_stream[0])
        putchar('\n');
    return r < 0 ? ctl_fail(ctl, args[0], r, code, &error) : CTL_OK;
}
