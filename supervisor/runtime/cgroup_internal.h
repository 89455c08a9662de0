/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CGROUP_INTERNAL_H
#define RUNTIME_CGROUP_INTERNAL_H

/*
 * What the files of the cgroup noun share; nobody else includes it but their unit test.
 *
 *     cgroup_mounts.c  finds and opens the hierarchies: the driver
 *     cgroup.c         groups: create, open, attach
 *     cgroup_apply.c   limits: which controller each needs, and whether it is to be had
 *     cgroup_entry.c   the way in for a process that goes itself
 *     cgroup_below.c   groups below a container's own
 *     cgroup_delegate.c  handing a v2 group to the container's own root
 *     cgroup_tasks.c   their tasks: list, freeze, signal, kill, destroy
 *     cgroup_sample.c  figures, read from descriptors that stay open
 *     cgroup_figures.c figures out of the text of their files
 *     cgroup_v1.c, cgroup_v2.c   what differs between the versions, as a table of functions each
 *     cgroup_unified.c files of v2 that a config names itself
 *     cgroup_stats.c, cgroup_oom.c   what "events" tells
 *     cgroup_device.c  the devices rule of v2, a BPF program
 *     cgroup_file.c    reading and writing the small files of a group
 *
 * The version belongs to a hierarchy, not to the machine: on a hybrid machine each limit is set
 * where its controller lives, whichever version that is.
 */

#include <limits.h>
#include <linux/bpf.h>

#include "supervisor/runtime/cgroup.h"

#define CGROUP_HIERARCHIES_MAX CGROUP_ENTRY_MAX /* the kernel has 15 controllers */
#define CGROUP_CONTROLLERS     14               /* bits of enum cgroup_controller */
#define CGROUP_FILE_MAX        16384
#define CGROUP_FIGURES_MAX     24 /* files */
#define CGROUP_PLACE_MAX       PATH_MAX
#define CGROUP_DEPTH_MAX       128 /* of child groups looked into for tasks, two descriptors each */

enum cgroup_limit {
    LIMIT_MEMORY,
    LIMIT_CPU,
    LIMIT_PIDS,
    LIMIT_CPUSET,
    LIMIT_IO,
    LIMIT_HUGETLB,
    LIMIT_NETWORK_CLASS,
    LIMIT_NETWORK_PRIORITY,
    LIMIT_RDMA,
    LIMIT_DEVICES,
    LIMIT_COUNT,
};

struct cgroup_figure;

/* What one turn of reading gathers: the devices of several files. */
#define CGROUP_DEVICES_MAX 32
#define CGROUP_NOT_READ    UINT64_MAX

struct cgroup_reading {
    struct cgroup_sample *sample;
    /* v1 counts both together. CGROUP_NOT_READ on v2, and in a turn that does not read them. */
    uint64_t memory_and_swap_bytes, memory_and_swap_limit_bytes;
    uint64_t memory_and_swap_hits; /* 0 there */
    struct slot_device devices[CGROUP_DEVICES_MAX];
    size_t device_count;
    uint64_t has; /* SLOT_HAS_* of what was found */
};

typedef void cgroup_parse(const struct cgroup_figure *figure, const char *text,
                          struct cgroup_reading *reading);

/*
 * Where a figure stands: the whole file is one number, or a line "key number" holds it, or a
 * function takes the text apart. Figures of one file stand next to each other in the tables, for
 * the file is read once; the part is the first one's.
 */
struct cgroup_figure {
    const char *file;
    const char *key;     /* NULL: the whole file */
    cgroup_parse *parse; /* NULL: a number */
    uint64_t has;        /* SLOT_HAS_* */
    size_t offset;       /* of the uint64_t in struct cgroup_reading, or struct cgroup_sample */
    bool is_in_reading;
    enum cgroup_part part;
    uint64_t divisor, factor; /* 0: 1 */
};

/* Controllers that a v2 group has only once it is limited: each costs a little at every creation.
 */
#define CGROUP_ON_DEMAND (CGROUP_CPUSET | CGROUP_HUGETLB | CGROUP_RDMA | CGROUP_MISC)

/* "max" and v1's largest long: a number from here on is no limit. */
#define CGROUP_UNLIMITED (UINT64_C(1) << 62)

typedef int cgroup_set(int directory, const struct cgroup_resources *resources,
                       struct error *error);

/* One version of cgroups. directory is the group's in the hierarchy that has the controller. */
struct cgroup_ops {
    cgroup_set *set[LIMIT_COUNT]; /* NULL: this version cannot have the controller */
    int (*freeze)(int directory, bool freeze);
    int (*is_frozen)(int directory); /* 1, 0 or a negative errno */
    const struct cgroup_figure *figures;
    size_t figure_count;
};

extern const struct cgroup_ops cgroup_v1_ops;
extern const struct cgroup_ops cgroup_v2_ops;

/* A mount of one hierarchy, as mountinfo (proc(5)) tells it. */
struct cgroup_mount {
    char directory[64]; /* below /sys/fs/cgroup; "" for the mount there */
    char options[64];   /* v1: the controllers or the name, as mount(2) takes them; v2: "" */
    unsigned controllers;
    bool is_v2;
    bool is_read_only;
    unsigned major, minor; /* st_dev */
};

struct cgroup_hierarchy {
    struct cgroup_mount mount;
    const struct cgroup_ops *ops;
    int root; /* of v2: directory descriptor; of v1, whose groups are named below top: -1 */
};

struct cgroup_driver {
    enum cgroup_mode mode;
    unsigned controllers;
    int top; /* directory descriptor of /sys/fs/cgroup, below which all hierarchies are */
    size_t count;
    struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
    int v2;                       /* index of the v2 tree, or -1 */
    int home[CGROUP_CONTROLLERS]; /* index of the hierarchy that has the controller, or -1 */
};

/* A file that stays open for samples; figure is the first of its file in the table that ends at
 * end. */
struct cgroup_open_figure {
    int fd;
    uint64_t has; /* of all its figures */
    const struct cgroup_figure *figure, *end;
};

/* What of a group's directory is known while it is not open. */
#define CGROUP_ABSENT  (-1) /* the group is not in this hierarchy */
#define CGROUP_MADE    (-2) /* we made it or found it when we made the others */
#define CGROUP_UNKNOWN (-3)

struct cgroup {
    struct cgroup_driver *driver;
    char *path;
    size_t count;     /* of hierarchies; the driver may be closed before the handle */
    int *directories; /* by hierarchy; ask cgroup_directory(): many are never needed */
    bool is_new;      /* this handle's creation made it, in every hierarchy */
    bool is_sampled;  /* the figures' files have been opened */
    size_t figure_count;
    struct cgroup_open_figure figures[CGROUP_FIGURES_MAX];
};

#define CGROUP_DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

static inline void cleanup_cgroup(struct cgroup **cgroup)
{
    cgroup_close(*cgroup);
}
#define _cleanup_cgroup_ __attribute__((cleanup(cleanup_cgroup)))

/* ---- cgroup.c ---- */

/* Whether path may name a group; -EINVAL with a sentence. */
int cgroup_path_check(const char *path, struct error *error);
/* What a message calls the hierarchy: "memory", "cpu,cpuacct", "cgroup2". */
const char *cgroup_hierarchy_name(const struct cgroup_hierarchy *hierarchy);
/*
 * Makes sure that the v2 group has these controllers, handing them down from the root where need
 * be. One that cannot be is no error: its files will be missing, and what needs them says so.
 */
int cgroup_enable(const struct cgroup *cgroup, unsigned controllers, struct error *error);

/*
 * What a file or child of the group is called below the driver's top directory; file "": the group
 * itself. Returns place, which is at most CGROUP_PLACE_MAX long, or "" (no file's name) if it would
 * be longer.
 */
const char *cgroup_place(const struct cgroup_hierarchy *hierarchy, const char *path,
                         const char *file, char *place);
/* The directory of the group in a hierarchy, opened when it is first asked for and closed with the
 * handle; -1: the group is not there. A v2 one is open from the beginning. */
int cgroup_directory(const struct cgroup *cgroup, size_t hierarchy);

/* ---- cgroup_mounts.c ---- */

/*
 * Takes one line of mountinfo apart. Returns 1 and the mount when it is a cgroup hierarchy at or
 * below /sys/fs/cgroup that has a controller we know or a name, or is the v2 tree; 0 for any other
 * line; -EINVAL for a line that is no mountinfo line. The line is changed.
 */
int cgroup_mount_parse(char *line, struct cgroup_mount *mount);
/* The controllers named in a list separated by any of the separators, or-ed. */
unsigned cgroup_controllers_parse(const char *list, const char *separators);
/* The kernel's name of one controller for v1 ("blkio") or v2 ("io"). */
const char *cgroup_controller_name(enum cgroup_controller controller, bool is_v2);

/* ---- cgroup_file.c; 0 or a negative errno unless said otherwise ---- */

bool cgroup_file_exists(int directory, const char *file);
int cgroup_file_write(int directory, const char *file, const char *value);
/*
 * Reads a whole file of less than size bytes, NUL-terminated; -EFBIG if larger. Files that the
 * kernel writes out at once (kernfs, seq_show), not lists of tasks: a short read has told the end.
 */
int cgroup_file_read(int directory, const char *file, char *buffer, size_t size);
/* A file that holds one number; "max" is UINT64_MAX. */
int cgroup_file_number(int directory, const char *file, uint64_t *value);
/*
 * Writes the value of an OCI key, with a message that names both. A file that is not there is
 * -EOPNOTSUPP: this kernel cannot set that limit.
 */
int cgroup_file_set(int directory, const char *key, const char *file, const char *value,
                    struct error *error);
int cgroup_file_set_number(int directory, const char *key, const char *file, int64_t value,
                           struct error *error);
/* Adds up the numbers after "key" and a blank or '=', at the start of a word; returns how many. */
size_t cgroup_text_sum(const char *text, const char *key, uint64_t *sum);
/* A text that is one number, with or without a line feed, or "max" (UINT64_MAX). */
int cgroup_text_number(const char *text, uint64_t *value);

/* ---- cgroup_figures.c ---- */

cgroup_parse cgroup_parse_pressure;   /* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
cgroup_parse cgroup_parse_io_stat;    /* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." */
cgroup_parse cgroup_parse_blkio;      /* "8:0 Read 1"; offset: of read in struct slot_device */
cgroup_parse cgroup_parse_blkio_wait; /* the same in nanoseconds, read and written together */

/*
 * Takes the figures of one file out of its text; figure is the first of its file in the table that
 * ends at end. What the file does not have is no longer known.
 */
void cgroup_figures_parse(const struct cgroup_figure *figure, const struct cgroup_figure *end,
                          const char *text, struct cgroup_reading *reading);
/* What can be told only when all files of a turn are read: devices and their sums, v1's swap. */
void cgroup_figures_finish(struct cgroup_reading *reading);

/* ---- cgroup_v2.c ---- */

/* cpu.weight (1..10000) for OCI's shares (2..262144). */
unsigned cgroup_weight_of_shares(uint64_t shares);

/* ---- cgroup_apply.c ---- */

/* io.weight (1..10000) for OCI's blkio weight (10..1000). */
unsigned cgroup_io_weight(unsigned weight);
/* "mlx4_0 hca_handle=2 hca_object=2000", the same on both versions. */
int cgroup_set_rdma(int directory, const struct cgroup_resources *resources, struct error *error);
/* cpu.shares or cpu.weight, and cpu.idle. value 0: not given. */
int cgroup_set_shares(int directory, const struct cgroup_resources *resources, const char *file,
                      uint64_t value, struct error *error);
int cgroup_set_pids(int directory, const struct cgroup_resources *resources, struct error *error);
int cgroup_set_cpuset(int directory, const struct cgroup_resources *resources, struct error *error);
/* Each huge page limit goes to hugetlb.SIZE.rsvd.SUFFIX, where the kernel has it, and
 * hugetlb.SIZE.SUFFIX. */
int cgroup_set_hugetlb(int directory, const char *suffix, const struct cgroup_resources *resources,
                       struct error *error);

/* ---- cgroup_unified.c ---- */

/* Whether the name of a file may stand in linux.resources.unified; -EINVAL with a sentence. */
int cgroup_unified_check(const char *file, struct error *error);
int cgroup_unified_apply(const struct cgroup *cgroup, const struct cgroup_resources *resources,
                         struct error *error);

/* ---- cgroup_device.c ---- */

#define CGROUP_DEVICE_RULES_MAX 256
/* Six instructions at the start, at most eight a rule, two at the end. */
#define CGROUP_DEVICE_PROGRAM_MAX (6 + 8 * CGROUP_DEVICE_RULES_MAX + 2)

/*
 * Checks that every rule has a type, numbers and accesses that exist, and that there are not too
 * many.
 */
int cgroup_device_check(const struct cgroup_resources *resources, struct error *error);
/*
 * Assembles the program for rules that were checked: for each kind of access the last rule that
 * matches decides, and what no rule allows is denied. Returns the number of instructions, of which
 * program holds CGROUP_DEVICE_PROGRAM_MAX.
 */
size_t cgroup_device_assemble(const struct cgroup_device_rule *rules, size_t count,
                              struct bpf_insn *program);
/* Loads and attaches the program in the place of those that the group has. */
int cgroup_device_attach(int directory, const struct cgroup_resources *resources,
                         struct error *error);

#endif
