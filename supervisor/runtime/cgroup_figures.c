/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static void keep(const struct cgroup_figure *figure, uint64_t value, struct cgroup_reading *reading)
{
    char *base = figure->is_in_reading ? (char *)reading : (char *)reading->sample;

    if (value >= CGROUP_UNLIMITED)
        return;
    if (figure->divisor)
        value /= figure->divisor;
    if (figure->factor)
        value *= figure->factor;
    memcpy(base + figure->offset, &value, sizeof(value));
    reading->has |= figure->has;
}

static const struct cgroup_figure *next_file(const struct cgroup_figure *figure,
                                             const struct cgroup_figure *end)
{
    const char *file = figure->file;

    while (figure < end && strcmp(figure->file, file) == 0)
        figure++;
    return figure;
}

/* The number behind the blank of a line; figure by figure, in whatever order the kernel writes. */
static void parse_line(const struct cgroup_figure *figure, const struct cgroup_figure *end,
                       const char *line, size_t key, struct cgroup_reading *reading)
{
    for (; figure < end; figure++)
        if (strlen(figure->key) == key && memcmp(figure->key, line, key) == 0) {
            char *stop;
            uint64_t value = strtoull(line + key + 1, &stop, 10);
            if (stop != line + key + 1)
                keep(figure, value, reading);
            return;
        }
}

static void parse_keys(const struct cgroup_figure *figure, const struct cgroup_figure *end,
                       const char *text, struct cgroup_reading *reading)
{
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n"), key = strcspn(line, " \n");
        if (key < length)
            parse_line(figure, end, line, key, reading);
        line += length + (line[length] == '\n');
    }
}

void cgroup_figures_parse(const struct cgroup_figure *figure, const struct cgroup_figure *end,
                          const char *text, struct cgroup_reading *reading)
{
    uint64_t value;

    if (figure->parse)
        figure->parse(figure, text, reading);
    else if (figure->key)
        parse_keys(figure, next_file(figure, end), text, reading);
    else if (cgroup_text_number(text, &value) == 0)
        keep(figure, value, reading);
}

/* ---- pressure ---- */

/* "0.25", a share in percent with two digits, into hundredths. */
static bool parse_share(const char **text, const char *key, uint32_t *centi)
{
    size_t length = strlen(key);
    char *end;

    if (strncmp(*text, key, length) != 0)
        return false;
    unsigned long whole = strtoul(*text + length, &end, 10), part = 0;
    if (end == *text + length || whole > 1000)
        return false;
    if (*end == '.')
        part = strtoul(end + 1, &end, 10);
    *centi = (uint32_t)(whole * 100 + (part < 100 ? part : 0));
    *text = end + strspn(end, " ");
    return true;
}

static bool parse_stall(const char *text, const char *kind, uint32_t *avg10, uint32_t *avg60,
                        uint64_t *total_usec)
{
    uint32_t avg300;
    char *end;

    text = strstr(text, kind);
    if (!text)
        return false;
    text += strlen(kind);
    if (!parse_share(&text, "avg10=", avg10) || !parse_share(&text, "avg60=", avg60) ||
        !parse_share(&text, "avg300=", &avg300) || strncmp(text, "total=", 6) != 0)
        return false;
    *total_usec = strtoull(text + 6, &end, 10);
    return end != text + 6;
}

bool cgroup_text_pressure(const char *text, struct pressure_figures *pressure)
{
    *pressure = (struct pressure_figures){0};
    bool has_some = parse_stall(text, "some ", &pressure->some_avg10_centi,
                                &pressure->some_avg60_centi, &pressure->some_total_usec);
    /* cpu.pressure has no such line before Linux 5.13. */
    parse_stall(text, "full ", &pressure->full_avg10_centi, &pressure->full_avg60_centi,
                &pressure->full_total_usec);
    return has_some;
}

void cgroup_parse_pressure(const struct cgroup_figure *figure, const char *text,
                           struct cgroup_reading *reading)
{
    struct pressure_figures pressure;

    if (!cgroup_text_pressure(text, &pressure))
        return;
    memcpy((char *)reading->sample + figure->offset, &pressure, sizeof(pressure));
    reading->has |= figure->has;
}

/* ---- block devices ---- */

/* The device that a line begins with; NULL: none ("Total 0"), or too many. *rest gets what follows.
 */
static struct slot_device *device_of_line(const char *line, struct cgroup_reading *reading,
                                          const char **rest)
{
    unsigned major, minor;
    int length = 0;

    if (sscanf(line, "%u:%u %n", &major, &minor, &length) != 2 || length == 0)
        return NULL;
    *rest = line + length;
    for (size_t i = 0; i < reading->device_count; i++)
        if (reading->devices[i].major == major && reading->devices[i].minor == minor)
            return &reading->devices[i];
    if (reading->device_count == CGROUP_DEVICES_MAX)
        return NULL;
    struct slot_device *device = &reading->devices[reading->device_count++];
    *device = (struct slot_device){.major = major, .minor = minor};
    return device;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : line + strlen(line);
}

void cgroup_parse_io_stat(const struct cgroup_figure *figure, const char *text,
                          struct cgroup_reading *reading)
{
    for (const char *line = text; *line; line = next_line(line)) {
        const char *rest;
        struct slot_device *device = device_of_line(line, reading, &rest);
        if (device)
            sscanf(rest, "rbytes=%" SCNu64 " wbytes=%" SCNu64 " rios=%" SCNu64 " wios=%" SCNu64,
                   &device->read_bytes, &device->write_bytes, &device->read_ops,
                   &device->write_ops);
    }
    reading->has |= figure->has;
}

/* One line of a device each for "Read" and "Write", and others that are the sum of these. */
void cgroup_parse_blkio(const struct cgroup_figure *figure, const char *text,
                        struct cgroup_reading *reading)
{
    for (const char *line = text; *line; line = next_line(line)) {
        const char *rest;
        struct slot_device *device = device_of_line(line, reading, &rest);
        /* read_bytes and write_bytes, read_ops and write_ops stand next to each other. */
        uint64_t *pair = device ? (uint64_t *)((char *)device + figure->offset) : NULL;
        if (pair && strncmp(rest, "Read ", 5) == 0)
            pair[0] = strtoull(rest + 5, NULL, 10);
        else if (pair && strncmp(rest, "Write ", 6) == 0)
            pair[1] = strtoull(rest + 6, NULL, 10);
    }
    reading->has |= figure->has;
}

void cgroup_parse_blkio_wait(const struct cgroup_figure *figure, const char *text,
                             struct cgroup_reading *reading)
{
    for (const char *line = text; *line; line = next_line(line)) {
        const char *rest;
        struct slot_device *device = device_of_line(line, reading, &rest);
        if (device && strncmp(rest, "Total ", 6) == 0)
            device->wait_usec = strtoull(rest + 6, NULL, 10) / 1000;
    }
    reading->has |= figure->has;
}

static uint64_t bytes_of(const struct slot_device *device)
{
    return device->read_bytes + device->write_bytes;
}

static int busiest_first(const void *a, const void *b)
{
    uint64_t left = bytes_of(a), right = bytes_of(b);

    return (left < right) - (left > right);
}

static int by_number(const void *a, const void *b)
{
    const struct slot_device *left = a, *right = b;

    if (left->major != right->major)
        return (left->major > right->major) - (left->major < right->major);
    return (left->minor > right->minor) - (left->minor < right->minor);
}

static void finish_devices(struct cgroup_reading *reading)
{
    struct cgroup_sample *sample = reading->sample;
    size_t count = reading->device_count;

    sample->io_read_bytes = sample->io_write_bytes = 0;
    sample->io_read_ops = sample->io_write_ops = sample->io_wait_usec = 0;
    for (size_t i = 0; i < count; i++) {
        sample->io_read_bytes += reading->devices[i].read_bytes;
        sample->io_write_bytes += reading->devices[i].write_bytes;
        sample->io_read_ops += reading->devices[i].read_ops;
        sample->io_write_ops += reading->devices[i].write_ops;
        sample->io_wait_usec += reading->devices[i].wait_usec;
    }
    if (count > SLOT_DEVICES) {
        qsort(reading->devices, count, sizeof(*reading->devices), busiest_first);
        count = SLOT_DEVICES;
    }
    qsort(reading->devices, count, sizeof(*reading->devices), by_number);
    memset(sample->devices, 0, sizeof(sample->devices));
    memcpy(sample->devices, reading->devices, count * sizeof(*sample->devices));
}

/* v1 tells what memory and swap take together; swap alone is the difference. */
static void finish_swap(struct cgroup_reading *reading, uint64_t together, uint64_t has_memory,
                        uint64_t memory, uint64_t *swap, uint64_t has_swap)
{
    if (together == CGROUP_NOT_READ)
        return;
    /* The two files are read one after the other: memory may have grown in between. */
    *swap = together > memory ? together - memory : 0;
    if (!(reading->has & has_memory))
        reading->has &= ~has_swap;
}

void cgroup_figures_finish(struct cgroup_reading *reading)
{
    struct cgroup_sample *sample = reading->sample;

    finish_swap(reading, reading->memory_and_swap_bytes, SLOT_HAS_MEMORY, sample->memory_bytes,
                &sample->swap_bytes, SLOT_HAS_SWAP);
    finish_swap(reading, reading->memory_and_swap_limit_bytes, SLOT_HAS_MEMORY_LIMIT,
                sample->memory_limit_bytes, &sample->swap_limit_bytes, SLOT_HAS_SWAP_LIMIT);
    if (reading->has & SLOT_HAS_MEMORY_HITS)
        sample->memory_limit_hits += reading->memory_and_swap_hits;
    if (reading->has & (SLOT_HAS_IO | SLOT_HAS_IO_OPS))
        finish_devices(reading);
    sample->has |= reading->has;
}
