/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RESOURCES_INTERNAL_H
#define RUNTIME_RESOURCES_INTERNAL_H

/*
 * What the files of the resources noun share: resources.c reads the whole, resources_device.c what
 * names devices.
 */

#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/resources.h"

#define ROOT "linux.resources"
#define RESOURCES_ENTRIES_MAX                                                                      \
    256 /* of a list: more than a machine has disks, RDMA devices, ...                             \
         */
#define END_OF_KEYS                                                                                \
    {                                                                                              \
        NULL, 0, NULL, false                                                                       \
    }

struct resources_range {
    const char *key; /* below the object */
    int64_t value, min, max;
};

typedef int resources_part(const json_t *part, struct cgroup_resources *resources,
                           struct error *error);

resources_part resources_read_block_io;
resources_part resources_read_devices;

/* Whether all values are within their ranges; the message begins with path and key. */
int resources_check_ranges(const char *path, const struct resources_range *ranges, size_t count,
                           struct error *error);
/* "linux.resources.KEY[i]" */
void resources_entry_path(char *path, size_t size, const char *key, size_t i);
/*
 * Zeroed room for the entries of an array and one more, for the caller to free. NULL on an error,
 * which *r tells (-E2BIG, -ENOMEM).
 */
void *resources_list(const json_t *array, const char *key, size_t size, int *r,
                     struct error *error);

#endif
