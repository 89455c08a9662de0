/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl start, stop, restart, pause, resume, kill: one request for each service named. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_text.h"

/* Who did it, for the supervisor's audit line; it believes SO_PEERCRED, this only adds the name. */
static json_t *actor(void)
{
    const char *user = getenv("SUDO_USER");
    struct passwd *entry = user ? NULL : getpwuid(getuid());

    if (!user)
        user = entry ? entry->pw_name : "";
    return json_pack("{s:s, s:o}", "program", "containerctl", "user", text_to_json(user));
}

/* Acts on one service and tells how it went: the name on stdout, or an entry in results. */
static int act_on(const struct ctl *ctl, const char *tenant, const char *service, json_t *results)
{
    char name[2 * NAME_MAX_LENGTH + 2];
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s, s:i, s:o*}", "verb", ctl->verb, "tenant", tenant,
                                "service", service, "wait_ms", ctl->wait_ms, "actor", actor());

    if (request && ctl->signal)
        json_object_set_new(request, "signal", json_string(ctl->signal));
    snprintf(name, sizeof(name), "%s/%s", tenant, service);
    int r = ctl_call(ctl, request, ctl->wait_ms, &answer, &code, &error);
    if (ctl->output == CTL_OUTPUT_JSON) {
        json_t *result = answer ? json_copy(answer) : control_refusal(code, error.message);
        json_object_del(result, "version");
        json_object_set_new(result, "tenant", json_string(tenant));
        json_object_set_new(result, "service", json_string(service));
        json_array_append_new(results, result);
    }
    if (r < 0)
        return ctl_fail(ctl, name, r, code, &error);
    if (ctl->output != CTL_OUTPUT_JSON)
        puts(name);
    return CTL_OK;
}

/* Adds the services of one "list" answer to names (an object, for a service has many replicas). */
static int take_services(const json_t *answer, json_t *names, struct error *error)
{
    const json_t *container;
    size_t i;

    json_array_foreach (json_object_get(answer, "containers"), i, container) {
        const char *service = json_string_value(json_object_get(container, "service"));
        if (!service || !name_is_valid(service))
            return error_set(error, EPROTO,
                             "the supervisor's list holds a container of no service");
        json_object_set_new(names, service, json_true());
    }
    return 0;
}

/* Asks for all services of a tenant, page by page. */
static int list_services(const struct ctl *ctl, const char *tenant, json_t *names,
                         enum control_code *code, struct error *error)
{
    _cleanup_free_ char *after = NULL;

    for (;;) {
        _cleanup_json_ json_t *answer = NULL;
        json_t *request =
            json_pack("{s:s, s:s, s:s*}", "verb", "list", "tenant", tenant, "after", after);
        int r = ctl_call(ctl, request, 0, &answer, code, error);
        if (r == 0)
            r = take_services(answer, names, error);
        if (r < 0)
            return r;
        const char *next = json_string_value(json_object_get(answer, "next"));
        if (!next)
            break;
        if (after && strcmp(after, next) == 0)
            return error_set(error, EPROTO, "the supervisor's list does not end after %s", after);
        free(after);
        after = strdup(next);
        if (!after)
            return error_sys(error, ENOMEM, "list %s", tenant);
    }
    if (json_object_size(names) > 0)
        return 0;
    *code = CONTROL_NOT_FOUND;
    return error_set(error, EREMOTEIO, "there is no tenant \"%s\"", tenant);
}

static int act_on_tenant(const struct ctl *ctl, const char *tenant, json_t *results)
{
    _cleanup_json_ json_t *names = json_object();
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    const char *service;
    json_t *unused;
    int exit_code = CTL_OK;
    int r = list_services(ctl, tenant, names, &code, &error);

    if (r < 0)
        return ctl_fail(ctl, tenant, r, code, &error);
    json_object_foreach (names, service, unused) {
        if (act_on(ctl, tenant, service, results) != CTL_OK)
            exit_code = CTL_FAILED;
    }
    return exit_code;
}

int ctl_check_names(int count, char **args, struct error *error)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];

    for (int i = 0; i < count; i++) {
        int r = strchr(args[i], '/') ? name_split(args[i], tenant, service, error)
                                     : name_check("tenant", args[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

int ctl_act(const struct ctl *ctl, int count, char **args)
{
    _cleanup_json_ json_t *results = json_array();
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    struct error error = ERROR_INIT;
    int exit_code = CTL_OK;

    if (ctl_check_names(count, args, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    for (int i = 0; i < count; i++) {
        int r = strchr(args[i], '/') && name_split(args[i], tenant, service, NULL) == 0
                    ? act_on(ctl, tenant, service, results)
                    : act_on_tenant(ctl, args[i], results);
        if (r != CTL_OK)
            exit_code = CTL_FAILED;
    }
    if (ctl->output == CTL_OUTPUT_JSON && ctl_print_json(ctl, steal_ptr(results)) < 0)
        return CTL_FAILED;
    return exit_code;
}
