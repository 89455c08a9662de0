/* SPDX-License-Identifier: Apache-2.0 */

/* Root file systems, mounted for real in a mount namespace of the test's own. Run as root. */

#include "tests/unit/storage/scratch.h"

#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "supervisor/storage/rootfs.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/userns.h"

#define ID_BASE 300000

static struct rootfs rootfs;
static struct error error;
static const char *points[8];
static bool files[8];
static struct rootfs_request request;

static int own_mounts(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "unshare: %s: run as root\n", strerror(errno));
        return -1;
    }
    return 0;
}

static int setup(void **state)
{
    if (make_scratch(state) < 0)
        return -1;
    make_directory("c");
    make_directory("image");
    chmod(scratch, 0755);
    memset(&rootfs, 0, sizeof(rootfs));
    memset(points, 0, sizeof(points));
    memset(files, 0, sizeof(files));
    error = (struct error)ERROR_INIT;
    request = (struct rootfs_request){
        .directory = strdup(at("c")),
        .id_base = ID_BASE,
        .hostname = "blog-web",
        .is_read_only = true,
        .mount_points = points,
        .is_file = files,
    };
    return 0;
}

static int teardown(void **state)
{
    rootfs_unmount(request.directory, NULL);
    free((char *)request.directory);
    free((char *)request.image_path);
    return remove_scratch(state);
}

static void use_image(void)
{
    static const char *const directories[] = {"image/etc", "image/srv", "image/usr"};

    request.image_path = strdup(at("image"));
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++)
        make_directory(directories[i]);
    make_file("image/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    make_file("image/srv/page", "hello");
    make_file("image/srv/secret", "of root");
    assert_ok(chmod(at("image/srv/secret"), 0600));
    assert_ok(chown(at("image/srv/page"), 33, 33));
}

static void mount_it(void)
{
    int r = rootfs_mount(&request, &rootfs, &error);

    if (r < 0)
        fail_msg("%d: %s", r, error.message);
}

/* How many mounts there are below the scratch directory. */
static int count_mounts(void)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[8192];
    int count = 0;

    while (fgets(line, sizeof(line), file))
        count += strstr(line, scratch) != NULL;
    return count;
}

static void assert_clean(void)
{
    assert_int_equal(count_mounts(), 0);
    assert_int_equal(count_entries("c"), 0);
}

static void assert_owner(const char *path, mode_t mode, uid_t uid)
{
    struct stat st;

    assert_ok(fstatat(scratch_fd, path, &st, AT_SYMLINK_NOFOLLOW));
    if (st.st_mode != mode || st.st_uid != uid || st.st_gid != uid)
        fail_msg("%s: mode %o, owner %u:%u", path, st.st_mode, st.st_uid, st.st_gid);
}

/*
 * Runs the function as root of a user namespace with the container's ids, with the rootfs as root.
 * What it returns is the process's exit status: 0 for success.
 */
static int run_inside(int (*function)(void))
{
    const struct id_range range = {.inside = 0, .outside = ID_BASE, .count = 65536};
    int gate[2], status;
    char byte;

    assert_ok(pipe2(gate, O_CLOEXEC));
    pid_t pid = clone_process(CLONE_NEWUSER, -1, NULL);
    assert_ok(pid);
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 1 || setgid(0) < 0 || setuid(0) < 0 ||
            setgroups(0, NULL) < 0 || chroot(rootfs.path) < 0 || chdir("/") < 0)
            _exit(99);
        umask(022);
        alarm(20);
        _exit(function());
    }
    close(gate[0]);
    assert_ok(userns_write_maps(pid, &range, 1, &range, 1));
    assert_int_equal(write(gate[1], "x", 1), 1);
    close(gate[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the host image ---- */

static const struct rootfs_bind *find_bind(const char *target)
{
    for (size_t i = 0; i < rootfs.bind_count; i++)
        if (strcmp(rootfs.binds[i].target, target) == 0)
            return &rootfs.binds[i];
    return NULL;
}

static void test_host_image(void **state)
{
    static const char *const directories[] = {"proc", "sys",     "dev",     "run",     "tmp",
                                              "home", "var/lib", "var/www", "var/log", "etc"};
    char path[128], here[PATH_MAX], there[PATH_MAX];
    struct stat st;

    (void)state;
    mount_it();
    assert_string_equal(rootfs.path, at("c/rootfs"));
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
        snprintf(path, sizeof(path), "c/rootfs/%s", directories[i]);
        assert_ok(fstatat(scratch_fd, path, &st, AT_SYMLINK_NOFOLLOW));
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_uid, ID_BASE);
        assert_int_equal(st.st_gid, ID_BASE);
    }
    assert_owner("c/rootfs", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/tmp", S_IFDIR | 01777, ID_BASE);
    assert_owner("c/rootfs/root", S_IFDIR | 0700, ID_BASE);
    assert_owner("c/rootfs/etc/passwd", S_IFREG | 0644, ID_BASE);
    /* As on this machine, merged or not. */
    ssize_t length = readlink("/bin", here, sizeof(here) - 1);
    if (length > 0) {
        here[length] = '\0';
        length = readlinkat(scratch_fd, "c/rootfs/bin", there, sizeof(there) - 1);
        assert_true(length > 0);
        there[length] = '\0';
        assert_string_equal(there, here);
    } else {
        assert_non_null(find_bind("/bin"));
    }
    assert_non_null(find_bind("/usr"));
    assert_true(find_bind("/usr")->is_exec);
    if (access("/etc/ssl/certs", F_OK) == 0)
        assert_false(find_bind("/etc/ssl/certs")->is_exec);
}

static void test_host_image_etc(void **state)
{
    static const char *const absent[] = {"shadow", "gshadow", "ssh", "sudoers", "ssl/private"};
    char path[128];

    (void)state;
    mount_it();
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_text("c/rootfs/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 blog-web\n"
                                      "::1 localhost ip6-localhost ip6-loopback\n");
    for (size_t i = 0; i < ARRAY_LENGTH(absent); i++) {
        snprintf(path, sizeof(path), "c/rootfs/etc/%s", absent[i]);
        assert_int_equal(faccessat(scratch_fd, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    }
    _cleanup_fclose_ FILE *passwd = fopen(at("c/rootfs/etc/passwd"), "re");
    char line[1024];
    unsigned uid, lines = 0;
    while (fgets(line, sizeof(line), passwd)) {
        assert_int_equal(sscanf(line, "%*[^:]:x:%u:", &uid), 1);
        assert_true(uid < 1000 || uid == 65534);
        lines++;
    }
    assert_true(lines >= 2);
}

static void test_host_image_is_small_and_read_only(void **state)
{
    struct statvfs fs;

    (void)state;
    mount_it();
    assert_ok(statvfs(rootfs.path, &fs));
    assert_true(fs.f_blocks * fs.f_frsize <= 4 * 1024 * 1024);
    assert_int_equal(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
    assert_int_equal(openat(scratch_fd, "c/rootfs/etc/new", O_WRONLY | O_CREAT, 0644), -1);
    assert_int_equal(errno, EROFS);
}

static int write_own_root(void)
{
    return mkdir("/srv/mine", 0755) < 0 || open("/etc/motd", O_WRONLY | O_CREAT, 0644) < 0;
}

static void test_host_image_writable_when_asked(void **state)
{
    (void)state;
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(write_own_root), 0);
    assert_owner("c/rootfs/srv/mine", S_IFDIR | 0755, ID_BASE);
}

static int run_programs(void)
{
    execl(
        "/bin/sh", "sh", "-ec",
        "test \"$(getent passwd 0 | cut -d: -f1)\" = root; test -n \"$(getent hosts localhost)\"\n"
        "test \"$(id -u)\" = 0; test ! -r /etc/shadow; awk 'BEGIN { exit 0 }'\n"
        "test \"$(cat /etc/hostname)\" = blog-web",
        (char *)NULL);
    return 98;
}

/* The programs of the machine run in it, with the binds put where they belong. */
static void test_host_image_runs_programs(void **state)
{
    char target[PATH_MAX];

    (void)state;
    mount_it();
    for (size_t i = 0; i < rootfs.bind_count; i++) {
        snprintf(target, sizeof(target), "%s%s", rootfs.path, rootfs.binds[i].target);
        assert_ok(mount(rootfs.binds[i].source, target, NULL, MS_BIND, NULL));
    }
    int r = run_inside(run_programs);
    for (size_t i = rootfs.bind_count; i > 0; i--) {
        snprintf(target, sizeof(target), "%s%s", rootfs.path, rootfs.binds[i - 1].target);
        assert_ok(umount2(target, MNT_DETACH));
    }
    assert_int_equal(r, 0);
}

static void test_host_image_mount_points(void **state)
{
    (void)state;
    points[0] = "/var/www/html";
    points[1] = "/data/deep/er";
    points[2] = "/etc/app.conf";
    files[2] = true;
    points[3] = "/usr/share"; /* there */
    points[4] = "/bin/sh";    /* there, by way of a link */
    files[4] = true;
    mount_it();
    assert_owner("c/rootfs/var/www/html", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/deep", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/deep/er", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/etc/app.conf", S_IFREG | 0644, ID_BASE);
    assert_int_equal(count_entries("c/rootfs/usr"), 0);
}

static void test_host_image_mount_points_that_cannot_be(void **state)
{
    static const struct {
        const char *path;
        bool is_file;
        int code;
        const char *message;
    } cases[] = {
        {"/usr/share/no-such", false, -EROFS,
         "mount point /usr/share/no-such: /usr is the host's own and read-only, and has no such "
         "directory; mount it outside of /usr"},
        {"/bin/no-such", true, -EROFS, "has no such file"},
        {"/usr/share", true, -EROFS, "has no such file"},
        {"/etc/ssl/certs/mine.pem", true, -EROFS, "/etc/ssl/certs is the host's own"},
        {"/etc/passwd", false, -ENOTDIR, "the image has a file there"},
        {"/etc/passwd/x", false, -ENOTDIR, "/etc/passwd is no directory"},
        {"/var/www", true, -EISDIR, "the image has a directory there"},
        {"relative", false, -EINVAL, "not an absolute path"},
        {"", false, -EINVAL, "not an absolute path"},
        {"/", false, -EINVAL, "not an absolute path below /"},
        {"/a/../b", false, -EINVAL, "\"..\""},
        {"/a/./b", false, -EINVAL, "\".\""},
        {"/a//b", false, -EINVAL, "an empty part"},
        {"/a/", false, -EINVAL, "an empty part"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        points[0] = cases[i].path;
        files[0] = cases[i].is_file;
        int r = rootfs_mount(&request, &rootfs, &error);
        if (r != cases[i].code)
            fail_msg("%s: %d %s", cases[i].path, r, r < 0 ? error.message : "");
        assert_message(&error, cases[i].message);
        assert_clean();
    }
}

/* ---- a directory as image ---- */

static int look_at_image(void)
{
    struct stat st;

    if (stat("/srv/page", &st) < 0 || st.st_uid != 33 || st.st_gid != 33)
        return 1;
    if (stat("/srv", &st) < 0 || st.st_uid != 0 || stat("/", &st) < 0 || st.st_uid != 0)
        return 2;
    if (open("/srv/secret", O_RDONLY) < 0) /* root inside owns root's files */
        return 3;
    if (open("/srv/page", O_WRONLY) >= 0 || errno != EROFS)
        return 4;
    if (mkdir("/new", 0755) == 0 || errno != EROFS)
        return 5;
    return 0;
}

static void test_image_is_seen_with_its_ids(void **state)
{
    struct statvfs fs;

    (void)state;
    use_image();
    mount_it();
    assert_int_equal(rootfs.bind_count, 0);
    assert_int_equal(run_inside(look_at_image), 0);
    assert_owner("c/rootfs/srv/page", S_IFREG | 0644, ID_BASE + 33);
    assert_text("c/rootfs/srv/page", "hello");
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_ok(statvfs(rootfs.path, &fs));
    assert_int_equal(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV),
                     ST_RDONLY | ST_NOSUID | ST_NODEV);
    /* The image itself is as it was. */
    assert_int_equal(count_entries("image"), 3);
    assert_int_equal(count_entries("image/etc"), 1);
    assert_owner("image/srv", S_IFDIR | 0755, 0);
    assert_int_equal(count_mounts(), 1);
}

static int change_image(void)
{
    int fd = open("/srv/page", O_WRONLY | O_TRUNC);

    if (fd < 0 || write(fd, "changed", 7) != 7)
        return 1;
    if (unlink("/srv/secret") < 0 || mkdir("/new", 0755) < 0 || mkdir("/new/deep", 0) < 0)
        return 2;
    if (symlink("/etc/shadow", "/new/link") < 0 || chown("/srv/page", 77, 77) < 0)
        return 3;
    return 0;
}

static void check_writable(void)
{
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(change_image), 0);
    assert_text("c/rootfs/srv/page", "changed");
    assert_owner("c/rootfs/srv/page", S_IFREG | 0644, ID_BASE + 77);
    assert_text("image/srv/page", "hello");
    assert_text("image/srv/secret", "of root");
    assert_int_equal(count_entries("image"), 3);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_entries("c"), 0);
    /* The next start begins anew. */
    mount_it();
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(faccessat(scratch_fd, "c/rootfs/new", F_OK, 0), -1);
}

static void test_image_writable_when_asked(void **state)
{
    (void)state;
    use_image();
    check_writable();
}

static void test_writable_layer_in_memory_is_bounded(void **state)
{
    struct statvfs fs;

    (void)state;
    use_image();
    assert_ok(mount("tmpfs", request.directory, "tmpfs", 0, NULL));
    check_writable();
    assert_ok(statvfs(rootfs.path, &fs));
    assert_true(fs.f_blocks * fs.f_frsize <= 256 * 1024 * 1024);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_ok(umount(request.directory));
}

static void test_image_mount_points(void **state)
{
    (void)state;
    use_image();
    make_directory("image/var");
    make_link("image/www", "/var/sites");
    make_directory("image/var/sites");
    make_file("image/var/sites/there", "");
    points[0] = "/www/html";
    points[1] = "/data/x";
    points[2] = "/srv/page";
    files[2] = true;
    points[3] = "/srv/socket";
    files[3] = true;
    mount_it();
    assert_owner("c/rootfs/var/sites/html", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/x", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/srv/socket", S_IFREG | 0644, ID_BASE);
    /* What the image has beside them is still there. */
    assert_int_equal(faccessat(scratch_fd, "c/rootfs/var/sites/there", F_OK, 0), 0);
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(count_entries("image/var/sites"), 1);
}

static void test_empty_image(void **state)
{
    (void)state;
    request.image_path = strdup(at("image"));
    mount_it();
    assert_owner("c/rootfs/proc", S_IFDIR | 0555, ID_BASE);
    assert_owner("c/rootfs/dev", S_IFDIR | 0755, ID_BASE);
    assert_int_equal(count_entries("image"), 0);
}

/* Everything that we write to is a trap that leads to a place outside. */
static void test_hostile_image(void **state)
{
    char outside[PATH_MAX];

    (void)state;
    make_directory("outside");
    make_file("outside/canary", "untouched");
    snprintf(outside, sizeof(outside), "../../../../../../../..%s", at("outside"));
    request.image_path = strdup(at("image"));
    make_link("image/etc", at("outside"));
    make_link("image/dev", outside);
    make_link("image/tmp", "/proc/self/root/tmp");
    make_file("image/proc", "a file");
    assert_ok(mkfifoat(scratch_fd, "image/run", 0666));
    make_link("image/var", "../../../../../../../../place");
    make_directory("image/place");
    make_link("image/up", "../../..");
    points[0] = "/var/www";
    points[1] = "/up/in-root";
    mount_it();
    assert_owner("c/rootfs/place/www", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/etc", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/dev", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/tmp", S_IFDIR | 01777, ID_BASE);
    assert_owner("c/rootfs/proc", S_IFDIR | 0555, ID_BASE);
    assert_owner("c/rootfs/run", S_IFDIR | 0755, ID_BASE);
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_owner("c/rootfs/in-root", S_IFDIR | 0755, ID_BASE);
    assert_int_equal(count_entries("outside"), 1);
    assert_text("outside/canary", "untouched");
    assert_owner("outside", S_IFDIR | 0755, 0);
}

static void test_hostile_etc_files(void **state)
{
    (void)state;
    use_image();
    make_directory("outside");
    make_file("outside/canary", "untouched");
    make_link("image/etc/resolv.conf", at("outside/canary"));
    make_link("image/etc/hostname", "/nowhere/at/all");
    assert_ok(mkfifoat(scratch_fd, "image/etc/hosts", 0666));
    alarm(20);
    mount_it();
    alarm(0);
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_owner("c/rootfs/etc/resolv.conf", S_IFREG | 0644, ID_BASE);
    assert_owner("c/rootfs/etc/hosts", S_IFREG | 0644, ID_BASE);
    assert_text("outside/canary", "untouched");
}

static void test_image_mount_points_that_cannot_be(void **state)
{
    static const struct {
        const char *path;
        bool is_file;
        int code;
        const char *message;
    } cases[] = {
        {"/srv/page/x", false, -ENOTDIR, "in the image, /srv/page is no directory"},
        {"/srv/page", false, -ENOTDIR, "the image has a file there"},
        {"/srv", true, -EISDIR, "the image has a directory there"},
        {"/dangling", false, -ELOOP, "the image has a link at /dangling that leads nowhere"},
        {"/outside/x", false, -ELOOP, "the image has a link at /outside that leads nowhere"},
        {"/loop/x", false, -ELOOP, "/loop"},
    };

    (void)state;
    use_image();
    make_link("image/dangling", "/nowhere");
    make_link("image/loop", "loop");
    make_link("image/outside", "../c");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        points[0] = cases[i].path;
        files[0] = cases[i].is_file;
        int r = rootfs_mount(&request, &rootfs, &error);
        if (r != cases[i].code)
            fail_msg("%s: %d %s", cases[i].path, r, r < 0 ? error.message : "");
        assert_message(&error, cases[i].message);
        assert_clean();
    }
}

static int open_device(void)
{
    int fd = open("/srv/null", O_RDWR);

    return fd >= 0 || errno != EACCES;
}

static void test_device_nodes_of_an_image_are_dead(void **state)
{
    (void)state;
    use_image();
    assert_ok(mknodat(scratch_fd, "image/srv/null", S_IFCHR | 0666, makedev(1, 3)));
    assert_ok(chmod(at("image/srv/null"), 0666));
    mount_it();
    assert_int_equal(run_inside(open_device), 0);
}

static void test_images_that_are_not(void **state)
{
    static const struct {
        const char *path;
        int code;
        const char *message;
    } cases[] = {
        {"/nowhere/image", -ENOENT, "image directory /nowhere/image does not exist"},
        {"/etc/passwd", -ENOTDIR, "image /etc/passwd is not a directory"},
        {"/", -EINVAL, "is the host's own root; write \"image: host\""},
        {"/usr/..", -EINVAL, "is the host's own root"},
        {"/proc/fs", -EINVAL, "its file system (proc) takes no idmapped mounts"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        request.image_path = cases[i].path;
        int r = rootfs_mount(&request, &rootfs, &error);
        request.image_path = NULL;
        if (r != cases[i].code)
            fail_msg("%s: %d %s", cases[i].path, r, r < 0 ? error.message : "");
        assert_message(&error, cases[i].message);
        assert_clean();
    }
}

/* ---- both ---- */

static void test_can_be_cloned(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            use_image();
        mount_it();
        _cleanup_close_ int fd = open(rootfs.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int clone = mount_clone(fd, 1);
        assert_ok(clone);
        assert_int_equal(faccessat(clone, "etc/hostname", F_OK, 0), 0);
        assert_ok(rootfs_unmount(request.directory, &error));
    }
}

static void test_unmount_leaves_what_is_not_ours(void **state)
{
    (void)state;
    make_file("c/state.json", "{}");
    assert_ok(rootfs_unmount(request.directory, &error));
    mount_it();
    assert_int_equal(count_mounts(), 1);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_mounts(), 0);
    assert_int_equal(count_entries("c"), 1);
    assert_text("c/state.json", "{}");
    assert_int_equal(rootfs_unmount("/nowhere", &error), -ENOENT);
}

/* A start that died half way, and another on top of it. */
static void test_leftovers_of_a_crash(void **state)
{
    (void)state;
    use_image();
    request.is_read_only = false;
    mount_it();
    assert_ok(mount(at("image"), at("c/lower"), NULL, MS_BIND, NULL));
    assert_ok(mount("tmpfs", at("c/rootfs"), "tmpfs", 0, NULL));
    assert_ok(mount("tmpfs", at("c/layers"), "tmpfs", 0, NULL));
    make_file("c/layers/stale", "");
    assert_int_equal(count_mounts(), 4);
    mount_it();
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(count_mounts(), 1);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_clean();
    /* What was mounted on "lower" was not taken for our own. */
    assert_text("image/srv/page", "hello");
}

static void test_directory_with_odd_letters(void **state)
{
    (void)state;
    use_image();
    make_directory("c/a,b:c\\d");
    free((char *)request.directory);
    request.directory = strdup(at("c/a,b:c\\d"));
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(change_image), 0);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_entries("c/a,b:c\\d"), 0);
}

static void test_no_descriptor_is_left(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    for (int i = 0; i < 3; i++) {
        mount_it();
        assert_ok(rootfs_unmount(request.directory, &error));
    }
    use_image();
    mount_it();
    assert_ok(rootfs_unmount(request.directory, &error));
    points[0] = "/srv/page";
    assert_int_equal(rootfs_mount(&request, &rootfs, &error), -ENOTDIR);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_host_image),
        TEST(test_host_image_etc),
        TEST(test_host_image_is_small_and_read_only),
        TEST(test_host_image_writable_when_asked),
        TEST(test_host_image_runs_programs),
        TEST(test_host_image_mount_points),
        TEST(test_host_image_mount_points_that_cannot_be),
        TEST(test_image_is_seen_with_its_ids),
        TEST(test_image_writable_when_asked),
        TEST(test_writable_layer_in_memory_is_bounded),
        TEST(test_image_mount_points),
        TEST(test_empty_image),
        TEST(test_hostile_image),
        TEST(test_hostile_etc_files),
        TEST(test_image_mount_points_that_cannot_be),
        TEST(test_device_nodes_of_an_image_are_dead),
        TEST(test_images_that_are_not),
        TEST(test_can_be_cloned),
        TEST(test_unmount_leaves_what_is_not_ours),
        TEST(test_leftovers_of_a_crash),
        TEST(test_directory_with_odd_letters),
        TEST(test_no_descriptor_is_left),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
