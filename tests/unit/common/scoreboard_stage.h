/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_COMMON_SCOREBOARD_STAGE_H
#define UNIT_COMMON_SCOREBOARD_STAGE_H

/* A board of four slots in a directory of its own. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/scoreboard.h"

/* docs/scoreboard.md: where things lie in the file. */
#define AT_ABI            8
#define AT_SLOT_SIZE      16
#define AT_SLOT_COUNT     20
#define AT_SLOTS_USED     24
#define AT_BOOT_ID        80
#define AT_SLOT(index)    (4096 + 1792 * (off_t)(index))
#define AT_HISTORY(index) (AT_SLOT(SLOTS) + 2744 * (off_t)(index))

#define SLOTS 4u

struct fixture {
    char directory[32];
    char path[64];
    struct scoreboard_info info;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->directory, "/tmp/scoreboard.XXXXXX");
    if (!mkdtemp(fixture->directory))
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/board", fixture->directory);
    fixture->info = (struct scoreboard_info){
        .engine_pid = (uint32_t)getpid(),
        .cpus = 2,
        .engine_started_realtime_usec = 11,
        .engine_started_boottime_usec = 22,
        .sample_interval_usec = 1000000,
        .memory_total_bytes = 33,
        .version = "9.8.7",
    };
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    int r;

    unlink(fixture->path);
    r = rmdir(fixture->directory); /* fails if a board left a file of another name */
    free(fixture);
    return r;
}

static inline struct scoreboard_writer *create(const struct fixture *fixture)
{
    struct scoreboard_writer *writer = NULL;
    struct error error = ERROR_INIT;

    if (scoreboard_create(fixture->path, SLOTS, 0, &fixture->info, &writer, &error) < 0)
        fail_msg("%s", error.message);
    return writer;
}

static inline struct scoreboard_reader *open_board(const struct fixture *fixture)
{
    struct scoreboard_reader *reader = NULL;
    struct error error = ERROR_INIT;

    if (scoreboard_open(fixture->path, &reader, &error) < 0)
        fail_msg("%s", error.message);
    return reader;
}

static inline void poke(const struct fixture *fixture, off_t at, const void *bytes, size_t size)
{
    _cleanup_close_ int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, bytes, size, at), size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
