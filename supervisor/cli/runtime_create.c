/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/seccomp.h"
#include "supervisor/sys/openat2.h"

#define PASSWD_MAX (1u << 20)

/* ---- the config ---- */

/* As systemd hands sockets to a service: they are 3, 4 ... inside too, of a process that is 1. */
static int add_listen_variables(json_t *config, size_t count)
{
    json_t *env = json_object_get(json_object_get(config, "process"), "env");
    char text[32];

    if (!json_is_array(env)) {
        env = json_array();
        if (json_object_set_new(json_object_get(config, "process"), "env", env) < 0)
            return 0; /* there is no process that could use them */
    }
    snprintf(text, sizeof(text), "LISTEN_FDS=%zu", count);
    return json_array_append_new(env, json_string(text)) < 0 ||
                   json_array_append_new(env, json_string("LISTEN_PID=1")) < 0
               ? -ENOMEM
               : 0;
}

/* What the caller's environment adds to a config. 1: it was changed; 0, or a negative errno. */
static int add_to_config(const struct runtime *runtime, const char *id, size_t listen_count,
                         struct runtime_creation *creation, json_t *config)
{
    int r = listen_count ? add_listen_variables(config, listen_count) : 0;
    int added = r < 0 || !id ? 0 : runtime_notify_add(runtime, id, config);

    creation->has_notify = added > 0;
    if (r < 0 || added < 0)
        return r < 0 ? r : added;
    return listen_count || added;
}

/* Reads the bundle's config; text is what the container's copy of it will be. id NULL: it is
 * restored, and sd_notify(3) is as it was. */
static int read_config(const struct runtime *runtime, const char *id, size_t listen_count,
                       struct runtime_creation *creation, char **text, size_t *length,
                       struct error *error)
{
    const char *bundle = runtime->options.bundle ? runtime->options.bundle : ".";
    const char *name = runtime->options.config ? runtime->options.config : "config.json";
    char path[PATH_MAX];

    creation->bundle = realpath(bundle, NULL);
    if (!creation->bundle)
        return error_sys(error, errno, "bundle %s", bundle);
    int r = 0;
    if (*name == '/')
        snprintf(path, sizeof(path), "%s", name);
    else
        r = path_join(path, creation->bundle, name, error);
    if (r == 0)
        r = runtime_file_read(path, CONFIG_FILE_MAX, text, length, error);
    if (r < 0)
        return r;
    json_t *json = config_parse(*text, *length, name, error);
    if (!json)
        return error && error->code ? -error->code : -EINVAL;
    r = add_to_config(runtime, id, listen_count, creation, json);
    if (r > 0) {
        free(*text);
        *text = json_dumps(json, JSON_COMPACT);
        *length = *text ? strlen(*text) : 0;
    }
    r = r >= 0 && *text ? config_read(json, creation->bundle, &creation->config, error)
                        : error_sys(error, ENOMEM, "%s", name);
    json_decref(json);
    return r < 0 ? error_wrap(error, "%s", name) : 0;
}

/* ---- the state ---- */

/* The name of a user of the host; without NSS, which a static program cannot have. */
static void find_owner(uid_t uid, char *owner, size_t size)
{
    _cleanup_free_ char *text = NULL;
    unsigned long number;
    char name[64];

    snprintf(owner, size, "#%u", uid);
    if (uid == 0) {
        snprintf(owner, size, "root");
        return;
    }
    _cleanup_close_ int etc = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (etc < 0 || read_text_beneath(etc, "passwd", PASSWD_MAX, &text, NULL) < 0)
        return;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "%63[^:\n]:%*[^:\n]:%lu:", name, &number) == 2 && number == uid) {
            snprintf(owner, size, "%s", name);
            return;
        }
    }
}

static void fill_state(struct runtime_creation *creation, const char *id)
{
    const struct config *config = creation->config;
    const struct config_namespace *pids = &config->namespaces[NAMESPACE_PID];

    runtime_time_now(true, creation->created);
    find_owner(geteuid(), creation->owner, sizeof(creation->owner));
    creation->container.state = (struct store_state){
        .id = id,
        .oci_version = config->oci_version,
        .bundle = creation->bundle,
        .rootfs = config->root_path,
        .created = creation->created,
        .owner = creation->owner,
        .has_own_pids = pids->is_given && !pids->path,
        .has_poststop = config->hooks[HOOK_POSTSTOP].count > 0,
        .annotations = config->annotations,
    };
}

/* ---- making ---- */

static int make_process(struct runtime *runtime, const struct runtime_passed *passed,
                        int start_listener, bool wants_terminal, struct runtime_creation *creation,
                        struct error *error)
{
    const struct config *config = creation->config;
    bool has_terminal = config->process && config->process->has_terminal;
    struct seccomp_program *seccomp = NULL;

    _cleanup_close_ int console = -1;
    int r = runtime_console(runtime, has_terminal, !wants_terminal, &console, error);
    if (r == 0)
        r = runtime_seccomp(runtime, config, &seccomp, error);
    if (r < 0)
        return r;
    if (has_terminal && wants_terminal)
        runtime_terminal_size(config->process);
    struct container_request request = {
        .id = creation->container.state.id,
        .config = config,
        .driver = creation->cgroup.driver,
        .cgroup = creation->cgroup.cgroup,
        .seccomp = seccomp,
        .stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
        .passed = passed->fds,
        .passed_count = passed->count,
        .console_fd = console,
        .wants_terminal = has_terminal && console < 0,
        .start_listener = start_listener,
        .has_no_pivot = runtime->options.has_no_pivot,
        .has_new_keyring = !runtime->options.has_no_new_keyring,
    };
    r = container_create(&request, &creation->made, error);
    creation->is_made = r == 0;
    runtime_scope_settle(&creation->cgroup);
    seccomp_program_free(seccomp);
    return r;
}

/* What can be known only now goes into state.json; then the pid file says that all is done. */
static int record(const struct runtime *runtime, struct runtime_creation *creation,
                  struct error *error)
{
    struct store_state *state = &creation->container.state;
    const struct runtime_options *options = &runtime->options;
    int r = identity_of(creation->made.pid, &state->process);

    if (r < 0)
        return error_sys(error, -r, "the container's process has ended already");
    r = store_state_write(&creation->container.entry, state, error);
    if (r == 0 && options->pidfd_socket && *options->pidfd_socket)
        r = runtime_send_pidfd(options->pidfd_socket, creation->made.pidfd, "standard", error);
    if (r == 0 && options->pid_file && *options->pid_file)
        r = runtime_pid_file_write(options->pid_file, state->process.pid, error);
    return r;
}

static void set_cgroup(struct runtime_creation *creation)
{
    struct store_state *state = &creation->container.state;

    state->cgroup = creation->cgroup.path;
    state->scope = creation->cgroup.scope;
    state->freezer = creation->cgroup.freezer;
}

static int make(struct runtime *runtime, const struct runtime_passed *passed, bool with_socket,
                bool wants_terminal, runtime_maker *maker, struct runtime_creation *creation,
                struct error *error)
{
    struct store_state *state = &creation->container.state;
    _cleanup_close_ int listener = -1;
    int r = runtime_cgroup_make(runtime, state->id, creation->config, &creation->cgroup, error);

    set_cgroup(creation);
    if (r == 0 && creation->has_notify)
        r = runtime_notify_make(&creation->container.entry, error);
    if (r == 0 && with_socket) {
        listener = runtime_socket_listen(creation->container.entry.fd, STORE_START_SOCKET, error);
        r = listener < 0 ? listener : 0;
    }
    if (r == 0)
        r = maker ? maker(runtime, passed, creation, error)
                  : make_process(runtime, passed, listener, wants_terminal, creation, error);
    if (r == 0)
        r = record(runtime, creation, error);
    if (r == 0)
        runtime_log(RUNTIME_LOG_DEBUG, "process %d waits in cgroup %s", (int)state->process.pid,
                    state->cgroup ? state->cgroup : "(the caller's)");
    return r;
}

static void close_creation(struct runtime_creation *creation)
{
    runtime_cgroup_close(&creation->cgroup);
    store_entry_close(&creation->container.entry);
    config_free(creation->config);
    creation->config = NULL;
    free(steal_ptr(creation->bundle));
}

int runtime_creation_make(struct runtime *runtime, const char *id, bool with_socket,
                          bool wants_terminal, runtime_maker *maker,
                          struct runtime_creation *creation, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    struct runtime_passed passed;
    size_t length = 0;

    *creation = (struct runtime_creation){.container.entry.fd = -1};
    int r = store_id_check(id, error);
    if (r == 0)
        r = runtime_open_store(runtime, true, error);
    if (r == 0)
        r = runtime_passed_find(runtime, true, &passed, error);
    if (r == 0)
        r = read_config(runtime, maker ? NULL : id, passed.listen_count, creation, &text, &length,
                        error);
    if (r == 0)
        r = runtime_cgroup_name(runtime, id, creation->config, &creation->cgroup, error);
    if (r == 0) {
        /* With its cgroup, so that what a killed creation leaves can be found. */
        fill_state(creation, id);
        set_cgroup(creation);
        r = store_create(&runtime->store, &creation->container.state, text, length,
                         &creation->container.entry, error);
    }
    if (r == 0) {
        r = make(runtime, &passed, with_socket, wants_terminal, maker, creation, error);
        if (r < 0)
            runtime_creation_undo(creation);
    }
    if (r < 0)
        close_creation(creation);
    else
        runtime_log_warnings(creation->made.warnings);
    return r;
}

void runtime_creation_undo(struct runtime_creation *creation)
{
    struct error error = ERROR_INIT;

    if (creation->is_made)
        container_abandon(&creation->made);
    creation->is_made = false;
    if (runtime_cgroup_remove(&creation->cgroup, &error) < 0 ||
        store_remove(&creation->container.entry, &error) < 0)
        runtime_log(RUNTIME_LOG_WARNING, "clean up: %s", error.message);
    runtime_poststop(creation->config, creation->container.state.id);
}

int runtime_create_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    static struct runtime_creation creation; /* what is open in the end goes with the process */

    (void)count;
    return runtime_creation_make(runtime, args[0], true, false, NULL, &creation, error);
}
