/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/config_stage.h"

#include <errno.h>
#include <sys/mount.h>

static void reads_what_is_there(void **state)
{
    _cleanup_config_ struct config *config = stage_read(NULL, NULL);

    (void)state;
    assert_string_equal(config->oci_version, "1.3.0");
    assert_string_equal(config->bundle, STAGE_BUNDLE);
    assert_string_equal(config->root_path, STAGE_BUNDLE "/rootfs");
    assert_true(config->is_root_read_only);
    assert_string_equal(config->hostname, "a");
    assert_null(config->domainname);
    assert_int_equal(config_new_namespaces(config), CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID);
    assert_int_equal(config_joined_namespaces(config), 0);
    assert_int_equal(config->mount_count, 2);
    assert_string_equal(config->process->args[0], "sh");
    assert_null(config->resources);
    assert_null(config->seccomp);
    assert_null(config->cgroups_path);
    assert_null(config->masked_paths[0]);
    assert_int_equal(config->root_propagation, MS_PRIVATE | MS_REC);
}

static void an_absolute_root_stays_as_it_is(void **state)
{
    _cleanup_config_ struct config *config = stage_read("root.path", "'/img'");

    (void)state;
    assert_string_equal(config->root_path, "/img");
}

static void without_a_bundle_paths_are_absolute(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    struct config *config = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(config_read(json, NULL, &config, &error), -EINVAL);
    assert_string_equal(error.message, "root.path: \"rootfs\" is not an absolute path");
    stage_set(json, "root.path", "'/img'");
    stage_set(json, "mounts.0.source", "'data'");
    assert_int_equal(config_read(json, NULL, &config, &error), -EINVAL);
    assert_string_equal(error.message, "mounts[0].source: \"data\" is not an absolute path");
    assert_int_equal(config_read(json, "bundle", &config, &error), -EINVAL);
}

static void a_process_may_come_later(void **state)
{
    _cleanup_config_ struct config *config = stage_read("process", NULL);

    (void)state;
    assert_null(config->process);
}

static void the_parts_of_the_document(void **state)
{
    static const struct stage_row rows[] = {
        {"ociVersion", "'1.0.2-dev'", NULL},
        {"ociVersion", "'1.0.0-rc5'", NULL},
        {"ociVersion", "'1.2.1+build'", NULL},
        {"ociVersion", "'1.0.0.'", "ociVersion: \"1.0.0.\" is not 1.x.y"},
        {"ociVersion", "'1.0'", "ociVersion: \"1.0\" is not 1.x.y"},
        {"ociVersion", "'2.0.0'", "ociVersion: \"2.0.0\" is not 1.x.y"},
        {"ociVersion", "'invalid'", "ociVersion: \"invalid\""},
        {"ociVersion", "1", "ociVersion: must be a string"},
        {"ociVersion", NULL, "ociVersion: is missing"},
        {"ociVersion", "null", "ociVersion: is missing"},
        {"process", "null", NULL},
        {"process", "[]", "process: must be an object"},
        {"root", NULL, "root: is missing"},
        {"root.path", NULL, "root.path: is missing"},
        {"root.path", "''", "root.path: is empty"},
        {"root.readonly", "'yes'", "root.readonly: must be true or false"},
        {"root.readonly", "null", NULL},
        {"hostname", "''", NULL},
        {"hostname", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", NULL},
        {"hostname", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
         "hostname: "},
        {"domainname", "'example.org'", NULL},
        {"domainname", "7", "domainname: must be a string"},
        {"mounts", NULL, NULL},
        {"mounts", "{}", "mounts: must be an array"},
        {"annotations", "{'org.x':'','org.opencontainers.image.x':'y'}", NULL},
        {"annotations", "{'':'x'}", "annotations: a key is empty"},
        {"annotations", "{'a':1}", "annotations.a: must be a string"},
        {"annotations", "{'a':null}", "annotations.a: must be a string"},
        {"annotations", "['a']", "annotations: must be an object"},
        {"hooks", "null", NULL},
        {"linux.namespaces", NULL, "hostname: needs a uts namespace"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void what_the_spec_does_not_know_is_ignored(void **state)
{
    static const struct stage_row rows[] = {
        {"unknown", "'unknown'", NULL},      {"solaris", "{'milestone':3}", NULL},
        {"process.surprise", "1", NULL},     {"process.user.username", "7", NULL},
        {"process.commandLine", "[]", NULL}, {"root.type", "{}", NULL},
        {"linux.surprise", "[[]]", NULL},    {"mounts.0.surprise", "null", NULL},
        {"hooks.afterlife", "[1]", NULL},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void what_holds_between_the_parts(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.namespaces", "[{'type':'mount'}]", "hostname: needs a uts namespace"},
        {"linux.namespaces", "[{'type':'mount'},{'type':'uts','path':'/proc/self/ns/uts'}]",
         "hostname: needs a uts namespace"},
        {"linux.namespaces", "[{'type':'mount'},{'type':'uts','path':'/proc/self/ns/net'}]", NULL},
        {"linux.namespaces", "[{'type':'mount'},{'type':'uts','path':'/gone'}]", NULL},
        {"linux.namespaces", "[{'type':'uts'},{'type':'mount','path':'/proc/self/ns/mnt'}]", NULL},
        {"linux.namespaces", "[{'type':'uts'},{'type':'user'}]",
         "linux.namespaces: a user namespace goes with a mount namespace"},
        {"linux.namespaces", "[{'type':'uts'},{'type':'mount','path':'/proc/self/ns/net'}]", NULL},
        {"linux.namespaces.2", "{'type':'user'}",
         "linux.namespaces: a new user namespace needs uidMappings"},
        {"linux.namespaces.2", "{'type':'user','path':'/proc/1/ns/user'}", NULL},
        {"linux.uidMappings", "[{'containerID':0,'hostID':0,'size':1}]",
         "linux.gidMappings: is missing"},
        {"linux.gidMappings", "[{'containerID':0,'hostID':0,'size':1}]",
         "linux.uidMappings: is missing"},
        {"mounts.0.options", "['bind','idmap']", "mounts[0].options: idmap needs uidMappings"},
        {"linux.timeOffsets", "{'boottime':{'secs':1}}",
         "linux.timeOffsets: needs a new time namespace"},
        {"linux.netDevices", "{'eth0':{}}", "linux.netDevices: needs a network namespace"},
    };
    static const struct stage_row domain[] = {
        {"hostname", NULL, "domainname: needs a uts namespace"},
    };

    (void)state;
    STAGE_CHECK(rows);
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    struct config *config = NULL;
    struct error error = ERROR_INIT;
    stage_set(json, domain[0].path, domain[0].value);
    stage_set(json, "domainname", "'example.org'");
    stage_set(json, "linux.namespaces.1", NULL);
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), -EINVAL);
    assert_memory_equal(error.message, domain[0].message, strlen(domain[0].message));
}

static void user_namespaces_and_mappings_go_together(void **state)
{
    static const char maps[] = "[{'containerID':0,'hostID':100000,'size':65536}]";
    static const struct stage_row rows[] = {
        {"linux.namespaces.2", "{'type':'user'}", NULL},
        {"linux.namespaces.2", "{'type':'user','path':'/proc/1/ns/user'}", NULL},
        {"linux.namespaces.2", "{'type':'ipc'}", "linux.uidMappings: needs a user namespace"},
        {"mounts.0.options", "['bind','idmap']", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        struct error error = ERROR_INIT;
        stage_set(json, "linux.uidMappings", maps);
        stage_set(json, "linux.gidMappings", maps);
        stage_set(json, "linux.namespaces.2", "{'type':'user'}");
        stage_set(json, rows[i].path, rows[i].value);
        int r = config_read(json, STAGE_BUNDLE, &config, &error);
        if (rows[i].message)
            assert_memory_equal(error.message, rows[i].message, strlen(rows[i].message));
        assert_int_equal(r, rows[i].message ? -EINVAL : 0);
    }
}

static void hooks_of_all_kinds(void **state)
{
    (void)state;
    for (int kind = 0; kind < HOOK_KINDS; kind++) {
        char path[64];
        snprintf(path, sizeof(path), "hooks.%s", config_hook_kind_name(kind));
        _cleanup_config_ struct config *config =
            stage_read(path, "[{'path':'/bin/a'},"
                             "{'path':'/bin/b','args':['b','1'],'env':['A=1'],'timeout':7}]");
        for (int other = 0; other < HOOK_KINDS; other++)
            assert_int_equal(config->hooks[other].count, other == kind ? 2 : 0);
        const struct config_hook *hooks = config->hooks[kind].list;
        assert_string_equal(hooks[0].path, "/bin/a");
        assert_string_equal(hooks[0].args[0], "/bin/a");
        assert_null(hooks[0].args[1]);
        assert_null(hooks[0].env[0]);
        assert_int_equal(hooks[0].timeout_s, 0);
        assert_string_equal(hooks[1].args[1], "1");
        assert_string_equal(hooks[1].env[0], "A=1");
        assert_int_equal(hooks[1].timeout_s, 7);
    }
}

static void hooks_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"hooks.prestart", "{}", "hooks.prestart: must be an array"},
        {"hooks.prestart", "null", NULL},
        {"hooks.prestart", "[1]", "hooks.prestart[0]: must be an object"},
        {"hooks.prestart", "[{}]", "hooks.prestart[0].path: is missing"},
        {"hooks.poststop", "[{'path':'/a'},{'path':'a'}]",
         "hooks.poststop[1].path: \"a\" is not an absolute path"},
        {"hooks.poststop", "[{'path':'/a','timeout':0}]",
         "hooks.poststop[0].timeout: 0 is not within 1.."},
        {"hooks.poststop", "[{'path':'/a','timeout':-1}]", "hooks.poststop[0].timeout: -1 is not"},
        {"hooks.poststop", "[{'path':'/a','timeout':1.5}]",
         "hooks.poststop[0].timeout: must be an integer"},
        {"hooks.poststop", "[{'path':'/a','timeout':null,'args':null,'env':null}]", NULL},
        {"hooks.poststop", "[{'path':'/a','args':[1]}]",
         "hooks.poststop[0].args[0]: must be a string"},
        {"hooks.poststop", "[{'path':'/a','env':'A=1'}]",
         "hooks.poststop[0].env: must be an array"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void lists_have_bounds(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    struct config *config = NULL;
    struct error error = ERROR_INIT;
    json_t *mounts = json_object_get(json, "mounts");

    (void)state;
    while (json_array_size(mounts) <= 4096)
        json_array_append(mounts, json_array_get(mounts, 1));
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), -E2BIG);
    assert_string_equal(error.message, "mounts: 4097 entries; at most 4096 are possible");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_there),
        cmocka_unit_test(an_absolute_root_stays_as_it_is),
        cmocka_unit_test(without_a_bundle_paths_are_absolute),
        cmocka_unit_test(a_process_may_come_later),
        cmocka_unit_test(the_parts_of_the_document),
        cmocka_unit_test(what_the_spec_does_not_know_is_ignored),
        cmocka_unit_test(what_holds_between_the_parts),
        cmocka_unit_test(user_namespaces_and_mappings_go_together),
        cmocka_unit_test(hooks_of_all_kinds),
        cmocka_unit_test(hooks_that_are_wrong),
        cmocka_unit_test(lists_have_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
