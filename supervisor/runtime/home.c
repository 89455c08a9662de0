/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/sys/openat2.h"

#define FILE_MAX_SIZE (256 * 1024)

/* passwd(5): name:password:uid:gid:gecos:home:shell. The line is changed. */
static bool is_home_of(char *line, uint32_t uid, const char **home)
{
    char *fields[7];
    char *end;

    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        fields[i] = strsep(&line, ":");
        if (!fields[i])
            return false;
    }
    /* Digits only: strtoul() would take "-1" and " 0", too. */
    if (!*fields[2] || strspn(fields[2], "0123456789") != strlen(fields[2]))
        return false;
    errno = 0;
    unsigned long long number = strtoull(fields[2], &end, 10);
    *home = fields[5];
    return errno == 0 && number == uid && fields[5][0] == '/' && strlen(fields[5]) < HOME_MAX;
}

void home_find(int root_fd, uint32_t uid, char *home)
{
    struct stat st;
    const char *found;

    strcpy(home, "/");
    /* A FIFO in its place must not make us wait. */
    _cleanup_close_ int fd = open_in_root(root_fd, "/etc/passwd", O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    _cleanup_free_ char *text = malloc(FILE_MAX_SIZE + 1);
    ssize_t length = text ? read(fd, text, FILE_MAX_SIZE) : -1;
    if (length <= 0)
        return;
    text[length] = '\0';
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        if (is_home_of(line, uid, &found)) {
            strcpy(home, found);
            return;
        }
}
