/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_MOUNTS_INTERNAL_H
#define RUNTIME_MOUNTS_INTERNAL_H

/*
 * What the files of the mounts share; nobody else includes it but their unit tests.
 *
 * In the parent:          plan_root.c, plan_mounts.c, plan_devices.c, plan_explain_mounts.c
 * (messages) In the new process:     init_root.c, init_target.c (mount points), init_mounts.c,
 *                         init_cgroups.c, init_copyup.c, init_devices.c, init_mask.c
 *
 * The image is hostile, whoever wrote it may still be writing to it, and the two sides above meet
 * it in three ways only: a path is resolved below root_fd by openat2(2), a mount is moved onto the
 * descriptor that came out, and what the runtime itself relies on (null devices, /dev) lies in a
 * tmpfs that nobody else has ever had.
 *
 * Functions named init_* and mounts_* make system calls only: no allocation, no lock, no stdio.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "supervisor/runtime/plan.h"

/* On plan->shelf: devices to be bound, by their index, "null", and mounts' places, "m" and index.
 */
#define SHELF_IS_ON_TOP 1 /* plan->shelf[1]: it was put on the old root (init_root.c) */
#define SHELF_NULL      "null"
#define SHELF_NAME_SIZE 24

/* ---- paths: what they say, not where they lead ---- */

/* Whether a path, cleaned of "//" and "/./", is the absolute path top, or lies below it. */
bool mounts_path_is(const char *path, const char *top);
bool mounts_path_is_below(const char *path, const char *top);
/* What is left of path behind top, with no slash before it; NULL when it is neither top nor below.
 */
const char *mounts_path_behind(const char *path, const char *top);
/* Whether there is a ".." in it, so that it cannot be judged by its text. */
bool mounts_path_climbs(const char *path);

/* ---- devices ---- */

#define DEFAULT_DEVICES 6

/*
 * The device with an index of STEP_DEVICE. False for a default one that the config has a device of
 * its own in the place of, and for those that are not nodes here (/dev/ptmx is a link).
 */
bool mounts_device(const struct config *config, size_t index, struct config_device *device);
/* Whether it is in the tmpfs of /dev, so that nothing is left to do. */
bool mounts_device_is_own(const struct plan *plan, const struct config_device *device);
/* Index of the mount that is the container's /dev, or -1. */
int mounts_dev_index(const struct config *config);
/* Whether /dev is the host's, in which nothing may be made. */
bool mounts_dev_is_host(const struct config *config);
/* The mount of /dev, if it is a tmpfs that the runtime fills; else NULL. */
struct planned_mount *mounts_own_dev(const struct plan *plan);
/* A name on the shelf: the prefix and the index in digits. Buffer of SHELF_NAME_SIZE bytes. */
void mounts_shelf_name(const char *prefix, size_t index, char *name);
/* The name in our own /dev of a destination that is a directory which mounts_make_dev() makes for
 * mounts ("pts" of "/dev/pts"), or NULL. */
const char *mounts_dev_place(const char *destination);
/* The links of runtime-linux.md and ptmx; false past the end. */
bool mounts_dev_link(size_t i, const char **name, const char **target);

/*
 * Makes the tmpfs of /dev with all that belongs into it: planned->fd. With a user namespace the
 * parent does it, which may make nodes. -EPERM: they cannot be made. *index is the device that
 * failed, of the config's and the default ones, or behind them all.
 */
int mounts_make_dev(const struct plan *plan, struct planned_mount *planned, uint32_t *index);
/* Makes the shelf, if anything is to stand on it. */
int plan_prepare_shelf(struct plan *plan, struct error *error);
/* The sentence for a device of that index. Returns -errnum. */
int plan_explain_device(const struct config *config, uint32_t index, int errnum,
                        struct error *error);

/* ---- the root ---- */

/* Attributes and propagation of the copy of the root file system, by whichever side made it. */
int mounts_prepare_root(const struct config *config, int root);

/* ---- options ---- */

/* Whether the comma-separated options have one of that key ("mode"). */
bool mounts_has_option(const char *options, const char *key);
/* Whether file systems are to get config->mount_label: SELinux is on. */
bool mounts_needs_label(const struct config *config);

/* The sentence for a source of a bind mount that cannot be opened. Returns -errnum. */
int plan_explain_source(const struct config_mount *mount, int errnum, struct error *error);

/* ---- the new process ---- */

/*
 * Opens what a mount point's path leads to below the root (O_PATH), and makes what is missing of
 * it: directories, and at the end a file if is_file. With may_follow links are followed inside the
 * root, but neither into a procfs or sysfs (-EXDEV) nor to the root itself (-EBUSY); else they are
 * -ELOOP. *was_missing (unless NULL) becomes true where something was made.
 */
int init_open_target(int root, const char *path, bool is_file, bool may_follow, bool *was_missing);

/* Opens the source of a bind mount in the old root, as the parent would. */
int mounts_open_source(const char *path, bool is_strict);
/* Copies a source as the mount asks: attributes, propagation, not idmapping. -errno. */
int mounts_clone_source(const struct plan *plan, const struct config_mount *mount, int source);

int init_attach_cgroups(const struct plan *plan, const struct config_mount *mount, int target);
/* Copies the directory tree into another, an empty one of our own. */
int init_copy_up(int from, int to);
/* Opens (O_PATH) a null device of our own, which has proved to be one, to be copied. */
int init_open_null(const struct plan *plan);

#endif
