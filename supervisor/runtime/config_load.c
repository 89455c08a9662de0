/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/config_uint64.h"

/* A second value of a key would be read by one program and the first by another. */
#define PARSE_FLAGS JSON_REJECT_DUPLICATES

json_t *config_parse(const char *text, size_t length, const char *name, struct error *error)
{
    json_error_t problem = {.text = "no memory"};
    json_t *json = config_load_json(text, length, PARSE_FLAGS, &problem);

    if (!json)
        error_set(error, EINVAL, "%s: line %d, column %d: %s", name, problem.line, problem.column,
                  problem.text);
    return json;
}

static int read_whole(int fd, char *buffer, size_t size, size_t *length)
{
    for (*length = 0; *length < size;) {
        ssize_t n = TEMP_FAILURE_RETRY(read(fd, buffer + *length, size - *length));
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        *length += (size_t)n;
    }
    return -EFBIG;
}

json_t *config_load(int directory, const char *name, struct error *error)
{
    struct stat status;
    size_t length = 0;
    /* O_NONBLOCK: a FIFO in its place must not hold us up. */
    _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &status) < 0) {
        error_sys(error, errno, "open %s", name);
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, EINVAL, "%s: is not a regular file", name);
        return NULL;
    }
    if (status.st_size > CONFIG_FILE_MAX) {
        error_set(error, EFBIG, "%s: has %lld bytes; at most %d are possible", name,
                  (long long)status.st_size, CONFIG_FILE_MAX);
        return NULL;
    }
    size_t size = (size_t)status.st_size + 1;
    _cleanup_free_ char *buffer = malloc(size);
    int r = buffer ? read_whole(fd, buffer, size, &length) : -ENOMEM;
    if (r < 0) {
        error_sys(error, -r, "read %s", name);
        return NULL;
    }
    return config_parse(buffer, length, name, error);
}
