/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/seccomp_calls.h"

#include <stddef.h>

const struct call_group seccomp_call_groups[] = {
    /* Reading and writing what is open. */
    {"read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek "
     "sendfile splice tee vmsplice copy_file_range readahead fadvise64 sync_file_range fsync "
     "fdatasync sync syncfs ftruncate truncate fallocate cachestat",
     true, NULL},

    /* Descriptors. open, openat, creat and ioctl are in seccomp_profile.c. */
    {"close close_range dup dup2 dup3 fcntl flock memfd_create pipe pipe2", true, NULL},

    /* Looking at files. */
    {"stat fstat lstat newfstatat statx statfs fstatfs ustat access faccessat faccessat2 "
     "readlink readlinkat getdents getdents64 getcwd getxattr lgetxattr fgetxattr listxattr "
     "llistxattr flistxattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
     true, NULL},

    /* Changing files and directories. chmod and mknod are in seccomp_profile.c. */
    {"chdir fchdir mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat rename "
     "renameat renameat2 chown fchown lchown fchownat umask utime utimes futimesat utimensat "
     "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr",
     true, NULL},

    /* Memory. */
    {"brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall "
     "munlockall remap_file_pages membarrier pkey_alloc pkey_free pkey_mprotect "
     "map_shadow_stack",
     true, NULL},

    /* Processes and threads. clone is in seccomp_profile.c. */
    {"fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid "
     "getpgrp setpgid getsid setsid prctl arch_prctl set_tid_address set_robust_list "
     "get_robust_list rseq set_thread_area get_thread_area pidfd_open riscv_flush_icache "
     "riscv_hwprobe",
     true, NULL},

    /* Who one is; without capabilities there is nobody else to become. */
    {"getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid "
     "setregid setresuid setresgid setfsuid setfsgid setgroups capget capset",
     true, NULL},

    /* A program's further limits on itself. */
    {"seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self", true, NULL},

    /* Scheduling and limits, within what the cgroup and the hard limits leave. */
    {"sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr "
     "sched_getparam sched_setparam sched_getscheduler sched_setscheduler "
     "sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority "
     "setpriority ioprio_get ioprio_set getcpu getrlimit setrlimit prlimit64 getrusage times",
     true, NULL},

    /* Signals. */
    {"kill tkill tgkill pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask "
     "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo "
     "sigaltstack signalfd signalfd4 pause alarm restart_syscall",
     true, NULL},

    /* Time, to be read and waited for. */
    {"time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer "
     "setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
     "timerfd_create timerfd_gettime timerfd_settime",
     true, NULL},

    /* Waiting for events. */
    {"select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
     "epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 futex futex_waitv "
     "futex_wait futex_wake futex_requeue",
     true, NULL},

    /* Asynchronous I/O of the old kind: databases use it. */
    {"io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents", true, NULL},

    /* Sockets. socket is in seccomp_profile.c. */
    {"socketpair bind listen accept accept4 connect shutdown getsockname getpeername "
     "getsockopt setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg",
     true, NULL},

    /* System V and POSIX IPC, in a namespace of the container's own. */
    {"shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl "
     "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
     true, NULL},

    /* The machine, to be looked at. */
    {"uname sysinfo getrandom", true, NULL},

    /* With a capability of cap_add. The kernel checks the capability too. */
    {"chroot", false, "CAP_SYS_CHROOT"},
    {"ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise", false,
     "CAP_SYS_PTRACE"},
    {"get_mempolicy set_mempolicy set_mempolicy_home_node mbind migrate_pages move_pages", false,
     "CAP_SYS_NICE"},

    /* The tree of mounts, and ways around it (a file handle opens any inode). */
    {"mount umount2 pivot_root open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
     "fspick mount_setattr open_by_handle_at name_to_handle_at "
     "fanotify_init fanotify_mark quotactl quotactl_fd swapon swapoff",
     false, NULL},

    /* Namespaces. */
    {"unshare setns", false, NULL},

    /* The kernel's keyrings know no namespace (CVE-2016-0728 and others). */
    {"add_key request_key keyctl", false, NULL},

    /* Large parts of the kernel behind one call, each with a history of holes. */
    {"bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register "
     "lookup_dcookie memfd_secret",
     false, NULL},

    /* The machine, to be changed. */
    {"reboot kexec_load kexec_file_load init_module finit_module delete_module create_module "
     "acct syslog sethostname setdomainname settimeofday clock_settime clock_adjtime "
     "adjtimex iopl ioperm vhangup process_mrelease",
     false, NULL},

    {NULL, false, NULL},
};
