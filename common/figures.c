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

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334"
                            "3536373839404142434445464748495051525354555657585960616263646566676869"
                            "707172737475767778798081828384858687888990919293949596979899";

/* Writes the last digits of a number; those that it lacks are zero. */
static void print_digits(uint64_t count, unsigned digits, char *text)
{
    while (digits >= 2) {
        digits -= 2;
        memcpy(text + digits, pairs + 2 * (count % 100), 2);
        count /= 100;
    }
    if (digits > 0)
        text[0] = (char)('0' + count % 10);
}

static unsigned digits_of(uint64_t count)
{
    unsigned digits = 1;

    for (; count >= 1000; count /= 1000)
        digits += 3;
    return digits + (count >= 10) + (count >= 100);
}

/* Most of a page of many containers is numbers: printf() took a quarter of its time. */
size_t figure_print_count(uint64_t count, char *text)
{
    unsigned digits = digits_of(count);

    print_digits(count, digits, text);
    text[digits] = '\0';
    return digits;
}

static size_t print_decimal(uint64_t count, unsigned decimals, char *text)
{
    static const uint64_t units[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    uint64_t unit = units[decimals];
    size_t length = figure_print_count(count / unit, text);

    text[length++] = '.';
    print_digits(count % unit, decimals, text + length);
    length += decimals;
    for (; text[length - 1] == '0' && text[length - 2] != '.'; length--)
        continue;
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
