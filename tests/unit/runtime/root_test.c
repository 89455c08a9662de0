/* SPDX-License-Identifier: Apache-2.0 */

/* The root file system of a container, its devices, and images that try to get out. Run as root. */

#include "tests/unit/runtime/stage.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/mman.h>

#define RACE_RUNS 500

/* ---- the root ---- */

static void look_at_read_only_root(void)
{
    CHECK(flags_of("/") & ST_RDONLY);
    CHECK(flags_of("/") & ST_NODEV);
    CHECK(mkdir("/new", 0755) < 0 && errno == EROFS);
    CHECK(magic_of("/made/late") == TMPFS_MAGIC && !(flags_of("/made/late") & ST_RDONLY));
    CHECK(open("/node", O_RDONLY) < 0 && errno == EACCES);
    CHECK(magic_of("/proc") == PROC_SUPER_MAGIC);
    CHECK(!mountinfo_has("/", "shared:") && !mountinfo_has("/", "master:"));
}

static void test_read_only_root(void **state)
{
    (void)state;
    for (enum stage which = STAGE_ROOT; which <= STAGE_NESTED; which++) {
        use_stage(which);
        assert_ok(mknodat(scratch_fd, "image/node", S_IFCHR | 0666, makedev(1, 5)));
        config.is_root_read_only = true;
        add_mount("proc", "proc", "/proc", NULL, SAFE);
        add_mount("tmpfs", "tmpfs", "/made/late", NULL, NO_ATTRIBUTES);
        assert_runs(look_at_read_only_root);
        teardown(NULL);
        setup(NULL);
    }
}

static void look_at_slave(void)
{
    CHECK(mountinfo_has("/", "master:"));
}

static void look_at_shared(void)
{
    CHECK(mountinfo_has("/", "shared:") && !mountinfo_has("/", "master:"));
}

static void look_at_unbindable(void)
{
    CHECK(mountinfo_has("/", "unbindable"));
}

static void test_root_propagation(void **state)
{
    static const struct {
        uint64_t propagation;
        void (*look)(void);
    } cases[] = {{MS_SLAVE | MS_REC, look_at_slave},
                 {MS_SHARED | MS_REC, look_at_shared},
                 {MS_UNBINDABLE, look_at_unbindable}};
    static const enum stage stages[] = {STAGE_ROOT, STAGE_MAPPED, STAGE_NESTED};

    (void)state;
    char *image = strdup(at("image"));
    assert_ok(mount("tmpfs", image, "tmpfs", 0, ""));
    assert_ok(mount(NULL, image, NULL, MS_SHARED, NULL));
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    for (size_t i = 0; i < ARRAY_LENGTH(stages); i++) {
        use_stage(stages[i]);
        for (size_t j = 0; j < ARRAY_LENGTH(cases); j++) {
            config.root_propagation = cases[j].propagation;
            assert_runs(cases[j].look);
        }
    }
    assert_ok(umount2(image, MNT_DETACH));
    free(image);
}

static void look_without_pivot(void)
{
    CHECK(access("/outside-is-not-here", F_OK) < 0 && access("/proc/1", F_OK) == 0);
    CHECK(access("/mark", F_OK) == 0);
    CHECK(chdir("..") == 0 && access("mark", F_OK) == 0);
}

static void test_no_pivot(void **state)
{
    (void)state;
    has_no_pivot = true;
    make_file("image/mark", "");
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    assert_runs(look_without_pivot);
    use_stage(STAGE_MAPPED);
    assert_runs(look_without_pivot);
}

static void test_bad_roots(void **state)
{
    (void)state;
    free(config.root_path);
    config.root_path = strdup(at("none"));
    assert_refused(ENOENT, "root.path");
    make_link("link", "outside");
    free(config.root_path);
    config.root_path = strdup(at("link"));
    assert_true(run(nothing) < 0);
    assert_message(&error, "root.path");
}

/* ---- devices without a /dev of our own ---- */

static void look_at_image_dev(void)
{
    struct stat st;
    char byte = 1;

    CHECK(count_mounts(NULL) == 1 + 1 + 6 + 1); /* the root, /proc, six devices, a mask */
    CHECK(is_node("/dev/null", S_IFCHR, 1, 3) && is_node("/dev/tty", S_IFCHR, 5, 0));
    int zero = open("/dev/zero", O_RDONLY);
    CHECK(read(zero, &byte, 1) == 1 && byte == 0);
    CHECK(lstat("/dev/fd", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat("/dev/ptmx", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(is_node("/proc/interrupts", S_IFCHR, 1, 3));
}

static void test_image_without_dev(void **state)
{
    (void)state;
    for (enum stage which = STAGE_ROOT; which <= STAGE_NESTED; which++) {
        use_stage(which);
        add_mount("proc", "proc", "/proc", NULL, SAFE);
        masked[0] = (char *)"/proc/interrupts";
        assert_runs(look_at_image_dev);
        /* A second start finds what the first one left. */
        assert_runs(look_at_image_dev);
        teardown(NULL);
        setup(NULL);
    }
}

static void look_at_nodes_in_the_way(void)
{
    char byte = 1;
    int null = open("/dev/null", O_RDWR);

    CHECK(null >= 0 && read(null, &byte, 1) == 0);
    CHECK(is_node("/proc/interrupts", S_IFCHR, 1, 3));
}

/* The image's own node of the same numbers is covered by a real one. */
static void test_image_with_a_null_device(void **state)
{
    (void)state;
    make_directory("image/dev");
    assert_ok(mknodat(scratch_fd, "image/dev/null", S_IFCHR | 0666, makedev(1, 3)));
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    masked[0] = (char *)"/proc/interrupts";
    assert_runs(look_at_nodes_in_the_way);
}

static void test_hostile_dev(void **state)
{
    (void)state;
    struct stat st;
    char *outside = strdup(at("outside"));

    make_link("image/dev", outside);
    assert_refused(ELOOP, "/dev/null");
    assert_ok(unlinkat(scratch_fd, "image/dev", 0));
    assert_ok(mkfifoat(scratch_fd, "image/dev", 0666));
    assert_refused(ENOTDIR, "/dev/null");
    assert_ok(unlinkat(scratch_fd, "image/dev", 0));
    make_directory("image/dev");
    make_link("image/dev/null", "/etc/passwd");
    assert_refused(EEXIST, "device /dev/null");
    assert_ok(unlinkat(scratch_fd, "image/dev/null", 0));
    make_file("image/dev/null", "not empty");
    assert_refused(EEXIST, "another file");
    assert_ok(unlinkat(scratch_fd, "image/dev/null", 0));
    assert_ok(mkfifoat(scratch_fd, "image/dev/null", 0666));
    assert_refused(EEXIST, "another file");
    assert_ok(unlinkat(scratch_fd, "image/dev/null", 0));
    assert_ok(mknodat(scratch_fd, "image/dev/null", S_IFCHR | 0666, makedev(1, 5)));
    assert_refused(EEXIST, "another file");
    assert_int_equal(fstatat(scratch_fd, "outside/null", &st, AT_SYMLINK_NOFOLLOW), -1);
    free(outside);
}

/* A /dev that is a link is followed inside the image, and the devices are ours even so. */
static void look_at_moved_dev(void)
{
    CHECK(is_node("/dev/null", S_IFCHR, 1, 3) && is_node("/real/null", S_IFCHR, 1, 3));
    CHECK(is_node("/proc/interrupts", S_IFCHR, 1, 3));
}

static void test_tmpfs_on_a_linked_dev(void **state)
{
    (void)state;
    make_link("image/dev", "/../../real");
    make_directory("image/real");
    add_standard_mounts();
    config.mount_count = 2;
    masked[0] = (char *)"/proc/interrupts";
    assert_runs(look_at_moved_dev);
    assert_int_equal(count_entries("image/real"), 0);
}

/* ---- devices of the config ---- */

static void add_device(const char *path, mode_t type, unsigned major_, unsigned minor_, mode_t mode,
                       uint32_t uid)
{
    devices[config.device_count++] = (struct config_device){.path = path,
                                                            .type = type,
                                                            .major = major_,
                                                            .minor = minor_,
                                                            .mode = mode,
                                                            .uid = uid,
                                                            .gid = uid};
}

static bool is_owned(const char *path, mode_t mode, uid_t uid)
{
    struct stat st;

    return lstat(path, &st) == 0 && (st.st_mode & 07777) == mode && st.st_uid == uid &&
           st.st_gid == uid;
}

static void look_at_devices(void)
{
    CHECK(is_node("/dev/net/tun", S_IFCHR, 10, 200) && is_owned("/dev/net/tun", 0660, 7));
    CHECK(is_node("/opt/deep/zero", S_IFCHR, 1, 5) && is_owned("/opt/deep/zero", 0600, 5));
    CHECK(is_node("/dev/disk", S_IFBLK, 7, 3) && is_owned("/dev/disk", 0640, 0));
    CHECK(is_node("/dev/pipe", S_IFIFO, 0, 0) && is_owned("/dev/pipe", 0622, 9));
    CHECK(is_node("/dev/full", S_IFCHR, 1, 7) && is_owned("/dev/full", 0600, 0));
    CHECK(is_node("/dev/null", S_IFCHR, 1, 3));
    CHECK(open("/opt/deep/zero", O_RDONLY) >= 0);
}

static void add_devices(void)
{
    add_device("/dev/net/tun", S_IFCHR, 10, 200, 0660, 7);
    add_device("/opt/deep/zero", S_IFCHR, 1, 5, 0600, 5);
    add_device("/dev/disk", S_IFBLK, 7, 3, 0640, 0);
    add_device("/dev/pipe", S_IFIFO, 0, 0, 0622, 9);
    add_device("/dev/full", S_IFCHR, 1, 7, 0600, 0);
    add_device("/dev/ptmx", S_IFCHR, 5, 2, 0666, 0);
}

static void test_devices(void **state)
{
    (void)state;
    for (enum stage which = STAGE_ROOT; which <= STAGE_MAPPED; which++)
        for (int has_dev = 0; has_dev < 2; has_dev++) {
            use_stage(which);
            add_devices();
            if (has_dev)
                add_standard_mounts();
            assert_runs(look_at_devices);
            teardown(NULL);
            setup(NULL);
        }
}

static void look_at_covered_devices(void)
{
    CHECK(is_node("/dev/net/tun", S_IFCHR, 10, 200));
}

static void test_device_below_a_later_mount(void **state)
{
    (void)state;
    add_device("/dev/net/tun", S_IFCHR, 10, 200, 0660, 0);
    add_standard_mounts();
    add_mount("tmpfs", "tmpfs", "/dev/net", NULL, NO_ATTRIBUTES);
    assert_runs(look_at_covered_devices);
}

static void test_devices_that_cannot_be(void **state)
{
    (void)state;
    add_device("/usr/thing", S_IFCHR, 1, 3, 0666, 0);
    make_directory("image/usr");
    make_file("image/usr/thing", "else");
    assert_refused(EEXIST, "/usr/thing");
    config.device_count = 0;
    use_stage(STAGE_MAPPED);
    add_device("/thing", S_IFCHR, 1, 3, 0666, 70000);
    assert_refused(EINVAL, "not mapped");
    config.device_count = 0;
    use_stage(STAGE_LATE);
    add_device("/dev/no-such-thing", S_IFCHR, 1, 3, 0666, 0);
    assert_refused(ENOENT, "no such device");
}

static void look_at_host_dev(void)
{
    CHECK(is_node("/dev/null", S_IFCHR, 1, 3));
    CHECK(access("/dev/fd", F_OK) < 0);
}

/* Nothing is made in a /dev that is bound from the host. */
static void test_bound_dev(void **state)
{
    (void)state;
    make_directory("outside/dev");
    assert_ok(mknodat(scratch_fd, "outside/dev/null", S_IFCHR | 0666, makedev(1, 3)));
    add_device("/dev/new", S_IFCHR, 1, 5, 0600, 0);
    add_mount("bind", at("outside/dev"), "/dev", NULL, NO_ATTRIBUTES);
    assert_runs(look_at_host_dev);
    assert_int_equal(count_entries("outside/dev"), 1);
}

/* ---- the terminal ---- */

static void look_at_console(void)
{
    struct stat st;

    CHECK(stat("/dev/console", &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= 136 &&
          major(st.st_rdev) <= 143);
}

/* The slave of a devpts that is mounted in the namespace that asks: here that is this process's. */
static void open_slave(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    assert_ok(master);
    assert_ok(grantpt(master));
    assert_ok(unlockpt(master));
    console_slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_ok(console_slave);
}

static void test_console(void **state)
{
    (void)state;
    for (enum stage which = STAGE_ROOT; which <= STAGE_NESTED; which++)
        for (int has_dev = 0; has_dev < 2; has_dev++) {
            use_stage(which);
            process.has_terminal = has_console = true;
            add_standard_mounts();
            if (!has_dev) { /* without its tmpfs: the image's /dev */
                mounts[1] = mounts[0];
                mounts[1].destination = (char *)"/proc2";
            }
            assert_runs(look_at_console);
            teardown(NULL);
            setup(NULL);
        }
}

static void test_console_is_no_trap(void **state)
{
    struct stat st;

    (void)state;
    process.has_terminal = true;
    console_slave = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(run(nothing), -ENODEV);
    close_fd(&console_slave);
    open_slave();
    make_directory("image/tmp");
    make_link("image/dev/console", "/tmp/stolen");
    assert_int_equal(run(nothing), -EEXIST);
    assert_int_equal(fstatat(scratch_fd, "image/tmp/stolen", &st, AT_SYMLINK_NOFOLLOW), -1);
    close_fd(&console_slave);
}

/* ---- masks ---- */

static void look_at_linked_masks(void)
{
    CHECK(is_node("/real/secret", S_IFCHR, 1, 3));
    CHECK(flags_of("/real/fixed") & ST_RDONLY);
    CHECK(!(flags_of("/") & ST_RDONLY));
}

static void test_masks_stay_inside(void **state)
{
    char *secret = strdup(at("outside/secret")), *outside = strdup(at("outside"));

    (void)state;
    make_directory("image/real");
    make_directory("image/real/fixed");
    make_file("image/real/secret", "of the image");
    make_link("image/mask", "/../real/secret");
    make_link("image/fixed", "real/fixed");
    make_link("image/out", secret);
    make_link("image/out2", outside);
    masked[0] = (char *)"/mask";
    masked[1] = (char *)"/out";
    masked[2] = (char *)"/none/at/all";
    masked[3] = (char *)"/real/secret/below";
    read_only[0] = (char *)"/fixed";
    read_only[1] = (char *)"/out2";
    assert_runs(look_at_linked_masks);
    assert_text("outside/secret", "of the host");
    assert_ok(faccessat(scratch_fd, "outside", W_OK, 0));
    free(secret);
    free(outside);
}

/* ---- a race ---- */

static unsigned *swaps; /* shared with the racer */

/* Swaps a directory of the image for a link to the host's until it is killed. */
static pid_t start_racer(const char *one, const char *other)
{
    swaps = mmap(NULL, sizeof(*swaps), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(swaps != MAP_FAILED);
    *swaps = 0;
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            *swaps += renameat2(scratch_fd, one, scratch_fd, other, RENAME_EXCHANGE) == 0;
    }
    return pid;
}

static void look_whether_out(void)
{
    CHECK(access("/volume/secret", F_OK) < 0);
}

/*
 * Mount points below a path that changes all the time: whatever becomes of a start, nothing is made
 * or mounted outside (CVE-2021-30465, CVE-2024-45310).
 */
static void test_swapped_mount_points(void **state)
{
    char *outside = strdup(at("outside"));
    int built = 0;

    (void)state;
    make_directory("image/volume");
    make_directory("image/volume/a");
    make_link("image/trap", outside);
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("tmpfs", "tmpfs", "/volume/a/b", NULL, NO_ATTRIBUTES);
    add_mount("tmpfs", "tmpfs", "/volume/new/deep", NULL, NO_ATTRIBUTES);
    masked[0] = (char *)"/volume/secret";
    pid_t racer = start_racer("image/volume", "image/trap");
    assert_ok(racer);
    for (int i = 0; i < RACE_RUNS; i++) {
        built += run(look_whether_out) == 0;
        if (strstr(error.message, "inside, line"))
            fail_msg("run %d: %s", i, error.message);
    }
    kill(racer, SIGKILL);
    assert_int_equal(waitpid(racer, NULL, 0), racer);
    assert_int_equal(count_entries("outside"), 1);
    assert_text("outside/secret", "of the host");
    assert_true(built > 0);
    assert_true(*swaps > RACE_RUNS); /* or it was no race */
    assert_ok(munmap(swaps, sizeof(*swaps)));
    free(outside);
}

/* The image's /dev is a directory and a link to the host's in turn, and so is what is copied up. */
static void test_swapped_dev(void **state)
{
    char *outside = strdup(at("outside"));
    int built = 0;

    (void)state;
    make_directory("image/dev");
    make_directory("image/dev/var");
    make_file("image/dev/var/file", "of the image");
    make_link("image/trap", outside);
    masked[0] = (char *)"/dev/secret";
    add_mount("tmpfs", "tmpfs", "/dev/var", NULL, NO_ATTRIBUTES)->has_tmpcopyup = true;
    pid_t racer = start_racer("image/dev", "image/trap");
    assert_ok(racer);
    for (int i = 0; i < RACE_RUNS / 2; i++) {
        built += run(look_whether_out) == 0;
        if (strstr(error.message, "inside, line"))
            fail_msg("run %d: %s", i, error.message);
    }
    kill(racer, SIGKILL);
    assert_int_equal(waitpid(racer, NULL, 0), racer);
    assert_int_equal(count_entries("outside"), 1);
    assert_text("outside/secret", "of the host");
    assert_true(*swaps > RACE_RUNS);
    assert_true(built < RACE_RUNS / 2); /* a link at /dev refuses a start */
    assert_ok(munmap(swaps, sizeof(*swaps)));
    free(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_only_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_propagation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_pivot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_roots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_without_dev, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_with_a_null_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_dev, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tmpfs_on_a_linked_dev, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_below_a_later_mount, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound_dev, setup, teardown),
        cmocka_unit_test_setup_teardown(test_console, setup, teardown),
        cmocka_unit_test_setup_teardown(test_console_is_no_trap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_masks_stay_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swapped_mount_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swapped_dev, setup, teardown),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
