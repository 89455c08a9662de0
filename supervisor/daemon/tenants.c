/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/tenants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/service.h"
#include "supervisor/spec/compose.h"
#include "supervisor/sys/openat2.h"

#define SETTLE_USEC UINT64_C(500000)
#define TENANTS_MAX 65536
#define WATCH_MASK                                                                                 \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)

struct tenants {
    struct engine *engine;
    char path[PATH_MAX];
    int directory;
    sd_event_source *watch, *timer;
};

/* ---- reading ---- */

/* A tenant's file: NAME/compose.yaml, compose.yml or NAME.yaml. */
static int read_tenant(const char *path, int directory, const char *entry,
                       struct tenant_spec **spec, struct error *error)
{
    static const char *const names[] = {"compose.yaml", "compose.yml", "docker-compose.yml"};
    char tenant[NAME_MAX_LENGTH + 1], host_dir[PATH_MAX], display[PATH_MAX];
    const char *dot = strrchr(entry, '.');
    size_t length = dot ? (size_t)(dot - entry) : strlen(entry);
    struct stat st;

    if (length > NAME_MAX_LENGTH)
        return error_set(error, EINVAL, "tenants.d/%.80s: the name is longer than %d", entry,
                         NAME_MAX_LENGTH);
    memcpy(tenant, entry, length);
    tenant[length] = '\0';
    int r = name_check("tenant", tenant, error);
    if (r < 0)
        return error_wrap(error, "tenants.d/%.80s", entry);
    if (dot) {
        snprintf(display, sizeof(display), "tenants.d/%s", entry);
        return compose_read(directory, path, entry, display, tenant, spec, error);
    }
    r = path_join(host_dir, path, entry, error);
    if (r < 0)
        return r;
    _cleanup_close_ int inside = open_beneath(directory, entry, O_RDONLY | O_DIRECTORY, 0);
    if (inside < 0)
        return error_sys(error, -inside, "open tenants.d/%s", entry);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (fstatat(inside, names[i], &st, 0) < 0 && errno == ENOENT)
            continue;
        snprintf(display, sizeof(display), "tenants.d/%s/%s", entry, names[i]);
        return compose_read(inside, host_dir, names[i], display, tenant, spec, error);
    }
    return error_set(error, ENOENT, "tenants.d/%s: holds no compose.yaml", entry);
}

/* Whether an entry of tenants.d is a tenant: a directory, or a .yaml, .yml or .json file. */
static bool is_tenant_entry(int directory, const char *name)
{
    const char *dot = strrchr(name, '.');
    struct stat st;

    if (name[0] == '.' || name[strlen(name) - 1] == '~' || fstatat(directory, name, &st, 0) < 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return !dot;
    return dot &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* The entries in order of name: the order of starts is the same each time. */
static ssize_t list_entries(int directory, char ***names, struct error *error)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    char **list = NULL;
    size_t count = 0, room = 0;

    if (!entries) {
        close_fd(&fd);
        return error_sys(error, errno, "read tenants.d");
    }
    while ((entry = readdir(entries)) && count < TENANTS_MAX) {
        if (!is_tenant_entry(directory, entry->d_name))
            continue;
        if (count == room) {
            room = room ? 2 * room : 64;
            char **grown = realloc(list, room * sizeof(*list));
            if (!grown) {
                free_names(list, count);
                return error_sys(error, ENOMEM, "read tenants.d");
            }
            list = grown;
        }
        list[count] = strdup(entry->d_name);
        if (!list[count++]) {
            free_names(list, count - 1);
            return error_sys(error, ENOMEM, "read tenants.d");
        }
    }
    if (count > 0)
        qsort(list, count, sizeof(*list), compare_names);
    *names = list;
    return (ssize_t)count;
}

/* ---- bringing in line ---- */

struct reload {
    struct tenants *tenants;
    json_t *added, *removed, *changed, *errors;
    json_t *seen; /* {"TENANT/SERVICE": true} of what is wanted */
    json_t *kept; /* {"TENANT": true}: its file has an error, so what runs stays */
    json_t *read; /* {"TENANT": true}: an entry of this tenant was met */
    json_int_t unchanged;
};

static void note_name(json_t *list, const char *tenant, const char *service)
{
    json_array_append_new(list, json_sprintf("%s/%s", tenant, service));
}

static void note_error(struct reload *reload, const char *file, const struct error *error)
{
    log_error("%s", error->message);
    json_array_append_new(
        reload->errors, json_pack("{s:o, s:o}", "file", control_text(file, strlen(file)), "message",
                                  control_text(error->message, strlen(error->message))));
}

static void apply_service(struct reload *reload, const char *file, const char *tenant,
                          struct spec_reference *reference, const struct service_spec *spec)
{
    struct engine *engine = reload->tenants->engine;
    struct service *service = engine_find(engine, tenant, spec->name);
    struct error error = ERROR_INIT;
    char name[2 * NAME_MAX_LENGTH + 2];

    snprintf(name, sizeof(name), "%s/%s", tenant, spec->name);
    json_object_set_new(reload->seen, name, json_true());
    if (service && service->next != NEXT_REMOVED) {
        const struct service_spec *current = service->new_spec ? service->new_spec : service->spec;
        if (service_spec_equal(current, spec)) {
            service_adopt_spec(service, reference, spec);
            reload->unchanged++;
            return;
        }
        note_name(reload->changed, tenant, spec->name);
        service_change_spec(service, reference, spec);
        return;
    }
    if (service) { /* still on its way out: it comes back with the next reload */
        error_set(&error, EBUSY, "%s: is still being removed; apply again", name);
        note_error(reload, file, &error);
        return;
    }
    if (service_new(engine, tenant, reference, spec, &service, &error) < 0) {
        error_wrap(&error, "%s", name);
        note_error(reload, file, &error);
        return;
    }
    note_name(reload->added, tenant, spec->name);
    service_start(service, &error); /* a failure is in its state, its log and on the board */
}

static void apply_entry(struct reload *reload, const char *entry)
{
    struct tenants *tenants = reload->tenants;
    struct error error = ERROR_INIT;
    struct tenant_spec *spec = NULL;
    char tenant[NAME_MAX_LENGTH + 1];

    snprintf(tenant, sizeof(tenant), "%.*s", (int)strcspn(entry, "."), entry);
    if (json_object_get(reload->read, tenant)) {
        error_set(&error, EEXIST, "tenants.d/%s: the tenant %s is there twice; keep one", entry,
                  tenant);
        note_error(reload, entry, &error);
        return;
    }
    json_object_set_new(reload->read, tenant, json_true());
    int r = read_tenant(tenants->path, tenants->directory, entry, &spec, &error);
    if (r < 0) {
        note_error(reload, entry, &error);
        json_object_set_new(reload->kept, tenant, json_true());
        return;
    }
    struct spec_reference *reference = calloc(1, sizeof(*reference));
    if (!reference) {
        tenant_spec_free(spec);
        return;
    }
    *reference = (struct spec_reference){.spec = spec, .references = 1};
    for (size_t i = 0; i < spec->service_count; i++)
        apply_service(reload, entry, tenant, reference, &spec->services[i]);
    spec_reference_drop(reference);
}

static void remove_unwanted(struct reload *reload)
{
    struct service *next;
    char name[2 * NAME_MAX_LENGTH + 2];

    for (struct service *s = reload->tenants->engine->services; s; s = next) {
        next = s->next_service;
        snprintf(name, sizeof(name), "%s/%s", s->tenant, s->spec->name);
        if (json_object_get(reload->seen, name) || json_object_get(reload->kept, s->tenant) ||
            s->next == NEXT_REMOVED)
            continue;
        note_name(reload->removed, s->tenant, s->spec->name);
        service_stop(s, NEXT_REMOVED);
    }
}

/* A watch for each tenant's directory; the kernel knows those it has already. */
static void watch_directories(struct tenants *tenants, int inotify, char *const *names,
                              size_t count)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < count; i++)
        if (!strchr(names[i], '.') && path_join(path, tenants->path, names[i], NULL) == 0 &&
            inotify_add_watch(inotify, path, WATCH_MASK) < 0 && errno != ENOTDIR)
            log_warning("watch %s: %s (reload with `containerctl apply`)", path, strerror(errno));
}

json_t *tenants_reload(struct tenants *tenants)
{
    struct reload reload = {
        .tenants = tenants,
        .added = json_array(),
        .removed = json_array(),
        .changed = json_array(),
        .errors = json_array(),
        .seen = json_object(),
        .kept = json_object(),
        .read = json_object(),
    };
    struct error error = ERROR_INIT;
    char **names = NULL;

    ssize_t count = list_entries(tenants->directory, &names, &error);
    if (count < 0) {
        note_error(&reload, "tenants.d", &error);
    } else {
        watch_directories(tenants, sd_event_source_get_io_fd(tenants->watch), names, (size_t)count);
        for (ssize_t i = 0; i < count; i++)
            apply_entry(&reload, names[i]);
        remove_unwanted(&reload);
        free_names(names, (size_t)count);
    }
    json_decref(reload.seen);
    json_decref(reload.kept);
    json_decref(reload.read);
    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "added", reload.added, "removed", reload.removed,
                     "changed", reload.changed, "unchanged", reload.unchanged, "errors",
                     reload.errors);
}

int tenants_check(const struct settings *settings)
{
    struct error error = ERROR_INIT;
    char path[PATH_MAX], **names = NULL;
    int errors = 0;

    if (path_join(path, settings->paths.etc, "tenants.d", &error) < 0)
        return 1;
    _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    ssize_t count = list_entries(directory, &names, &error);
    for (ssize_t i = 0; i < count; i++) {
        struct tenant_spec *spec = NULL;
        if (read_tenant(path, directory, names[i], &spec, &error) < 0) {
            fprintf(stderr, "%s\n", error.message);
            errors++;
        }
        tenant_spec_free(spec);
    }
    if (count >= 0)
        free_names(names, (size_t)count);
    return count < 0 ? 1 : errors;
}

/* ---- watching ---- */

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct tenants *tenants = userdata;

    (void)source;
    (void)usec;
    if (!tenants->engine->is_stopping)
        json_decref(tenants_reload(tenants));
    return 0;
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct tenants *tenants = userdata;
    char buffer[8192] __attribute__((aligned(8)));

    (void)source;
    (void)events;
    while (read(fd, buffer, sizeof(buffer)) > 0)
        continue; /* what changed is found by reading it */
    sd_event_source_set_time_relative(tenants->timer, SETTLE_USEC);
    return sd_event_source_set_enabled(tenants->timer, SD_EVENT_ONESHOT);
}

static int start_watch(struct tenants *tenants, struct error *error)
{
    sd_event *loop = tenants->engine->loop;
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0 || inotify_add_watch(fd, tenants->path, WATCH_MASK) < 0)
        return error_sys(error, errno, "watch %s", tenants->path);
    int r = sd_event_add_io(loop, &tenants->watch, fd, EPOLLIN, on_change, tenants);
    if (r >= 0)
        r = sd_event_source_set_io_fd_own(tenants->watch, 1);
    if (r >= 0)
        steal_fd(&fd);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &tenants->timer, CLOCK_BOOTTIME, SETTLE_USEC, 1000,
                                       on_settled, tenants);
    if (r >= 0)
        r = sd_event_source_set_enabled(tenants->timer, SD_EVENT_OFF);
    return r < 0 ? error_sys(error, -r, "watch %s", tenants->path) : 0;
}

int tenants_open(struct engine *engine, struct tenants **tenants, struct error *error)
{
    struct tenants *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "tenants.d");
    made->engine = engine;
    made->directory = -1;
    int r = path_join(made->path, engine->settings.paths.etc, "tenants.d", error);
    if (r == 0 && mkdir(made->path, 0755) < 0 && errno != EEXIST)
        r = error_sys(error, errno, "make %s", made->path);
    if (r == 0) {
        made->directory = open(made->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = made->directory < 0 ? error_sys(error, errno, "open %s", made->path) : 0;
    }
    if (r == 0)
        r = start_watch(made, error);
    if (r < 0) {
        tenants_close(made);
        return r;
    }
    *tenants = made;
    return 0;
}

void tenants_close(struct tenants *tenants)
{
    if (!tenants)
        return;
    sd_event_source_disable_unref(tenants->watch);
    sd_event_source_disable_unref(tenants->timer);
    close_fd(&tenants->directory);
    free(tenants);
}
