/* SPDX-License-Identifier: Apache-2.0 */
#include "common/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool name_is_valid(const char *text)
{
    size_t length = strnlen(text, NAME_MAX_LENGTH + 1);

    if (length == 0 || length > NAME_MAX_LENGTH)
        return false;
    if (text[0] == '-' || text[length - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

int name_check(const char *what, const char *text, struct error *error)
{
    if (name_is_valid(text))
        return 0;
    return error_set(error, EINVAL,
                     "\"%.80s\" is not a %s name; write 1 to 63 of a-z, 0-9 and '-', "
                     "with no '-' at either end",
                     text, what);
}

int name_split(const char *text, char *tenant, char *service, struct error *error)
{
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : 0;

    if (!slash || length > NAME_MAX_LENGTH || strlen(slash + 1) > NAME_MAX_LENGTH)
        return error_set(error, EINVAL, "\"%.160s\" is not TENANT/SERVICE", text);
    memcpy(tenant, text, length);
    tenant[length] = '\0';
    strcpy(service, slash + 1);
    int r = name_check("tenant", tenant, error);
    return r < 0 ? r : name_check("service", service, error);
}

int path_join(char *buffer, const char *directory, const char *name, struct error *error)
{
    int length = snprintf(buffer, PATH_MAX, "%s/%s", directory, name);

    if (length < 0 || length >= PATH_MAX)
        return error_set(error, ENAMETOOLONG, "%.200s.../%.200s: path too long", directory, name);
    return 0;
}

int path_absolute(char *buffer, const char *path, struct error *error)
{
    char here[PATH_MAX];

    if (path[0] != '/') {
        if (!getcwd(here, sizeof(here)))
            return error_sys(error, errno, "%.200s: the working directory", path);
        return path_join(buffer, here, path, error);
    }
    if (snprintf(buffer, PATH_MAX, "%s", path) >= PATH_MAX)
        return error_set(error, ENAMETOOLONG, "%.200s...: path too long", path);
    return 0;
}

int paths_init(struct paths *paths, const char *root, struct error *error)
{
    if (!root || !*root) {
        strcpy(paths->etc, "/etc/container-supervisor");
        strcpy(paths->run, "/run/container-supervisor");
        strcpy(paths->data, "/var/lib/container-supervisor");
        return 0;
    }
    if (root[0] != '/')
        return error_set(error, EINVAL, "root directory \"%.200s\" is not an absolute path", root);
    int r = path_join(paths->etc, root, "etc", error);
    if (r == 0)
        r = path_join(paths->run, root, "run", error);
    if (r == 0)
        r = path_join(paths->data, root, "lib", error);
    return r;
}

int path_control_socket(const struct paths *paths, char *buffer, struct error *error)
{
    return path_join(buffer, paths->run, "control.sock", error);
}

int path_scoreboard(const struct paths *paths, char *buffer, struct error *error)
{
    return path_join(buffer, paths->run, "scoreboard", error);
}

int path_traffic(const struct paths *paths, char *buffer, struct error *error)
{
    return path_join(buffer, paths->run, "traffic", error);
}

int path_throttle(const struct paths *paths, char *buffer, struct error *error)
{
    return path_join(buffer, paths->run, "throttle", error);
}

int path_limit_key(const struct paths *paths, char *buffer, struct error *error)
{
    return path_join(buffer, paths->run, "limit-key", error);
}
