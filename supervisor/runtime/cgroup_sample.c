/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Opens what no hierarchy before gave: on a hybrid machine v2's cpu.stat stands in for cpuacct. */
static void open_figures(struct cgroup *cgroup)
{
    const struct cgroup_driver *driver = cgroup->driver;
    uint32_t covered = 0;

    for (size_t i = 0; i < driver->count; i++) {
        const struct cgroup_ops *ops = driver->hierarchies[i].ops;
        uint32_t before = covered;
        int directory = cgroup_directory(cgroup, i);
        for (size_t j = 0; directory >= 0 && j < ops->figure_count; j++) {
            const struct cgroup_figure *figure = &ops->figures[j];
            const struct cgroup_figure *last = j ? &ops->figures[j - 1] : NULL;
            if (before & figure->has || (last && strcmp(last->file, figure->file) == 0))
                continue;
            if (cgroup->figure_count == CGROUP_FIGURES_MAX)
                return;
            int fd = openat(directory, figure->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            if (fd < 0)
                continue;
            cgroup->figures[cgroup->figure_count++] = (struct cgroup_open_figure){
                .fd = fd, .figure = figure, .end = ops->figures + ops->figure_count};
            covered |= figure->has;
        }
    }
}

/* Takes one figure out of its file's text. */
static void parse_figure(const struct cgroup_figure *figure, const char *text,
                         struct cgroup_sample *sample)
{
    uint64_t value;

    if (figure->key) {
        if (cgroup_text_sum(text, figure->key, &value) == 0 && !figure->is_zero_if_absent)
            return;
    } else if (cgroup_text_number(text, &value) < 0) {
        return;
    }
    if (value >= CGROUP_UNLIMITED)
        return;
    if (figure->divisor)
        value /= figure->divisor;
    memcpy((char *)sample + figure->offset, &value, sizeof(value));
    sample->has |= figure->has;
}

void cgroup_sample(struct cgroup *cgroup, struct cgroup_sample *sample)
{
    char text[CGROUP_FILE_MAX];

    memset(sample, 0, sizeof(*sample));
    if (!cgroup->is_sampled)
        open_figures(cgroup);
    cgroup->is_sampled = true;
    for (size_t i = 0; i < cgroup->figure_count; i++) {
        const struct cgroup_open_figure *open = &cgroup->figures[i];
        ssize_t n = pread(open->fd, text, sizeof(text) - 1, 0);
        /* A group that is gone, or a file so long that a part would be taken for the whole. */
        if (n < 0 || (size_t)n == sizeof(text) - 1)
            continue;
        text[n] = '\0';
        for (const struct cgroup_figure *figure = open->figure;
             figure < open->end && strcmp(figure->file, open->figure->file) == 0; figure++)
            parse_figure(figure, text, sample);
    }
}
