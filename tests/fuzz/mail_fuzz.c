/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of a tenant's mail log as any bytes: it is refused, or every text of it is terminated,
 * without control characters, and within its bounds.
 *
 * libFuzzer: -max_len=8192 -dict=tests/fuzz/mail.dict
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/daemon/mail.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    check(strnlen(text, size) < size);
    for (; *text; text++)
        check(!iscntrl((unsigned char)*text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mail mail;

    if (mail_parse((const char *)data, size, &mail) < 0)
        return 0;
    check_text(mail.script, sizeof(mail.script));
    check_text(mail.to, sizeof(mail.to));
    check_text(mail.subject, sizeof(mail.subject));
    check(mail.script[0] != '\0');
    for (uint32_t i = 0; i < mail.domain_count && i < MAIL_DOMAINS_MAX; i++) {
        check_text(mail.domains[i], sizeof(mail.domains[i]));
        check(mail.domains[i][0] != '\0');
    }
    check(mail.domain_count <= mail.recipients);
    return 0;
}
