/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The throttle table as any bytes: the input overwrites a small table at places that it chooses,
 * then requests count in it and readers look. Nobody gets out of bounds, nobody turns for ever, and
 * what is shown is in range.
 *
 * libFuzzer: -max_len=4096
 */
#include <stdint.h>
#include <string.h>

#include "common/throttle_internal.h"
#include "tests/fuzz/config_checks.h"

#define NOW (UINT64_C(1) << 50)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct throttle_table *table;

static struct network client_of(uint8_t byte)
{
    const uint8_t bytes[4] = {192, 0, 2, byte};

    return network_of(bytes, sizeof(bytes), 32, 64);
}

static void use(uint8_t byte, uint64_t now)
{
    const struct throttle_limit limits[] = {{.units = 3, .interval_usec = 1000},
                                            {.units = 3, .burst = 2, .interval_usec = 1000}};
    const struct throttle_subject subject = {
        .rule = byte & 3, .zone = 1, .client = client_of(byte)};
    struct throttle_block block = {
        .client = client_of(byte), .zone = 1, .period_usec = 5000, .is_renewed = true};

    throttle_take(table, &subject, &limits[byte & 1], 1, now);
    if (byte & 4)
        throttle_block(table, &block, now);
    if (throttle_is_blocked(table, &block.client, 1, now, &block))
        check(block.client.family == 4 && block.client.bits <= 32);
    if (byte & 8)
        throttle_unblock(table, &block.client, 0, true, now);
}

/* {where: 2 bytes, in words of eight bytes from the first part that children write}{a word}... */
static void overwrite(const uint8_t *data, size_t size)
{
    char *start = (char *)table->header + offsetof(struct throttle_header, counts);
    size_t words = (table->size - offsetof(struct throttle_header, counts)) / sizeof(uint64_t);

    for (; size >= 10; data += 10, size -= 10) {
        size_t where = (size_t)(data[0] | data[1] << 8) * 7 % words;
        memcpy(start + where * sizeof(uint64_t), data + 2, sizeof(uint64_t));
        use(data[9], NOW + data[0] * 100u);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct throttle_block blocks[8];
    struct throttle_talker talkers[8];
    struct throttle_event events[8];
    struct throttle_totals totals;
    char name[THROTTLE_NAME_SIZE];
    size_t total;

    if (!table)
        check(throttle_create(NULL, THROTTLE_ENTRIES_MIN, false, &table, NULL) == 0);
    overwrite(data, size);
    throttle_totals(table, NOW, &totals);
    check(totals.used <= totals.entries && totals.blocks <= totals.used);
    size_t count = throttle_blocks(table, NULL, NOW, blocks, 8, &total);
    check(count <= 8 && count <= total);
    for (size_t i = 0; i < count; i++) {
        char text[NETWORK_TEXT_SIZE];
        check(strcmp(network_format(&blocks[i].client, text), "?") != 0);
        throttle_name_of(table, blocks[i].zone, name);
        check(strnlen(name, sizeof(name)) < sizeof(name));
    }
    check(throttle_talkers(table, NOW, talkers, 8, NULL) <= 8);
    count = throttle_events(table, size, events, 8);
    for (size_t i = 0; i < count; i++)
        check(events[i].number > size);
    return 0;
}
