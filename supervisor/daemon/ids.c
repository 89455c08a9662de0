/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "common/names.h"
#include "supervisor/sys/openat2.h"

#define FILE_NAME "ids.json"
#define FILE_MAX  (4u << 20)

static int check_table(const json_t *ids, struct error *error)
{
    const char *tenant;
    json_t *number;

    if (!json_is_object(ids))
        return error_set(error, EINVAL, FILE_NAME ": must be an object of tenants and numbers");
    json_object_foreach ((json_t *)ids, tenant, number) {
        if (!name_is_valid(tenant) || !json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) > 65535)
            return error_set(error, EINVAL, FILE_NAME ": \"%.80s\": must be a tenant's number",
                             tenant);
    }
    return 0;
}

int ids_load(int data_fd, json_t **ids, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    json_error_t problem;

    int r = read_text_beneath(data_fd, FILE_NAME, FILE_MAX, &text, NULL);
    if (r == -ENOENT) {
        *ids = json_object();
        return *ids ? 0 : error_sys(error, ENOMEM, FILE_NAME);
    }
    if (r < 0)
        return error_sys(error, -r, "read " FILE_NAME);
    _cleanup_json_ json_t *read = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!read)
        return error_set(error, EINVAL, FILE_NAME ":%d: %s", problem.line, problem.text);
    r = check_table(read, error);
    if (r == 0)
        *ids = steal_ptr(read);
    return r;
}

/* A whole new file, synced, put in the place of the old one: either is there at any time. */
static int store(int data_fd, const json_t *ids, struct error *error)
{
    _cleanup_free_ char *text = json_dumps(ids, JSON_SORT_KEYS | JSON_INDENT(1));

    if (!text)
        return error_sys(error, ENOMEM, "write " FILE_NAME);
    _cleanup_close_ int fd = openat(data_fd, FILE_NAME ".new",
                                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create " FILE_NAME ".new");
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    if (written != (ssize_t)length || fsync(fd) < 0 ||
        renameat(data_fd, FILE_NAME ".new", data_fd, FILE_NAME) < 0) {
        int r = error_sys(error, written >= 0 && written < (ssize_t)length ? ENOSPC : errno,
                          "write " FILE_NAME);
        unlinkat(data_fd, FILE_NAME ".new", 0);
        return r;
    }
    return 0;
}

static int lowest_free(const json_t *ids, uint32_t count, uint32_t *number)
{
    _cleanup_free_ bool *taken = calloc(count, sizeof(*taken));
    const char *tenant;
    json_t *value;

    if (!taken)
        return -ENOMEM;
    json_object_foreach ((json_t *)ids, tenant, value) {
        if (json_integer_value(value) < count)
            taken[json_integer_value(value)] = true;
    }
    for (uint32_t n = 0; n < count; n++)
        if (!taken[n]) {
            *number = n;
            return 0;
        }
    return -ENOSPC;
}

int ids_take(int data_fd, json_t *ids, const char *tenant, uint32_t count, uint32_t *number,
             struct error *error)
{
    const json_t *known = json_object_get(ids, tenant);

    if (known) {
        *number = (uint32_t)json_integer_value(known);
        if (*number < count)
            return 0;
        return error_set(error, ERANGE, "tenant %s has id range %u, id_range.count is %u", tenant,
                         *number, count);
    }
    int r = lowest_free(ids, count, number);
    if (r < 0)
        return error_sys(error, -r, "an id range for tenant %s: all %u are taken (id_range.count)",
                         tenant, count);
    if (json_object_set_new(ids, tenant, json_integer(*number)) < 0)
        return error_sys(error, ENOMEM, "an id range for tenant %s", tenant);
    r = store(data_fd, ids, error);
    if (r < 0)
        json_object_del(ids, tenant);
    return r;
}
