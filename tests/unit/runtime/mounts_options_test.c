/* SPDX-License-Identifier: Apache-2.0 */

/* Options of mounts, ids, tmpcopyup, and the file systems of the kernel. Run as root. */

#include "tests/unit/runtime/stage.h"

/* ---- file systems ---- */

static void look_at_options(void)
{
    struct stat st;
    struct statvfs fs;

    CHECK(stat("/a", &st) == 0 && (st.st_mode & 07777) == 01755);
    CHECK(stat("/b", &st) == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == 7);
    CHECK(statvfs("/b", &fs) == 0 && fs.f_blocks * fs.f_frsize == 1 << 20);
    CHECK((fs.f_flag & ST_NOATIME) && !(flags_of("/a") & (ST_NOATIME | ST_RELATIME)));
    CHECK(fails_to_write("/ro/x", EROFS) || errno == ENOENT);
    CHECK(flags_of("/ro") & ST_RDONLY);
    CHECK(magic_of("/ro/inner") == TMPFS_MAGIC && !(flags_of("/ro/inner") & ST_RDONLY));
    CHECK(mountinfo_has("/sync", "sync") && mountinfo_has("/sync", "lazytime") == false);
}

static void options(void)
{
    make_directory("image/a");
    assert_ok(fchmodat(scratch_fd, "image/a", 01755, 0));
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("tmpfs", "tmpfs", "/a", NULL, MOUNT_ATTR_STRICTATIME);
    add_mount("tmpfs", NULL, "/b", "mode=0700,size=1m,uid=7", MOUNT_ATTR_NOATIME);
    add_mount("tmpfs", "tmpfs", "/ro", NULL, MOUNT_ATTR_RDONLY);
    add_mount("tmpfs", "tmpfs", "/ro/inner", NULL, NO_ATTRIBUTES);
    add_mount("tmpfs", "tmpfs", "/sync", NULL, NO_ATTRIBUTES)->super_flags = MS_SYNCHRONOUS;
    assert_runs(look_at_options);
}

static void test_options(void **state)
{
    (void)state;
    in_each_stage(options);
}

static void look_at_changes(void)
{
    struct statvfs fs;

    CHECK(flags_of("/a") & ST_RDONLY);
    CHECK(statvfs("/b", &fs) == 0 && fs.f_blocks * fs.f_frsize == 2 << 20);
    CHECK(mountinfo_has("/c", "shared:"));
    CHECK(mountinfo_has("/d", "unbindable"));
    CHECK(!mountinfo_has("/a", "shared:"));
}

static void test_remount_and_propagation(void **state)
{
    (void)state;
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("bind", at("outside"), "/a", NULL, NO_ATTRIBUTES);
    struct config_mount *mount = add_mount("bind", NULL, "/a", NULL, MOUNT_ATTR_RDONLY);
    mount->is_remount = true;
    add_mount("tmpfs", "tmpfs", "/b", "size=1m", NO_ATTRIBUTES);
    add_mount(NULL, NULL, "/b", "size=2m", NO_ATTRIBUTES)->is_remount = true;
    add_mount("tmpfs", "tmpfs", "/c", NULL, NO_ATTRIBUTES)->propagation = MS_SHARED;
    add_mount("tmpfs", "tmpfs", "/d", NULL, NO_ATTRIBUTES);
    add_mount(NULL, NULL, "/d", NULL, NO_ATTRIBUTES)->propagation = MS_UNBINDABLE;
    assert_runs(look_at_changes);
}

static void look_at_slave(void)
{
    CHECK(mountinfo_has("/slave", "master:") && !mountinfo_has("/slave", "shared:"));
    CHECK(mountinfo_has("/shared", "shared:"));
    CHECK(config.namespaces[NAMESPACE_USER].is_given == mountinfo_has("/shared", "master:"));
    CHECK(!mountinfo_has("/private", "master:") && !mountinfo_has("/private", "shared:"));
}

static void shared_binds(void)
{
    char *source = strdup(at("outside"));

    assert_ok(mount("tmpfs", source, "tmpfs", 0, ""));
    assert_ok(mount(NULL, source, NULL, MS_SHARED, NULL));
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("bind", source, "/slave", NULL, NO_ATTRIBUTES)->propagation = MS_SLAVE;
    add_mount("bind", source, "/shared", NULL, NO_ATTRIBUTES)->propagation = MS_SHARED;
    add_mount("bind", source, "/private", NULL, NO_ATTRIBUTES);
    assert_runs(look_at_slave);
    assert_ok(umount2(source, MNT_DETACH));
    free(source);
}

static void test_shared_binds(void **state)
{
    (void)state;
    shared_binds();
    teardown(NULL);
    setup(NULL);
    use_stage(STAGE_MAPPED);
    shared_binds();
}

/* ---- ids ---- */

static void look_at_ids(void)
{
    struct stat st;

    CHECK(stat("/own", &st) == 0 && st.st_uid == 1000 && st.st_gid == 1001);
    CHECK(stat("/container", &st) == 0 && st.st_uid == 0);
}

static void test_idmapped_binds(void **state)
{
    struct id_range uids = {.inside = 0, .outside = ID_BASE + 1000, .count = 10};
    struct id_range gids = {.inside = 0, .outside = ID_BASE + 1001, .count = 10};

    (void)state;
    char *source = strdup(at("outside"));
    add_mount("bind", source, "/own", NULL, NO_ATTRIBUTES)->is_idmapped = true;
    assert_refused(EINVAL, "uidMappings");
    use_stage(STAGE_MAPPED);
    mounts[0].uid_map = &uids;
    mounts[0].gid_map = &gids;
    mounts[0].uid_map_count = mounts[0].gid_map_count = 1;
    add_mount("bind", source, "/container", NULL, NO_ATTRIBUTES)->is_idmapped = true;
    assert_runs(look_at_ids);
    free(source);
}

/* ---- tmpcopyup ---- */

static void look_at_copy(void)
{
    struct stat st;
    char target[64];

    CHECK(magic_of("/var") == TMPFS_MAGIC);
    CHECK(stat("/var", &st) == 0 && (st.st_mode & 07777) == 0750);
    CHECK(has_text("/var/deep/deeper/file", "hello"));
    CHECK(stat("/var/deep/deeper/file", &st) == 0 && (st.st_mode & 07777) == 04711);
    CHECK(stat("/var/deep", &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(readlink("/var/link", target, sizeof(target)) == 12);
    CHECK(lstat("/var/link", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat("/var/pipe", &st) < 0);
    CHECK(mkdir("/var/new", 0755) == 0);
}

static void copy_up(void)
{
    make_directory("image/var");
    make_directory("image/var/deep");
    make_directory("image/var/deep/deeper");
    make_file("image/var/deep/deeper/file", "hello");
    make_link("image/var/link", "/etc/../file");
    assert_ok(mkfifoat(scratch_fd, "image/var/pipe", 0644));
    give_image();
    assert_ok(fchmodat(scratch_fd, "image/var/deep/deeper/file", 04711, 0));
    assert_ok(fchmodat(scratch_fd, "image/var/deep", 0700, 0));
    assert_ok(fchmodat(scratch_fd, "image/var", 0750, 0));
    add_mount("tmpfs", "tmpfs", "/var", NULL, MOUNT_ATTR_NOSUID)->has_tmpcopyup = true;
    bool was_given = stage != STAGE_ROOT;
    int r = was_given
                ? (stage == STAGE_MAPPED ? run_here(look_at_copy) : run_as_guest(look_at_copy))
                : run(look_at_copy);
    if (r < 0)
        fail_msg("stage %d: %s", stage, error.message);
    struct stat st;
    assert_int_equal(fstatat(scratch_fd, "image/var/new", &st, 0), -1);
}

static void test_copy_up(void **state)
{
    (void)state;
    in_each_stage(copy_up);
}

static void test_copy_up_is_bounded(void **state)
{
    char path[PATH_MAX] = "image/var";

    (void)state;
    make_directory(path);
    for (int i = 0; i < 80; i++) {
        strcat(path, "/d");
        make_directory(path);
    }
    add_mount("tmpfs", "tmpfs", "/var", NULL, NO_ATTRIBUTES)->has_tmpcopyup = true;
    assert_refused(ENAMETOOLONG, "mount /var");
    config.mount_count = 0;
    char text[65536];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    make_directory("image/big");
    make_file("image/big/file", text);
    add_mount("tmpfs", "tmpfs", "/big", "size=16k", NO_ATTRIBUTES)->has_tmpcopyup = true;
    assert_refused(ENOSPC, "mount /big");
    config.mount_count = 0;
    add_mount("mqueue", "mqueue", "/big", NULL, NO_ATTRIBUTES)->has_tmpcopyup = true;
    assert_refused(EINVAL, "tmpcopyup");
}

/* ---- what namespaces that are not ours cost ---- */

static void look_at_host_sys(void)
{
    CHECK(magic_of("/sys") == SYSFS_MAGIC);
    CHECK(flags_of("/sys") & ST_RDONLY);
    CHECK(access("/sys/class", F_OK) == 0);
}

static void test_sysfs_of_another_network(void **state)
{
    (void)state;
    use_stage(STAGE_MAPPED);
    config.namespaces[NAMESPACE_NETWORK].is_given = false;
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("sysfs", "sysfs", "/sys", NULL, SAFE);
    assert_runs(look_at_host_sys);
}

/* ---- cgroups ---- */

static void look_at_cgroups(void)
{
    bool has_unified = magic_of("/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC;

    CHECK(has_unified || magic_of("/sys/fs/cgroup") == TMPFS_MAGIC);
    CHECK(has_unified || access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0);
    CHECK(!has_unified || access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0);
    CHECK(flags_of("/sys/fs/cgroup") & ST_RDONLY);
    CHECK(has_unified || (flags_of("/sys/fs/cgroup/memory") & ST_RDONLY));
}

static void test_cgroups(void **state)
{
    struct cgroup_driver *opened = NULL;

    (void)state;
    assert_ok(cgroup_driver_open(&opened, &error));
    driver = opened;
    add_standard_mounts();
    add_mount("cgroup", "cgroup", "/sys/fs/cgroup", NULL, SAFE | MOUNT_ATTR_RDONLY);
    assert_runs(look_at_cgroups);
    config.namespaces[NAMESPACE_CGROUP].is_given = false;
    assert_runs(look_at_cgroups);
    use_stage(STAGE_MAPPED);
    assert_runs(look_at_cgroups);
    config.namespaces[NAMESPACE_CGROUP].is_given = true;
    assert_runs(look_at_cgroups);
    cgroup_driver_close(opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remount_and_propagation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_binds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idmapped_binds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_up_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sysfs_of_another_network, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cgroups, setup, teardown),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
