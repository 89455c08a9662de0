/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.json as any bytes, which a verb finds in a container's directory: it is refused with a
 * message, or it is whole and within the bounds of store.h; and written again it reads the same.
 *
 * libFuzzer: -max_len=8192 -dict=tests/fuzz/state.dict
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/store.h"
#include "tests/fuzz/config_checks.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

static char directory[] = "build/fuzz/state/XXXXXX";
static struct store store = {.fd = -1};

static void remove_directory(void)
{
    char file[sizeof(directory) + 16];

    snprintf(file, sizeof(file), "%s/state.json", directory);
    unlink(file);
    rmdir(directory);
}

/* A directory for what is written, of this process alone. */
static void open_entry(struct store_entry *entry, const char *id)
{
    static int fd = -1;

    if (fd < 0) {
        check(mkdtemp(directory) != NULL && atexit(remove_directory) == 0);
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check(fd >= 0);
        snprintf(store.path, sizeof(store.path), "%s", directory);
    }
    *entry = (struct store_entry){.store = &store, .fd = fd, .is_locked = true};
    snprintf(entry->id, sizeof(entry->id), "%s", id);
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_same(const struct store_state *a, const struct store_state *b)
{
    const char *const texts[][2] = {
        {a->id, b->id},           {a->oci_version, b->oci_version},
        {a->bundle, b->bundle},   {a->rootfs, b->rootfs},
        {a->created, b->created}, {a->owner, b->owner},
        {a->cgroup, b->cgroup},   {a->scope, b->scope},
        {a->freezer, b->freezer},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        check(is_same_text(texts[i][0], texts[i][1]));
    check(a->process.pid == b->process.pid && a->process.start_time == b->process.start_time);
    check(a->has_own_pids == b->has_own_pids && a->has_poststop == b->has_poststop);
    check(a->annotations ? json_equal(a->annotations, b->annotations) : !b->annotations);
}

static void check_state(const struct store_state *state)
{
    const char *const paths[] = {state->bundle, state->rootfs};
    const char *const optional[] = {state->cgroup, state->freezer};
    const char *const texts[] = {state->oci_version, state->created, state->owner};
    struct error error = ERROR_INIT;

    check(store_id_check(state->id, &error) == 0 && state->process.pid >= 0);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        check(paths[i] && paths[i][0] == '/');
    for (size_t i = 0; i < ARRAY_LENGTH(optional); i++)
        check(!optional[i] || optional[i][0] == '/');
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        check(texts[i] != NULL);
    check(!state->annotations || json_is_object(state->annotations));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_store_state_ struct store_state state = {0}, again = {0};
    struct store_entry entry;
    struct error error = ERROR_INIT;
    int r = store_state_parse((const char *)data, size, &state, &error);

    check_outcome(r, state.json != NULL, &error);
    if (r < 0) {
        check(strncmp(error.message, "state.json", 10) == 0 ||
              strstr(error.message, "container id"));
        return 0;
    }
    check_state(&state);
    open_entry(&entry, state.id);
    check(store_state_write(&entry, &state, &error) == 0);
    check(store_state_read(&entry, &again, &error) == 0);
    check_same(&state, &again);
    return 0;
}
