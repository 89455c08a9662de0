/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerctl --curl VERB ...: prints, instead of doing it, the call by curl that does the same
 * through httpd (docs/admin-api.md). What it prints can be pasted into a shell as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"

#define URL_DEFAULT "http://localhost/container-status"
/* The most that an admin call may wait; the control socket takes more. */
#define WAIT_MAX_SECONDS 30

/* Where a verb is found below the Location, and what stands behind the '?'. */
static const struct {
    const char *verb;
    const char *query; /* NULL: an action, by POST */
} calls[] = {
    {"ps", "format=json&sort=slot"},
    {"status", "format=json&sort=slot"},
    {"top", "format=json"},
    {"start", NULL},
    {"stop", NULL},
    {"restart", NULL},
    {"pause", NULL},
    {"resume", NULL},
    {"kill", NULL},
};

/* One word for a shell: within '...' everything but a ' stands for itself. */
static void print_word(const char *text)
{
    putchar('\'');
    for (const char *at = text; *at; at++)
        if (*at == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*at);
    putchar('\'');
}

/* BASE, BASE/TENANT or BASE/TENANT/SERVICE, with a query, as one word. */
static int print_address(const char *base, const char *target, const char *query)
{
    _cleanup_free_ char *address = NULL;
    size_t length = strlen(base);

    while (length > 0 && base[length - 1] == '/')
        length--;
    if (asprintf(&address, "%.*s%s%s%s%s", (int)length, base, *target ? "/" : "", target,
                 *query ? "?" : "", query) < 0) {
        address = NULL;
        return CTL_FAILED;
    }
    print_word(address);
    putchar('\n');
    return CTL_OK;
}

static int print_action(const struct ctl *ctl, const char *base, const char *target)
{
    int seconds = (ctl->wait_ms + 999) / 1000;

    if (seconds > WAIT_MAX_SECONDS)
        seconds = WAIT_MAX_SECONDS;
    printf("curl -sS -X POST -d 'action=%s&wait=%d%s%s' ", ctl->verb, seconds,
           ctl->signal ? "&signal=" : "", ctl->signal ? ctl->signal : "");
    return print_address(base, target, "");
}

/* What ps shows without -a. */
#define STATES_UP                                                                                  \
    "&state=sleeping,starting,running,working,limited,unhealthy,paused,stopping,backoff,failed"

static int print_look(const struct ctl *ctl, const char *base, const char *target, const char *look)
{
    char query[256];
    bool is_short = strcmp(ctl->verb, "ps") == 0 && !ctl->all;

    snprintf(query, sizeof(query), "%s%s", look, is_short ? STATES_UP : "");
    printf("curl -sS ");
    return print_address(base, target, query);
}

static int check_url(const struct ctl *ctl, const char *url)
{
    bool is_web = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;

    for (const unsigned char *at = (const unsigned char *)url; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == '?' || *at == '#')
            is_web = false;
    return is_web ? CTL_OK
                  : ctl_usage(
                        ctl,
                        "--url \"%s\": write the address of the status page, such as " URL_DEFAULT,
                        url);
}

int ctl_curl(const struct ctl *ctl, int count, char **args)
{
    const char *base = ctl->url ? ctl->url : URL_DEFAULT;
    struct error error = ERROR_INIT;
    size_t row = 0;
    int r = check_url(ctl, base);

    if (r != CTL_OK)
        return r;
    while (row < ARRAY_LENGTH(calls) && strcmp(calls[row].verb, ctl->verb) != 0)
        row++;
    if (row == ARRAY_LENGTH(calls))
        return ctl_usage(ctl, "--curl: httpd has nothing like this");
    if (ctl_check_names(count, args, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    if (count == 0)
        return print_look(ctl, base, "", calls[row].query);
    for (int i = 0; i < count && r == CTL_OK; i++)
        r = calls[row].query ? print_look(ctl, base, args[i], calls[row].query)
                             : print_action(ctl, base, args[i]);
    return r;
}
