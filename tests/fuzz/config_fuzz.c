/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of config.json against any JSON: it is refused with a message that names a key, or it
 * gives a config within its bounds, in which the paths that the spec wants absolute are.
 *
 * libFuzzer: -max_len=32768 -dict=tests/fuzz/oci.dict
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void check_config(const struct config *config)
{
    check(config->uid_map_count <= ID_RANGES_MAX && config->gid_map_count <= ID_RANGES_MAX);
    check(config->rlimit_count <= RLIM_NLIMITS);
    check(config->uid != UINT32_MAX && config->gid != UINT32_MAX && config->umask <= 0777);
    for (size_t i = 0; i < config->additional_gid_count; i++)
        check(config->additional_gids[i] != UINT32_MAX);
    for (size_t i = 0; i < config->mount_count; i++) {
        const struct config_mount *mount = &config->mounts[i];
        check(mount->destination && mount->destination[0] == '/');
        check(!mount->is_bind || (mount->source && mount->source[0] == '/'));
    }
    check(!config->cwd || config->cwd[0] == '/');
    for (char **path = config->masked_paths; path && *path; path++)
        check((*path)[0] == '/');
    for (char **path = config->read_only_paths; path && *path; path++)
        check((*path)[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *json =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    if (!json)
        return 0;
    int r = config_read(json, &config, &error);
    check((r == 0) == (config != NULL));
    if (r == 0)
        check_config(config);
    else
        check(error.code == -r && error.message[0]);
    return 0;
}
