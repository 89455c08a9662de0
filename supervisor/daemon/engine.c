/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/control_server.h"
#include "supervisor/daemon/history.h"
#include "supervisor/daemon/ids.h"
#include "supervisor/daemon/limit_key.h"
#include "supervisor/daemon/record.h"
#include "supervisor/daemon/sampler.h"
#include "supervisor/daemon/service.h"
#include "supervisor/daemon/tenants.h"
#include "supervisor/daemon/traffic.h"
#include "supervisor/daemon/why.h"

/* Behind the longest grace period: SIGKILL has been sent by then, and the kernel needs a moment. */
#define STOP_MARGIN_USEC UINT64_C(10000000)

struct service *engine_find(struct engine *engine, const char *tenant, const char *service)
{
    for (struct service *s = engine->services; s; s = s->next_service)
        if (strcmp(s->tenant, tenant) == 0 && strcmp(s->spec->name, service) == 0)
            return s;
    return NULL;
}

/* ---- opening, in the order of run_steps ---- */

static int make_directory(const char *path, mode_t mode, struct error *error)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return error_sys(error, errno, "make %s", copy);
        *slash = '/';
    }
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return error_sys(error, errno, "make %s", path);
    return 0;
}

static int open_directories(struct engine *engine, struct error *error)
{
    const struct paths *paths = &engine->settings.paths;
    char containers[PATH_MAX];

    int r = make_directory(paths->etc, 0755, error);
    if (r == 0)
        r = make_directory(paths->run, 0755, error);
    if (r == 0)
        r = make_directory(paths->data, 0700, error);
    if (r == 0)
        r = path_join(containers, paths->run, "containers", error);
    if (r == 0)
        r = make_directory(containers, 0700, error);
    if (r < 0)
        return r;
    engine->data_fd = open(paths->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    engine->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (engine->data_fd < 0 || engine->null_fd < 0)
        return error_sys(error, errno, "open %s and /dev/null", paths->data);
    return 0;
}

/* One supervisor a root: the kernel gives the lock back however we end. */
static int take_lock(struct engine *engine, struct error *error)
{
    char path[PATH_MAX], text[32] = "";

    int r = path_join(path, engine->settings.paths.run, "lock", error);
    if (r < 0)
        return r;
    engine->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (engine->lock_fd < 0)
        return error_sys(error, errno, "open %s", path);
    if (flock(engine->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t length = pread(engine->lock_fd, text, sizeof(text) - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return error_set(
            error, EBUSY,
            "%s is locked: a supervisor (pid %s) runs on this root already; stop it or "
            "choose another --root",
            path, *text ? text : "unknown");
    }
    int length = snprintf(text, sizeof(text), "%d\n", getpid());
    if (ftruncate(engine->lock_fd, 0) < 0 ||
        pwrite(engine->lock_fd, text, (size_t)length, 0) != length)
        return error_sys(error, errno, "write %s", path);
    return 0;
}

/* No mount of a container ever shows on the host, and all are gone with the last process that uses
 * them. */
static int leave_mount_namespace(struct engine *engine, struct error *error)
{
    (void)engine;
    if (unshare(CLONE_NEWNS) < 0)
        return error_sys(error, errno, "make a mount namespace (this takes root)");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_sys(error, errno, "make the mounts slaves of the host's");
    return 0;
}

static int open_cgroups(struct engine *engine, struct error *error)
{
    char base[PATH_MAX];

    int r = cgroup_driver_open(&engine->cgroups, error);
    if (r == 0)
        r = cgroup_driver_base(engine->cgroups, base, error);
    if (r < 0)
        return r;
    int length = snprintf(engine->cgroup_base, sizeof(engine->cgroup_base), "%s/%s", base,
                          engine->settings.cgroup_parent);
    return length < 300 ? 0
                        : error_set(error, ENAMETOOLONG, "the cgroup path %.100s... is too long",
                                    engine->cgroup_base);
}

static int clean_leftovers(struct engine *engine, struct error *error)
{
    int count = record_clean_leftovers(engine, error);

    if (count > 0)
        log_notice("cleaned up after %d containers that an earlier supervisor left", count);
    return count < 0 ? count : 0;
}

static int open_network(struct engine *engine, struct error *error)
{
    const struct settings *settings = &engine->settings;
    const struct network_config config = {
        .namespace = settings->network_namespace,
        .bridge = settings->network_bridge,
        .table = settings->network_table,
        .ipv4_pool = settings->network_ipv4_pool,
        .ipv6_pool = settings->network_ipv6_pool,
    };

    if (!settings->has_network)
        return 0;
    int r = network_open(&config, &engine->network, error);
    if (r < 0)
        return error_wrap(error, "network");
    /* What changed for the whole machine is worth a word; in a namespace of our own it is not. */
    if (*network_notes(engine->network) && strcmp(settings->network_namespace, "host") == 0)
        log_notice("network: %s", network_notes(engine->network));
    return 0;
}

static int open_board(struct engine *engine, struct error *error)
{
    char path[PATH_MAX];
    struct sysinfo machine;
    struct scoreboard_info info = {
        .engine_pid = (uint32_t)getpid(),
        .cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
        .engine_started_realtime_usec = clock_realtime_usec(),
        .engine_started_boottime_usec = engine->started_usec,
        .sample_interval_usec = engine->settings.sample_interval_usec,
    };

    if (sysinfo(&machine) == 0)
        info.memory_total_bytes = (uint64_t)machine.totalram * machine.mem_unit;
    snprintf(info.version, sizeof(info.version), "%s", MOD_CONTAINER_VERSION);
    engine->slots_taken = calloc(engine->settings.slots, 1);
    if (!engine->slots_taken)
        return error_sys(error, ENOMEM, "scoreboard");
    int r = path_scoreboard(&engine->settings.paths, path, error);
    if (r < 0)
        return r;
    history_begin(engine, path);
    return scoreboard_create(path, engine->settings.slots, engine->settings.web_gid, &info,
                             &engine->board, error);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source;
    log_notice("%s: stopping all tenants", strsignal((int)info->ssi_signo));
    engine_stop(data);
    return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                            void *data)
{
    struct engine *engine = data;

    (void)source;
    (void)info;
    if (engine->is_stopping)
        return 0;
    log_notice("SIGHUP: reading tenants.d again");
    json_decref(tenants_reload(engine->tenants));
    return 0;
}

static const struct {
    int signal;
    sd_event_signal_handler_t handler;
} loop_signals[] = {
    {SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_reload_signal}};

void engine_block_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LENGTH(loop_signals); i++)
        sigaddset(&set, loop_signals[i].signal);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_loop(struct engine *engine, struct error *error)
{
    int r = sd_event_new(&engine->loop);

    for (size_t i = 0; r >= 0 && i < ARRAY_LENGTH(loop_signals); i++)
        r = sd_event_add_signal(engine->loop, NULL, loop_signals[i].signal, loop_signals[i].handler,
                                engine);
    if (r >= 0)
        r = sd_event_set_watchdog(engine->loop, 1);
    return r < 0 ? error_sys(error, -r, "make the event loop") : 0;
}

/* What the kernel allows at most (proc_sys_fs(5)); 0: unknown. */
static rlim_t most_descriptors(void)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/sys/fs/nr_open", "re");
    unsigned long long most = 0;

    return file && fscanf(file, "%llu", &most) == 1 ? most : 0;
}

/*
 * Every container takes some forty descriptors, most of them for its figures; a shell's soft limit
 * of 1024 is there for select(2), which we do not call, and the hard one of some machines is too
 * low for a thousand containers. Containers get limits of their own.
 */
static int raise_descriptor_limit(struct engine *engine, struct error *error)
{
    struct rlimit limit;
    rlim_t most = most_descriptors();

    (void)engine;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_sys(error, errno, "read the limit of open files");
    if (limit.rlim_max < most &&
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = most, .rlim_max = most}) == 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_sys(error, errno, "raise the limit of open files to %llu",
                         (unsigned long long)limit.rlim_max);
    return 0;
}

static int load_ids(struct engine *engine, struct error *error)
{
    return ids_load(engine->data_fd, &engine->ids, error);
}

static int open_oom_log(struct engine *engine, struct error *error)
{
    (void)error;
    engine->oom_log = oom_log_open();
    return 0;
}

static int open_control(struct engine *engine, struct error *error)
{
    return control_server_open(engine, &engine->control, error);
}

static int open_tenants(struct engine *engine, struct error *error)
{
    return tenants_open(engine, &engine->tenants, error);
}

int engine_open(struct engine *engine, const struct settings *settings, struct error *error)
{
    static int (*const steps[])(struct engine *, struct error *) = {
        raise_descriptor_limit,
        open_directories,
        take_lock,
        open_loop,
        leave_mount_namespace,
        open_cgroups,
        clean_leftovers,
        load_ids,
        open_board,
        traffic_watch_open,
        open_network,
        open_oom_log,
        limit_key_publish,
        open_tenants,
        open_control,
    };
    int r = 0;

    *engine = (struct engine){
        .settings = *settings,
        .lock_fd = -1,
        .data_fd = -1,
        .null_fd = -1,
        .started_usec = clock_boottime_usec(),
    };
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(steps); i++)
        r = steps[i](engine, error);
    return r;
}

/* ---- the end ---- */

static int on_stop_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct engine *engine = userdata;

    (void)source;
    (void)usec;
    log_error("some containers did not end in time");
    return sd_event_exit(engine->loop, 1);
}

void engine_service_gone(struct engine *engine)
{
    if (engine->is_stopping && !engine->services)
        sd_event_exit(engine->loop, 0);
}

/* Last started, first stopped. */
static struct service *last_unstopped(struct engine *engine)
{
    struct service *found = NULL;

    for (struct service *s = engine->services; s; s = s->next_service)
        if (s->next != NEXT_REMOVED)
            found = s;
    return found;
}

void engine_stop(struct engine *engine)
{
    uint64_t longest = 0;
    struct service *service;

    if (engine->is_stopping)
        return;
    engine->is_stopping = true;
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping all tenants");
    for (struct service *s = engine->services; s; s = s->next_service)
        if (s->spec->stop_grace_period_usec > longest)
            longest = s->spec->stop_grace_period_usec;
    sd_event_add_time_relative(engine->loop, NULL, CLOCK_BOOTTIME, longest + STOP_MARGIN_USEC, 0,
                               on_stop_overdue, engine);
    while ((service = last_unstopped(engine)))
        service_stop(service, NEXT_REMOVED);
    engine_service_gone(engine);
}

int engine_run(struct engine *engine)
{
    struct error error = ERROR_INIT;

    if (sampler_start(engine, &error) < 0) {
        log_error("%s", error.message);
        return 1;
    }
    json_decref(tenants_reload(engine->tenants));
    history_begun(engine);
    sd_notify(0, "READY=1\nSTATUS=Running");
    log_notice("ready: control socket and scoreboard are in %s", engine->settings.paths.run);
    int r = sd_event_loop(engine->loop);
    if (r < 0)
        log_error("event loop: %s", strerror(-r));
    return r < 0 ? 1 : r;
}

/* What still runs now is killed: nothing is left behind. */
static void kill_services(struct engine *engine)
{
    while (engine->services) {
        struct service *service = engine->services;
        if (service->has_container) {
            cgroup_kill(service->cgroup, NULL);
            container_abandon(&service->container);
            service_teardown(service);
        }
        service_free(service);
    }
}

/* The lock's file stays: whoever waits for it must find the same one. */
static void remove_run_files(struct engine *engine)
{
    static const char *const names[] = {"services", "containers"};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (path_join(path, engine->settings.paths.run, names[i], NULL) == 0)
            rmdir(path);
}

void engine_close(struct engine *engine)
{
    control_server_close(steal_ptr(engine->control));
    why_close(engine);
    oom_log_close(engine->oom_log);
    if (engine->board)
        kill_services(engine);
    tenants_close(engine->tenants);
    network_close(engine->network);
    scoreboard_writer_close(engine->board, true);
    if (engine->board) /* else another supervisor may have the lock, and the key is its own */
        limit_key_withdraw(engine);
    traffic_watch_close(engine);
    free(engine->slots_taken);
    json_decref(engine->ids);
    seccomp_program_free(engine->seccomp);
    sampler_close(engine);
    history_begun(engine);
    if (engine->cgroups)
        cgroup_remove_empty(engine->cgroups, engine->cgroup_base);
    cgroup_driver_close(engine->cgroups);
    if (engine->loop)
        remove_run_files(engine);
    close_fd(&engine->null_fd);
    close_fd(&engine->data_fd);
    sd_event_unref(engine->loop);
    close_fd(&engine->lock_fd);
}
