/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's file of history, any bytes: reading gives steps that stand in the file, whole and in
 * their place; writing after it gives a file from which what was written is read. The input is laid
 * over a file of two services, sixteen bytes at a time at places that it names itself, for a whole
 * file would be too large to be found; or it is the file.
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
#include "supervisor/daemon/history_file.h"
#include "supervisor/daemon/log.h"
#include "tests/fuzz/config_checks.h"

#define PATCH  16
#define NUMBER UINT64_C(982000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "build/fuzz/history/XXXXXX";
static int data_fd = -1;

static void remove_all(void)
{
    unlinkat(data_fd, "history/blog", 0);
    unlinkat(data_fd, "history/blog.corrupt", 0);
    unlinkat(data_fd, "history", AT_REMOVEDIR);
    rmdir(directory);
}

static void make_directory(void)
{
    check(mkdtemp(directory) != NULL);
    data_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(data_fd >= 0 && atexit(remove_all) == 0 && mkdirat(data_fd, "history", 0700) == 0);
}

static void write_step(const char *service, enum history_grain grain, uint32_t value)
{
    const struct history_record record = {
        .grain = grain, .number = NUMBER, .step = {{value, 2, 3, 4}, 5}};

    check(history_file_write(data_fd, "blog", service, &record, 1, NULL) == 0);
}

/* Places are in units of eight bytes, so that the second block is reached by a short number. */
static void lay_over(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = openat(data_fd, "history/blog", O_RDWR | O_CLOEXEC);

    check(fd >= 0);
    while (size > 2) {
        off_t at = 8 * (data[0] | data[1] << 8);
        size_t length = size - 2 < PATCH ? size - 2 : PATCH;
        check(pwrite(fd, data + 2, length, at) == (ssize_t)length);
        data += 2 + length;
        size -= 2 + length;
    }
}

static void whole_file(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = openat(data_fd, "history/blog", O_RDWR | O_TRUNC | O_CLOEXEC);

    check(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
}

/* Only steps that were written can come out: the checksum is not found by chance. */
static void check_steps(const char *service, enum history_grain grain)
{
    static struct history_step steps[HISTORY_FILE_RECORDS];
    uint64_t first = NUMBER - HISTORY_FILE_RECORDS / 2;

    memset(steps, 0x5a, sizeof(steps));
    check(history_file_read(data_fd, "blog", service, grain, first, HISTORY_FILE_RECORDS, steps,
                            NULL) == 0);
    for (size_t i = 0; i < HISTORY_FILE_RECORDS; i++) {
        bool is_absent = memcmp(&steps[i], &history_step_absent, sizeof(steps[i])) == 0;
        check(is_absent || (first + i == NUMBER && steps[i].point.memory_kib == 2 &&
                            steps[i].point.io_rate == 3 && steps[i].faults == 5));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history_step step;

    if (data_fd < 0)
        make_directory();
    unlinkat(data_fd, "history/blog", 0);
    write_step("web", HISTORY_GRAIN_HALF_HOUR, 1);
    write_step("db", HISTORY_GRAIN_MINUTE, 1);
    if (size > 0 && data[0] % 2)
        whole_file(data + 1, size - 1);
    else if (size > 0)
        lay_over(data + 1, size - 1);
    check_steps("web", HISTORY_GRAIN_HALF_HOUR);
    check_steps("db", HISTORY_GRAIN_MINUTE);
    check_steps("other", HISTORY_GRAIN_MINUTE);
    write_step("other", HISTORY_GRAIN_MINUTE, 77);
    check(history_file_read(data_fd, "blog", "other", HISTORY_GRAIN_MINUTE, NUMBER, 1, &step,
                            NULL) == 0);
    check(step.point.cpu_centi == 77);
    struct stat st;
    check(fstatat(data_fd, "history/blog", &st, 0) == 0);
    check(st.st_size <= HISTORY_FILE_SIZE + (off_t)HISTORY_FILE_SERVICES * HISTORY_BLOCK_SIZE);
    return 0;
}
