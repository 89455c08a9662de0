/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint: criu(8) saves a running container; without --leave-running it ends with that. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_criu.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"

/* ---- what criu cannot know ---- */

/*
 * The name by which criu knows a standard descriptor that leads out of the container: a pipe, or a
 * file that is on none of its mounts. Empty: criu needs no help with it.
 */
static int name_descriptor(pid_t pid, int number, char *name, size_t size, bool *is_file,
                           struct error *error)
{
    char path[64], line[256];
    struct stat st;
    int mount = -1;

    *is_file = false;
    *name = '\0';
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, number);
    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_sys(error, errno, "look at %s", path);
    if (S_ISFIFO(st.st_mode)) {
        ssize_t length = readlink(path, name, size - 1);
        name[length < 0 ? 0 : length] = '\0';
        if (strncmp(name, "pipe:", 5) == 0)
            return 0;
        *name = '\0';
    }
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, number);
    _cleanup_fclose_ FILE *info = fopen(path, "re");
    while (info && mount < 0 && fgets(line, sizeof(line), info))
        sscanf(line, "mnt_id: %d", &mount);
    snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
    _cleanup_fclose_ FILE *mounts = fopen(path, "re");
    for (int id; mounts && fscanf(mounts, "%d%*[^\n]", &id) == 1;)
        if (id == mount)
            return 0;
    *is_file = true;
    snprintf(name, size, "file[%x:%lx]", (unsigned)mount, (unsigned long)st.st_ino);
    return 0;
}

static int save_descriptors(struct runtime_criu *criu, pid_t pid, struct error *error)
{
    json_t *names = json_array();
    char name[256];
    bool is_file;
    int r = 0;

    for (int number = 0; r == 0 && number <= STDERR_FILENO; number++) {
        r = name_descriptor(pid, number, name, sizeof(name), &is_file, error);
        if (is_file) {
            runtime_criu_add(criu, "--external");
            runtime_criu_add(criu, "%s", name);
        }
        json_array_append_new(names, json_string(name));
    }
    if (r == 0)
        r = runtime_criu_json_write(criu, RUNTIME_CRIU_DESCRIPTORS, names, error);
    json_decref(names);
    return r;
}

/* A network namespace that was joined is not the container's to be saved. */
static int add_network(struct runtime_criu *criu, const struct config *config, pid_t pid,
                       struct error *error)
{
    char path[64];
    struct stat st;

    if (!config->namespaces[NAMESPACE_NETWORK].path)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    if (stat(path, &st) < 0)
        return error_sys(error, errno, "look at %s", path);
    runtime_criu_add(criu, "--external");
    runtime_criu_add(criu, "net[%lu]:%s", (unsigned long)st.st_ino, RUNTIME_CRIU_NETWORK);
    return 0;
}

static void add_freezer(struct runtime_criu *criu, const struct store_state *state)
{
    const char *end = state->freezer ? strrchr(state->freezer, '/') : NULL;

    if (end)
        runtime_criu_add(criu, "--freeze-cgroup=%.*s", (int)(end - state->freezer), state->freezer);
}

/* ---- the verb ---- */

static int save(struct runtime *runtime, const struct store_state *state,
                const struct config *config, struct runtime_criu *criu, struct error *error)
{
    const struct runtime_options *options = &runtime->options;
    pid_t pid = state->process.pid;
    int r = 0;

    runtime_criu_add(criu, "--tree");
    runtime_criu_add(criu, "%d", (int)pid);
    runtime_criu_add(criu, "--root");
    runtime_criu_add(criu, "%s", state->rootfs);
    add_freezer(criu, state);
    if (options->is_pre_dump || options->parent_path)
        runtime_criu_add(criu, "--track-mem");
    if (options->parent_path) {
        runtime_criu_add(criu, "--prev-images-dir");
        runtime_criu_add(criu, "%s", options->parent_path);
    }
    if (!options->is_pre_dump) {
        json_t *mounts = runtime_criu_mounts_save(criu, config, pid, error);
        r = mounts ? runtime_criu_json_write(criu, RUNTIME_CRIU_MOUNTS, mounts, error)
                   : -error->code;
        json_decref(mounts);
        if (r == 0)
            r = save_descriptors(criu, pid, error);
        if (r == 0)
            r = add_network(criu, config, pid, error);
    }
    pid_t child = r < 0 ? r : runtime_criu_start(criu, NULL, NULL, error);
    return child < 0 ? child : runtime_criu_finish(criu, child, error);
}

static int check(const struct runtime_container *container, const struct config *config,
                 struct error *error)
{
    const struct store_state *state = &container->state;
    enum store_status status = store_status(&container->entry, state);

    if (status != STORE_RUNNING && status != STORE_PAUSED)
        return error_set(error, EINVAL, "container \"%s\" is %s; only a running one can be saved",
                         state->id, store_status_name(status));
    return runtime_criu_check_config(config, error);
}

int runtime_checkpoint_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    _cleanup_runtime_criu_ struct runtime_criu criu;
    _cleanup_config_ struct config *config = NULL;
    const struct runtime_options *options = &runtime->options;
    bool is_ended = !options->is_left_running && !options->is_pre_dump;

    (void)count;
    criu = (struct runtime_criu){0};
    int r = runtime_find(runtime, args[0], true, &container, error);
    if (r < 0)
        return r;
    /* The directories of the images are made only when all the rest is well. */
    r = runtime_criu_check(runtime, criu.program, error);
    if (r == 0)
        r = runtime_config(&container, &config, error);
    if (r == 0)
        r = check(&container, config, error);
    if (r == 0)
        r = runtime_criu_open(runtime, options->is_pre_dump ? "pre-dump" : "dump", true, &criu,
                              error);
    if (r < 0)
        return r;
    _cleanup_close_ int pidfd = identity_open(&container.state.process);
    r = save(runtime, &container.state, config, &criu, error);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (r == 0 && is_ended && pidfd >= 0 && poll(&ended, 1, RUNTIME_KILL_TIMEOUT_MS) == 0)
        r = error_set(error, EBUSY, "container \"%s\" was saved, but does not end", args[0]);
    return r;
}
