/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_stats.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/runtime/cgroup_internal.h"

/* cpuacct.usage_all has some 40 bytes a CPU, blkio some 120 a disk: room for thousands. */
#define STATS_FILE_MAX (256 * 1024)
#define HUGEPAGES      "/sys/kernel/mm/hugepages"
#define CPUS_MAX       65536                        /* runc counts them in 16 bits */
#define NSEC_PER_TICK  (UINT64_C(1000000000) / 100) /* USER_HZ is 100 everywhere (time(7)) */

/* Where one controller's files are read; buffer holds one file at a time. */
struct reader {
    int directory; /* -1: the machine or the group has none */
    bool is_v2;
    char *buffer;
    bool has_failed; /* out of memory */
};

static struct reader reader_of(const struct cgroup *cgroup, enum cgroup_controller controller,
                               char *buffer)
{
    int home = cgroup->driver->home[__builtin_ctz(controller)];

    return (struct reader){.directory = home < 0 ? -1 : cgroup_directory(cgroup, (size_t)home),
                           .is_v2 = home >= 0 && home == cgroup->driver->v2,
                           .buffer = buffer};
}

/* The whole file, or NULL when there is none. */
static char *read_text(struct reader *reader, const char *file)
{
    if (reader->directory < 0 ||
        cgroup_file_read(reader->directory, file, reader->buffer, STATS_FILE_MAX) < 0)
        return NULL;
    return reader->buffer;
}

static bool read_number(struct reader *reader, const char *file, uint64_t *value)
{
    return reader->directory >= 0 && cgroup_file_number(reader->directory, file, value) == 0;
}

/* Room for one more at the end of a list; NULL without memory, and then the list is as it was. */
static void *grow(void *list, size_t count, size_t size)
{
    bool is_full = (count & (count - 1)) == 0; /* 0 and the powers of two */

    return is_full ? realloc(list, (count ? 2 * count : 1) * size) : list;
}

static void add_number(struct reader *reader, struct cgroup_numbers *numbers, uint64_t value)
{
    uint64_t *values = grow(numbers->values, numbers->count, sizeof(*values));

    reader->has_failed |= !values;
    if (!values)
        return;
    numbers->values = values;
    values[numbers->count++] = value;
}

static const struct {
    const char *file;
    size_t offset;
} pressure_files[] = {
    {"cpu.pressure", offsetof(struct cgroup_stats, cpu_pressure)},
    {"memory.pressure", offsetof(struct cgroup_stats, memory_pressure)},
    {"io.pressure", offsetof(struct cgroup_stats, io_pressure)},
};

static void parse_stall(const char *line, const char *kind, struct cgroup_stall *stall)
{
    char format[64];

    snprintf(format, sizeof(format), "%s avg10=%%lf avg60=%%lf avg300=%%lf total=%%" SCNu64, kind);
    const char *at = strstr(line, kind);
    if (at)
        sscanf(at, format, &stall->average10, &stall->average60, &stall->average300,
               &stall->total_usec);
}

static void read_pressure(const struct cgroup *cgroup, char *buffer, struct cgroup_stats *stats)
{
    struct reader reader = {.directory = cgroup_clone_fd(cgroup), .buffer = buffer};

    for (size_t i = 0; i < ARRAY_LENGTH(pressure_files); i++) {
        struct cgroup_pressure *pressure =
            (struct cgroup_pressure *)((char *)stats + pressure_files[i].offset);
        const char *text = read_text(&reader, pressure_files[i].file);
        if (!text)
            continue;
        pressure->is_known = true;
        parse_stall(text, "some", &pressure->some);
        parse_stall(text, "full", &pressure->full);
    }
}

/* ---- cpu ---- */

static uint64_t key_of(const char *text, const char *key)
{
    uint64_t value;

    return text && cgroup_text_sum(text, key, &value) ? value : 0;
}

/* "cpu user system" and a line for each CPU. */
static void read_cpus_by_mode(struct reader *reader, struct cgroup_stats *stats)
{
    char *rest = read_text(reader, "cpuacct.usage_all"), *line = rest ? strsep(&rest, "\n") : NULL;

    while (rest && (line = strsep(&rest, "\n"))) {
        uint64_t user, kernel;
        if (sscanf(line, "%*u %" SCNu64 " %" SCNu64, &user, &kernel) != 2)
            continue;
        add_number(reader, &stats->cpu_each_user, user);
        add_number(reader, &stats->cpu_each_kernel, kernel);
    }
}

static void read_cpu_usage(struct reader *reader, struct cgroup_stats *stats)
{
    char *text = read_text(reader, reader->is_v2 ? "cpu.stat" : "cpuacct.stat"), *word;

    if (reader->is_v2) {
        stats->cpu_total_nsec = key_of(text, "usage_usec") * 1000;
        stats->cpu_user_nsec = key_of(text, "user_usec") * 1000;
        stats->cpu_kernel_nsec = key_of(text, "system_usec") * 1000;
        return;
    }
    stats->cpu_user_nsec = key_of(text, "user") * NSEC_PER_TICK;
    stats->cpu_kernel_nsec = key_of(text, "system") * NSEC_PER_TICK;
    read_number(reader, "cpuacct.usage", &stats->cpu_total_nsec);
    text = read_text(reader, "cpuacct.usage_percpu");
    while (text && (word = strsep(&text, " \n"))) {
        uint64_t value;
        if (cgroup_text_number(word, &value) == 0)
            add_number(reader, &stats->cpu_each, value);
    }
    read_cpus_by_mode(reader, stats);
}

static void read_throttling(struct reader *reader, struct cgroup_stats *stats)
{
    const char *text = read_text(reader, "cpu.stat");

    stats->periods = key_of(text, "nr_periods");
    stats->throttled_periods = key_of(text, "nr_throttled");
    stats->throttled_nsec =
        reader->is_v2 ? key_of(text, "throttled_usec") * 1000 : key_of(text, "throttled_time");
}

/* ---- cpuset ---- */

/* "0-3,7" */
static void read_list(struct reader *reader, const char *file, struct cgroup_numbers *numbers)
{
    char *text = read_text(reader, file), *range;

    while (text && (range = strsep(&text, ",\n"))) {
        uint64_t first, last;
        char *dash = strchr(range, '-');
        if (dash)
            *dash++ = '\0';
        if (parse_u64(range, CPUS_MAX - 1, &first) < 0 ||
            parse_u64(dash ? dash : range, CPUS_MAX - 1, &last) < 0)
            continue;
        for (; first <= last; first++)
            add_number(reader, numbers, first);
    }
}

static void read_cpuset(struct reader *reader, struct cgroup_stats *stats)
{
    char level[32];

    read_list(reader, reader->is_v2 ? "cpuset.cpus.effective" : "cpuset.cpus", &stats->cpus);
    read_list(reader, reader->is_v2 ? "cpuset.mems.effective" : "cpuset.mems", &stats->mems);
    if (reader->is_v2)
        return;
    const struct {
        const char *file;
        uint64_t *value;
    } switches[] = {
        {"cpuset.cpu_exclusive", &stats->cpu_exclusive},
        {"cpuset.mem_hardwall", &stats->mem_hardwall},
        {"cpuset.mem_exclusive", &stats->mem_exclusive},
        {"cpuset.memory_migrate", &stats->memory_migrate},
        {"cpuset.memory_spread_page", &stats->memory_spread_page},
        {"cpuset.memory_spread_slab", &stats->memory_spread_slab},
        {"cpuset.memory_pressure", &stats->memory_pressure_enabled},
        {"cpuset.sched_load_balance", &stats->sched_load_balance},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(switches); i++)
        read_number(reader, switches[i].file, switches[i].value);
    if (reader->directory >= 0 &&
        cgroup_file_read(reader->directory, "cpuset.sched_relax_domain_level", level,
                         sizeof(level)) == 0)
        stats->sched_relax_domain_level = strtoll(level, NULL, 10); /* -1: the system's */
}

/* ---- memory ---- */

static void read_memory_stat(struct reader *reader, struct cgroup_stats *stats)
{
    char *rest = read_text(reader, "memory.stat"), *line;

    while (rest && (line = strsep(&rest, "\n"))) {
        struct cgroup_named_number number;
        if (sscanf(line, "%47s %" SCNu64, number.name, &number.value) != 2)
            continue;
        struct cgroup_named_number *list =
            grow(stats->memory_stat, stats->memory_stat_count, sizeof(*list));
        reader->has_failed |= !list;
        if (!list)
            return;
        stats->memory_stat = list;
        list[stats->memory_stat_count++] = number;
        if (strcmp(number.name, reader->is_v2 ? "file" : "cache") == 0)
            stats->cache_bytes = number.value;
    }
}

static void read_memory_v1(struct reader *reader, const char *module,
                           struct cgroup_memory_figure *figure)
{
    char file[64];
    const struct {
        const char *name;
        uint64_t *value;
    } files[] = {
        {"usage_in_bytes", &figure->usage},
        {"max_usage_in_bytes", &figure->peak},
        {"failcnt", &figure->failures},
        {"limit_in_bytes", &figure->limit},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        snprintf(file, sizeof(file), "%s.%s", module, files[i].name);
        if (!read_number(reader, file, files[i].value) && i == 0)
            return;
    }
}

static void read_memory(struct reader *reader, struct cgroup_stats *stats)
{
    read_memory_stat(reader, stats);
    if (!reader->is_v2) {
        read_memory_v1(reader, "memory", &stats->memory);
        read_memory_v1(reader, "memory.memsw", &stats->swap);
        read_memory_v1(reader, "memory.kmem", &stats->kernel);
        read_memory_v1(reader, "memory.kmem.tcp", &stats->kernel_tcp);
        return;
    }
    if (!read_number(reader, "memory.current", &stats->memory.usage))
        return;
    read_number(reader, "memory.max", &stats->memory.limit);
    read_number(reader, "memory.peak", &stats->memory.peak);
    /* v2 counts swap alone; what is told is memory and swap together, as v1 has it. */
    read_number(reader, "memory.swap.current", &stats->swap.usage);
    read_number(reader, "memory.swap.max", &stats->swap.limit);
    stats->swap.usage += stats->memory.usage;
    if (stats->swap.limit != UINT64_MAX)
        stats->swap.limit = stats->memory.limit == UINT64_MAX
                                ? UINT64_MAX
                                : stats->swap.limit + stats->memory.limit;
}

/* ---- pids ---- */

static void read_pids(const struct cgroup *cgroup, struct reader *reader,
                      struct cgroup_stats *stats)
{
    if (!read_number(reader, "pids.current", &stats->tasks)) {
        ssize_t count = cgroup_pids(cgroup, NULL, 0);
        stats->tasks = count < 0 ? 0 : (uint64_t)count;
        return;
    }
    read_number(reader, "pids.max", &stats->tasks_limit);
    if (stats->tasks_limit == UINT64_MAX)
        stats->tasks_limit = 0;
}

/* ---- block I/O ---- */

static void add_io(struct reader *reader, struct cgroup_io_table *table,
                   const struct cgroup_io_entry *entry)
{
    struct cgroup_io_entry *entries = grow(table->entries, table->count, sizeof(*entries));

    reader->has_failed |= !entries;
    if (!entries)
        return;
    table->entries = entries;
    entries[table->count++] = *entry;
}

/* "8:0 Read 4096", "8:0 4096"; a last line "Total 4096" is left out. */
static void read_io_table(struct reader *reader, const char *file, struct cgroup_io_table *table)
{
    char *rest = read_text(reader, file), *line;

    while (rest && (line = strsep(&rest, "\n"))) {
        struct cgroup_io_entry entry = {.operation = ""};
        if (sscanf(line, "%u:%u %15[A-Za-z] %" SCNu64, &entry.major, &entry.minor, entry.operation,
                   &entry.value) == 4 ||
            sscanf(line, "%u:%u %" SCNu64, &entry.major, &entry.minor, &entry.value) == 3)
            add_io(reader, table, &entry);
    }
}

/* What each kind is called after "blkio.bfq.", "blkio." and "blkio.throttle.". */
static const char *const io_files[CGROUP_IO_KINDS] = {
    [CGROUP_IO_SERVICE_BYTES] = "io_service_bytes_recursive",
    [CGROUP_IO_SERVICED] = "io_serviced_recursive",
    [CGROUP_IO_QUEUED] = "io_queued_recursive",
    [CGROUP_IO_SERVICE_TIME] = "io_service_time_recursive",
    [CGROUP_IO_WAIT_TIME] = "io_wait_time_recursive",
    [CGROUP_IO_MERGED] = "io_merged_recursive",
    [CGROUP_IO_TIME] = "time_recursive",
    [CGROUP_IO_SECTORS] = "sectors_recursive",
};

/*
 * BFQ's figures where it schedules a disk, CFQ's on old kernels, else those of the throttling
 * layer, which sees every disk but counts bytes and operations only.
 */
static void read_io_v1(struct reader *reader, struct cgroup_stats *stats)
{
    static const char *const sources[] = {"blkio.bfq", "blkio", "blkio.throttle"};

    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        for (size_t kind = 0; kind < CGROUP_IO_KINDS; kind++) {
            char file[64];
            snprintf(file, sizeof(file), "%s.%s", sources[i], io_files[kind]);
            if (stats->io[kind].count == 0)
                read_io_table(reader, file, &stats->io[kind]);
        }
        if (stats->io[CGROUP_IO_SERVICE_BYTES].count > 0)
            return;
    }
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void read_io_v2(struct reader *reader, struct cgroup_stats *stats)
{
    static const struct {
        const char *key, *operation;
        enum cgroup_io_kind kind;
    } words[] = {
        {"rbytes", "Read", CGROUP_IO_SERVICE_BYTES},
        {"wbytes", "Write", CGROUP_IO_SERVICE_BYTES},
        {"rios", "Read", CGROUP_IO_SERVICED},
        {"wios", "Write", CGROUP_IO_SERVICED},
    };
    char *rest = read_text(reader, "io.stat"), *line;

    while (rest && (line = strsep(&rest, "\n"))) {
        struct cgroup_io_entry entry;
        if (sscanf(line, "%u:%u ", &entry.major, &entry.minor) != 2)
            continue;
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
            if (!cgroup_text_sum(line, words[i].key, &entry.value))
                continue;
            strcpy(entry.operation, words[i].operation);
            add_io(reader, &stats->io[words[i].kind], &entry);
        }
    }
}

/* ---- huge pages ---- */

/* "hugepages-2048kB" of sysfs is "2MB" in the names of the groups' files. */
static bool page_size_name(const char *directory, char *name, size_t size)
{
    static const char units[] = {'K', 'M', 'G'};
    uint64_t kilobytes;
    char end;
    size_t unit = 0;

    if (sscanf(directory, "hugepages-%" SCNu64 "k%c", &kilobytes, &end) != 2 || end != 'B')
        return false;
    for (; kilobytes && kilobytes % 1024 == 0 && unit + 1 < sizeof(units); unit++)
        kilobytes /= 1024;
    return snprintf(name, size, "%" PRIu64 "%cB", kilobytes, units[unit]) < (int)size;
}

static bool read_page_size(struct reader *reader, struct cgroup_hugetlb_figure *figure)
{
    char file[64], *text;
    /* Reservations are counted since Linux 5.7. */
    static const char *const kinds[] = {".rsvd", ""};

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        const char *usage = reader->is_v2 ? "current" : "usage_in_bytes";
        snprintf(file, sizeof(file), "hugetlb.%s%s.%s", figure->page_size, kinds[i], usage);
        if (!read_number(reader, file, &figure->usage))
            continue;
        if (reader->is_v2) {
            snprintf(file, sizeof(file), "hugetlb.%s.events", figure->page_size);
            text = read_text(reader, file);
            figure->failures = key_of(text, "max");
            return true;
        }
        snprintf(file, sizeof(file), "hugetlb.%s%s.max_usage_in_bytes", figure->page_size,
                 kinds[i]);
        read_number(reader, file, &figure->peak);
        snprintf(file, sizeof(file), "hugetlb.%s%s.failcnt", figure->page_size, kinds[i]);
        read_number(reader, file, &figure->failures);
        return true;
    }
    return false;
}

static void read_hugetlb(struct reader *reader, struct cgroup_stats *stats)
{
    _cleanup_closedir_ DIR *list = reader->directory < 0 ? NULL : opendir(HUGEPAGES);
    struct dirent *entry;

    while (list && (entry = readdir(list))) {
        struct cgroup_hugetlb_figure figure = {0};
        if (!page_size_name(entry->d_name, figure.page_size, sizeof(figure.page_size)) ||
            !read_page_size(reader, &figure))
            continue;
        struct cgroup_hugetlb_figure *figures =
            grow(stats->hugetlb, stats->hugetlb_count, sizeof(*figures));
        reader->has_failed |= !figures;
        if (!figures)
            return;
        stats->hugetlb = figures;
        figures[stats->hugetlb_count++] = figure;
    }
}

/* ---- the whole ---- */

int cgroup_stats_read(const struct cgroup *cgroup, struct cgroup_stats *stats, struct error *error)
{
    memset(stats, 0, sizeof(*stats));
    _cleanup_free_ char *buffer = malloc(STATS_FILE_MAX);
    if (!buffer)
        return error_sys(error, ENOMEM, "figures of cgroup %s", cgroup->path);
    struct reader usage = reader_of(cgroup, CGROUP_CPUACCT, buffer);
    struct reader cpu = reader_of(cgroup, CGROUP_CPU, buffer);
    struct reader cpuset = reader_of(cgroup, CGROUP_CPUSET, buffer);
    struct reader memory = reader_of(cgroup, CGROUP_MEMORY, buffer);
    struct reader pids = reader_of(cgroup, CGROUP_PIDS, buffer);
    struct reader io = reader_of(cgroup, CGROUP_IO, buffer);
    struct reader hugetlb = reader_of(cgroup, CGROUP_HUGETLB, buffer);

    read_cpu_usage(&usage, stats);
    read_throttling(&cpu, stats);
    read_cpuset(&cpuset, stats);
    read_memory(&memory, stats);
    read_pids(cgroup, &pids, stats);
    if (io.is_v2)
        read_io_v2(&io, stats);
    else
        read_io_v1(&io, stats);
    read_hugetlb(&hugetlb, stats);
    read_pressure(cgroup, buffer, stats);
    if (usage.has_failed || cpuset.has_failed || memory.has_failed || io.has_failed ||
        hugetlb.has_failed)
        return error_sys(error, ENOMEM, "figures of cgroup %s", cgroup->path);
    return 0;
}

void cgroup_stats_clear(struct cgroup_stats *stats)
{
    struct cgroup_numbers *const numbers[] = {&stats->cpu_each, &stats->cpu_each_kernel,
                                              &stats->cpu_each_user, &stats->cpus, &stats->mems};

    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        free(numbers[i]->values);
    for (size_t i = 0; i < CGROUP_IO_KINDS; i++)
        free(stats->io[i].entries);
    free(stats->memory_stat);
    free(stats->hugetlb);
    memset(stats, 0, sizeof(*stats));
}
