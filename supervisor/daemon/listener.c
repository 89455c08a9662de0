/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

/* As many as the kernel lets wait (net.core.somaxconn, 4096 by default); listen(2) takes the
 * smaller. */
#define BACKLOG 4096

static int make_directory(const char *path, gid_t gid, struct error *error)
{
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return error_sys(error, errno, "make %s", path);
    if (chown(path, 0, gid) < 0)
        return error_sys(error, errno, "set the owner of %s", path);
    return 0;
}

int listener_open(const struct settings *settings, const char *tenant, const char *service,
                  char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[PATH_MAX];

    int r = path_join(directory, settings->paths.run, "services", error);
    if (r == 0)
        r = make_directory(directory, settings->web_gid, error);
    if (r < 0)
        return r;
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/%s.sock", directory,
                          tenant, service);
    if (length < 0 || length >= (int)sizeof(address.sun_path))
        return error_set(error, ENAMETOOLONG,
                         "%s/%s/%s.sock: a socket's path has at most %zu bytes; choose a shorter "
                         "--root or shorter names",
                         directory, tenant, service, sizeof(address.sun_path) - 1);
    *strrchr(address.sun_path, '/') = '\0';
    r = make_directory(address.sun_path, settings->web_gid, error);
    if (r < 0)
        return r;
    address.sun_path[strlen(address.sun_path)] = '/';

    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_sys(error, errno, "make a socket");
    unlink(address.sun_path);
    mode_t mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0)
        return error_sys(error, -r, "bind %s", address.sun_path);
    if (chown(address.sun_path, 0, settings->web_gid) < 0 || chmod(address.sun_path, 0660) < 0 ||
        listen(fd, BACKLOG) < 0) {
        r = error_sys(error, errno, "set up %s", address.sun_path);
        unlink(address.sun_path);
        return r;
    }
    strcpy(path, address.sun_path);
    return steal_fd(&fd);
}

void listener_remove(const char *path)
{
    char directory[PATH_MAX];

    unlink(path);
    snprintf(directory, sizeof(directory), "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash) {
        *slash = '\0';
        rmdir(directory);
    }
}
