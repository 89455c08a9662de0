/* SPDX-License-Identifier: Apache-2.0 */

/* What the steps of the mounts say when they fail. */

#include <errno.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"

static int explain_root(const struct plan *plan, uint32_t step, int errnum, struct error *error)
{
    const char *path = plan->config->root_path;

    switch (step) {
    case STEP_PIVOT:
        if (errnum == EINVAL)
            return error_set(error, errnum,
                             "root.path %s: pivot_root refused: the old root cannot be moved away "
                             "(a ramfs, or shared); try --no-pivot",
                             path);
        return error_sys(error, errnum, "root.path %s: change the root directory", path);
    case STEP_ROOT_FLAGS:
        return error_sys(error, errnum,
                         "root.path %s: set \"readonly\", rootfsPropagation and read-only mounts",
                         path);
    default:
        return error_sys(error, errnum, "root.path %s: attach the root file system", path);
    }
}

/* Which mount it is, where that can be said better than by the system. */
static const char *mount_reason(const struct config_mount *mount, int errnum)
{
    switch (errnum) {
    case ENOTDIR:
        return "the source and the mount point are not of one kind (file or directory)";
    case EROFS:
    case ENOENT:
        return "the image has no such mount point, and none can be made there";
    case EXDEV:
        return "a symbolic link of the image leads from there into /proc or /sys";
    case EBUSY:
        return "a symbolic link of the image leads from there to the root directory";
    case ELOOP:
        return "a symbolic link of the image is in the way";
    case EPERM:
        if (mount->is_idmapped)
            return "idmapped mounts take the rights of the host's root";
        if (mount->cleared & MOUNT_ATTR_RDONLY)
            return "its source is read-only and may not be made writable from a user namespace";
        return NULL;
    default:
        return NULL;
    }
}

int plan_explain_source(const struct config_mount *mount, int errnum, struct error *error)
{
    if (errnum == ENOENT)
        return error_set(error, ENOENT, "mount %s: source %s does not exist", mount->destination,
                         mount->source);
    if (errnum == ELOOP)
        return error_set(
            error, ELOOP,
            "mount %s: source %s leads through a symbolic link; write the path that it "
            "leads to",
            mount->destination, mount->source);
    return error_sys(error, errnum, "mount %s: source %s", mount->destination, mount->source);
}

/* Whether it is the source's fault: the process tells only a number. */
static bool is_of_source(const struct plan *plan, const struct config_mount *mount, int errnum)
{
    if (!mount->is_bind || mount->is_remount)
        return false;
    _cleanup_close_ int fd = mounts_open_source(mount->source, plan->has_strict_sources);
    return fd == -errnum;
}

static int explain_mount(const struct plan *plan, const struct config_mount *mount, int errnum,
                         struct error *error)
{
    if (is_of_source(plan, mount, errnum))
        return plan_explain_source(mount, errnum, error);
    const char *reason = mount_reason(mount, errnum);
    const char *what = mount->is_bind ? mount->source : mount->type;

    if (!what)
        what = "change of options";
    if (reason)
        return error_set(error, errnum, "mount %s (%s): %s", mount->destination, what, reason);
    return error_sys(error, errnum, "mount %s (%s%s%s)", mount->destination, what,
                     mount->data ? ", " : "", mount->data ? mount->data : "");
}

int plan_explain_device(const struct config *config, uint32_t index, int errnum,
                        struct error *error)
{
    struct config_device device;

    if (index >= config->device_count + DEFAULT_DEVICES)
        return error_sys(error, errnum, "make the devices");
    mounts_device(config, index, &device);
    switch (errnum) {
    case EEXIST:
        return error_set(error, errnum, "device %s: the image has another file there", device.path);
    case ELOOP:
        return error_set(error, errnum, "device %s: a symbolic link of the image is in the way",
                         device.path);
    case ENODEV:
    case ENOENT:
        return error_set(error, errnum,
                         "device %s: the host has no such device (%u:%u) there to be bound, and "
                         "this runtime may make none",
                         device.path, device.major, device.minor);
    case EINVAL:
        return error_set(error, errnum,
                         "device %s: the path is none of a file, or its owner %u:%u is not mapped "
                         "into the container",
                         device.path, device.uid, device.gid);
    default:
        return error_sys(error, errnum, "device %s", device.path);
    }
}

int plan_explain_mounts(const struct plan *plan, const struct plan_report *report,
                        struct error *error)
{
    const struct config *config = plan->config;
    int errnum = report->errnum > 0 ? report->errnum : EIO;

    switch (report->step) {
    case STEP_MOUNT:
        if (report->index < config->mount_count)
            return explain_mount(plan, &config->mounts[report->index], errnum, error);
        return error_sys(error, errnum, "mounts");
    case STEP_DEVICE:
        return plan_explain_device(config, report->index, errnum, error);
    case STEP_READ_ONLY:
        return error_sys(error, errnum, "make %s read-only",
                         config->read_only_paths[report->index]);
    case STEP_MASK:
        return error_sys(error, errnum, "mask %s", config->masked_paths[report->index]);
    default:
        return explain_root(plan, report->step, errnum, error);
    }
}
