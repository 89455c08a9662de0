/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/limit_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/board/limit_link.h"
#include "common/cleanup.h"

#define FILE_NAME "limit-key"

/* A whole file or none: written beside it, then put in its place. Group 0 keeps it root's. */
static int write_key(int directory, const uint8_t key[SEAL_KEY_SIZE], mode_t mode, gid_t gid)
{
    _cleanup_close_ int fd = openat(directory, FILE_NAME ".new",
                                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    ssize_t length = write(fd, key, SEAL_KEY_SIZE);
    if (length == SEAL_KEY_SIZE && fchown(fd, 0, gid) == 0 && fchmod(fd, mode) == 0 &&
        fsync(fd) == 0 && renameat(directory, FILE_NAME ".new", directory, FILE_NAME) == 0)
        return 0;
    int r = length >= 0 && length < SEAL_KEY_SIZE ? -ENOSPC : -errno;
    unlinkat(directory, FILE_NAME ".new", 0);
    return r;
}

static int take_key(struct engine *engine, uint8_t key[SEAL_KEY_SIZE], struct error *error)
{
    char path[PATH_MAX];
    int r = path_join(path, engine->settings.paths.data, FILE_NAME, error);

    if (r == 0)
        r = limit_key_read(path, key, error);
    if (r != -ENOENT)
        return r;
    if (getrandom(key, SEAL_KEY_SIZE, 0) != SEAL_KEY_SIZE)
        return error_sys(error, errno, "random bytes for %s", path);
    r = write_key(engine->data_fd, key, 0600, 0);
    return r < 0 ? error_sys(error, -r, "write %s", path) : 0;
}

int limit_key_publish(struct engine *engine, struct error *error)
{
    const struct settings *settings = &engine->settings;
    uint8_t key[SEAL_KEY_SIZE];
    _cleanup_close_ int run = open(settings->paths.run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (run < 0)
        return error_sys(error, errno, "open %s", settings->paths.run);
    int r = take_key(engine, key, error);
    if (r < 0)
        return r;
    r = write_key(run, key, 0640, settings->web_gid);
    return r < 0 ? error_sys(error, -r, "write %s/" FILE_NAME, settings->paths.run) : 0;
}

void limit_key_withdraw(struct engine *engine)
{
    char path[PATH_MAX];

    if (path_limit_key(&engine->settings.paths, path, NULL) == 0)
        unlink(path);
}
