/* SPDX-License-Identifier: Apache-2.0 */
/* Options of file systems, taken apart as the kernel does it for mount(2). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/sys/mount.h"

static void options_are_taken_apart(void **state)
{
    static const struct {
        const char *options, *parts; /* "[key]" or "[key=value]" */
    } cases[] = {
        {"", ""},
        {",,", ""},
        {"a", "[a]"},
        {"mode=755,ro,,size=1m,", "[mode=755][ro][size=1m]"},
        {"a=b=c,d=", "[a=b=c][d=]"},
        {"context=\"a:b:c:s0:c1,c2\",mode=1777", "[context=a:b:c:s0:c1,c2][mode=1777]"},
        {"ro,rootcontext=\"x\"", "[ro][rootcontext=x]"},
        {"other=\"x,y\",z", "[other=\"x,y\"][z]"},
        {"context=\"x,mode=1", "[context=x,mode=1]"},
        {"lowerdir=/a\\,b:/c,userxattr", "[lowerdir=/a\\,b:/c][userxattr]"},
        {"a\\", "[a\\]"},
        {"a\\\\,b", "[a\\\\][b]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char options[64], parts[128] = "", *rest = options, *key, *value;
        strcpy(options, cases[i].options);
        while (mount_option_next(&rest, &key, &value)) {
            size_t used = strlen(parts);
            snprintf(parts + used, sizeof(parts) - used, "[%s%s%s]", key, value ? "=" : "",
                     value ? value : "");
        }
        assert_string_equal(parts, cases[i].parts);
    }
}

/* The layers of an image whose path has a comma in it. */
static void overlay_takes_a_comma_in_a_path(void **state)
{
    char directory[] = "/tmp/mount-test-XXXXXX", options[128], layer[2][64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(layer[0], sizeof(layer[0]), "%s/a,b", directory);
    snprintf(layer[1], sizeof(layer[1]), "%s/c", directory);
    assert_int_equal(mkdir(layer[0], 0700), 0);
    assert_int_equal(mkdir(layer[1], 0700), 0);
    snprintf(options, sizeof(options), "lowerdir=%s/a\\,b:%s", directory, layer[1]);
    _cleanup_close_ int mount = mount_new("overlay", "overlay", options, 0);
    rmdir(layer[0]);
    rmdir(layer[1]);
    rmdir(directory);
    if (mount < 0)
        fail_msg("%s: %s", options, strerror(-mount));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_apart),
        cmocka_unit_test(overlay_takes_a_comma_in_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
