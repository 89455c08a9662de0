/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/order.h"

static int read_text(struct order *order, enum order_type type, const char *body)
{
    struct error error = ERROR_INIT;
    _cleanup_free_ char *text = strdup(body);

    assert_int_equal(order_begin(order, "blog/web", NULL), 0);
    int r = order_read(order, type, text, strlen(body), &error);
    assert_int_equal(error.code, -r);
    return r;
}

static void targets(void **state)
{
    static const char *const bad[] = {"",      "/",           "blog/",    "/web",
                                      "a/b/c", "Blog",        "b.log",    "blog/we b",
                                      "-",     "-/style.css", "blog//web"};
    struct order order;

    (void)state;
    assert_int_equal(order_begin(&order, "blog/web", NULL), 0);
    assert_string_equal(order.tenant, "blog");
    assert_string_equal(order.service, "web");
    assert_int_equal(order.wait_seconds, ORDER_WAIT_DEFAULT_SECONDS);
    assert_int_equal(order_begin(&order, "blog", NULL), 0);
    assert_string_equal(order.tenant, "blog");
    assert_string_equal(order.service, "");
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_true(order_begin(&order, bad[i], NULL) < 0);
}

static void media_types(void **state)
{
    static const struct {
        const char *text;
        enum order_type type;
    } cases[] = {
        {NULL, ORDER_TYPE_UNKNOWN},
        {"", ORDER_TYPE_UNKNOWN},
        {"application/json", ORDER_TYPE_JSON},
        {"APPLICATION/JSON", ORDER_TYPE_JSON},
        {"application/json; charset=utf-8", ORDER_TYPE_JSON},
        {"application/json ;\tcharset=\"UTF-8\" ; ", ORDER_TYPE_JSON},
        {"application/x-www-form-urlencoded;charset=UTF-8", ORDER_TYPE_FORM},
        {"application/json; charset=utf-16", ORDER_TYPE_UNKNOWN},
        {"application/json; charset=utf-8x", ORDER_TYPE_UNKNOWN},
        {"application/json; charset=utf-8; charset=utf-16", ORDER_TYPE_UNKNOWN},
        {"application/json; charset", ORDER_TYPE_UNKNOWN},
        {"application/json; q=1", ORDER_TYPE_UNKNOWN},
        {"application/json, text/plain", ORDER_TYPE_UNKNOWN},
        {"application/jsonx", ORDER_TYPE_UNKNOWN},
        {"application/json x", ORDER_TYPE_UNKNOWN},
        {" application/json", ORDER_TYPE_UNKNOWN},
        {"application/problem+json", ORDER_TYPE_UNKNOWN},
        {"text/plain", ORDER_TYPE_UNKNOWN},
        {"multipart/form-data; boundary=x", ORDER_TYPE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (order_type_of(cases[i].text) != cases[i].type)
            fail_msg("%s", cases[i].text);
}

static void good_bodies(void **state)
{
    struct order order;

    (void)state;
    assert_int_equal(read_text(&order, ORDER_TYPE_FORM, "action=kill&signal=SIGHUP&wait=0"), 0);
    assert_string_equal(order.action, "kill");
    assert_string_equal(order.signal, "SIGHUP");
    assert_int_equal(order.wait_seconds, 0);
    assert_int_equal(order.back, ORDER_BACK_NONE);
    assert_int_equal(
        read_text(&order, ORDER_TYPE_FORM,
                  "action=stop&token=1-ab&back=service&query=sort%3Dcpu%26q%3Da%2520b"),
        0);
    assert_string_equal(order.token, "1-ab");
    assert_string_equal(order.query, "sort=cpu&q=a%20b");
    assert_int_equal(order.back, ORDER_BACK_SERVICE);
    assert_int_equal(read_text(&order, ORDER_TYPE_FORM, "action=start&back=board\r\n"), 0);
    assert_int_equal(order.back, ORDER_BACK_BOARD);
    assert_int_equal(read_text(&order, ORDER_TYPE_JSON, "{\"wait\": 30, \"action\": \"pause\"}"),
                     0);
    assert_string_equal(order.action, "pause");
    assert_int_equal(order.wait_seconds, 30);
}

static void bad_bodies(void **state)
{
    static const struct {
        enum order_type type;
        const char *body;
    } cases[] = {
        {ORDER_TYPE_FORM, ""},
        {ORDER_TYPE_FORM, "wait=1"},
        {ORDER_TYPE_FORM, "action=stop&wait=31"},
        {ORDER_TYPE_FORM, "action=stop&signal=SIGHUP"},
        {ORDER_TYPE_FORM, "action=kill&signal=sighup"},
        {ORDER_TYPE_FORM, "action=kill&signal="},
        {ORDER_TYPE_FORM, "action=kill&signal=AAAAAAAAAAAAAAAAA"},
        {ORDER_TYPE_FORM, "action=stop&back="},
        {ORDER_TYPE_FORM, "action=stop&back=http://evil.test/"},
        {ORDER_TYPE_FORM, "action=stop&query=a%0d%0aSet-Cookie:x"},
        {ORDER_TYPE_FORM, "action=stop&query=a%23b"},
        {ORDER_TYPE_FORM, "action=stop&query=%ff"},
        {ORDER_TYPE_FORM, "action=stop\nwait=1"},
        {ORDER_TYPE_FORM, "action=stop&token="},
        {ORDER_TYPE_FORM, "action=stop&action=stop"},
        {ORDER_TYPE_JSON, "{}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\",\"wait\":\"3\"}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\",\"wait\":true}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\",\"back\":\"board\"}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\",\"wait\":99999999999999999999}"},
        {ORDER_TYPE_JSON, "{\"action\":[\"stop\"]}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\\u0000\"}"},
        {ORDER_TYPE_JSON, "{\"action\":\"stop\"}{}"},
        {ORDER_TYPE_JSON, "{\"action\":\"st\xffop\"}"},
    };
    struct order order;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (read_text(&order, cases[i].type, cases[i].body) != -EINVAL)
            fail_msg("%s", cases[i].body);
}

static void a_nul_in_a_form(void **state)
{
    char text[] = "action=stop\0&wait=1";
    struct order order;

    (void)state;
    assert_int_equal(order_begin(&order, "blog/web", NULL), 0);
    assert_int_equal(order_read(&order, ORDER_TYPE_FORM, text, sizeof(text) - 1, NULL), -EINVAL);
}

static void what_is_done(void **state)
{
    static const struct {
        const char *action, *state;
        bool is_done;
    } cases[] = {
        {"start", "running", true},     {"start", "starting", false}, {"start", "paused", true},
        {"restart", "stopping", false}, {"stop", "stopping", false},  {"stop", "stopped", true},
        {"kill", "stopping", false},    {"kill", "running", true},    {"pause", "paused", true},
        {"start", "backoff", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct order order = {.action = cases[i].action};
        assert_int_equal(order_is_done(&order, cases[i].state), cases[i].is_done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),         cmocka_unit_test(media_types),
        cmocka_unit_test(good_bodies),     cmocka_unit_test(bad_bodies),
        cmocka_unit_test(a_nul_in_a_form), cmocka_unit_test(what_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
