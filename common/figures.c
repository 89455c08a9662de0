/* SPDX-License-Identifier: Apache-2.0 */
/* What walks the tables of figures_table.c. */
#include "common/figures.h"

#include <string.h>

static uint64_t field_number(const void *base, size_t offset, size_t width)
{
    const char *at = (const char *)base + offset;
    uint32_t narrow;
    uint64_t wide;

    if (width == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static struct figure field_figure(const struct column_figure *row, uint64_t has, const void *base)
{
    if ((has & row->has) != row->has)
        return (struct figure){.kind = FIGURE_ABSENT};
    if (row->kind == FIGURE_TEXT) {
        const char *text = (const char *)base + row->offset;
        return (struct figure){.kind = *text ? FIGURE_TEXT : FIGURE_ABSENT, .text = text};
    }
    return (struct figure){.kind = row->kind,
                           .decimals = row->decimals,
                           .count = field_number(base, row->offset, row->width)};
}

struct figure column_figure_of(const struct column_figure *row, const struct moment *moment,
                               const struct container_slot *slot)
{
    return row->figure ? row->figure(moment, slot) : field_figure(row, slot->has, slot);
}

struct figure host_figure_of(const struct column_figure *row, const struct host_figures *host)
{
    /* All is zero while the engine has read nothing. */
    if (host->sampled_boottime_usec == 0)
        return (struct figure){.kind = FIGURE_ABSENT};
    return field_figure(row, host->has, host);
}

static const void *element(const struct figure_group *group, const void *base, unsigned i)
{
    return (const char *)base + group->offset + (size_t)i * group->stride;
}

const char *group_element_name(const struct figure_group *group, uint64_t has, const void *base,
                               unsigned i, char name[GROUP_NAME_SIZE])
{
    uint64_t needed = group->has << (i * group->has_shift);

    if ((has & needed) != needed)
        return NULL;
    if (group->names)
        return group->names[i];
    const struct slot_device *device = element(group, base, i);
    if (device->major == 0 && device->minor == 0)
        return NULL;
    size_t length = figure_print_count(device->major, name);
    name[length++] = ':';
    figure_print_count(device->minor, name + length);
    return name;
}

struct figure group_figure_of(const struct figure_group *group, const struct column_figure *row,
                              uint64_t has, const void *base, unsigned i)
{
    return field_figure(row, has, element(group, base, i));
}

const struct column_figure *column_figure_find(const char *key)
{
    for (size_t i = 0; i < column_figure_count; i++)
        if (strcmp(column_figures[i].key, key) == 0)
            return &column_figures[i];
    return NULL;
}

/* Most of a page of many containers is numbers: printf() took a quarter of its time. */
size_t figure_print_count(uint64_t count, char *text)
{
    char digits[24];
    size_t length = 0;

    do
        digits[length++] = (char)('0' + count % 10);
    while (count /= 10);
    for (size_t i = 0; i < length; i++)
        text[i] = digits[length - 1 - i];
    text[length] = '\0';
    return length;
}

static size_t print_decimal(uint64_t count, unsigned decimals, char *text)
{
    uint64_t unit = 1;
    size_t length;

    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    length = figure_print_count(count / unit, text);
    uint64_t rest = count % unit;
    text[length++] = '.';
    do {
        unit /= 10;
        text[length++] = (char)('0' + rest / unit);
        rest %= unit;
    } while (rest > 0);
    text[length] = '\0';
    return length;
}

size_t figure_print(const struct figure *figure, unsigned shift, char *text)
{
    unsigned decimals = shift + (figure->kind == FIGURE_DECIMAL ? figure->decimals : 0);

    if (figure->kind == FIGURE_SIGNED) {
        bool is_negative = figure->number < 0;
        text[0] = '-';
        return is_negative + figure_print_count(is_negative ? -(uint64_t)figure->number
                                                            : (uint64_t)figure->number,
                                                text + is_negative);
    }
    return decimals > 0 ? print_decimal(figure->count, decimals, text)
                        : figure_print_count(figure->count, text);
}

void figure_add(struct figure *sum, const struct figure *figure)
{
    if (figure->kind == FIGURE_ABSENT)
        return;
    if (sum->kind == FIGURE_ABSENT)
        *sum = *figure;
    else
        sum->count += figure->count;
}
