/* SPDX-License-Identifier: Apache-2.0 */

/* The root file system, seen from inside the new mount namespace. */

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/*
 * An image may hold device nodes; they are never devices here: those of the container are mounts of
 * our own. "ro" comes at the end (init_finish_root), because mount points may have to be made.
 * A slave goes on following the mount it is a copy of; "shared" means a new group.
 */
int mounts_prepare_root(const struct config *config, int root)
{
    int r = mount_change(root, 0, MOUNT_ATTR_NODEV, 0, 0, -1);

    if (r < 0)
        return r;
    return mount_change(root, 1, 0, 0, config->root_propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE,
                        -1);
}

/* What the parent could not copy is copied here, and takes over the number of root_fd. */
static int clone_root(const struct plan *plan)
{
    const struct config *config = plan->config;
    _cleanup_close_ int source =
        open(config->root_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (source < 0)
        return -errno;
    _cleanup_close_ int root = mount_clone(source, 1);
    if (root < 0)
        return root;
    int r = mounts_prepare_root(config, root);
    if (r < 0)
        return r;
    return dup3(root, plan->root_fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static int attach_at(int mount, int place)
{
    if (place >= 0)
        return mount_attach(mount, place);
    return move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/*
 * The shelf goes beneath the new root, where no path leads, and what the parent made stands on it
 * until its turn comes: only a mount that is attached can be copied (a detached one since Linux
 * 6.15, and only where it was made). All of it goes away with the old root.
 */
static int attach_shelf(const struct plan *plan, int place)
{
    char name[SHELF_NAME_SIZE];

    if (!plan->shelf)
        return 0;
    plan->shelf[SHELF_IS_ON_TOP] = place < 0;
    int r = attach_at(*plan->shelf, place);
    if (r < 0)
        return r;
    for (size_t i = 0; i < plan->config->mount_count; i++) {
        if (!plan->mounts[i].is_shelved)
            continue;
        mounts_shelf_name("m", i, name);
        if (move_mount(plan->mounts[i].fd, "", *plan->shelf, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return -errno;
    }
    return 0;
}

/*
 * Sources are looked up while nothing covers the old root: a ".." too much in one of the host's
 * links would lead into what does. Which mount it is, is told at its turn.
 */
static void open_sources(const struct plan *plan)
{
    for (size_t i = 0; i < plan->config->mount_count; i++) {
        struct planned_mount *planned = &plan->mounts[i];
        if (planned->is_late)
            planned->source = mounts_open_source(planned->mount->source, plan->has_strict_sources);
    }
}

/*
 * Hooks that run before the root is changed look for it, and mount things, at root.path. Else the
 * place is the old root itself: the path that every process can resolve, whoever owns what lies on
 * the way.
 */
static int open_place(const struct config *config)
{
    size_t count = config->hooks[HOOK_PRESTART].count + config->hooks[HOOK_CREATE_RUNTIME].count +
                   config->hooks[HOOK_CREATE_CONTAINER].count;

    return count == 0 ? -1 : open(config->root_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int init_attach_root(const struct plan *plan)
{
    int r = plan->has_late_mounts ? clone_root(plan) : 0;
    _cleanup_close_ int place = open_place(plan->config);

    open_sources(plan);
    if (r == 0)
        r = attach_shelf(plan, place);
    return r < 0 ? r : attach_at(plan->root_fd, place);
}

int init_open_in_root(const struct plan *plan, const char *path, int flags)
{
    return open_in_root(plan->root_fd, path, flags, 0);
}

/*
 * chroot(2) leaves the old root's mounts in the namespace, and a procfs or sysfs among them that
 * nothing masks would let the container mount another such one. They are taken away, or covered
 * where they are locked.
 */
static int hide(const char *path)
{
    if (umount2(path, MNT_DETACH) == 0 || errno == ENOENT)
        return 0;
    return mount("none", path, "tmpfs", MS_RDONLY, "size=0") < 0 ? -errno : 0;
}

static int change_root_in_place(const struct plan *plan)
{
    int r = hide("/proc");

    if (r == 0)
        r = hide("/sys");
    if (r < 0)
        return r;
    r = attach_at(plan->root_fd, -1);
    if (r < 0 && r != -ELOOP) /* ELOOP: it lies there already */
        return r;
    return chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

/*
 * Proof that nothing is left on top of the new root: whoever enters the mount namespace later
 * (setns(2)) begins at what lies topmost, and "/.." is that, too.
 */
static int check_topmost(const struct plan *plan)
{
    struct statx root, top;

    if (statx(plan->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &root) < 0 ||
        statx(AT_FDCWD, "/..", 0, STATX_MNT_ID, &top) < 0)
        return -errno;
    return root.stx_mnt_id == top.stx_mnt_id ? 0 : -EXDEV;
}

/*
 * pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one and is
 * detached from there, so no directory of the image is needed to hold it. A shelf that is still
 * stacked on the old root goes first.
 */
int init_change_root(const struct plan *plan)
{
    if (fchdir(plan->root_fd) < 0)
        return -errno;
    if (plan->has_no_pivot)
        return change_root_in_place(plan);
    int r = pivot_root_to(".", ".");
    if (r < 0)
        return r;
    if (plan->shelf && plan->shelf[SHELF_IS_ON_TOP] && umount2(".", MNT_DETACH) < 0)
        return -errno;
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return -errno;
    return check_topmost(plan);
}

/* What had to stay writable until all that belongs into it was made. */
static int make_read_only(const struct plan *plan)
{
    for (size_t i = 0; i < plan->config->mount_count; i++) {
        if (!plan->mounts[i].is_read_only_late || plan->mounts[i].fd < 0)
            continue;
        int r = mount_change(plan->mounts[i].fd, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
        if (r < 0)
            return r;
    }
    if (!plan->config->is_root_read_only)
        return 0;
    return mount_change(plan->root_fd, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
}

int init_finish_root(const struct plan *plan)
{
    uint64_t propagation = plan->config->root_propagation;
    int r = make_read_only(plan);

    if (r < 0 || !(propagation & (MS_SHARED | MS_UNBINDABLE)))
        return r;
    return mount_change(plan->root_fd, (propagation & MS_REC) != 0, 0, 0,
                        propagation & (MS_SHARED | MS_UNBINDABLE), -1);
}
