/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_PARTS_H
#define RUNTIME_CONFIG_PARTS_H

/*
 * The parts of config_read(), each a file: for config*.c only. Each fills its fields of the config,
 * which config_free() releases also where a part failed in the middle. Absent parts are NULL.
 */

#include "supervisor/runtime/config.h"

/* uid_t without (uid_t) -1, which means "unchanged" to setresuid(2) and chown(2). */
#define CONFIG_ID_MAX INT64_C(4294967294)

/* In structs that begin with a name and end with a NULL one. */
struct config_word {
    const char *name;
    uint64_t value;
};

/* The value of a word in a table that ends with a NULL name, or -1. */
int64_t config_word_value(const struct config_word *words, const char *name);

int config_read_mounts(const json_t *mounts, struct config *config, struct error *error);
int config_read_hooks(const json_t *object, struct config *config, struct error *error);
int config_read_linux(const json_t *object, struct config *config, struct error *error);
int config_read_namespaces(const json_t *array, struct config *config, struct error *error);
int config_read_devices(const json_t *array, struct config *config, struct error *error);
int config_read_net_devices(const json_t *object, struct config *config, struct error *error);
int config_read_sysctls(const json_t *object, struct config *config, struct error *error);
int config_read_memory_policy(const json_t *object, struct config_memory_policy *policy,
                              struct error *error);
/* of process */
int config_read_capabilities(const json_t *object, struct config_process *process,
                             struct error *error);
int config_read_rlimits(const json_t *array, struct config_process *process, struct error *error);
int config_read_scheduler(const json_t *object, struct config_scheduler *scheduler,
                          struct error *error);
int config_read_io_priority(const json_t *object, int *priority, struct error *error);

/* Mappings of a user namespace or of a mount. map has room for ID_RANGES_MAX. */
int config_read_id_map(const json_t *array, const char *path, struct id_range *map, size_t *count,
                       struct error *error);

/* What sysctls need of the namespaces, once these are read. */
int config_check_sysctls(const struct config *config, struct error *error);

/*
 * Whether the container gets a namespace of the type that is another than the runtime's: a new one,
 * or one that is joined. What the path leads to counts; one that leads nowhere is another.
 */
bool config_has_other_namespace(const struct config *config, enum config_namespace_type type);

void config_free_mounts(struct config *config);
void config_free_hooks(struct config *config);
void config_free_sysctls(struct config *config);

#endif
