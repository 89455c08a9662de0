/* SPDX-License-Identifier: Apache-2.0 */

/* The config that `spec` writes, and whether the runtime takes it. */

#include "tests/unit/runtime/config_stage.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* The command line's own files are in no library. */
#include "supervisor/cli/runtime_spec.c"

static struct config *read_default(bool is_rootless)
{
    _cleanup_json_ json_t *json = runtime_spec_default(is_rootless);
    struct config *config = NULL;
    struct error error = ERROR_INIT;

    assert_non_null(json);
    if (config_read(json, STAGE_BUNDLE, &config, &error) < 0)
        fail_msg("%s", error.message);
    return config;
}

static const struct config_mount *mount_at(const struct config *config, const char *destination)
{
    for (size_t i = 0; i < config->mount_count; i++)
        if (strcmp(config->mounts[i].destination, destination) == 0)
            return &config->mounts[i];
    fail_msg("no mount at %s", destination);
    return NULL;
}

static void the_default_is_taken(void **state)
{
    _cleanup_config_ struct config *config = read_default(false);
    const struct config_process *process = config->process;
    uint64_t allowed = UINT64_C(1) << CAP_AUDIT_WRITE | UINT64_C(1) << CAP_KILL |
                       UINT64_C(1) << CAP_NET_BIND_SERVICE;
    uint64_t added = config_new_namespaces(config);

    (void)state;
    assert_string_equal(config->oci_version, "1.3.0");
    assert_string_equal(config->root_path, STAGE_BUNDLE "/rootfs");
    assert_true(config->is_root_read_only);
    assert_string_equal(config->hostname, "container");
    assert_true(process->has_terminal && process->no_new_privileges);
    assert_string_equal(process->args[0], "sh");
    assert_string_equal(process->env[1], "TERM=xterm");
    assert_int_equal(process->capabilities.bounding, allowed);
    assert_int_equal(process->capabilities.effective, allowed);
    assert_int_equal(process->capabilities.permitted, allowed);
    assert_int_equal(process->capabilities.inheritable | process->capabilities.ambient, 0);
    assert_string_equal(process->notes, "");
    assert_int_equal(process->rlimit_count, 1);
    assert_int_equal(process->rlimits[0].resource, RLIMIT_NOFILE);
    assert_int_equal(process->rlimits[0].limit.rlim_max, 1024);
    assert_int_equal(added & ~(uint64_t)CLONE_NEWCGROUP,
                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS);
    assert_int_equal(config->mount_count, 7);
    assert_string_equal(mount_at(config, "/dev/pts")->data,
                        "newinstance,ptmxmode=0666,mode=0620,gid=5");
    assert_string_equal(mount_at(config, "/sys")->type, "sysfs");
    assert_non_null(config->resources);
    assert_int_equal(config->resources->device_count, 1);
    assert_non_null(config->masked_paths[9]);
    assert_null(config->masked_paths[10]);
    assert_non_null(config->read_only_paths[4]);
}

static void the_rootless_one_needs_no_rights(void **state)
{
    _cleanup_config_ struct config *config = read_default(true);
    uint64_t added = config_new_namespaces(config);

    (void)state;
    assert_true(added & CLONE_NEWUSER);
    assert_false(added & CLONE_NEWNET);
    assert_int_equal(config->uid_map_count, 1);
    assert_int_equal(config->uid_map[0].outside, geteuid());
    assert_int_equal(config->uid_map[0].inside, 0);
    assert_int_equal(config->uid_map[0].count, 1);
    assert_int_equal(config->gid_map[0].outside, getegid());
    assert_string_equal(mount_at(config, "/dev/pts")->data, "newinstance,ptmxmode=0666,mode=0620");
    assert_true(mount_at(config, "/sys")->is_bind && mount_at(config, "/sys")->is_recursive);
    assert_int_equal(mount_at(config, "/sys")->attributes & MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY);
    assert_null(config->resources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_taken),
        cmocka_unit_test(the_rootless_one_needs_no_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
