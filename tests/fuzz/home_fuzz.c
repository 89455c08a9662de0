/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etc/passwd of an image, any bytes: the home directory that is found is absolute, fits, and stands
 * in the line of the user who is asked for.
 *
 * libFuzzer: -max_len=2048 -dict=tests/fuzz/passwd.dict
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/home.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "build/fuzz/home/XXXXXX";
static int root_fd = -1, file_fd = -1;

static void remove_root(void)
{
    unlinkat(root_fd, "etc/passwd", 0);
    unlinkat(root_fd, "etc", AT_REMOVEDIR);
    rmdir(directory);
}

static void make_root(void)
{
    check(mkdtemp(directory) != NULL);
    root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(root_fd >= 0 && atexit(remove_root) == 0 && mkdirat(root_fd, "etc", 0700) == 0);
    file_fd = openat(root_fd, "etc/passwd", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(file_fd >= 0);
}

static void check_home(const uint8_t *data, size_t size, uint32_t uid)
{
    char home[HOME_MAX], part[HOME_MAX + 2];

    memset(home, 'x', sizeof(home));
    home_find(root_fd, uid, home);
    check(memchr(home, '\0', sizeof(home)) != NULL && home[0] == '/');
    if (strcmp(home, "/") == 0)
        return;
    check(!strpbrk(home, ":\n"));
    snprintf(part, sizeof(part), ":%s:", home);
    check(memmem(data, size, part, strlen(part)) != NULL);
    snprintf(part, sizeof(part), "%u:", uid);
    check(memmem(data, size, part, strlen(part)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (root_fd < 0)
        make_root();
    check(ftruncate(file_fd, 0) == 0 && pwrite(file_fd, data, size, 0) == (ssize_t)size);
    check_home(data, size, 0);
    check_home(data, size, 1000);
    check_home(data, size, UINT32_MAX);
    return 0;
}
