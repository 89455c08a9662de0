/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor ROOTFS CGROUP PROGRAM [ARGUMENT...]
 *
 * The least that a container costs, without one check, message or limit that protects anybody: a
 * process in new namespaces, on ROOTFS with the usual /dev, /proc and /sys, that executes PROGRAM.
 * A runtime is measured by what it takes more. CGROUP is "-", or the name of a group that is made
 * in each hierarchy, given the two limits of the benchmark's bundle, joined and removed. Linked
 * statically.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

static const struct {
    const char *source, *target, *type, *data;
    unsigned long flags;
} mounts[] = {
    {"proc", "proc", "proc", NULL, 0},
    {"tmpfs", "dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
    {"devpts", "dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5",
     MS_NOSUID | MS_NOEXEC},
    {"shm", "dev/shm", "tmpfs", "mode=1777,size=65536k", MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"mqueue", "dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"sysfs", "sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY},
};

static const struct {
    const char *path;
    unsigned major, minor;
} nodes[] = {
    {"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
    {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0},
};

/* Where the two limits are written, and one place that has none, on v1 and on v2. */
static const struct {
    const char *directory, *file, *value;
} groups[] = {
    {"/cpu", NULL, NULL},     {"/cpuacct", NULL, NULL},
    {"/cpuset", NULL, NULL},  {"/memory", "memory.limit_in_bytes", "67108864"},
    {"/devices", NULL, NULL}, {"/freezer", NULL, NULL},
    {"/blkio", NULL, NULL},   {"/pids", "pids.max", "64"},
    {"/systemd", NULL, NULL}, {"", "memory.max", "67108864"},
    {"", "pids.max", "64"},
};

static int join_fds[sizeof(groups) / sizeof(groups[0])];
static size_t join_count;

static void check(int is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t r = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0)
        close(fd);
    return r < 0 ? -1 : 0;
}

/* cpuset has no CPUs until it is given some (cgroup-v1/cpusets.rst); a floor on v1 needs them to
 * join. */
static void copy_cpuset(const char *group, const char *file)
{
    char path[PATH_MAX], text[256] = "";

    snprintf(path, sizeof(path), CGROUPS "/cpuset/cpuset.%s", file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, path);
    close(fd);
    snprintf(path, sizeof(path), "%s/cpuset.%s", group, file);
    check(write_file(path, text) == 0, path);
}

/* Makes the groups and opens the file of each by which the child joins it. */
static void make_groups(const char *name)
{
    char path[PATH_MAX], file[PATH_MAX + 64];
    int is_unified = access(CGROUPS "/cgroup.controllers", F_OK) == 0;

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if ((groups[i].directory[0] == '\0') != is_unified)
            continue;
        snprintf(path, sizeof(path), CGROUPS "%s/%s", groups[i].directory, name);
        if (mkdir(path, 0755) < 0 && errno == ENOENT)
            continue; /* no such hierarchy here */
        if (strcmp(groups[i].directory, "/cpuset") == 0) {
            copy_cpuset(path, "cpus");
            copy_cpuset(path, "mems");
        }
        snprintf(file, sizeof(file), "%s/%s", path, groups[i].file ? groups[i].file : "");
        check(!groups[i].file || write_file(file, groups[i].value) == 0, file);
        snprintf(file, sizeof(file), "%s/%s", path, is_unified ? "cgroup.procs" : "tasks");
        join_fds[join_count] = open(file, O_WRONLY | O_CLOEXEC);
        check(join_fds[join_count++] >= 0, file);
    }
}

/*
 * A thread that moves itself by "tasks" spares the kernel the lock over all processes, for which it
 * would wait milliseconds after a pause (cgroup_procs_write_start() in the kernel's cgroup.c).
 */
static void join_groups(void)
{
    for (size_t i = 0; i < join_count; i++)
        check(write(join_fds[i], "0", 1) == 1, "join a group");
}

static void remove_groups(const char *name)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        snprintf(path, sizeof(path), CGROUPS "%s/%s", groups[i].directory, name);
        rmdir(path);
    }
}

static void build(const char *root)
{
    umask(0);
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make mounts private");
    check(mount(root, root, NULL, MS_BIND | MS_REC, NULL) == 0 && chdir(root) == 0, root);
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        if (strncmp(mounts[i].target, "dev/", 4) == 0)
            mkdir(mounts[i].target, 0755);
        check(mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags,
                    mounts[i].data) == 0,
              mounts[i].target);
    }
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        check(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) == 0,
              nodes[i].path);
    check(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    check(umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "leave the old root");
}

int main(int argc, char **argv)
{
    struct clone_args arguments = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                 CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    int status;

    if (argc < 4)
        return 2;
    if (strcmp(argv[2], "-") != 0)
        make_groups(argv[2]);
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    check(pid >= 0, "clone3");
    if (pid == 0) {
        join_groups();
        build(argv[1]);
        execv(argv[3], &argv[3]);
        check(0, argv[3]);
    }
    check(waitpid(pid, &status, 0) == pid, "wait");
    if (join_count > 0)
        remove_groups(argv[2]);
    return status == 0 ? 0 : 1;
}
