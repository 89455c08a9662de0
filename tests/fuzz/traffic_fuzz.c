/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic board as any bytes: the input overwrites the file of a board with one service, at
 * places that it chooses. Readers get nothing that is out of bounds, whatever is there.
 *
 * libFuzzer: -max_len=4096
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/traffic_internal.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "build/fuzz/traffic/XXXXXX";
static struct traffic_layout layout;
static uint64_t hash_key[2];
static uint32_t slot_index;

static void remove_file(void)
{
    unlink(path);
}

/* A sparse file of a board, written once; each input begins with a fresh one. */
static void begin(int fd)
{
    struct traffic_header header;
    struct traffic_name name;
    const uint32_t is_named = 1;

    traffic_header_fill(&header, 64);
    traffic_layout_of(64, &layout);
    traffic_name_of("blog", "web", &name);
    uint64_t key = traffic_key(hash_key, &name);
    slot_index = (uint32_t)key & 63;
    check(ftruncate(fd, 0) == 0 && ftruncate(fd, layout.size) == 0);
    check(pwrite(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header));
    check(pwrite(fd, &key, sizeof(key), layout.keys + (off_t)slot_index * 8) == 8);
    off_t slot = layout.slots + (off_t)slot_index * TRAFFIC_SLOT_SIZE;
    check(pwrite(fd, &is_named, sizeof(is_named), slot) == 4);
    check(pwrite(fd, &name, sizeof(name), slot + (off_t)offsetof(struct traffic_slot, name)) ==
          (ssize_t)sizeof(name));
}

/* {where: 1 byte, offset: 2 bytes, length: 1 byte, bytes}... */
static void overwrite(int fd, const uint8_t *data, size_t size)
{
    const off_t places[] = {0,
                            layout.keys,
                            layout.claims,
                            layout.details,
                            layout.slots + (off_t)slot_index * TRAFFIC_SLOT_SIZE,
                            layout.slots + (off_t)slot_index * TRAFFIC_SLOT_SIZE + 1280};

    while (size > 4) {
        size_t length = data[3] < size - 4 ? data[3] : size - 4;
        if (data[0] == 255)
            check(ftruncate(fd, (data[1] << 8 | data[2]) * 16) == 0);
        else
            check(pwrite(fd, data + 4, length,
                         places[data[0] % 6] + (data[1] << 8 | data[2]) % 4096) == (ssize_t)length);
        data += 4 + length;
        size -= 4 + length;
    }
}

static void check_request(const struct traffic_request *request)
{
    check(strnlen(request->uri, sizeof(request->uri)) < sizeof(request->uri));
    check(strnlen(request->method, sizeof(request->method)) < sizeof(request->method));
    check(strnlen(request->client, sizeof(request->client)) < sizeof(request->client));
    check(strnlen(request->protocol, sizeof(request->protocol)) < sizeof(request->protocol));
}

static void read_all(const struct traffic_reader *reader)
{
    static struct traffic_request requests[TRAFFIC_IN_FLIGHT];
    struct traffic_totals totals = {0};
    uint32_t hint = UINT32_MAX, total;
    uint32_t *counts = calloc((size_t)traffic_slot_count(reader) + 1, sizeof(*counts));

    check(counts != NULL);
    traffic_read(reader, "blog", "web", &hint, &totals);
    traffic_read_other(reader, &totals);
    traffic_quantile(totals.histogram, 990);
    traffic_count_in_flight(reader, counts);
    free(counts);
    size_t count = traffic_read_in_flight(reader, "blog", "web", requests, 100, &total);
    check(count <= 100 && count <= total && total <= TRAFFIC_IN_FLIGHT);
    for (size_t i = 0; i < count; i++)
        check_request(&requests[i]);
    count = traffic_read_recent(reader, "blog", "web", requests, 100);
    check(count <= TRAFFIC_RECENT);
    for (size_t i = 0; i < count; i++)
        check_request(&requests[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct traffic_reader *reader;
    struct error error = ERROR_INIT;

    if (fd < 0) {
        fd = mkostemp(path, O_CLOEXEC);
        check(fd >= 0 && atexit(remove_file) == 0);
    }
    begin(fd);
    check(traffic_open(path, &reader, &error) == 0);
    overwrite(fd, data, size);
    traffic_is_retired(reader);
    read_all(reader);
    traffic_close(reader);
    if (traffic_open(path, &reader, &error) == 0) {
        read_all(reader);
        traffic_close(reader);
    }
    return 0;
}
