/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup.h"

enum machine_file {
    FILE_LOAD,
    FILE_CPU,
    FILE_MEMORY,
    FILE_PRESSURE,
    FILE_COUNT = 3 + PRESSURE_COUNT
};

static const char *const file_names[FILE_COUNT] = {
    [FILE_LOAD] = "/proc/loadavg",
    [FILE_CPU] = "/proc/stat",
    [FILE_MEMORY] = "/proc/meminfo",
    [FILE_PRESSURE + PRESSURE_CPU] = "/proc/pressure/cpu",
    [FILE_PRESSURE + PRESSURE_MEMORY] = "/proc/pressure/memory",
    [FILE_PRESSURE + PRESSURE_IO] = "/proc/pressure/io",
};

struct machine {
    int fds[FILE_COUNT];
    uint64_t busy, all; /* ticks at the last sample */
    bool has_ticks;
};

int machine_open(struct machine **machine, struct error *error)
{
    struct machine *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "the machine's figures");
    for (size_t i = 0; i < FILE_COUNT; i++)
        made->fds[i] = open(file_names[i], O_RDONLY | O_CLOEXEC);
    *machine = made;
    return 0;
}

void machine_close(struct machine *machine)
{
    for (size_t i = 0; machine && i < FILE_COUNT; i++)
        close_fd(&machine->fds[i]);
    free(machine);
}

void machine_parse_load(const char *text, struct host_figures *host)
{
    double load[3];

    if (sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]) != 3)
        return;
    for (size_t i = 0; i < 3; i++)
        host->load_centi[i] = (uint32_t)(load[i] * 100 + 0.5);
}

static bool find_kib(const char *text, const char *key, uint64_t *bytes)
{
    const char *at = strstr(text, key);

    if (!at)
        return false;
    *bytes = strtoull(at + strlen(key), NULL, 10) * 1024;
    return true;
}

void machine_parse_memory(const char *text, struct host_figures *host)
{
    if (find_kib(text, "MemAvailable:", &host->memory_available_bytes))
        host->has |= SLOT_HAS_MEMORY;
    if (find_kib(text, "SwapTotal:", &host->swap_total_bytes) &&
        find_kib(text, "SwapFree:", &host->swap_free_bytes))
        host->has |= SLOT_HAS_SWAP;
}

/* cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user too. */
bool machine_parse_cpu(const char *text, uint64_t *busy, uint64_t *all)
{
    uint64_t ticks[8] = {0};

    int count = sscanf(text,
                       "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                       " %" SCNu64 " %" SCNu64,
                       &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                       &ticks[7]);
    *all = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(ticks); i++)
        *all += ticks[i];
    *busy = *all - ticks[3] - ticks[4];
    return count >= 4;
}

/* The idle ticks of /proc/stat may go back a little (proc(5)). */
static void take_cpu(struct machine *machine, const char *text, struct host_figures *host)
{
    uint64_t busy, all;

    if (!machine_parse_cpu(text, &busy, &all))
        return;
    if (machine->has_ticks && all > machine->all && busy >= machine->busy) {
        host->cpu_percent_milli =
            (uint32_t)((busy - machine->busy) * 100000 / (all - machine->all));
        host->has |= SLOT_HAS_CPU;
    }
    machine->busy = busy;
    machine->all = all;
    machine->has_ticks = true;
}

static bool read_file(const struct machine *machine, size_t file, char *text, size_t size)
{
    ssize_t n = machine->fds[file] < 0 ? -1 : pread(machine->fds[file], text, size - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

void machine_sample(struct machine *machine, struct host_figures *host)
{
    static const uint64_t has[PRESSURE_COUNT] = {SLOT_HAS_PSI_CPU, SLOT_HAS_PSI_MEMORY,
                                                 SLOT_HAS_PSI_IO};
    char text[4096]; /* of /proc/stat and /proc/meminfo the first lines are wanted */

    if (read_file(machine, FILE_LOAD, text, sizeof(text)))
        machine_parse_load(text, host);
    if (read_file(machine, FILE_CPU, text, sizeof(text)))
        take_cpu(machine, text, host);
    if (read_file(machine, FILE_MEMORY, text, sizeof(text)))
        machine_parse_memory(text, host);
    for (size_t i = 0; i < PRESSURE_COUNT; i++)
        if (read_file(machine, FILE_PRESSURE + i, text, sizeof(text)) &&
            cgroup_text_pressure(text, &host->pressure[i]))
            host->has |= has[i];
}
