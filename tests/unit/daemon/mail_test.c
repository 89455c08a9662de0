/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of PHP's mail log, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/daemon/mail.h"

static int parse(const char *line, struct mail *mail)
{
    return mail_parse(line, strlen(line), mail);
}

static void a_line_of_php_is_taken_apart(void **state)
{
    struct mail mail;

    (void)state;
    assert_int_equal(parse("[25-Nov-2026 02:06:48 UTC] mail() on [/tmp/mt/m.php:2]: To: "
                           "Ann <ann@Example.org>, b@example.net,c@example.org -- Headers: From: "
                           "me@x  X: -- Subject: no -- Subject: Hello",
                           &mail),
                     0);
    assert_string_equal(mail.script, "/tmp/mt/m.php");
    assert_int_equal(mail.line, 2);
    assert_int_equal(mail.recipients, 3);
    assert_int_equal(mail.domain_count, 2);
    assert_string_equal(mail.domains[0], "example.org");
    assert_string_equal(mail.domains[1], "example.net");
    assert_string_equal(mail.subject, "Hello");
    assert_string_equal(mail.to, "Ann <ann@Example.org>, b@example.net,c@example.org");
}

static void names_may_hold_what_a_file_name_may(void **state)
{
    struct mail mail;

    (void)state;
    assert_int_equal(parse("[d] mail() on [/a:b]c(3) : eval()'d code:1]: To: root -- Headers:  -- "
                           "Subject: ",
                           &mail),
                     0);
    assert_string_equal(mail.script, "/a:b]c(3) : eval()'d code");
    assert_int_equal(mail.line, 1);
    assert_int_equal(mail.recipients, 1);
    assert_int_equal(mail.domain_count, 0);
    assert_string_equal(mail.subject, "");
}

static void what_is_long_is_cut_and_controls_are_gone(void **state)
{
    char line[4096], name[1001];
    struct mail mail;

    (void)state;
    memset(name, 'a', 1000);
    name[1000] = '\0';
    snprintf(line, sizeof(line),
             "[d] mail() on [/%s/end.php:12]: To: a@%s,@b.c -- Headers:  -- Subject: \x1b[1m%s",
             name, name, name);
    assert_int_equal(parse(line, &mail), 0);
    assert_int_equal(strlen(mail.script), sizeof(mail.script) - 1);
    assert_string_equal(mail.script + strlen(mail.script) - 8, "/end.php");
    assert_int_equal(strlen(mail.domains[0]), sizeof(mail.domains[0]) - 1);
    assert_int_equal(strncmp(mail.subject, "?[1maaa", 7), 0);
    assert_int_equal(strlen(mail.subject), sizeof(mail.subject) - 1);
}

static void many_domains_are_counted(void **state)
{
    struct mail mail;

    (void)state;
    assert_int_equal(parse("[d] mail() on [/a:1]: To: a@a.b,a@c.d,a@e.f,a@g.h,a@i.j,a@a.b,a@ -- "
                           "Headers:  -- Subject: s",
                           &mail),
                     0);
    assert_int_equal(mail.recipients, 7);
    assert_int_equal(mail.domain_count, 5);
    assert_string_equal(mail.domains[MAIL_DOMAINS_MAX - 1], "g.h");
}

static void everything_else_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "[",
        "hello",
        "[d] mail() on [",
        "[d] mail() on []: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [:1]: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [/a]: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [/a:]: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [/a:1x]: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [/a:99999999999999]: To: a -- Headers:  -- Subject: s",
        "[d] mail() on [/a:1]: To: a -- Headers: s",
        "[d] mail() on [/a:1]: To: a -- Subject: s",
        "d] mail() on [/a:1]: To: a -- Headers:  -- Subject: s",
    };
    struct mail mail;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (parse(lines[i], &mail) != -EINVAL)
            fail_msg("taken: %s", lines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_php_is_taken_apart),
        cmocka_unit_test(names_may_hold_what_a_file_name_may),
        cmocka_unit_test(what_is_long_is_cut_and_controls_are_gone),
        cmocka_unit_test(many_domains_are_counted),
        cmocka_unit_test(everything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
