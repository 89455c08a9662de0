/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"

bool cgroup_file_exists(int directory, const char *file)
{
    return faccessat(directory, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int cgroup_file_write(int directory, const char *file, const char *value)
{
    _cleanup_close_ int fd = openat(directory, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    size_t length = strlen(value);
    ssize_t written = write(fd, value, length);
    if (written < 0)
        return -errno;
    return (size_t)written == length ? 0 : -EIO;
}

int cgroup_file_read(int directory, const char *file, char *buffer, size_t size)
{
    _cleanup_close_ int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t used = 0;

    if (fd < 0)
        return -errno;
    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);
        if (n < 0)
            return -errno;
        used += (size_t)n;
        if (used < size) {
            buffer[used] = '\0';
            return 0;
        }
    }
    return -EFBIG;
}

int cgroup_file_number(int directory, const char *file, uint64_t *value)
{
    char text[64];
    int r = cgroup_file_read(directory, file, text, sizeof(text));

    return r < 0 ? r : cgroup_text_number(text, value);
}

int cgroup_file_set(int directory, const char *key, const char *file, const char *value,
                    struct error *error)
{
    int r = cgroup_file_write(directory, file, value);

    if (r == -ENOENT)
        return error_set(
            error, EOPNOTSUPP,
            "%s: this kernel's cgroups have no %s; leave the limit out or boot a kernel "
            "that has it",
            key, file);
    if (r < 0)
        return error_sys(error, -r, "%s: write \"%s\" to %s", key, value, file);
    return 0;
}

int cgroup_file_set_number(int directory, const char *key, const char *file, int64_t value,
                           struct error *error)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return cgroup_file_set(directory, key, file, text, error);
}

int cgroup_text_number(const char *text, uint64_t *value)
{
    char digits[24];
    size_t length = strcspn(text, "\n");

    if (length == 0 || length >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (strcmp(digits, "max") == 0) {
        *value = UINT64_MAX;
        return 0;
    }
    return parse_u64(digits, UINT64_MAX, value);
}

size_t cgroup_text_sum(const char *text, const char *key, uint64_t *sum)
{
    size_t found = 0, length = strlen(key);

    *sum = 0;
    while (*(text += strspn(text, " =\n"))) {
        size_t word = strcspn(text, " =\n");
        bool is_key = word == length && strncmp(text, key, length) == 0;
        text += word;
        if (!is_key || (*text != ' ' && *text != '='))
            continue;
        char digits[24];
        size_t count = strspn(++text, "0123456789");
        uint64_t value;
        if (count == 0 || count >= sizeof(digits))
            continue;
        memcpy(digits, text, count);
        digits[count] = '\0';
        if (parse_u64(digits, UINT64_MAX - *sum, &value) < 0)
            continue;
        *sum += value;
        found++;
    }
    return found;
}
