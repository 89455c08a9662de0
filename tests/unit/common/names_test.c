/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/names.h"

#define A63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"

static void valid_names(void **state)
{
    static const char *const good[] = {"a", "0", "blog", "a-b", "a--b", "9to5", A63};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        assert_true(name_is_valid(good[i]));
}

static void invalid_names(void **state)
{
    static const char *const bad[] = {
        "",      "-",     "-a",  "a-",   "A",       "a.b",      "..",        ".",
        "a/b",   "a b",   "a_b", " a",   "a\n",     "\xc3\xa4", "a\x7f",     "a%00",
        A63 "4", "a\xff", "a:b", "a\\b", "a\x1b[m", "xn--\xff", "root@host",
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_false(name_is_valid(bad[i]));
        error.code = 0;
        assert_int_equal(name_check("tenant", bad[i], &error), -EINVAL);
        assert_non_null(strstr(error.message, "is not a tenant name"));
    }
}

static void split_gives_both_halves(void **state)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];

    (void)state;
    assert_int_equal(name_split("blog/web", tenant, service, NULL), 0);
    assert_string_equal(tenant, "blog");
    assert_string_equal(service, "web");
    assert_int_equal(name_split(A63 "/" A63, tenant, service, NULL), 0);
    assert_string_equal(tenant, A63);
    assert_string_equal(service, A63);
}

static void split_refuses_what_is_not_a_pair(void **state)
{
    static const char *const bad[] = {
        "",     "blog",   "/",      "blog/", "/web",      "a/b/c",
        "a//b", "../web", "blog/.", "A/web", A63 "4/web", "web/" A63 "4",
    };
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct error error = ERROR_INIT;
        assert_int_equal(name_split(bad[i], tenant, service, &error), -EINVAL);
        assert_true(strlen(error.message) > 10);
    }
}

static void the_standard_places(void **state)
{
    static const char *const none[] = {NULL, ""};
    struct paths paths;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        memset(&paths, 'x', sizeof(paths));
        assert_int_equal(paths_init(&paths, none[i], NULL), 0);
        assert_string_equal(paths.etc, "/etc/container-supervisor");
        assert_string_equal(paths.run, "/run/container-supervisor");
        assert_string_equal(paths.data, "/var/lib/container-supervisor");
    }
}

static void everything_moves_below_a_root(void **state)
{
    char buffer[PATH_MAX];
    struct paths paths;

    (void)state;
    assert_int_equal(paths_init(&paths, "/srv/x", NULL), 0);
    assert_string_equal(paths.etc, "/srv/x/etc");
    assert_string_equal(paths.run, "/srv/x/run");
    assert_string_equal(paths.data, "/srv/x/lib");
    assert_int_equal(path_control_socket(&paths, buffer, NULL), 0);
    assert_string_equal(buffer, "/srv/x/run/control.sock");
    assert_int_equal(path_scoreboard(&paths, buffer, NULL), 0);
    assert_string_equal(buffer, "/srv/x/run/scoreboard");
}

static void roots_that_cannot_be(void **state)
{
    char root[PATH_MAX + 10];
    struct error error = ERROR_INIT;
    struct paths paths;

    (void)state;
    assert_int_equal(paths_init(&paths, "relative/x", &error), -EINVAL);
    assert_non_null(strstr(error.message, "relative/x"));
    memset(root, '/', sizeof(root));
    root[sizeof(root) - 1] = '\0';
    assert_int_equal(paths_init(&paths, root, &error), -ENAMETOOLONG);
}

static void a_typed_path_becomes_absolute(void **state)
{
    char buffer[PATH_MAX], wanted[PATH_MAX];
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(path_absolute(buffer, "/srv/x", &error), 0);
    assert_string_equal(buffer, "/srv/x");
    assert_int_equal(chdir("/tmp"), 0);
    assert_int_equal(path_absolute(buffer, "a/b", &error), 0);
    assert_non_null(getcwd(wanted, sizeof(wanted) - 5));
    strcat(wanted, "/a/b");
    assert_string_equal(buffer, wanted);
}

static void join_fits_exactly_or_not_at_all(void **state)
{
    char directory[PATH_MAX], buffer[PATH_MAX];

    (void)state;
    memset(directory, 'd', sizeof(directory));
    directory[PATH_MAX - 3] = '\0'; /* with "/" and "n" that is PATH_MAX - 1 bytes */
    assert_int_equal(path_join(buffer, directory, "n", NULL), 0);
    assert_int_equal(strlen(buffer), PATH_MAX - 1);
    assert_int_equal(path_join(buffer, directory, "nn", NULL), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_names),
        cmocka_unit_test(invalid_names),
        cmocka_unit_test(split_gives_both_halves),
        cmocka_unit_test(split_refuses_what_is_not_a_pair),
        cmocka_unit_test(the_standard_places),
        cmocka_unit_test(everything_moves_below_a_root),
        cmocka_unit_test(roots_that_cannot_be),
        cmocka_unit_test(a_typed_path_becomes_absolute),
        cmocka_unit_test(join_fits_exactly_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
