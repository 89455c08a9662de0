/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime and container-runtime-systemd say to each other. Any bytes as a request: it is
 * refused with a message, or becomes a message for systemd, of which nothing is sent. As an answer:
 * it is an error or has what was asked for. As resources: what the runtime makes of them is taken
 * by the program. As linux.cgroupsPath: the unit and slice have names of systemd, and a path that
 * stays below the root of the hierarchy.
 *
 * libFuzzer: -max_len=8192 -dict=tests/fuzz/scope.dict
 */
/* Both ends as they are, with what they keep to themselves. */
#define main scope_main
#include "supervisor/cli/scope_main.c"
#undef main
#include "supervisor/runtime/systemd_scope.c"

#include <stdint.h>
#include <sys/socket.h>

#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/resources.h"
#include "tests/fuzz/config_checks.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

/* A bus whose other end never says a word: messages can be made for it. */
static sd_bus *silent_bus(void)
{
    static sd_bus *bus;
    static int ends[2];

    if (!bus) {
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        check(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, ends[0], ends[0]) >= 0);
        check(sd_bus_start(bus) >= 0);
    }
    return bus;
}

static int compose(const struct request *request, int version, bool is_new, struct error *error)
{
    _cleanup_message_ sd_bus_message *message = NULL;

    check(sd_bus_message_new_method_call(silent_bus(), &message, "a.b", "/a", "a.b", "C") >= 0);
    return append_properties(message, version, request, is_new, error);
}

static void check_request(const json_t *json)
{
    struct request request;
    struct error error = ERROR_INIT;
    int r = parse_request(json, &request, &error);

    check_outcome(r, r == 0, &error);
    if (r < 0)
        return;
    check(strlen(request.unit) < SYSTEMD_UNIT_MAX && *request.unit);
    check(request.end_ms <= clock_monotonic_ms() + TIMEOUT_MAX);
    bool is_new = strcmp(request.action, "start") == 0;
    check(!is_new || (request.pid > 0 && *request.slice));
    r = compose(&request, 255, is_new, &error);
    check_outcome(r, r == 0, &error);
}

static void check_answer(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    json_t *ok = NULL;
    int r = parse_answer((const char *)data, size, &ok, &error);

    check_outcome(r, ok != NULL, &error);
    json_decref(ok);
}

/* The two tables, of what is asked for and of what may be, must not part. */
static void check_made(const json_t *json)
{
    static const enum cgroup_mode modes[] = {CGROUP_V1, CGROUP_HYBRID, CGROUP_V2};
    static const int versions[] = {219, 247, 255};
    _cleanup_resources_ struct cgroup_resources *resources = NULL;
    struct error error = ERROR_INIT;

    if (resources_read(json, &resources, &error) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(modes) * 2; i++) {
        bool is_new = i % 2;
        json_t *properties = systemd_scope_properties(resources, modes[i / 2], is_new, &error);
        struct request request = {.description = "d", .slice = "s.slice", .pid = 1};
        request.properties = properties;
        check(properties || (error.code && error.message[0]));
        for (size_t k = 0; properties && k < ARRAY_LENGTH(versions); k++)
            check(compose(&request, versions[k], is_new, &error) == 0);
        json_decref(properties);
    }
}

static void check_names(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    struct systemd_scope scope;
    struct error error = ERROR_INIT;
    char path[PATH_MAX];
    int r = systemd_scope_name(text, "id", size % 2, &scope, &error);

    check_outcome(r, r == 0, &error);
    if (r < 0)
        return;
    check(!strpbrk(scope.unit, "/ \n") && !strpbrk(scope.slice, "/ \n"));
    check(ends_with(scope.unit, ".scope") && ends_with(scope.slice, ".slice"));
    r = systemd_scope_path(&scope, path, sizeof(path), &error);
    check_outcome(r, r == 0, &error);
    check(r < 0 || (path[0] == '/' && !strstr(path, "/../") && !strstr(path, "//")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    _cleanup_json_ json_t *json = config_parse((const char *)data, size, "request", &error);

    check_answer(data, size);
    check_names(data, size);
    if (json) {
        check_request(json);
        check_made(json);
    }
    return 0;
}
