/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* All that a file tells. */
static uint64_t has_of_file(const struct cgroup_figure *figure, const struct cgroup_figure *end)
{
    const char *file = figure->file;
    uint64_t has = 0;

    for (; figure < end && strcmp(figure->file, file) == 0; figure++)
        has |= figure->has;
    return has;
}

static void open_file(struct cgroup *cgroup, size_t hierarchy, const struct cgroup_figure *figure,
                      const struct cgroup_figure *end)
{
    const struct cgroup_driver *driver = cgroup->driver;
    char place[CGROUP_PLACE_MAX];
    int fd =
        openat(driver->top,
               cgroup_place(&driver->hierarchies[hierarchy], cgroup->path, figure->file, place),
               O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return;
    cgroup->figures[cgroup->figure_count++] = (struct cgroup_open_figure){
        .fd = fd, .figure = figure, .end = end, .has = has_of_file(figure, end)};
}

/*
 * Opens what no hierarchy before gave: on a hybrid machine v2's cpu.stat stands in for cpuacct, and
 * only v2 has pressure.
 */
static void open_figures(struct cgroup *cgroup)
{
    const struct cgroup_driver *driver = cgroup->driver;
    uint64_t covered = 0;

    for (size_t i = 0; i < driver->count; i++) {
        const struct cgroup_ops *ops = driver->hierarchies[i].ops;
        uint64_t before = covered;
        for (size_t j = 0; j < ops->figure_count; j++) {
            const struct cgroup_figure *figure = &ops->figures[j];
            const struct cgroup_figure *last = j ? &ops->figures[j - 1] : NULL;
            if (before & figure->has || (last && strcmp(last->file, figure->file) == 0))
                continue;
            if (cgroup->figure_count == CGROUP_FIGURES_MAX)
                return;
            size_t count = cgroup->figure_count;
            open_file(cgroup, i, figure, ops->figures + ops->figure_count);
            if (cgroup->figure_count > count)
                covered |= figure->has;
        }
    }
}

/* What the file no longer tells is no longer known. */
static void read_figures(const struct cgroup_open_figure *open, struct cgroup_reading *reading)
{
    char text[CGROUP_FILE_MAX];
    ssize_t n = pread(open->fd, text, sizeof(text) - 1, 0);

    reading->sample->has &= ~open->has;
    /* A group that is gone, or a file so long that a part would be taken for the whole. */
    if (n < 0 || (size_t)n == sizeof(text) - 1)
        return;
    text[n] = '\0';
    cgroup_figures_parse(open->figure, open->end, text, reading);
}

void cgroup_sample_parts(struct cgroup *cgroup, struct cgroup_sample *sample, unsigned parts)
{
    struct cgroup_reading reading = {.sample = sample,
                                     .memory_and_swap_bytes = CGROUP_NOT_READ,
                                     .memory_and_swap_limit_bytes = CGROUP_NOT_READ};

    if (!cgroup->is_sampled)
        open_figures(cgroup);
    cgroup->is_sampled = true;
    for (size_t i = 0; i < cgroup->figure_count; i++)
        if (cgroup->figures[i].figure->part & parts)
            read_figures(&cgroup->figures[i], &reading);
    cgroup_figures_finish(&reading);
}

void cgroup_sample(struct cgroup *cgroup, struct cgroup_sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    cgroup_sample_parts(cgroup, sample, CGROUP_PART_ALL);
}
