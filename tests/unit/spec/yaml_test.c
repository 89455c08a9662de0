/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/spec/yaml.h"

static struct yaml_tree *parse(const char *text)
{
    struct yaml_tree *tree = NULL;
    struct error error = ERROR_INIT;

    if (yaml_tree_parse(text, strlen(text), "f.yaml", &tree, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return tree;
}

/* The tree as JSON, sorted, in a buffer that the caller frees. */
static char *dump(const struct yaml_tree *tree)
{
    return json_dumps(tree->root, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
}

/* YAML 1.2.2, section 10.3.2 */
static void scalars_follow_the_core_schema(void **state)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: no", "{\"a\":\"no\"}"},
        {"a: on", "{\"a\":\"on\"}"},
        {"a: True", "{\"a\":true}"},
        {"a: FALSE", "{\"a\":false}"},
        {"a: ~", "{\"a\":null}"},
        {"a:", "{\"a\":null}"},
        {"a: NULL", "{\"a\":null}"},
        {"a: 12", "{\"a\":12}"},
        {"a: -12", "{\"a\":-12}"},
        {"a: +12", "{\"a\":12}"},
        {"a: 0o17", "{\"a\":15}"},
        {"a: 0x1F", "{\"a\":31}"},
        {"a: 017", "{\"a\":17}"},
        {"a: 12:30", "{\"a\":\"12:30\"}"},
        {"a: 1_000", "{\"a\":\"1_000\"}"},
        {"a: 0x", "{\"a\":\"0x\"}"},
        {"a: 0o8", "{\"a\":\"0o8\"}"},
        {"a: 1.5", "{\"a\":1.5}"},
        {"a: .5", "{\"a\":0.5}"},
        {"a: 1.", "{\"a\":1.0}"},
        {"a: 1e3", "{\"a\":1000.0}"},
        {"a: .", "{\"a\":\".\"}"},
        {"a: 1e", "{\"a\":\"1e\"}"},
        {"a: '12'", "{\"a\":\"12\"}"},
        {"a: \"true\"", "{\"a\":\"true\"}"},
        {"a: !!str 12", "{\"a\":\"12\"}"},
        {"a: ! 12", "{\"a\":\"12\"}"},
        {"a: !!int \"12\"", "{\"a\":12}"},
        {"a: !!float 1", "{\"a\":1}"},
        {"a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}"},
        {"{\"a\": [1, \"\\u00e4\", null], \"b\":{\"c\":true}}",
         "{\"a\":[1,\"\xc3\xa4\",null],\"b\":{\"c\":true}}"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"},
        {"9223372036854775807", "9223372036854775807"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_yaml_tree_ struct yaml_tree *tree = parse(cases[i].yaml);
        _cleanup_free_ char *json = dump(tree);
        assert_string_equal(json, cases[i].json);
    }
}

static void anchors_and_merges_work(void **state)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}"},
        {"a: &x 010\nb: *x\n", "{\"a\":10,\"b\":10}"},
        {"a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n",
         "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":3,\"l\":2}}"},
        {"a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y]}\n",
         "{\"a\":{\"k\":1},\"b\":{\"k\":2,\"l\":2},\"c\":{\"k\":1,\"l\":2}}"},
        {"a: {<<: {k: 1}}\nb: {m: 2}\n", "{\"a\":{\"k\":1},\"b\":{\"m\":2}}"},
        {"a: {\"<<\": 1}\n", "{\"a\":{\"<<\":1}}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_yaml_tree_ struct yaml_tree *tree = parse(cases[i].yaml);
        _cleanup_free_ char *json = dump(tree);
        assert_string_equal(json, cases[i].json);
    }
}

static void every_refusal_names_its_line(void **state)
{
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        {"", "f.yaml:1: the file is empty"},
        {"# only a comment\n", "f.yaml:2: the file is empty"},
        {"a: 1\nb: 2\na: 3\n", "f.yaml:3: key \"a\" is there already, in line 1"},
        {"a: 1\n\"a\": 3\n", "f.yaml:2: key \"a\" is there already, in line 1"},
        {"a: 1\n---\nb: 1\n", "f.yaml:2: a second document begins"},
        {"a: !php/object x\n", "f.yaml:1: tag \"!php/object\" is not known"},
        {"a: !!binary aGk=\n", "f.yaml:1: tag \"tag:yaml.org,2002:binary\" is not known"},
        {"a: !!int x\n", "f.yaml:1: \"x\" is not what its tag"},
        {"a: !!set {x}\n", "f.yaml:1: tag \"tag:yaml.org,2002:set\" is not known"},
        {"a:\n  80: x\n", "f.yaml:2: key \"80\" is not text; write it in quotes"},
        {"true: x\n", "f.yaml:1: key \"true\" is not text"},
        {"[a]: x\n", "f.yaml:1: a key must be a plain or quoted text"},
        {"a: &x 1\n*x : 2\n", "f.yaml:2: a key must be"},
        {"a: *x\n", "f.yaml:1: alias \"*x\" has no anchor"},
        {"a: &x\n  b: *x\n", "f.yaml:2: alias \"*x\" has no anchor \"&x\" that ends before it"},
        {"a: \"x\\0y\"\n", "f.yaml:1: text with a NUL character"},
        {"a: 1\nb: \xff\n", "f.yaml:2: invalid leading UTF-8 octet"},
        {"a: 1\nb: \x01\n", "f.yaml:2: control characters are not allowed"},
        {"a: 9223372036854775808\n", "f.yaml:1: 9223372036854775808 does not fit into 64 bits"},
        {"a: 1e999\n", "f.yaml:1: 1e999 does not fit"},
        {"a: .inf\n", "f.yaml:1: .inf does not fit"},
        {"a: -.INF\n", "f.yaml:1: -.INF does not fit"},
        {"a: 1\n b: 2\n", "f.yaml:2: mapping values are not allowed in this context"},
        {"a: [1, 2\n", "f.yaml:2: did not find expected"},
        {"a: 'x\n", "f.yaml:2: found unexpected end of stream"},
        {"a:\n\t- b\n", "f.yaml:2: found character that cannot start any token"},
        {"a: {<<: 1}\n", "f.yaml:1: \"<<\" takes a mapping"},
        {"a: &x {}\nb:\n  <<: *x\n  <<: *x\n", "f.yaml:4: a second \"<<\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct yaml_tree *tree = NULL;
        struct error error = ERROR_INIT;
        int r = yaml_tree_parse(cases[i].yaml, strlen(cases[i].yaml), "f.yaml", &tree, &error);
        if (r != -EINVAL || strncmp(error.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %d \"%s\" in place of \"%s\"", cases[i].yaml, r, error.message,
                     cases[i].message);
        assert_null(tree);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    struct yaml_tree *tree = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(yaml_tree_parse("a: \0\n", 5, "f.yaml", &tree, &error), -EINVAL);
    assert_non_null(strstr(error.message, "f.yaml:1: "));
}

static void values_know_their_lines(void **state)
{
    _cleanup_yaml_tree_ struct yaml_tree *tree = parse("a:\n"
                                                       "  b: &x\n"
                                                       "    c: 0755\n"
                                                       "  d:\n"
                                                       "    - 1\n"
                                                       "    - 2\n"
                                                       "e:\n"
                                                       "  <<: *x\n"
                                                       "f: *x\n");
    const struct positions *positions = &tree->positions;
    json_t *a = json_object_get(tree->root, "a");

    (void)state;
    assert_int_equal(positions_find(positions, tree->root, "e", 0)->line, 7);
    assert_int_equal(positions_find(positions, a, "d", 0)->line, 4);
    assert_int_equal(positions_find(positions, json_object_get(a, "d"), NULL, 1)->line, 6);
    const struct position *merged =
        positions_find(positions, json_object_get(tree->root, "e"), "c", 0);
    assert_int_equal(merged->line, 3);
    assert_string_equal(merged->written, "0755");
    /* An alias is the very value of its anchor. */
    assert_ptr_equal(json_object_get(tree->root, "f"), json_object_get(a, "b"));
    assert_null(positions_find(positions, a, "no", 0));
}

/* ---- bombs ---- */

static void expect_too_big(const char *text, const char *message)
{
    struct yaml_tree *tree = NULL;
    struct error error = ERROR_INIT;

    assert_int_equal(yaml_tree_parse(text, strlen(text), "f.yaml", &tree, &error), -E2BIG);
    assert_non_null(strstr(error.message, message));
}

/* "Billion laughs": each line repeats the one before ten times. */
static void repeated_aliases_are_bounded(void **state)
{
    char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";

    (void)state;
    for (int i = 1; i < 12; i++) {
        size_t used = strlen(text);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%s*a%d", k ? "," : "", i - 1);
        snprintf(text + used, sizeof(text) - used, "]\n");
    }
    expect_too_big(text, "f.yaml:5: more than 100000 values, aliases counted");
}

static void repeated_text_is_bounded(void **state)
{
    _cleanup_free_ char *text = malloc(600000);
    size_t used = (size_t)sprintf(text, "a: &a \"");

    (void)state;
    memset(text + used, 'x', 500000);
    used += 500000;
    used += (size_t)sprintf(text + used, "\"\n");
    for (int i = 0; i < 10; i++)
        used += (size_t)sprintf(text + used, "b%d: *a\n", i);
    expect_too_big(text, "f.yaml:9: more than 4194304 bytes of text");
}

static void merges_count_as_what_they_merge(void **state)
{
    _cleanup_free_ char *text = malloc(600000);
    size_t used = (size_t)sprintf(text, "a: &a\n");

    (void)state;
    for (int i = 0; i < 2000; i++)
        used += (size_t)sprintf(text + used, "  k%d: 1\n", i);
    for (int i = 0; i < 60; i++)
        used += (size_t)sprintf(text + used, "b%d: {<<: *a}\n", i);
    expect_too_big(text, "more than 100000 values");
}

static void depth_is_bounded(void **state)
{
    char text[400];

    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    yaml_tree_free(parse(text));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    expect_too_big(text, "f.yaml:1: nested deeper than 64 levels");

    /* The same by way of aliases: each is 40 deep, one in the other 80. */
    char *at = text + sprintf(text, "a: &a ");
    memset(at, '[', 40);
    memset(at + 40, ']', 40);
    at += 80;
    at += sprintf(at, "\nb: ");
    memset(at, '[', 40);
    at += 40;
    at += sprintf(at, "*a");
    memset(at, ']', 40);
    at[40] = '\0';
    expect_too_big(text, "f.yaml:2: nested deeper than 64 levels");
}

static void size_is_bounded(void **state)
{
    _cleanup_free_ char *text = malloc(YAML_FILE_MAX + 2);

    (void)state;
    memset(text, '#', YAML_FILE_MAX + 1);
    text[YAML_FILE_MAX + 1] = '\0';
    expect_too_big(text, "f.yaml: larger than 1048576 bytes");
}

static void anchors_are_bounded(void **state)
{
    _cleanup_free_ char *text = malloc(40000);
    size_t used = 0;

    (void)state;
    for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
        used += (size_t)sprintf(text + used, "- &a%d 1\n", i);
    expect_too_big(text, "f.yaml:1001: more than 1000 anchors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(anchors_and_merges_work),
        cmocka_unit_test(every_refusal_names_its_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(values_know_their_lines),
        cmocka_unit_test(repeated_aliases_are_bounded),
        cmocka_unit_test(repeated_text_is_bounded),
        cmocka_unit_test(merges_count_as_what_they_merge),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(anchors_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
