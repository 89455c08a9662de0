/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's side of the traffic board: its file. Never mapped: see common/traffic.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/traffic_internal.h"

#define SLOTS_MIN 64u

/* At most half of the table is taken when every service of the scoreboard has requests. */
static uint32_t slots_for(uint32_t services)
{
    uint32_t slots = SLOTS_MIN;

    while (slots < TRAFFIC_SLOTS_MAX && slots / 2 < services)
        slots *= 2;
    return slots;
}

/* Whether what lies there may go on being used. */
static bool fits(int fd, uint32_t slot_count, unsigned gid)
{
    struct traffic_header header;
    struct stat st;

    return fd >= 0 && pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
           traffic_header_check(&header, fd, slot_count, NULL) == 0 &&
           atomic_load(&header.retired) == 0 && fstat(fd, &st) == 0 && st.st_gid == gid &&
           (st.st_mode & 07777) == 0660 && st.st_nlink == 1;
}

/* Tells the children that map it to open the path again. */
static void retire(int fd)
{
    const uint32_t yes = 1;
    struct stat st;

    /* A damaged file is not made longer: its writers find out by themselves. */
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size >= (off_t)TRAFFIC_HEADER_SIZE)
        (void)!pwrite(fd, &yes, sizeof(yes), offsetof(struct traffic_header, retired));
}

static int build(const char *path, uint32_t slot_count, unsigned gid, struct error *error)
{
    struct traffic_header header;
    struct traffic_layout layout;

    traffic_header_fill(&header, slot_count);
    traffic_layout_of(slot_count, &layout);
    header.created_realtime_usec = clock_realtime_usec();
    if (getrandom(header.hash_key, sizeof(header.hash_key), 0) != sizeof(header.hash_key))
        return error_sys(error, errno, "get random bytes");
    unlink(path);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create %s", path);
    int r = posix_fallocate(fd, 0, layout.slots);
    if (r == 0)
        r = posix_fallocate(fd, layout.size - TRAFFIC_SLOT_SIZE, TRAFFIC_SLOT_SIZE);
    if (r != 0)
        return error_sys(error, r, "reserve %lld bytes for %s", (long long)layout.slots, path);
    if (pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return error_sys(error, errno, "write %s", path);
    if (fchown(fd, 0, gid) < 0 || fchmod(fd, 0660) < 0)
        return error_sys(error, errno, "set the owner of %s", path);
    return 0;
}

int traffic_create(const char *path, uint32_t services, unsigned gid, struct error *error)
{
    uint32_t slot_count = slots_for(services);
    char building[PATH_MAX];

    if (snprintf(building, sizeof(building), "%s.new", path) >= (int)sizeof(building))
        return error_set(error, ENAMETOOLONG, "%.200s...: path too long", path);
    _cleanup_close_ int old = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fits(old, slot_count, gid))
        return 1;
    int r = build(building, slot_count, gid, error);
    if (r == 0 && rename(building, path) < 0)
        r = error_sys(error, errno, "rename %s to %s", building, path);
    if (r < 0) {
        unlink(building);
        return r;
    }
    /* Only now: who finds the old one retired and opens the path again gets the new one. */
    retire(old);
    return 0;
}
