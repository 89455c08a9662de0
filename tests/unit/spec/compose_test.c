/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose.h"
#include "supervisor/spec/compose_reader.h"

static char directory[] = "/tmp/compose-test-XXXXXX";
static int directory_fd = -EBADF;

static void write_file(const char *name, const char *text)
{
    _cleanup_close_ int fd =
        openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int read_compose(const char *text, struct tenant_spec **tenant, struct error *error)
{
    write_file("compose.yaml", text);
    return compose_read(directory_fd, "/srv/blog", "compose.yaml", "blog/compose.yaml", "blog",
                        tenant, error);
}

static struct tenant_spec *must_read(const char *text)
{
    struct tenant_spec *tenant = NULL;
    struct error error = ERROR_INIT;

    if (read_compose(text, &tenant, &error) < 0)
        fail_msg("%s\n%s", text, error.message);
    return tenant;
}

/* The canonical form of the only service. */
static char *canonical(const struct tenant_spec *tenant)
{
    json_t *json = service_spec_to_json(&tenant->services[0]);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);

    json_decref(json);
    return text;
}

/* ---- what is read ---- */

static void a_whole_file_is_read(void **state)
{
    struct tenant_spec *tenant =
        must_read("name: blog\n"
                  "version: '3.8'\n"
                  "x-limits: &limits\n"
                  "  mem_limit: 128m\n"
                  "  cpus: 0.5\n"
                  "services:\n"
                  "  web:\n"
                  "    <<: *limits\n"
                  "    image: host\n"
                  "    entrypoint: /usr/sbin/php-fpm8.2 -F\n"
                  "    command: [-y, /etc/php.conf]\n"
                  "    environment: {PHP_VERSION: 8.10, DEBUG: true, PRICE: '5$$'}\n"
                  "    user: 33:33\n"
                  "    working_dir: /var/www/\n"
                  "    hostname: www.example\n"
                  "    volumes:\n"
                  "      - ./html/:/var/www/html:ro\n"
                  "      - /srv/shared:/shared\n"
                  "      - Db_data:/var/lib/data\n"
                  "      - {type: tmpfs, target: /cache, tmpfs: {size: 16m, mode: 0755}}\n"
                  "      - {type: volume, source: data, target: /again, read_only: true}\n"
                  "    tmpfs: /dev/shm:size=8m,mode=1777\n"
                  "    pids_limit: 50\n"
                  "    blkio_config:\n"
                  "      device_read_bps: [{path: /dev/sda, rate: 10mb}]\n"
                  "      device_write_iops: [{path: /dev/sda, rate: 100}]\n"
                  "    restart: on-failure:3\n"
                  "    stop_signal: QUIT\n"
                  "    stop_grace_period: 1m30s\n"
                  "    cap_add: [net_bind_service, CAP_CHOWN, CHOWN]\n"
                  "    read_only: false\n"
                  "    expose: [\"9000\", 80/tcp, 80]\n"
                  "    labels: {a: $x}\n"
                  "    x-other: anything\n"
                  "    x-listen: {protocol: fcgi, path: /run/php.sock}\n"
                  "volumes: {data: {}, Db_data: }\n");
    _cleanup_free_ char *json = canonical(tenant);

    (void)state;
    assert_string_equal(
        json, "{\"cap_add\":[\"CAP_CHOWN\",\"CAP_NET_BIND_SERVICE\"],"
              "\"command\":[\"-y\",\"/etc/php.conf\"],\"cpu_limit_milli\":500,"
              "\"entrypoint\":[\"/usr/sbin/php-fpm8.2\",\"-F\"],"
              "\"environment\":{\"DEBUG\":\"true\",\"PHP_VERSION\":\"8.10\",\"PRICE\":\"5$\"},"
              "\"expose\":[80,9000],\"hostname\":\"www.example\",\"image\":\"host\","
              "\"io_limits\":{\"/dev/sda\":{\"read_bps\":10485760,\"write_iops\":100}},"
              "\"listen\":{\"path\":\"/run/php.sock\",\"protocol\":\"fcgi\"},"
              "\"memory_limit_bytes\":134217728,\"mounts\":["
              "{\"read_only\":true,\"source\":\"data\",\"target\":\"/again\",\"type\":\"volume\"},"
              "{\"mode\":493,\"size\":16777216,\"target\":\"/cache\",\"type\":\"tmpfs\"},"
              "{\"mode\":1023,\"size\":8388608,\"target\":\"/dev/shm\",\"type\":\"tmpfs\"},"
              "{\"source\":\"/srv/shared\",\"target\":\"/shared\",\"type\":\"bind\"},"
              "{\"source\":\"Db_data\",\"target\":\"/var/lib/data\",\"type\":\"volume\"},"
              "{\"read_only\":true,\"source\":\"/srv/blog/html\",\"target\":\"/var/www/html\","
              "\"type\":\"bind\"}],\"name\":\"web\",\"read_only\":false,\"restart\":\"on-failure\","
              "\"restart_max\":3,\"stop_grace_period_usec\":90000000,\"stop_signal\":3,"
              "\"tasks_limit\":50,\"user\":\"33:33\",\"working_dir\":\"/var/www\"}");
    assert_string_equal(tenant->source, "blog/compose.yaml");
    tenant_spec_free(tenant);
}

static void what_is_not_said_is_at_its_default(void **state)
{
    struct tenant_spec *tenant =
        must_read("services: {a: {image: \"rootfs:/srv//img/\", command: x}, "
                  "b: {image: host, command: y, x-listen: http}}\n");
    const struct service_spec *a = &tenant->services[0], *b = &tenant->services[1];

    (void)state;
    assert_int_equal(tenant->service_count, 2);
    assert_string_equal(a->name, "a");
    assert_int_equal(a->image_kind, IMAGE_ROOTFS);
    assert_string_equal(a->image_path, "/srv/img");
    assert_true(a->is_read_only);
    assert_null(a->user);
    assert_null(a->cap_add);
    assert_null(a->entrypoint);
    assert_null(a->environment);
    assert_int_equal(a->restart, RESTART_NO);
    assert_int_equal(a->stop_grace_period_usec, 10000000);
    assert_int_equal(a->memory_limit_bytes, 0);
    assert_int_equal(a->listen_kind, ENDPOINT_NONE);
    assert_int_equal(b->listen_kind, ENDPOINT_HTTP);
    assert_string_equal(b->listen_path, "/run/listen.sock");
    tenant_spec_free(tenant);
}

static void json_is_read_too(void **state)
{
    struct tenant_spec *tenant = must_read(
        "{\"services\": {\"web\": {\"image\": \"host\", \"command\": [\"/bin/true\", \"\\u00e4\"],"
        "\n\t\"mem_limit\": 67108864, \"environment\":{\"A\":\"b\"}}}}");

    (void)state;
    assert_string_equal(tenant->services[0].command[1], "\xc3\xa4");
    assert_int_equal(tenant->services[0].memory_limit_bytes, 67108864);
    tenant_spec_free(tenant);
}

static void env_files_are_read_beneath_the_directory(void **state)
{
    write_file("a.env", "# a comment\n\nA=1\nexport B=two words # not this\nC='$x # y'\n"
                        "D=\"tab\\t\\$5\"\nE=\n  F = spaced\r\n");
    (void)state;
    /* "F " is no key; without it the file is right. */
    struct tenant_spec *tenant = NULL;
    struct error error = ERROR_INIT;
    static const char text[] = "services:\n  web:\n    image: host\n    command: x\n"
                               "    environment: [B=3, G=h]\n    env_file: [a.env, ./b.env]\n";

    assert_int_equal(read_compose(text, &tenant, &error), -EINVAL);
    assert_string_equal(error.message,
                        "blog/compose.yaml:6: services.web.env_file[0]: a.env:8: not a KEY in "
                        "front of the =; write KEY=VALUE");
    write_file("a.env", "# a comment\n\nA=1\nexport B=two words # not this\nC='$x # y'\n"
                        "D=\"tab\\t\\$5\"\nE=\n  F= spaced\r\nH=a#b");
    write_file("b.env", "A=2\n");
    tenant = must_read(text);
    static const char *const expected[] = {"A=2", "B=3",      "C=$x # y", "D=tab\t$5",
                                           "E=",  "F=spaced", "H=a#b",    "G=h"};
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
        assert_string_equal(tenant->services[0].environment[i], expected[i]);
    assert_null(tenant->services[0].environment[ARRAY_LENGTH(expected)]);
    tenant_spec_free(tenant);
}

static void every_way_to_write_a_signal_works(void **state)
{
    static const struct {
        const char *text;
        int number;
    } cases[] = {{"SIGTERM", SIGTERM}, {"quit", SIGQUIT}, {"9", SIGKILL}, {"RTMIN+3", 37}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text),
                 "services: {web: {image: host, command: x, stop_signal: %s}}\n", cases[i].text);
        struct tenant_spec *tenant = must_read(text);
        assert_int_equal(tenant->services[0].stop_signal,
                         cases[i].number == 37 ? SIGRTMIN + 3 : cases[i].number);
        tenant_spec_free(tenant);
    }
}

static void every_restart_policy_is_read(void **state)
{
    static const struct {
        const char *text;
        enum restart_policy policy;
        uint32_t max;
    } cases[] = {{"no", RESTART_NO, 0},
                 {"'no'", RESTART_NO, 0},
                 {"false", RESTART_NO, 0},
                 {"always", RESTART_ALWAYS, 0},
                 {"unless-stopped", RESTART_UNLESS_STOPPED, 0},
                 {"on-failure", RESTART_ON_FAILURE, 0},
                 {"on-failure:5", RESTART_ON_FAILURE, 5}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "services: {web: {image: host, command: x, restart: %s}}\n",
                 cases[i].text);
        struct tenant_spec *tenant = must_read(text);
        assert_int_equal(tenant->services[0].restart, cases[i].policy);
        assert_int_equal(tenant->services[0].restart_max, cases[i].max);
        tenant_spec_free(tenant);
    }
}

/* ---- what is refused ---- */

/* A line of a service, in line 5, and what is said of it behind "services.web.". */
static void refused_keys_of_a_service(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"mem_limit: 512X", "mem_limit: \"512X\" is not a size; write 512m or 536870912"},
        {"mem_limit: 1m", "mem_limit: \"1m\" is not a size from 4.0M to"},
        {"mem_limit: -1", "mem_limit: \"-1\" is not a size; write"},
        {"mem_limit: [1]", "mem_limit: a list is not a text; write one"},
        {"mem_limit:", "mem_limit: nothing is not a text"},
        {"mem_limt: 512m", "mem_limt: unknown key; the nearest known key is \"mem_limit\""},
        {"Image: x", "Image: unknown key; the nearest known key is \"image\""},
        {"ports: ['80:80']", "ports: not supported: httpd is the way in"},
        {"privileged: true", "privileged: not supported: no container is privileged"},
        {"container_name: x", "container_name: not supported: a container is called"},
        {"cpus: 0", "cpus: \"0\" is not a number of CPUs; write a number from 0.01 to 8192"},
        {"cpus: 0.001", "cpus: \"0.001\" is not a number of CPUs"},
        {"cpus: lots", "cpus: \"lots\" is not a number of CPUs"},
        {"pids_limit: 0",
         "pids_limit: \"0\" is not a number of tasks; write a whole number from 1"},
        {"pids_limit: -1", "pids_limit: \"-1\" is not a number of tasks"},
        {"pids_limit: 1.5", "pids_limit: \"1.5\" is not a number of tasks"},
        {"user: +0", "user: \"+0\" is not a user"},
        {"user: -1", "user: \"-1\" is not a user"},
        {"user: 65536", "user: \"65536\" is not a user"},
        {"user: '4294967296:0'", "user: \"4294967296:0\" is not a user"},
        {"user: '1000:'", "user: \"1000:\" is not a user"},
        {"user: 'a b'", "user: \"a b\" is not a user"},
        {"working_dir: var", "working_dir: \"var\" is not an absolute path"},
        {"working_dir: /a/../b", "working_dir: \"/a/../b\" is not an absolute path"},
        {"hostname: -a", "hostname: \"-a\" is not a host name"},
        {"hostname: 'a b'", "hostname: \"a b\" is not a host name"},
        {"environment: {A: }", "environment.A: has no value, and nothing is inherited"},
        {"environment: [A]", "environment[0]: \"A\" is not of the form KEY=VALUE"},
        {"environment: {'A B': 1}", "environment.A B: a variable needs a name"},
        {"environment: {A: $HOME}",
         "environment.A: \"$HOME\" has a $ that Compose would interpolate, which is not supported; "
         "write $$ for a $ sign"},
        {"environment: {A: '${B:-c}'}", "environment.A: \"${B:-c}\" has a $"},
        {"environment: {A: 'x$'}", "environment.A: \"x$\" has a $"},
        {"environment: {A: [1]}", "environment.A: a list is not a text"},
        {"environment: A=1", "environment: \"A=1\" is not a mapping or a list"},
        {"env_file: none.env",
         "env_file: \"none.env\" is not a file that can be read: No such file"},
        {"env_file: ../x", "env_file: \"../x\" is not beneath the tenant's directory"},
        {"env_file: link", "env_file: \"link\" is not beneath the tenant's directory"},
        {"env_file: .", "env_file: \".\" is not a regular file"},
        {"entrypoint: []", "entrypoint: names no program"},
        {"entrypoint: ''", "entrypoint: names no program"},
        {"entrypoint: \"a 'b\"", "entrypoint: \"a 'b\" is not a command line: a quote has no end"},
        {"entrypoint: {a: b}", "entrypoint: a mapping is not a list"},
        {"entrypoint: [a, [b]]", "entrypoint[1]: a list is not a text"},
        {"volumes: [data]", "volumes[0]: \"data\" is not SOURCE:TARGET"},
        {"volumes: ['/x']", "volumes[0]: \"/x\" is not SOURCE:TARGET"},
        {"volumes: ['./a:b']", "volumes[0]: \"b\" is not a place in the container"},
        {"volumes: ['./a:/b/../c']", "volumes[0]: \"/b/../c\" is not a place in the container"},
        {"volumes: ['../a:/b']", "volumes[0]: \"../a\" is not a source"},
        {"volumes: ['./a/../../b:/b']", "volumes[0]: \"./a/../../b\" is not a source"},
        {"volumes: ['~/a:/b']", "volumes[0]: \"~/a\": there is no home directory"},
        {"volumes: ['./a:/b:z']", "volumes[0]: \"./a:/b:z\" is not SOURCE:TARGET[:ro|rw]"},
        {"volumes: ['./a:/']", "volumes[0]: nothing can be mounted on /"},
        {"volumes: ['./a:/.//']", "volumes[0]: nothing can be mounted on /"},
        {"volumes: ['./a:/proc']", "volumes[0]: \"/proc\": nothing can be mounted on or below /p"},
        {"volumes: ['./a:/proc//self']", "volumes[0]: \"/proc//self\": nothing can be mounted"},
        {"volumes: ['./a:/sys/fs']", "volumes[0]: \"/sys/fs\": nothing can be mounted"},
        {"volumes: ['./a:/dev/shm']", "volumes[0]: \"/dev/shm\": nothing can be mounted"},
        {"volumes: ['./a:/b', './c:/b/']", "volumes[1]: /b is mounted on already"},
        {"volumes: ['dta:/b']", "volumes[0]: volume \"dta\" is not declared; add it"},
        {"volumes: ['-data:/b']", "volumes[0]: \"-data\" is not a volume name; write 1 to 63"},
        {"volumes: ['a/b:/b']", "volumes[0]: \"a/b\" is not a volume name"},
        {"volumes: [':/b']", "volumes[0]: \"\" is not a volume name"},
        {"volumes: [{type: bnd}]", "volumes[0].type: \"bnd\" is not one of bind, volume, tmpfs"},
        {"volumes: [{type: bind, target: /a}]", "volumes[0]: source is missing"},
        {"volumes: [{type: bind, source: /a}]", "volumes[0]: target is missing"},
        {"volumes: [{source: /a, target: /a}]", "volumes[0]: type is missing"},
        {"volumes: [{type: tmpfs, source: a, target: /a}]", "volumes[0]: a tmpfs has no source"},
        {"volumes: [{type: bind, source: /a, target: /a, tmpfs: {size: 1m}}]",
         "volumes[0]: tmpfs options do not go with type: bind"},
        {"volumes: [{type: tmpfs, target: /a, tmpfs: {mode: 755}}]",
         "volumes[0].tmpfs.mode: \"755\" is not an octal mode"},
        {"volumes: [{type: tmpfs, target: /a, tmpfs: {mode: 04755}}]",
         "volumes[0].tmpfs.mode: \"04755\" is not an octal mode"},
        {"volumes: [{type: tmpfs, target: /a, read_only: 1}]",
         "volumes[0].read_only: \"1\" is not true or false"},
        {"volumes: [{type: bind, source: /a, target: /b, bind: {propagation: shared}}]",
         "volumes[0].bind: not supported: binds are always private"},
        {"tmpfs: /a:exec", "tmpfs: \"/a:exec\" is not TARGET[:size=64m,mode=1777]"},
        {"tmpfs: '/a:size=1'", "tmpfs: \"/a:size=1\" is not TARGET"},
        {"tmpfs: '/a:mode=4755'", "tmpfs: \"/a:mode=4755\" is not TARGET"},
        {"tmpfs: /proc", "tmpfs: \"/proc\": nothing can be mounted"},
        {"deploy: {replicas: 2}", "deploy.replicas: not supported: a service has one"},
        {"deploy: {resources: {reservations: {}}}", "deploy.resources.reservations: not supported"},
        {"deploy: {resources: {limits: {memory: x}}}",
         "deploy.resources.limits.memory: \"x\" is not a size"},
        {"deploy: {resources: {limits: {memori: x}}}",
         "deploy.resources.limits.memori: unknown key; the nearest known key is \"memory\""},
        {"blkio_config: {weight: 10}", "blkio_config.weight: not supported"},
        {"blkio_config: {device_read_bps: [{path: /dev/x}]}",
         "blkio_config.device_read_bps[0]: needs both"},
        {"blkio_config: {device_read_bps: [{path: x, rate: 1}]}",
         "blkio_config.device_read_bps[0].path: \"x\" is not the path of a disk"},
        {"blkio_config: {device_read_iops: [{path: /x, rate: 1m}]}",
         "blkio_config.device_read_iops[0].rate: \"1m\" is not a number of operations"},
        {"restart: sometimes", "restart: \"sometimes\" is not a restart policy"},
        {"restart: on-failure:x", "restart: \"on-failure:x\" is not a restart policy"},
        {"restart: on-failure:0", "restart: \"on-failure:0\" is not a restart policy"},
        {"restart: true", "restart: \"true\" is not a restart policy"},
        {"stop_signal: SIGNONE", "stop_signal: \"SIGNONE\" is not a signal"},
        {"stop_signal: 0", "stop_signal: \"0\" is not a signal"},
        {"stop_signal: 65", "stop_signal: \"65\" is not a signal"},
        {"stop_signal: STOP", "stop_signal: \"STOP\" is not a signal"},
        {"stop_grace_period: soon", "stop_grace_period: \"soon\" is not a duration; write 10s"},
        {"stop_grace_period: 2h", "stop_grace_period: \"2h\" is not a duration of at most 1h0m"},
        {"cap_add: [NET_BIND]", "cap_add[0]: \"NET_BIND\" is not a capability of capabilities(7); "
                                "the nearest one is NET_"},
        {"cap_add: [ALL]", "cap_add[0]: ALL is not taken; name each capability"},
        {"cap_add: CHOWN", "cap_add: \"CHOWN\" is not a list"},
        {"read_only: 'yes'", "read_only: \"yes\" is not true or false"},
        {"expose: [0]", "expose[0]: \"0\" is not a TCP port"},
        {"expose: [80/udp]", "expose[0]: \"80/udp\" is not a TCP port"},
        {"expose: [65536]", "expose[0]: \"65536\" is not a TCP port"},
        {"labels: x", "labels: \"x\" is not a mapping or a list"},
        {"x-listen: ftp", "x-listen: \"ftp\" is not one of fcgi, http"},
        {"x-mail-log: var/log/m", "x-mail-log: \"var/log/m\" is not a path inside the container"},
        {"x-mail-log: /", "x-mail-log: \"/\" is not a path inside the container"},
        {"x-mail-log: /../a", "x-mail-log: \"/../a\" is not a path inside"},
        {"x-listen: {path: /run/a}", "x-listen: protocol is missing"},
        {"x-listen: {protocol: fcgi, path: a}", "x-listen.path: \"a\" is not the path of a socket"},
        {"x-listen: {protocol: fcgi, path: '/a=b'}", "x-listen.path: \"/a=b\" is not the path"},
        {"x-listen: {protocol: fcgi, pth: /a}",
         "x-listen.pth: unknown key; the nearest known key is \"path\""},
    };

    (void)state;
    assert_int_equal(symlinkat("/etc/passwd", directory_fd, "link"), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct tenant_spec *tenant = NULL;
        struct error error = ERROR_INIT;
        char text[512], expected[512];
        snprintf(text, sizeof(text),
                 "services:\n  web:\n    image: host\n    command: x\n    %s\n"
                 "volumes:\n  data:\n",
                 cases[i].line);
        snprintf(expected, sizeof(expected), "blog/compose.yaml:5: services.web.%s",
                 cases[i].message);
        int r = read_compose(text, &tenant, &error);
        if (r != -EINVAL || strncmp(error.message, expected, strlen(expected)) != 0)
            fail_msg("%s:\n%d %s\nin place of\n%s", cases[i].line, r, error.message, expected);
        assert_null(tenant);
    }
}

static void refused_files(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"services: {web: {image: host", "blog/compose.yaml:2: did not find expected"},
        {"a\n", "blog/compose.yaml:1: \"a\" is not a mapping"},
        {"{}\n", "blog/compose.yaml:1: services is missing"},
        {"services: {}\n", "blog/compose.yaml:1: services: 0 services; a file has 1 to 128"},
        {"services:\n  Web: {}\n", "blog/compose.yaml:2: services.Web: \"Web\" is not a service"},
        {"services:\n  web:\n", "blog/compose.yaml:2: services.web: nothing is not a mapping"},
        {"services:\n  web: {}\n", "blog/compose.yaml:2: services.web: image is missing"},
        {"services:\n  web: {image: host}\n",
         "blog/compose.yaml:2: services.web: command is missing"},
        {"services:\n  web:\n    image: nginx:latest\n    command: x\n",
         "blog/compose.yaml:3: services.web.image: \"nginx:latest\" is not an image; write host"},
        {"services:\n  web:\n    image: rootfs:relative\n",
         "blog/compose.yaml:3: services.web.image: \"rootfs:relative\" is not an image"},
        {"services:\n  web:\n    image: rootfs:/a/../b\n",
         "blog/compose.yaml:3: services.web.image: \"rootfs:/a/../b\" is not an image"},
        {"services:\n  web:\n    image: rootfs:/\n",
         "blog/compose.yaml:3: services.web.image: \"rootfs:/\" is not an image"},
        {"name: other\n", "blog/compose.yaml:1: name: \"other\" is not the name of this tenant"},
        {"service:\n", "blog/compose.yaml:1: service: unknown key; the nearest known key is "
                       "\"services\""},
        {"networks: {}\n", "blog/compose.yaml:1: networks: not supported: each tenant has one"},
        {"volumes:\n  data:\n    driver: x\n",
         "blog/compose.yaml:2: volumes.data: a volume has no options for now"},
        {"volumes:\n  .data:\n",
         "blog/compose.yaml:2: volumes..data: \".data\" is not a volume name"},
        {"services:\n  web:\n    image: host\n    command: x\n    mem_limit: 64m\n    deploy:\n"
         "      resources: {limits: {memory: 128m}}\n",
         "blog/compose.yaml:5: services.web.mem_limit: differs from "
         "deploy.resources.limits.memory"},
        {"services:\n  web:\n    image: host\n    command: x\n    cpus: 1\n    deploy:\n"
         "      resources: {limits: {cpus: '2'}}\n",
         "blog/compose.yaml:5: services.web.cpus: differs from deploy.resources.limits.cpus"},
        {"services:\n  web:\n    image: \"a\\e[31m\\nb\"\n",
         "blog/compose.yaml:3: services.web.image: \"a?[31m?b\" is not an image"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct tenant_spec *tenant = NULL;
        struct error error = ERROR_INIT;
        int r = read_compose(cases[i].text, &tenant, &error);
        if (r != -EINVAL || strncmp(error.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s:\n%d %s\nin place of\n%s", cases[i].text, r, error.message,
                     cases[i].message);
        assert_null(tenant);
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct tenant_spec *tenant = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(
        compose_read(directory_fd, "/x", "none.yaml", "blog/none.yaml", "blog", &tenant, &error),
        -ENOENT);
    assert_string_equal(error.message, "blog/none.yaml: No such file or directory");
    assert_int_equal(
        compose_read(directory_fd, "/x", "link2", "blog/link2", "blog", &tenant, &error), -EXDEV);
}

static void limits_may_be_written_twice_if_they_agree(void **state)
{
    struct tenant_spec *tenant =
        must_read("services:\n  web:\n    image: host\n    command: x\n    mem_limit: 64m\n"
                  "    deploy: {resources: {limits: {memory: 65536k, cpus: '1.5', pids: 7}}}\n");

    (void)state;
    assert_int_equal(tenant->services[0].memory_limit_bytes, 64 << 20);
    assert_int_equal(tenant->services[0].cpu_limit_milli, 1500);
    assert_int_equal(tenant->services[0].tasks_limit, 7);
    tenant_spec_free(tenant);
}

/* ---- comparing ---- */

static bool are_equal(const char *a, const char *b)
{
    char text[2][400];
    struct tenant_spec *first, *second;

    snprintf(text[0], sizeof(text[0]), "services: {web: {image: host, command: x, %s}}\n", a);
    snprintf(text[1], sizeof(text[1]), "services: {web: {image: host, command: x, %s}}\n", b);
    first = must_read(text[0]);
    second = must_read(text[1]);
    bool is_equal = service_spec_equal(&first->services[0], &second->services[0]);
    tenant_spec_free(first);
    tenant_spec_free(second);
    return is_equal;
}

static void only_what_a_container_notices_is_a_difference(void **state)
{
    (void)state;
    assert_true(are_equal("mem_limit: 64m", "mem_limit: 65536k"));
    assert_true(are_equal("environment: {A: 1, B: 2}", "environment: [B=2, A=1]"));
    assert_true(are_equal("tmpfs: [/a, /b]", "tmpfs: [/b, /a]"));
    assert_true(are_equal("restart: always", "restart: 'no'"));
    assert_true(are_equal("stop_signal: QUIT", "stop_grace_period: 3s"));
    assert_true(are_equal("labels: {a: b}", "labels: {a: c}"));
    assert_false(are_equal("mem_limit: 64m", "mem_limit: 65m"));
    assert_false(are_equal("environment: {A: 1}", "environment: {A: 2}"));
    assert_false(are_equal("read_only: true", "read_only: false"));
    assert_false(are_equal("x-listen: fcgi", "x-listen: http"));
    assert_true(are_equal("x-mail-log: /a/./b", "x-mail-log: /a/b"));
    assert_false(are_equal("x-mail-log: /a", "x-mail-log: /b"));
    assert_false(are_equal("cap_add: [CHOWN]", "user: root"));
    assert_false(are_equal("tmpfs: /a", "tmpfs: '/a:size=1m'"));
    assert_false(are_equal("entrypoint: x", "entrypoint: y"));
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory_fd < 0 ? -1 : symlinkat("/etc/hostname", directory_fd, "link2");
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"compose.yaml", "a.env", "b.env", "link", "link2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unlinkat(directory_fd, names[i], 0);
    close_fd(&directory_fd);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(what_is_not_said_is_at_its_default),
        cmocka_unit_test(json_is_read_too),
        cmocka_unit_test(env_files_are_read_beneath_the_directory),
        cmocka_unit_test(every_way_to_write_a_signal_works),
        cmocka_unit_test(every_restart_policy_is_read),
        cmocka_unit_test(refused_keys_of_a_service),
        cmocka_unit_test(refused_files),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(limits_may_be_written_twice_if_they_agree),
        cmocka_unit_test(only_what_a_container_notices_is_a_difference),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
