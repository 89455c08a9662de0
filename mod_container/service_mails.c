/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a service: the mails that its PHP sent last (x-mail-log). */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "mod_container/json_table.h"
#include "mod_container/service_page.h"

static const struct json_column mail_columns[] = {
    {"time", "Time (UTC)", "n", JSON_SHOWN_TIME},
    {"script", "Script", "wrap", JSON_SHOWN_TEXT},
    {"line", "Line", "n", JSON_SHOWN_NUMBER},
    {"recipients", "Recipients", "n", JSON_SHOWN_NUMBER},
    {"domain_list", "At", "wrap", JSON_SHOWN_TEXT},
    {"subject", "Subject", "wrap", JSON_SHOWN_TEXT},
};

/* The domains in one text, for a cell: "example.org, example.net". */
static void list_domains(apr_pool_t *pool, json_t *mail)
{
    const json_t *domains = json_object_get(mail, "domains");
    const char *list = "";

    for (size_t i = 0; i < json_array_size(domains); i++) {
        const char *domain = json_string_value(json_array_get(domains, i));
        list = apr_pstrcat(pool, list, *list ? ", " : "", domain ? domain : "", NULL);
    }
    if (json_integer_value(json_object_get(mail, "domain_count")) >
        (json_int_t)json_array_size(domains))
        list = apr_pstrcat(pool, list, ", ...", NULL);
    json_object_set_new(mail, "domain_list", json_string(list));
}

void service_mails(struct service_page *service)
{
    struct out *out = &service->page.out;

    if (!(service->slot.has & SLOT_HAS_MAILS))
        return;
    service_open(service, "mails", "Mails");
    _cleanup_json_ json_t *answer = service_ask(service, "mails", NULL);
    const json_t *mails = json_object_get(answer, "mails");
    for (size_t i = 0; i < json_array_size(mails); i++)
        list_domains(service->page.r->pool, json_array_get(mails, i));
    if (answer)
        json_table_write(out, mails, "Mails", mail_columns, ARRAY_LENGTH(mail_columns),
                         "It has sent none.");
    service_close(service);
}
