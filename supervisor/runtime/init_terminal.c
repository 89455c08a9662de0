/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The container's terminal. It is made in the container's devpts, so that ttyname(3) works inside;
 * the image and, for an exec, the running container are hostile, so what is opened must prove that
 * it is a devpts, and the slave comes from the master (TIOCGPTPEER), never by name.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"

static int open_master(const struct plan *plan)
{
    struct statfs fs;
    struct stat st;
    int zero = 0;

    _cleanup_close_ int fd = init_open_in_root(plan, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    if (fd < 0)
        return fd;
    if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
        return -ENODEV;
    if (ioctl(fd, TIOCSPTLCK, &zero) < 0)
        return -errno;
    return steal_fd(&fd);
}

static int set_size(const struct plan *plan, int master)
{
    struct winsize size = {
        .ws_row = plan->process->console_rows,
        .ws_col = plan->process->console_columns,
    };

    if (!size.ws_row && !size.ws_col)
        return 0;
    return ioctl(master, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* To whom it was asked for: the console socket takes any bytes along, the parent a report. */
static int send_master(const struct plan *plan, int master)
{
    static const char name[] = "/dev/ptmx";
    const struct plan_report report = {.step = STEP_TERMINAL_SENT};

    if (plan->console_fd >= 0)
        return init_report_fd(plan->console_fd, name, sizeof(name) - 1, master);
    return init_report_fd(plan->status_fd, &report, PLAN_REPORT_SIZE, master);
}

int init_open_terminal(struct plan *plan)
{
    if (!plan->process || !plan->process->has_terminal)
        return 0;
    _cleanup_close_ int master = open_master(plan);
    if (master < 0)
        return master;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -errno;
    /* The user of the program, who need not be root of the namespace, must be able to reopen it. */
    if (fchown(slave, plan->process->uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL)
        return -errno;
    int r = set_size(plan, master);
    if (r == 0 && !plan->is_exec)
        r = init_mount_console(plan, slave);
    if (r == 0)
        r = send_master(plan, master);
    for (int i = 0; i < 3; i++)
        plan->stdio[i] = slave;
    return r;
}
