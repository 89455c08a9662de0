/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl inspect, apply, version: one question, one answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/scoreboard.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_text.h"

/* ---- values for people ---- */

static void print_value(const json_t *value);

/* {"ipv4": "10.0.0.2", "link": null} as "ipv4 10.0.0.2". */
static void print_members(const json_t *object)
{
    const char *key, *between = "";
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
            continue;
        printf("%s", between);
        text_print_clean(stdout, key, strlen(key));
        putchar(' ');
        print_value(value);
        between = ", ";
    }
}

static void print_value(const json_t *value)
{
    if (json_is_object(value)) {
        print_members(value);
    } else if (json_is_string(value)) {
        text_print_clean(stdout, json_string_value(value), json_string_length(value));
    } else {
        _cleanup_free_ char *text =
            json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        fputs(text ? text : "?", stdout);
    }
}

static bool is_empty(const json_t *value)
{
    return !value || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* ---- inspect ---- */

static const struct {
    const char *label, *key;
} inspect_rows[] = {
    {"Id", "id"},
    {"State", "state"},
    {"Message", "message"},
    {"Pid", "pid"},
    {"Restarts", "restarts"},
    {"Last exit", "last_exit"},
    {"Endpoint", "endpoint"},
    {"Network", "network"},
    {"Cgroup", "cgroup"},
    {"Host ids from", "id_base"},
};

static void print_inspection(const char *name, const json_t *answer)
{
    const json_t *spec = json_object_get(answer, "spec"), *event;
    size_t i;

    printf("%-15s%s\n", "Name:", name);
    for (i = 0; i < ARRAY_LENGTH(inspect_rows); i++) {
        const json_t *value = json_object_get(answer, inspect_rows[i].key);
        if (is_empty(value))
            continue;
        printf("%s:%*s", inspect_rows[i].label, (int)(14 - strlen(inspect_rows[i].label)), "");
        print_value(value);
        putchar('\n');
    }
    if (!is_empty(spec)) {
        printf("Spec:\n");
        text_print_json(stdout, spec, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        putchar('\n');
    }
    if (!is_empty(json_object_get(answer, "events")))
        printf("Events:\n");
    json_array_foreach (json_object_get(answer, "events"), i, event) {
        printf("  ");
        print_value(event);
        putchar('\n');
    }
}

int ctl_inspect(const struct ctl *ctl, int count, char **args)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    (void)count;
    if (name_split(args[0], tenant, service, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = ctl_call(
        ctl, json_pack("{s:s, s:s, s:s}", "verb", "inspect", "tenant", tenant, "service", service),
        0, &answer, &code, &error);
    if (r < 0)
        return ctl_fail(ctl, args[0], r, code, &error);
    if (ctl->output != CTL_OUTPUT_JSON) {
        print_inspection(args[0], answer);
        return CTL_OK;
    }
    json_object_del(answer, "version"); /* of the protocol, not of the container */
    json_object_del(answer, "ok");
    return ctl_print_json(ctl, steal_ptr(answer)) < 0 ? CTL_FAILED : CTL_OK;
}

/* ---- apply ---- */

static void print_changes(const json_t *answer, const char *key)
{
    const json_t *name;
    size_t i;

    json_array_foreach (json_object_get(answer, key), i, name) {
        printf("%-10s", key);
        print_value(name);
        putchar('\n');
    }
}

static int print_apply_errors(const json_t *errors)
{
    const json_t *problem;
    size_t i;

    json_array_foreach (errors, i, problem) {
        const char *file = json_string_value(json_object_get(problem, "file"));
        const char *message = json_string_value(json_object_get(problem, "message"));
        fprintf(stderr, "containerctl: apply: ");
        text_print_clean(stderr, file ? file : "?", strlen(file ? file : "?"));
        fprintf(stderr, ": ");
        text_print_clean(stderr, message ? message : "?", strlen(message ? message : "?"));
        fputc('\n', stderr);
    }
    if (json_array_size(errors) == 0)
        return CTL_OK;
    fprintf(stderr, "  what these files declared before still runs; mend them and apply again\n");
    return CTL_FAILED;
}

int ctl_apply(const struct ctl *ctl, int count, char **args)
{
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    (void)count, (void)args;
    int r = ctl_call(ctl, json_pack("{s:s}", "verb", "apply"), CTL_WAIT_DEFAULT_MS, &answer, &code,
                     &error);
    if (r < 0)
        return ctl_fail(ctl, NULL, r, code, &error);
    if (ctl->output == CTL_OUTPUT_JSON) {
        bool has_errors = json_array_size(json_object_get(answer, "errors")) > 0;
        json_object_del(answer, "version");
        json_object_del(answer, "ok");
        return ctl_print_json(ctl, steal_ptr(answer)) < 0 || has_errors ? CTL_FAILED : CTL_OK;
    }
    print_changes(answer, "added");
    print_changes(answer, "removed");
    print_changes(answer, "changed");
    printf("%-10s%lld\n", "unchanged",
           (long long)json_integer_value(json_object_get(answer, "unchanged")));
    fflush(stdout);
    return print_apply_errors(json_object_get(answer, "errors"));
}

/* ---- version ---- */

static void print_versions(const json_t *server)
{
    printf("containerctl          %s (control %d, scoreboard %u)\n", MOD_CONTAINER_VERSION,
           CONTROL_VERSION, SCOREBOARD_ABI);
    if (!server)
        return;
    printf("container-supervisor  ");
    print_value(json_object_get(server, "supervisor"));
    printf(" (");
    print_value(json_object_get(server, "abi"));
    printf("), pid ");
    print_value(json_object_get(server, "pid"));
    printf(", cgroup ");
    print_value(json_object_get(server, "cgroup"));
    printf(", network ");
    print_value(json_object_get(server, "network"));
    putchar('\n');
}

int ctl_version(const struct ctl *ctl, int count, char **args)
{
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_OK;
    _cleanup_json_ json_t *answer = NULL;

    (void)count, (void)args;
    int r = ctl_call(ctl, json_pack("{s:s}", "verb", "version"), 0, &answer, &code, &error);
    if (ctl->output == CTL_OUTPUT_JSON) {
        json_object_del(answer, "version");
        json_object_del(answer, "ok");
        ctl_print_json(ctl, json_pack("{s:{s:s, s:{s:i, s:i}}, s:O?}", "client", "version",
                                      MOD_CONTAINER_VERSION, "abi", "control", CONTROL_VERSION,
                                      "scoreboard", (int)SCOREBOARD_ABI, "server", answer));
    } else {
        print_versions(answer);
    }
    return r < 0 ? ctl_fail(ctl, NULL, r, code, &error) : CTL_OK;
}
