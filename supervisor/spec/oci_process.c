/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/capability_name.h"
#include "supervisor/spec/environment.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/oci_parts.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define UMASK        022

/*
 * RLIMIT_NOFILE: 1024 is what select(2) can take, so it stays the soft limit; a program that knows
 * better raises it to the hard one. No core files: they would hold what the tenant's memory holds.
 */
static const struct {
    const char *type;
    json_int_t soft, hard;
} rlimits[] = {
    {"RLIMIT_NOFILE", 1024, 16384},
    {"RLIMIT_CORE", 0, 0},
};

static const struct {
    const char *name;
    bool is_for_users; /* needed by other users than root only */
} capability_sets[] = {
    {"bounding", false},   {"effective", false}, {"permitted", false},
    {"inheritable", true}, {"ambient", true},
};

/* ---- arguments and environment ---- */

static json_t *arguments(const struct service_spec *service)
{
    json_t *args = json_build_strings((const char *const *)service->entrypoint);

    for (char **word = service->command; word && *word; word++)
        json_build_append(&args, json_string(*word));
    return args;
}

static int set_variable(struct string_list *list, const char *name, const char *value)
{
    char *assignment = NULL;

    if (asprintf(&assignment, "%s=%s", name, value) < 0)
        return -ENOMEM;
    return environment_set(list, assignment);
}

/*
 * How a program finds its listening socket, descriptor 3: PHP-FPM by FPM_SOCKETS, others by
 * sd_listen_fds(3), which wants the pid too: in its pid namespace the program is process 1.
 */
static int set_listen_variables(struct string_list *list, const struct service_spec *service)
{
    if (service->listen_kind == ENDPOINT_FCGI) {
        _cleanup_free_ char *sockets = NULL;
        if (asprintf(&sockets, "%s=3", service->listen_path) < 0)
            return -ENOMEM;
        return set_variable(list, "FPM_SOCKETS", sockets);
    }
    int r = set_variable(list, "LISTEN_FDS", "1");
    return r < 0 ? r : set_variable(list, "LISTEN_PID", "1");
}

/* Defaults first, then the service's own, then what the supervisor alone knows. */
static json_t *environment(const struct service_spec *service, const struct oci_facts *facts,
                           const char *hostname)
{
    _cleanup_string_list_ struct string_list list = {0};
    int r = set_variable(&list, "PATH", PATH_DEFAULT);

    if (r == 0)
        r = set_variable(&list, "HOME", facts->home ? facts->home : "/");
    if (r == 0)
        r = set_variable(&list, "HOSTNAME", hostname);
    for (char **entry = service->environment; r == 0 && entry && *entry; entry++)
        r = environment_set(&list, strdup(*entry));
    if (r == 0 && facts->has_listen_socket)
        r = set_listen_variables(&list, service);
    return r == 0 ? json_build_strings((const char *const *)list.items) : NULL;
}

/* ---- rights ---- */

/*
 * No capability unless the service names it. A program of another user than root gets it by the
 * ambient set only (capabilities(7), "Transformation of capabilities during execve"); root does
 * not need that, so its ambient and inheritable sets stay empty (CVE-2022-24769).
 */
static json_t *capability_set(char *const *names)
{
    json_t *array = json_array();

    for (; names && *names; names++)
        json_build_append(&array, json_string(capability_full_name(*names)));
    return array;
}

static json_t *capabilities(const struct service_spec *service, uint32_t uid)
{
    json_t *sets = json_object();

    for (size_t i = 0; i < ARRAY_LENGTH(capability_sets); i++) {
        bool is_granted = uid != 0 || !capability_sets[i].is_for_users;
        if (json_object_set_new(sets, capability_sets[i].name,
                                capability_set(is_granted ? service->cap_add : NULL)) < 0) {
            json_decref(sets);
            return NULL;
        }
    }
    return sets;
}

static int check(const struct service_spec *service, const struct oci_facts *facts,
                 struct error *error)
{
    if (!service->entrypoint && !service->command)
        return error_set(error, EINVAL, "there is no command to run; write command:");
    if (facts->has_listen_socket && service->listen_kind == ENDPOINT_NONE)
        return error_set(error, EINVAL, "there is a listening socket, but x-listen is not given");
    for (char **name = service->cap_add; name && *name; name++)
        if (!capability_full_name(*name))
            return error_set(error, EINVAL,
                             "cap_add: \"%.80s\" is not a capability; the nearest one is %s", *name,
                             capability_nearest(*name));
    return 0;
}

static json_t *user(const struct oci_facts *facts)
{
    json_t *gids = json_array();

    for (size_t i = 0; i < facts->additional_gid_count; i++)
        json_build_append(&gids, json_integer(facts->additional_gids[i]));
    return json_pack("{s:I, s:I, s:i, s:o}", "uid", (json_int_t)facts->uid, "gid",
                     (json_int_t)facts->gid, "umask", UMASK, "additionalGids", gids);
}

static json_t *rlimits_json(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < ARRAY_LENGTH(rlimits); i++)
        json_build_append(&array, json_pack("{s:s, s:I, s:I}", "type", rlimits[i].type, "soft",
                                            rlimits[i].soft, "hard", rlimits[i].hard));
    return array;
}

int oci_process(const struct service_spec *service, const struct oci_facts *facts,
                const char *hostname, json_t **process, struct error *error)
{
    int r = check(service, facts, error);

    if (r < 0)
        return r;
    *process = json_pack(
        "{s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:b}", "terminal", 0, "user", user(facts), "args",
        arguments(service), "env", environment(service, facts, hostname), "cwd",
        service->working_dir ? service->working_dir : "/", "capabilities",
        capabilities(service, facts->uid), "rlimits", rlimits_json(), "noNewPrivileges", 1);
    return *process ? 0 : error_sys(error, ENOMEM, "process");
}
