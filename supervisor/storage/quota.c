/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/quota.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUOTA_BLOCK 1024 /* of limits; the space itself is in bytes (linux/quota.h) */

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static int quota_call(int fd, int command, uint32_t id, void *data)
{
    return syscall(SYS_quotactl_fd, fd, (unsigned)QCMD(command, PRJQUOTA), id, data) < 0 ? -errno
                                                                                         : 0;
}

int quota_project(int directory, uint32_t *project)
{
    struct fsxattr attributes;

    if (ioctl(directory, FS_IOC_FSGETXATTR, &attributes) < 0)
        return -errno;
    *project = attributes.fsx_projid;
    return 0;
}

int quota_begin_project(int directory, uint32_t project)
{
    struct fsxattr attributes;
    struct if_dqinfo info;
    int r = quota_call(directory, Q_GETINFO, 0, &info);

    if (r < 0)
        return r;
    if (ioctl(directory, FS_IOC_FSGETXATTR, &attributes) < 0)
        return -errno;
    attributes.fsx_projid = project;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(directory, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

int quota_read(int fd, uint32_t project, uint64_t *used_bytes, uint64_t *limit_bytes)
{
    struct if_dqblk quota;
    int r = quota_call(fd, Q_GETQUOTA, project, &quota);

    if (r < 0)
        return r;
    uint64_t blocks = quota.dqb_bhardlimit ? quota.dqb_bhardlimit : quota.dqb_bsoftlimit;
    *used_bytes = quota.dqb_curspace;
    *limit_bytes = blocks * QUOTA_BLOCK;
    return 0;
}
