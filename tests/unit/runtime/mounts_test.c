/* SPDX-License-Identifier: Apache-2.0 */

/* The mounts of a container. Run as root. */

#include "tests/unit/runtime/stage.h"

/* ---- the standard config ---- */

static void look_at_standard(void)
{
    static const char *const links[][2] = {
        {"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/ptmx", "pts/ptmx"}};
    char target[64];
    struct stat st;

    CHECK(magic_of("/proc") == PROC_SUPER_MAGIC);
    CHECK(magic_of("/sys") == SYSFS_MAGIC);
    CHECK(magic_of("/dev") == TMPFS_MAGIC);
    CHECK(magic_of("/dev/pts") == DEVPTS_SUPER_MAGIC);
    CHECK(magic_of("/dev/shm") == TMPFS_MAGIC);
    CHECK(access("/proc/1", F_OK) == 0);
    CHECK((flags_of("/sys") & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)) ==
          (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC));
    CHECK(flags_of("/dev") & ST_NOSUID);
    CHECK(stat("/dev", &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == 0);
    CHECK(stat("/dev/shm", &st) == 0 && (st.st_mode & 07777) == 01777);
    CHECK(is_node("/dev/null", S_IFCHR, 1, 3) && is_node("/dev/zero", S_IFCHR, 1, 5));
    CHECK(is_node("/dev/full", S_IFCHR, 1, 7) && is_node("/dev/random", S_IFCHR, 1, 8));
    CHECK(is_node("/dev/urandom", S_IFCHR, 1, 9) && is_node("/dev/tty", S_IFCHR, 5, 0));
    CHECK(stat("/dev/null", &st) == 0 && (st.st_mode & 07777) == 0666);
    int null = open("/dev/null", O_WRONLY);
    CHECK(write(null, "x", 1) == 1);
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        ssize_t length = readlink(links[i][0], target, sizeof(target) - 1);
        CHECK(length > 0);
        target[length] = '\0';
        CHECK(strcmp(target, links[i][1]) == 0);
    }
    CHECK(flags_of("/proc/sys") & ST_RDONLY);
    CHECK(access("/proc/sysrq-trigger", F_OK) < 0 || (flags_of("/proc/sysrq-trigger") & ST_RDONLY));
    CHECK(is_node("/proc/interrupts", S_IFCHR, 1, 3));
    CHECK(access("/proc/acpi", F_OK) < 0 || magic_of("/proc/acpi") == TMPFS_MAGIC);
    CHECK(flags_of("/sys/firmware") & ST_RDONLY);
    DIR *firmware = opendir("/sys/firmware");
    CHECK(firmware && readdir(firmware) && readdir(firmware) && !readdir(firmware));
    CHECK(access("/secret", F_OK) < 0);
}

static void look_at_order(void)
{
    for (size_t i = 0; i + 1 < config.mount_count; i++)
        CHECK(mountinfo_line(mounts[i].destination) < mountinfo_line(mounts[i + 1].destination));
    CHECK(mountinfo_line("/own") > 0 && mountinfo_line("/last") > mountinfo_line("/own"));
}

/* The suite of the OCI looks for mounts in the order of the config. */
static void order(void)
{
    char *source = strdup(at("outside"));

    add_standard_mounts();
    add_mount("bind", source, "/own", NULL, NO_ATTRIBUTES)->propagation = MS_SLAVE;
    add_mount("tmpfs", "tmpfs", "/between", NULL, NO_ATTRIBUTES);
    add_mount("bind", source, "/last", NULL, NO_ATTRIBUTES)->is_recursive = true;
    assert_runs(look_at_order);
    free(source);
}

static void test_order(void **state)
{
    (void)state;
    in_each_stage(order);
}

static void standard(void)
{
    add_standard_mounts();
    add_standard_paths();
    assert_runs(look_at_standard);
}

static void test_standard_config(void **state)
{
    (void)state;
    in_each_stage(standard);
}

/* ---- bind mounts ---- */

static void look_at_binds(void)
{
    struct stat st;

    CHECK(has_text("/srv/data/page", "hello"));
    CHECK((flags_of("/srv/data") & (ST_RDONLY | ST_NOEXEC | ST_NOSUID)) ==
          (ST_RDONLY | ST_NOEXEC | ST_NOSUID));
    CHECK(!(flags_of("/made/of/parts") & (ST_RDONLY | ST_NOEXEC | ST_NOSUID)));
    CHECK(has_text("/etc/one", "hello"));
    CHECK(lstat("/pipe", &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK(lstat("/made/of/parts", &st) == 0 && S_ISDIR(st.st_mode));
    CHECK(lstat("/made/of", &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == 0);
    CHECK(has_text("/made/of/parts/page", "hello"));
}

static void binds(void)
{
    make_directory("outside/data");
    make_file("outside/data/page", "hello");
    assert_ok(mkfifoat(scratch_fd, "outside/pipe", 0644));
    char *data = strdup(at("outside/data")), *page = strdup(at("outside/data/page")),
         *pipe = strdup(at("outside/pipe"));
    add_mount("bind", data, "/srv/data", NULL,
              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID);
    add_mount("bind", page, "/etc/one", NULL, NO_ATTRIBUTES);
    add_mount("bind", pipe, "pipe", NULL, NO_ATTRIBUTES)->destination = (char *)"/pipe";
    add_mount("bind", data, "//made/./of/parts/", NULL, NO_ATTRIBUTES)->is_recursive = true;
    assert_runs(look_at_binds);
    free(data);
    free(page);
    free(pipe);
}

static void test_binds(void **state)
{
    (void)state;
    in_each_stage(binds);
}

/* What the source's mount forbids stays forbidden where a user namespace may not lift it. */
static void look_at_locked(void)
{
    CHECK((flags_of("/data") & (ST_NOSUID | ST_NODEV)) == (ST_NOSUID | ST_NODEV));
    CHECK(has_text("/data/page", "hello"));
}

static void look_at_lifted(void)
{
    CHECK((flags_of("/data") & (ST_NOSUID | ST_NODEV)) == 0);
}

static void locked(void)
{
    make_directory("outside/data");
    const char *data = at("outside/data");
    assert_ok(mount("tmpfs", data, "tmpfs", MS_NOSUID | MS_NODEV, ""));
    make_file("outside/data/page", "hello");
    char *source = strdup(data);
    struct config_mount *mount = add_mount("bind", source, "/data", NULL, NO_ATTRIBUTES);
    mount->cleared = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY;
    assert_runs(stage == STAGE_LATE || stage == STAGE_NESTED ? look_at_locked : look_at_lifted);
    /* But nothing is said to be writable that is not. */
    assert_ok(mount_restrict(open(source, O_PATH | O_CLOEXEC), 0, MOUNT_ATTR_RDONLY, 0));
    if (stage == STAGE_LATE || stage == STAGE_NESTED)
        assert_refused(EPERM, "/data");
    assert_ok(umount2(source, MNT_DETACH));
    free(source);
}

static void test_locked_flags(void **state)
{
    (void)state;
    in_each_stage(locked);
}

static void look_at_tree(void)
{
    CHECK(fails_to_write("/rro/below/page", EROFS));
    CHECK(access("/ro/below/page", W_OK) == 0);
    CHECK(!(flags_of("/ro/below") & ST_RDONLY) && (flags_of("/ro") & ST_RDONLY));
}

static void look_at_strict_tree(void)
{
    CHECK(flags_of("/ro/below") & ST_RDONLY);
}

static void test_recursive_binds(void **state)
{
    (void)state;
    make_directory("outside/below");
    char *source = strdup(at("outside")), *below = strdup(at("outside/below"));
    assert_ok(mount("tmpfs", below, "tmpfs", 0, ""));
    make_file("outside/below/page", "hello");
    struct config_mount *mount = add_mount("bind", source, "/rro", NULL, NO_ATTRIBUTES);
    mount->is_recursive = true;
    mount->tree_attributes = MOUNT_ATTR_RDONLY;
    add_mount("bind", source, "/ro", NULL, MOUNT_ATTR_RDONLY)->is_recursive = true;
    assert_runs(look_at_tree);
    has_strict_sources = true;
    assert_runs(look_at_strict_tree);
    assert_ok(umount2(below, MNT_DETACH));
    free(source);
    free(below);
}

static void test_bind_sources(void **state)
{
    (void)state;
    char *missing = strdup(at("outside/none")), *link = strdup(at("outside/link"));
    add_mount("bind", missing, "/a", NULL, NO_ATTRIBUTES);
    assert_refused(ENOENT, "does not exist");
    make_link("outside/link", "secret");
    config.mount_count = 0;
    add_mount("bind", link, "/a", NULL, NO_ATTRIBUTES);
    assert_runs(nothing);
    has_strict_sources = true;
    assert_refused(ELOOP, "symbolic link");
    free(missing);
    free(link);
}

static void look_at_climbing_source(void)
{
    CHECK(has_text("/a", "of the host"));
}

/* A link of the host's that climbs above the root ends at the host's root, not at the image that
 * is mounted over it meanwhile. */
static void climbing_source(void)
{
    char path[PATH_MAX], target[PATH_MAX];

    snprintf(path, sizeof(path), "image%s/outside/secret", scratch);
    for (char *slash = path + sizeof("image"); (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        make_directory(path);
    }
    make_file(path, "of the image");
    snprintf(target, sizeof(target), "../../../../../../../../../..%s/outside/secret", scratch);
    make_link("outside/climbing", target);
    char *source = strdup(at("outside/climbing"));
    add_mount("bind", source, "/a", NULL, NO_ATTRIBUTES);
    assert_runs(look_at_climbing_source);
    free(source);
}

static void test_climbing_source(void **state)
{
    (void)state;
    in_each_stage(climbing_source);
}

/* ---- where nothing may be mounted ---- */

static void test_refused_destinations(void **state)
{
    static const struct {
        const char *type, *destination, *part;
    } cases[] = {
        {"tmpfs", "/", "root directory"},
        {"tmpfs", "//.", "root directory"},
        {"tmpfs", "/proc", "procfs"},
        {"tmpfs", "/proc/self", "inside /proc"},
        {"tmpfs", "//proc/./sys", "inside /proc"},
        {NULL, "/tmp", "type is missing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        config.mount_count = 0;
        add_mount(cases[i].type, NULL, cases[i].destination, NULL, NO_ATTRIBUTES);
        assert_true(run(nothing) < 0);
        assert_message(&error, cases[i].part);
    }
    config.mount_count = 0;
    char *source = strdup(at("outside"));
    add_mount("bind", source, "/proc", NULL, NO_ATTRIBUTES);
    assert_refused(EPERM, "procfs");
    config.mount_count = 0;
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("bind", at("outside/secret"), "/proc/uptime", NULL, NO_ATTRIBUTES);
    assert_runs(nothing);
    free(source);
}

/* ---- hostile images ---- */

static void test_links_stay_inside(void **state)
{
    struct stat st;
    char *outside = strdup(at("outside")), *target = strdup(at("outside/place"));

    (void)state;
    make_link("image/absolute", target);
    make_link("image/climbing", "../../../../../../..");
    make_link("image/loop", "loop");
    make_directory("image/dir");
    make_link("image/dir/dangling", "../new/one");
    add_mount("bind", outside, "/absolute", NULL, NO_ATTRIBUTES);
    add_mount("bind", outside, "/dir/dangling/two", NULL, NO_ATTRIBUTES);
    assert_runs(nothing);
    /* Both were made where chroot(2) would have led. */
    assert_int_equal(fstatat(scratch_fd, "outside/place", &st, 0), -1);
    char inside[PATH_MAX];
    snprintf(inside, sizeof(inside), "image%s", target);
    assert_ok(fstatat(scratch_fd, inside, &st, 0));
    assert_ok(fstatat(scratch_fd, "image/new/one/two", &st, 0));

    config.mount_count = 0;
    add_mount("bind", outside, "/climbing", NULL, NO_ATTRIBUTES);
    assert_refused(EBUSY, "root directory");
    config.mount_count = 0;
    add_mount("bind", outside, "/loop", NULL, NO_ATTRIBUTES);
    assert_refused(ELOOP, "symbolic link");
    free(outside);
    free(target);
}

static void test_kernel_file_systems_are_not_reached_through_links(void **state)
{
    (void)state;
    make_directory("image/elsewhere");
    make_link("image/proc", "elsewhere");
    make_link("image/sys", "/elsewhere");
    make_link("image/door", "/elsewhere2/self/attr");
    make_link("image/window", "/elsewhere2/sys");
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    assert_refused(ELOOP, "mount /proc");
    config.mount_count = 0;
    add_mount("sysfs", "sysfs", "/sys", NULL, SAFE);
    assert_refused(ELOOP, "mount /sys");
    config.mount_count = 0;
    add_mount("proc", "proc", "/elsewhere2", NULL, SAFE);
    add_mount("tmpfs", "tmpfs", "/door", NULL, SAFE);
    assert_refused(EXDEV, "/proc or /sys");
    mounts[1].destination = (char *)"/window/net";
    assert_refused(EXDEV, "/proc or /sys");
    mounts[1].destination = (char *)"/elsewhere/../elsewhere2/sys";
    assert_refused(EXDEV, "/proc or /sys");
}

static void test_kinds_that_do_not_fit(void **state)
{
    (void)state;
    make_file("image/file", "");
    assert_ok(mkfifoat(scratch_fd, "image/proc", 0644));
    add_mount("bind", at("outside"), "/file", NULL, NO_ATTRIBUTES);
    assert_refused(ENOTDIR, "not of one kind");
    config.mount_count = 0;
    make_directory("image/directory");
    add_mount("bind", at("outside/secret"), "/directory", NULL, NO_ATTRIBUTES);
    assert_refused(ENOTDIR, "not of one kind");
    config.mount_count = 0;
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    assert_refused(ENOTDIR, "mount /proc");
    config.mount_count = 0;
    add_mount("tmpfs", "tmpfs", "/file/below", NULL, SAFE);
    assert_refused(ENOTDIR, "mount /file/below");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_standard_config, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_binds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recursive_binds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bind_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_climbing_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_destinations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_stay_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kernel_file_systems_are_not_reached_through_links,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds_that_do_not_fit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
