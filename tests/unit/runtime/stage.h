/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_RUNTIME_STAGE_H
#define TESTS_UNIT_RUNTIME_STAGE_H

/*
 * For tests that build the world of a container from a config made by hand, and look at it from
 * inside. Run as root. The image is the directory "image" of the scratch directory.
 */

#include "tests/unit/storage/scratch.h"

#include <grp.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/userns.h"

#define ID_BASE 300000

enum stage {
    STAGE_ROOT,   /* the runtime is the host's root, the container has no user namespace */
    STAGE_MAPPED, /* ... and it has one */
    STAGE_LATE,   /* the runtime is root of a user namespace, with no say in its mount namespace */
    STAGE_NESTED, /* the runtime is root of a user namespace and of its mounts; the container has
                     no user namespace of its own */
};

static enum stage stage;
static struct config config;
static struct config_process process;
static struct config_mount mounts[32];
static struct config_device devices[8];
static char *masked[32], *read_only[32];
static const struct cgroup_driver *driver;
static bool has_strict_sources, has_no_pivot;
static bool has_console;       /* a terminal of the container's devpts is to be mounted */
static int console_slave = -1; /* ... or this one */
static struct error error;

static const struct id_range id_range = {.inside = 0, .outside = ID_BASE, .count = 65536};
static const struct id_range same_ids = {.inside = 0, .outside = 0, .count = 65536};

/* ---- the config ---- */

static inline struct config_mount *add_mount(const char *type, const char *source,
                                             const char *destination, const char *data,
                                             uint64_t attributes)
{
    struct config_mount *mount = &mounts[config.mount_count++];

    *mount = (struct config_mount){
        .type = type,
        .source = (char *)source,
        .destination = (char *)destination,
        .data = (char *)data,
        .attributes = attributes,
        .is_bind = type && strcmp(type, "bind") == 0,
    };
    return mount;
}

#define NO_ATTRIBUTES 0
#define SAFE          (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static inline void add_standard_mounts(void)
{
    add_mount("proc", "proc", "/proc", NULL, SAFE);
    add_mount("tmpfs", "tmpfs", "/dev", "mode=755,size=65536k",
              MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
    add_mount("devpts", "devpts", "/dev/pts",
              stage == STAGE_ROOT || stage == STAGE_MAPPED
                  ? "newinstance,ptmxmode=0666,mode=0620,gid=5"
                  : "newinstance,ptmxmode=0666,mode=0620",
              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    add_mount("tmpfs", "shm", "/dev/shm", "mode=1777,size=65536k", SAFE);
    add_mount("mqueue", "mqueue", "/dev/mqueue", NULL, SAFE);
    add_mount("sysfs", "sysfs", "/sys", NULL, SAFE | MOUNT_ATTR_RDONLY);
}

static inline void add_standard_paths(void)
{
    static const char *const hidden[] = {
        "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/sys/firmware",       "/proc/scsi",       "/proc/interrupts"};
    static const char *const fixed[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                        "/proc/sysrq-trigger"};

    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++)
        masked[i] = (char *)hidden[i];
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++)
        read_only[i] = (char *)fixed[i];
}

static inline void set_namespace(enum config_namespace_type type)
{
    config.namespaces[type].is_given = true;
}

/* A user namespace of the container's own, with ids that suit who the runtime is. */
static inline void use_stage(enum stage which)
{
    stage = which;
    config.namespaces[NAMESPACE_USER].is_given = false;
    config.uid_map_count = config.gid_map_count = 0;
    if (stage == STAGE_ROOT || stage == STAGE_NESTED)
        return;
    set_namespace(NAMESPACE_USER);
    config.uid_map[0] = config.gid_map[0] = stage == STAGE_LATE ? same_ids : id_range;
    config.uid_map_count = config.gid_map_count = 1;
}

static inline int own_mounts(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "unshare: %s: run as root\n", strerror(errno));
        return -1;
    }
    return 0;
}

static inline int setup(void **state)
{
    static const enum config_namespace_type types[] = {
        NAMESPACE_MOUNT, NAMESPACE_PID, NAMESPACE_IPC, NAMESPACE_NETWORK, NAMESPACE_CGROUP};

    if (make_scratch(state) < 0)
        return -1;
    if (chmod(scratch, 0755) < 0)
        return -1;
    make_directory("image");
    make_directory("outside");
    make_file("outside/secret", "of the host");
    memset(&config, 0, sizeof(config));
    memset(&process, 0, sizeof(process));
    memset(masked, 0, sizeof(masked));
    memset(read_only, 0, sizeof(read_only));
    error = (struct error)ERROR_INIT;
    driver = NULL;
    has_strict_sources = has_no_pivot = has_console = false;
    stage = STAGE_ROOT;
    config.root_path = strdup(at("image"));
    config.mounts = mounts;
    config.devices = devices;
    config.masked_paths = masked;
    config.read_only_paths = read_only;
    config.root_propagation = MS_PRIVATE | MS_REC;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        set_namespace(types[i]);
    return 0;
}

static inline int teardown(void **state)
{
    free(config.root_path);
    return remove_scratch(state);
}

/* Gives the image and all that is in it to the container's root. */
static inline void give_image(void)
{
    char command[PATH_MAX + 64];

    if (stage == STAGE_ROOT)
        return;
    snprintf(command, sizeof(command), "chown -hR %d:%d %s", ID_BASE, ID_BASE, at("image"));
    assert_int_equal(system(command), 0);
}

/* ---- inside ---- */

static int result_fd;

/* For functions that run inside: the first claim that does not hold ends them. */
#define CHECK(claim)                                                                               \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if (!(claim)) {                                                                            \
            dprintf(result_fd, "inside, line %d: %s (%s)", __LINE__, #claim, strerror(errno));     \
            _exit(98);                                                                             \
        }                                                                                          \
    } while (0)

static inline long magic_of(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) < 0 ? -1 : (long)fs.f_type;
}

static inline unsigned long flags_of(const char *path)
{
    struct statvfs fs;

    return statvfs(path, &fs) < 0 ? ~0UL : fs.f_flag;
}

static inline bool is_node(const char *path, mode_t type, unsigned major_, unsigned minor_)
{
    struct stat st;

    return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type &&
           st.st_rdev == makedev(major_, minor_);
}

static inline bool has_text(const char *path, const char *text)
{
    char found[256] = "";
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;
}

static inline bool fails_to_write(const char *path, int wanted)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 && errno == wanted;
}

/* How many mounts there are, at all or at one point, as far as a procfs is there to tell; else -1.
 */
static inline int count_mounts(const char *path)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[4096], point[1024];
    int count = 0;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1)
            count += !path || strcmp(point, path) == 0;
    return file ? count : -1;
}

/* The line of mountinfo that tells of the mount point, from 0; -1: none does. */
static inline int mountinfo_line(const char *path)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[4096], point[1024];

    for (int i = 0; file && fgets(line, sizeof(line), file); i++)
        if (sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1 && strcmp(point, path) == 0)
            return i;
    return -1;
}

/* Lines of /proc/self/mountinfo whose mount point is path, and one of them has the word in it. */
static inline bool mountinfo_has(const char *path, const char *word)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[4096], point[1024];
    bool found = false;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1 && strcmp(point, path) == 0)
            found = strstr(line, word) != NULL;
    return found;
}

/* ---- the run ---- */

struct outcome {
    int code;
    char text[1024];
};

static inline void child_fails(int fd, uint32_t step, int r, uint32_t index)
{
    struct plan_report report = {.step = step, .index = index, .errnum = -r};

    if (r >= 0)
        return;
    if (write(fd, &report, sizeof(report)) < 0)
        _exit(97);
    _exit(96);
}

static inline int open_terminal(const struct plan *plan)
{
    int zero = 0, master = init_open_in_root(plan, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);

    if (master < 0)
        return master;
    if (ioctl(master, TIOCSPTLCK, &zero) < 0)
        return -errno;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return slave < 0 ? -errno : init_mount_console(plan, slave);
}

static inline void build_inside(const struct plan *plan, int fd)
{
    uint32_t index = 0;
    int r;

    if (config.namespaces[NAMESPACE_USER].is_given)
        child_fails(fd, STEP_ROOT_IDS,
                    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -errno : 0, 0);
    child_fails(fd, STEP_CGROUP_NAMESPACE, unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0, 0);
    child_fails(fd, STEP_PROPAGATION,
                mount(NULL, "/", NULL,
                      MS_REC | (config.root_propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE),
                      NULL) < 0
                    ? -errno
                    : 0,
                0);
    child_fails(fd, STEP_ROOT, init_attach_root(plan), 0);
    r = init_attach_mounts(plan, &index);
    child_fails(fd, STEP_MOUNT, r, index);
    r = init_make_devices(plan, &index);
    child_fails(fd, STEP_DEVICE, r, index);
    if (console_slave >= 0)
        child_fails(fd, STEP_TERMINAL, init_mount_console(plan, console_slave), 0);
    if (has_console)
        child_fails(fd, STEP_TERMINAL, open_terminal(plan), 0);
    r = init_read_only_paths(plan, &index);
    child_fails(fd, STEP_READ_ONLY, r, index);
    r = init_mask_paths(plan, &index);
    child_fails(fd, STEP_MASK, r, index);
    child_fails(fd, STEP_PIVOT, init_change_root(plan), 0);
    child_fails(fd, STEP_ROOT_FLAGS, init_finish_root(plan), 0);
}

static inline int run_plan(struct plan *plan, void (*inside)(void), char *text, size_t size)
{
    uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
    int results[2], gates[2], status;
    char byte = 'g';

    flags |= config.namespaces[NAMESPACE_NETWORK].is_given ? CLONE_NEWNET : 0;
    flags |= config.namespaces[NAMESPACE_USER].is_given ? CLONE_NEWUSER : 0;
    if (pipe2(results, O_CLOEXEC) < 0 || pipe2(gates, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = clone_process(flags, -1, NULL);
    if (pid == 0) {
        close(gates[1]);
        close(results[0]);
        result_fd = results[1];
        alarm(30);
        if (read(gates[0], &byte, 1) != 1)
            _exit(95);
        build_inside(plan, results[1]);
        CHECK(count_mounts("/") <= 1 || has_no_pivot); /* the old root is gone */
        inside();
        _exit(0);
    }
    int r = pid < 0 ? pid : 0;
    close(results[1]);
    close(gates[0]);
    if (r == 0 && config.namespaces[NAMESPACE_USER].is_given)
        r = userns_write_maps(pid, config.uid_map, 1, config.gid_map, 1);
    if (r < 0)
        snprintf(text, size, "clone or map: %s", strerror(-r));
    else if (write(gates[1], &byte, 1) != 1)
        r = -errno;
    close(gates[1]);
    ssize_t length = read(results[0], text, size - 1);
    close(results[0]);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 96 && length == sizeof(struct plan_report)) {
        struct plan_report report;
        memcpy(&report, text, sizeof(report));
        if (report.step == STEP_TERMINAL || report.step < STEP_ROOT)
            return error_sys(&error, report.errnum, "step %u", report.step);
        return plan_explain_mounts(plan, &report, &error);
    }
    text[length > 0 ? length : 0] = '\0';
    return error_set(&error, EIO, "%s (status %x)", text, status);
}

static inline int run_here(void (*inside)(void))
{
    struct plan plan = {
        .config = &config,
        .process = &process,
        .driver = driver,
        .has_strict_sources = has_strict_sources,
        .has_no_pivot = has_no_pivot,
        .root_fd = -1,
        .proc_fd = -1,
    };
    char text[1024] = "";
    int r = plan_prepare_root(&plan, &error);

    if (r == 0 && plan.has_late_mounts != (stage == STAGE_LATE))
        r = error_set(&error, EIO, "this is not the stage that was meant");
    if (r == 0)
        r = plan_prepare_mounts(&plan, &error);
    if (r == 0)
        r = run_plan(&plan, inside, text, sizeof(text));
    plan_release_mounts(&plan);
    return r;
}

/* The runtime itself in a user namespace: a process that lives in one does it all. */
static inline int run_as_guest(void (*inside)(void))
{
    uint64_t flags = CLONE_NEWUSER | (stage == STAGE_NESTED ? CLONE_NEWNS : 0);
    int gates[2], answers[2];
    struct outcome outcome = {.code = -EIO};
    char byte = 'g';

    assert_ok(pipe2(gates, O_CLOEXEC));
    assert_ok(pipe2(answers, O_CLOEXEC));
    pid_t pid = clone_process(flags, -1, NULL);
    assert_ok(pid);
    if (pid == 0) {
        close(gates[1]);
        alarm(60);
        if (read(gates[0], &byte, 1) != 1 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
            setresuid(0, 0, 0) < 0)
            _exit(94);
        prctl(PR_SET_DUMPABLE,
              1); /* else its /proc files, and so the maps, are the host's root's */
        outcome.code = run_here(inside);
        snprintf(outcome.text, sizeof(outcome.text), "%s", error.message);
        _exit(write(answers[1], &outcome, sizeof(outcome)) == sizeof(outcome) ? 0 : 93);
    }
    close(answers[1]);
    close(gates[0]);
    assert_ok(userns_write_maps(pid, &id_range, 1, &id_range, 1));
    assert_int_equal(write(gates[1], &byte, 1), 1);
    close(gates[1]);
    if (read(answers[0], &outcome, sizeof(outcome)) != sizeof(outcome))
        snprintf(outcome.text, sizeof(outcome.text), "the guest died");
    close(answers[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return outcome.code < 0 ? error_set(&error, -outcome.code, "%s", outcome.text) : 0;
}

/* Builds the container and calls the function inside. 0, or a negative errno with `error` filled.
 */
static inline int run(void (*inside)(void))
{
    error = (struct error)ERROR_INIT;
    give_image();
    return stage == STAGE_LATE || stage == STAGE_NESTED ? run_as_guest(inside) : run_here(inside);
}

static inline void assert_runs(void (*inside)(void))
{
    int r = run(inside);

    if (r < 0)
        fail_msg("stage %d: %d: %s", stage, r, error.message);
}

static inline void nothing(void)
{
}

static inline void assert_refused(int errnum, const char *part)
{
    assert_int_equal(run(nothing), -errnum);
    assert_message(&error, part);
}

static inline void in_each_stage(void (*test)(void))
{
    static const enum stage stages[] = {STAGE_ROOT, STAGE_MAPPED, STAGE_LATE, STAGE_NESTED};

    for (size_t i = 0; i < ARRAY_LENGTH(stages); i++) {
        if (i > 0) {
            teardown(NULL);
            setup(NULL);
        }
        use_stage(stages[i]);
        test();
    }
}

#endif
