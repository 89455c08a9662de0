/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people write as a size, a duration, a number, an identity (`exec --user`) or a list of CPUs,
 * as any text: what is taken is within its bounds and has no sign, no blank and no rest, and a
 * plain number is the one that is written.
 *
 * libFuzzer: -max_len=128 -dict=tests/fuzz/number.dict
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/user.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(int r)
{
    check(r == 0 || r == -EINVAL || r == -ERANGE);
}

static bool are_digits(const char *text, size_t length)
{
    return length > 0 && strspn(text, "0123456789") >= length;
}

/* Whether text is the number, but for zeros in front. */
static bool is_number(const char *text, uint64_t number)
{
    char written[24];

    snprintf(written, sizeof(written), "%" PRIu64, number);
    while (text[0] == '0' && text[1])
        text++;
    return strcmp(text, written) == 0;
}

static void check_units(const char *text, uint64_t max)
{
    char buffer[32];
    uint64_t value = 0;

    int r = parse_u64(text, max, &value);
    check_result(r);
    check((r == -EINVAL) == !are_digits(text, strlen(text)) || r == -ERANGE);
    check(r != 0 || (value <= max && is_number(text, value)));
    r = parse_size(text, &value);
    check_result(r);
    check(r != 0 || (value <= INT64_MAX && are_digits(text, 1)));
    if (r == 0 && are_digits(text, strlen(text)))
        check(is_number(text, value));
    if (r == 0)
        check(strlen(format_size(value, buffer, sizeof(buffer))) <= 5);
    r = parse_duration(text, &value);
    check_result(r);
    check(r != 0 || (value <= INT64_MAX / 2 && are_digits(text, 1)));
    if (r == 0)
        check(strlen(format_duration(value, buffer, sizeof(buffer))) < sizeof(buffer) - 1);
    r = parse_milli(text, max, &value);
    check_result(r);
    check(r != 0 || (value <= max && are_digits(text, 1)));
}

static void check_user(const char *text, uint64_t max)
{
    struct user_ids ids = {0};
    struct error error = ERROR_INIT;
    uint32_t id = 0;
    uint64_t number = 0;
    char whole[32];

    int r = user_parse(text, &ids, &error);
    check(r == 0 || (r == -EINVAL && strncmp(error.message, "--user: ", 8) == 0));
    if (r == 0) {
        const char *colon = strchr(text, ':');
        check(ids.uid != UINT32_MAX && ids.gid != UINT32_MAX && ids.has_gid == (colon != NULL));
        check(colon ? is_number(colon + 1, ids.gid) : ids.gid == 0);
        snprintf(whole, sizeof(whole), "%.*s", (int)strcspn(text, ":"), text);
        check(is_number(whole, ids.uid));
    }
    r = user_parse_id("--additional-gids", text, &id, &error);
    check(r == 0 ? id != UINT32_MAX && is_number(text, id) : r == -EINVAL && error.message[0]);
    r = user_parse_number("--preserve-fds", text, max, &number, &error);
    check(r == 0 ? number <= max && is_number(text, number) : r == -EINVAL);
}

static void check_bits(const char *text)
{
    uint64_t bits[CONFIG_BITS / 64], all = 0;
    struct error error = ERROR_INIT;
    int r = config_read_bits(text, "cpus", bits, &error);

    check_result(r);
    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++)
        all |= bits[i];
    check(r < 0 ? strncmp(error.message, "cpus: ", 6) == 0
                : all && !text[strspn(text, "0123456789-,")]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t limits[] = {0,         1,          1023,      1024,
                                      INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};

    if (size == 0)
        return 0;
    /* The first byte chooses what is allowed. */
    _cleanup_free_ char *text = strndup((const char *)data + 1, size - 1);
    uint64_t max = limits[data[0] % ARRAY_LENGTH(limits)];

    check_units(text, max);
    check_user(text, max);
    check_bits(text);
    return 0;
}
