/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl mails: what a tenant's PHP sent of late. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

#define CELL_MAX 512

static const char *text_of(const json_t *mail, const char *key)
{
    const char *text = json_string_value(json_object_get(mail, key));

    return text ? text : "";
}

/* The addresses, or to whom they are not told, the domains. */
static void recipients_of(const json_t *mail, char *cell)
{
    const json_t *domains = json_object_get(mail, "domains"), *domain;
    size_t used = 0, i;

    if (json_object_get(mail, "to")) {
        snprintf(cell, CELL_MAX, "%s", text_of(mail, "to"));
        return;
    }
    cell[0] = '\0';
    json_array_foreach (domains, i, domain)
        used += (size_t)snprintf(cell + used, used < CELL_MAX ? CELL_MAX - used : 0, "%s@%s",
                                 i ? ", " : "", json_string_value(domain));
}

static int print_table(const struct ctl *ctl, const json_t *mails)
{
    const size_t widest = ctl->no_trunc ? 0 : 40;
    const struct table_column columns[] = {
        {"TIME", false, 0}, {"SERVICE", false, 0},      {"TO", false, widest},
        {"COUNT", true, 0}, {"SUBJECT", false, widest}, {"SCRIPT", false, 0},
    };
    _cleanup_(cleanup_table) struct table *table = table_new(columns, ARRAY_LENGTH(columns));
    char to[CELL_MAX], count[32], script[CELL_MAX];
    const json_t *mail;
    size_t i;
    int r = table ? 0 : -ENOMEM;

    json_array_foreach (mails, i, mail) {
        recipients_of(mail, to);
        snprintf(count, sizeof(count), "%lld",
                 (long long)json_integer_value(json_object_get(mail, "recipients")));
        snprintf(script, sizeof(script), "%s:%lld", text_of(mail, "script"),
                 (long long)json_integer_value(json_object_get(mail, "line")));
        const char *const cells[] = {text_of(mail, "time"),
                                     text_of(mail, "service"),
                                     to,
                                     count,
                                     text_of(mail, "subject"),
                                     script};
        for (size_t c = 0; r == 0 && c < ARRAY_LENGTH(cells); c++)
            r = table_add(table, cells[c], NULL);
    }
    if (r == 0)
        table_print(table, stdout, ctl->has_colour);
    return r;
}

int ctl_mails(const struct ctl *ctl, int count, char **args)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1] = "";
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    (void)count;
    int r = strchr(args[0], '/') ? name_split(args[0], tenant, service, &error)
                                 : name_check("tenant", args[0], &error);
    if (r < 0)
        return ctl_usage(ctl, "%s", error.message);
    if (!service[0])
        snprintf(tenant, sizeof(tenant), "%s", args[0]);
    json_t *request = json_pack("{s:s, s:s}", "verb", "mails", "tenant", tenant);
    if (request && service[0])
        json_object_set_new(request, "service", json_string(service));
    r = ctl_call(ctl, request, 0, &answer, &code, &error);
    if (r == 0 && !json_is_array(json_object_get(answer, "mails")))
        r = error_set(&error, EPROTO, "the supervisor's answer has no mails");
    if (r < 0)
        return ctl_fail(ctl, args[0], r, code, &error);
    if (ctl->output == CTL_OUTPUT_JSON) {
        json_object_del(answer, "version");
        json_object_del(answer, "ok");
        return ctl_print_json(ctl, steal_ptr(answer)) < 0 ? CTL_FAILED : CTL_OK;
    }
    r = print_table(ctl, json_object_get(answer, "mails"));
    if (r < 0) {
        error_sys(&error, -r, "print the mails");
        return ctl_fail(ctl, args[0], r, code, &error);
    }
    return CTL_OK;
}
