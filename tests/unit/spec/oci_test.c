/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/oci.h"

static struct tenant_spec *read_service(const char *lines)
{
    const struct compose_source source = {
        .dir_fd = -EBADF, .host_dir = "/srv/blog", .tenant = "blog"};
    struct tenant_spec *tenant = NULL;
    struct error error = ERROR_INIT;
    char text[1024];

    snprintf(text, sizeof(text), "services: {web: {image: host, %s}}\nvolumes: {a: , b: }\n",
             lines);
    if (compose_parse(text, strlen(text), "f", &source, &tenant, &error) < 0)
        fail_msg("%s", error.message);
    return tenant;
}

static struct oci_facts facts_of(void)
{
    static const struct oci_bind binds[] = {{"/usr", "/usr", true, false, true}};
    static const uint32_t gids[] = {4, 20};
    static const char *const volumes[] = {"/data/a", "/data/b"};

    return (struct oci_facts){.tenant = "blog",
                              .container_id = "blog-web-1",
                              .cgroups_path = "/container-supervisor/blog/blog-web-1",
                              .rootfs_path = "/run/x/rootfs",
                              .id_base = 1000000,
                              .uid = 33,
                              .gid = 34,
                              .additional_gids = gids,
                              .additional_gid_count = ARRAY_LENGTH(gids),
                              .home = "/var/www",
                              .image_binds = binds,
                              .image_bind_count = ARRAY_LENGTH(binds),
                              .volume_sources = volumes,
                              .default_memory_bytes = 256 << 20,
                              .default_cpu_milli = 1000,
                              .default_tasks = 100};
}

/* Compiles, and has the runtime read the result: it refuses whatever it does not know. */
static json_t *compile(const char *lines, const struct oci_facts *facts)
{
    struct tenant_spec *tenant = read_service(lines);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;
    json_t *json = NULL;

    if (oci_compile(&tenant->services[0], facts, &json, &error) < 0 ||
        config_read(json, NULL, &config, &error) < 0)
        fail_msg("%s: %s", lines, error.message);
    tenant_spec_free(tenant);
    return json;
}

static json_t *compile_default(const char *lines)
{
    const struct oci_facts facts = facts_of();

    return compile(lines, &facts);
}

/* A value by its path, "process.user.uid", as compact JSON that the caller frees. */
static char *at(const json_t *json, const char *path)
{
    _cleanup_free_ char *copy = strdup(path);
    char *rest = copy;

    for (char *part; json && (part = strsep(&rest, "."));)
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part))
                                   : json_object_get(json, part);
    return json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS)
                : strdup("absent");
}

static void expect_at(const json_t *json, const char *path, const char *expected)
{
    _cleanup_free_ char *value = at(json, path);

    if (strcmp(value, expected) != 0)
        fail_msg("%s: %s in place of %s", path, value, expected);
}

static const json_t *mount_on(const json_t *config, const char *target)
{
    const json_t *mounts = json_object_get(config, "mounts"), *found = NULL;

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        if (strcmp(json_string_value(json_object_get(mount, "destination")), target) != 0)
            continue;
        assert_null(found); /* no target twice */
        found = mount;
    }
    return found;
}

static void expect_mount(const json_t *config, const char *target, const char *expected)
{
    const json_t *mount = mount_on(config, target);
    char text[512];

    assert_non_null(mount);
    snprintf(text, sizeof(text), "%s %s", json_string_value(json_object_get(mount, "type")),
             json_string_value(json_object_get(mount, "source")));
    for (size_t i = 0; i < json_array_size(json_object_get(mount, "options")); i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
                 json_string_value(json_array_get(json_object_get(mount, "options"), i)));
    assert_string_equal(text, expected);
}

/* ---- what everybody gets ---- */

static void a_service_that_asks_for_nothing_gets_nothing(void **state)
{
    _cleanup_json_ json_t *config = compile_default("command: [/bin/x, y]");
    static const struct {
        const char *path, *value;
    } expected[] = {
        {"ociVersion", "\"1.2.0\""},
        {"root", "{\"path\":\"/run/x/rootfs\",\"readonly\":true}"},
        {"hostname", "\"blog-web\""},
        {"process.terminal", "false"},
        {"process.args", "[\"/bin/x\",\"y\"]"},
        {"process.cwd", "\"/\""},
        {"process.user", "{\"additionalGids\":[4,20],\"gid\":34,\"uid\":33,\"umask\":18}"},
        {"process.env", "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
                        "\"HOME=/var/www\",\"HOSTNAME=blog-web\"]"},
        {"process.noNewPrivileges", "true"},
        {"process.capabilities",
         "{\"ambient\":[],\"bounding\":[],\"effective\":[],\"inheritable\":[],\"permitted\":[]}"},
        {"process.oomScoreAdj", "absent"},
        {"process.rlimits", "[{\"hard\":16384,\"soft\":1024,\"type\":\"RLIMIT_NOFILE\"},"
                            "{\"hard\":0,\"soft\":0,\"type\":\"RLIMIT_CORE\"}]"},
        {"linux.namespaces",
         "[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
         "{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":\"cgroup\"}]"},
        {"linux.uidMappings", "[{\"containerID\":0,\"hostID\":1000000,\"size\":65536}]"},
        {"linux.gidMappings", "[{\"containerID\":0,\"hostID\":1000000,\"size\":65536}]"},
        {"linux.cgroupsPath", "\"/container-supervisor/blog/blog-web-1\""},
        {"linux.resources.memory", "{\"limit\":268435456,\"swap\":268435456}"},
        {"linux.resources.cpu", "{\"period\":100000,\"quota\":100000}"},
        {"linux.resources.pids", "{\"limit\":100}"},
        {"linux.resources.blockIO", "absent"},
        {"linux.resources.devices.0", "{\"access\":\"rwm\",\"allow\":false}"},
        {"linux.resources.devices.1",
         "{\"access\":\"rwm\",\"allow\":true,\"major\":1,\"minor\":3,\"type\":\"c\"}"},
        {"linux.resources.devices.8",
         "{\"access\":\"rwm\",\"allow\":true,\"major\":136,\"type\":\"c\"}"},
        {"linux.resources.devices.9", "absent"},
        {"linux.rootfsPropagation", "\"private\""},
        {"linux.seccomp.defaultAction", "\"SCMP_ACT_ERRNO\""},
        {"linux.seccomp.defaultErrnoRet", "38"},
        {"linux.readonlyPaths",
         "[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]"},
        {"hooks", "absent"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
        expect_at(config, expected[i].path, expected[i].value);
    _cleanup_free_ char *masked = at(config, "linux.maskedPaths");
    static const char *const paths[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list",
                                        "/sys/firmware", "/sys/devices/virtual/powercap"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        assert_non_null(strstr(masked, paths[i]));
}

static void standard_mounts_are_tight(void **state)
{
    _cleanup_json_ json_t *config = compile_default("command: x");

    (void)state;
    expect_mount(config, "/proc", "proc proc nosuid noexec nodev");
    expect_mount(config, "/dev", "tmpfs tmpfs nosuid noexec strictatime mode=755 size=64k");
    expect_mount(config, "/dev/pts",
                 "devpts devpts nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5");
    expect_mount(config, "/dev/shm", "tmpfs shm nosuid noexec nodev mode=1777 size=67108864");
    expect_mount(config, "/dev/mqueue", "mqueue mqueue nosuid noexec nodev");
    expect_mount(config, "/sys", "sysfs sysfs nosuid noexec nodev ro");
    expect_mount(config, "/sys/fs/cgroup", "cgroup cgroup nosuid noexec nodev ro");
    expect_mount(config, "/tmp", "tmpfs tmpfs nosuid nodev mode=1777 size=67108864");
    expect_mount(config, "/run", "tmpfs tmpfs nosuid nodev mode=755 size=33554432 uid=33 gid=34");
    expect_mount(config, "/usr", "bind /usr bind nosuid nodev ro");
    assert_int_equal(json_array_size(json_object_get(config, "mounts")), 10);
}

static void mounts_of_the_service_come_last_and_by_depth(void **state)
{
    _cleanup_json_ json_t *config =
        compile_default("command: x, tmpfs: ['/run', '/a/b/c:size=1m,mode=700'], "
                        "volumes: ['b:/a/b:ro', './html:/a', 'a:/var', {type: tmpfs, target: /z, "
                        "read_only: true}]");
    const json_t *mounts = json_object_get(config, "mounts");
    static const char *const order[] = {"/run", "/a", "/var", "/z", "/a/b", "/a/b/c"};
    size_t count = json_array_size(mounts);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
        assert_string_equal(
            json_string_value(json_object_get(
                json_array_get(mounts, count - ARRAY_LENGTH(order) + i), "destination")),
            order[i]);
    /* The first volume of the file gets the first source, whatever the order of mounting. */
    expect_mount(config, "/a/b", "bind /data/a bind nosuid nodev idmap ro");
    expect_mount(config, "/var", "bind /data/b bind nosuid nodev idmap rw");
    expect_mount(config, "/a", "bind /srv/blog/html bind nosuid nodev idmap rw");
    expect_mount(config, "/a/b/c", "tmpfs tmpfs nosuid nodev mode=700 size=1048576");
    expect_mount(config, "/z", "tmpfs tmpfs nosuid nodev mode=1777 size=67108864 ro");
    expect_mount(config, "/run", "tmpfs tmpfs nosuid nodev mode=1777 size=67108864");
}

static void the_mail_log_is_mounted_with_its_owners_as_they_are(void **state)
{
    struct oci_facts facts = facts_of();

    (void)state;
    facts.mail_log_source = "/run/blog-web-1/mail.fifo";
    _cleanup_json_ json_t *config =
        compile("command: x, x-mail-log: /run/mail, tmpfs: /run", &facts);
    const json_t *mounts = json_object_get(config, "mounts");
    expect_mount(config, "/run/mail", "bind /run/blog-web-1/mail.fifo bind nosuid nodev rw");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(mounts, json_array_size(mounts) - 1), "destination")),
                        "/run/mail");
}

/* ---- what is asked for ---- */

static void limits_of_the_service_win(void **state)
{
    _cleanup_json_ json_t *config =
        compile_default("command: x, mem_limit: 4m, cpus: 0.01, pids_limit: 1");

    (void)state;
    expect_at(config, "linux.resources.memory", "{\"limit\":4194304,\"swap\":4194304}");
    expect_at(config, "linux.resources.cpu", "{\"period\":100000,\"quota\":1000}");
    expect_at(config, "linux.resources.pids", "{\"limit\":1}");
    expect_mount(config, "/tmp", "tmpfs tmpfs nosuid nodev mode=1777 size=1048576");
}

static void the_environment_has_each_variable_once(void **state)
{
    struct oci_facts facts = facts_of();
    facts.home = NULL;
    facts.has_listen_socket = true;
    _cleanup_json_ json_t *fcgi =
        compile("command: x, entrypoint: '/init -a', hostname: h, working_dir: /w, x-listen: "
                "{protocol: fcgi, path: /run/p}, environment: {PATH: /p, A: '', FPM_SOCKETS: fake}",
                &facts);
    _cleanup_json_ json_t *http = compile("command: x, x-listen: http", &facts);

    (void)state;
    expect_at(fcgi, "process.env",
              "[\"PATH=/p\",\"HOME=/\",\"HOSTNAME=h\",\"A=\",\"FPM_SOCKETS=/run/p=3\"]");
    expect_at(fcgi, "process.args", "[\"/init\",\"-a\",\"x\"]");
    expect_at(fcgi, "process.cwd", "\"/w\"");
    expect_at(http, "process.env.3", "\"LISTEN_FDS=1\"");
    expect_at(http, "process.env.4", "\"LISTEN_PID=1\"");
}

static void capabilities_are_those_that_were_named(void **state)
{
    struct oci_facts facts = facts_of();
    _cleanup_json_ json_t *user = compile("command: x, cap_add: [NET_RAW]", &facts);
    facts.uid = 0;
    _cleanup_json_ json_t *root = compile("command: x, cap_add: [NET_RAW]", &facts);

    (void)state;
    expect_at(user, "process.capabilities",
              "{\"ambient\":[\"CAP_NET_RAW\"],\"bounding\":[\"CAP_NET_RAW\"],"
              "\"effective\":[\"CAP_NET_RAW\"],\"inheritable\":[\"CAP_NET_RAW\"],"
              "\"permitted\":[\"CAP_NET_RAW\"]}");
    expect_at(root, "process.capabilities",
              "{\"ambient\":[],\"bounding\":[\"CAP_NET_RAW\"],\"effective\":[\"CAP_NET_RAW\"],"
              "\"inheritable\":[],\"permitted\":[\"CAP_NET_RAW\"]}");
}

static void a_long_host_name_is_cut(void **state)
{
    struct oci_facts facts = facts_of();
    facts.tenant = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; /* 62 */
    _cleanup_json_ json_t *config = compile("command: x", &facts);

    (void)state; /* 62 letters and the hyphen would be 63, and a name ends with no hyphen */
    expect_at(config, "hostname",
              "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
}

/* ---- what is refused ---- */

static void expect_refusal(const struct service_spec *service, const struct oci_facts *facts,
                           int code, const char *message)
{
    struct error error = ERROR_INIT;
    json_t *json = NULL;

    assert_int_equal(oci_compile(service, facts, &json, &error), code);
    assert_string_equal(error.message, message);
    assert_null(json);
}

static void what_cannot_be_run_is_refused(void **state)
{
    struct oci_facts facts = facts_of();
    char bad[] = "CAP_NET_ROW";
    char *caps[] = {bad, NULL};
    struct tenant_spec *tenant =
        read_service("command: x, blkio_config: {device_read_bps: [{path: /dev/null, rate: 1k}]}");
    struct tenant_spec *missing =
        read_service("command: x, blkio_config: {device_read_bps: [{path: /dev/none, rate: 1k}]}");
    struct tenant_spec *plain = read_service("command: x");
    struct service_spec service = plain->services[0];

    (void)state;
    expect_refusal(&tenant->services[0], &facts, -EINVAL,
                   "service web: blkio_config: /dev/null is not a block device; write the path of "
                   "a disk");
    expect_refusal(&missing->services[0], &facts, -ENOENT,
                   "service web: blkio_config: /dev/none: No such file or directory");
    service.command = NULL;
    expect_refusal(&service, &facts, -EINVAL,
                   "service web: there is no command to run; write command:");
    service = plain->services[0];
    service.cap_add = caps;
    expect_refusal(&service, &facts, -EINVAL,
                   "service web: cap_add: \"CAP_NET_ROW\" is not a capability; the nearest one is "
                   "NET_RAW");
    facts.has_listen_socket = true;
    expect_refusal(&plain->services[0], &facts, -EINVAL,
                   "service web: there is a listening socket, but x-listen is not given");
    facts.has_listen_socket = false;
    facts.default_tasks = 0;
    expect_refusal(&plain->services[0], &facts, -EINVAL,
                   "service web: a container needs a limit of memory, CPU and tasks: the "
                   "supervisor has no default for one of them");
    tenant_spec_free(tenant);
    tenant_spec_free(missing);
    tenant_spec_free(plain);
}

/* ---- without memory ---- */

static size_t allocations_left;

static void *failing_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return malloc(size);
}

/*
 * Lets each allocation of the compiler fail in turn: there is an error or the whole config, never
 * a config that lacks a masked path or a namespace.
 */
static void no_config_is_incomplete(void **state)
{
    struct tenant_spec *tenant = read_service("command: x, cap_add: [CHOWN], volumes: ['./a:/b']");
    const struct oci_facts facts = facts_of();
    struct error error = ERROR_INIT;
    json_t *whole = NULL, *json = NULL;
    size_t failures = 0;
    int r;

    (void)state;
    assert_int_equal(oci_compile(&tenant->services[0], &facts, &whole, &error), 0);
    json_set_alloc_funcs(failing_malloc, free);
    for (size_t count = 0;; count++) {
        allocations_left = count;
        r = oci_compile(&tenant->services[0], &facts, &json, &error);
        bool is_done = allocations_left > 0;
        allocations_left = SIZE_MAX;
        if (r == 0 && !json_equal(json, whole))
            fail_msg("allocation %zu failed and something is missing", count);
        if (r == 0)
            json_decref(json);
        if (r == 0 && is_done)
            break;
        assert_true(r == -ENOMEM || r == 0);
        failures++;
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failures > 500);
    json_decref(whole);
    tenant_spec_free(tenant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_asks_for_nothing_gets_nothing),
        cmocka_unit_test(standard_mounts_are_tight),
        cmocka_unit_test(mounts_of_the_service_come_last_and_by_depth),
        cmocka_unit_test(the_mail_log_is_mounted_with_its_owners_as_they_are),
        cmocka_unit_test(limits_of_the_service_win),
        cmocka_unit_test(the_environment_has_each_variable_once),
        cmocka_unit_test(capabilities_are_those_that_were_named),
        cmocka_unit_test(a_long_host_name_is_cut),
        cmocka_unit_test(what_cannot_be_run_is_refused),
        cmocka_unit_test(no_config_is_incomplete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
