/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/select.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Thousandths of a percent of CPU that count as the same: idle rows shall not change places. */
#define CPU_STEP 500

static bool is_visible(const struct selector *selector, const struct container_slot *slot)
{
    return !selector->allows || selector->allows(selector->context, slot->tenant);
}

unsigned select_fault_rank(const struct moment *moment, const struct container_slot *slot)
{
    static const unsigned char ranks[CONTAINER_STATE_COUNT] = {
        [CONTAINER_LIMITED] = 2,
        [CONTAINER_UNHEALTHY] = 3,
        [CONTAINER_BACKOFF] = 4,
        [CONTAINER_FAILED] = 5,
    };
    unsigned rank = slot->state < CONTAINER_STATE_COUNT ? ranks[slot->state] : 0;
    bool had_fault = slot->last_fault != FAULT_NONE && slot->last_fault_realtime_usec != 0 &&
                     slot->last_fault_realtime_usec + SELECT_FAULT_USEC > moment->realtime_usec;

    return rank > 0 ? rank : had_fault;
}

bool select_matches(const struct status_query *query, const struct container_slot *slot)
{
    if (query->states &&
        (slot->state >= CONTAINER_STATE_COUNT || !(query->states & UINT32_C(1) << slot->state)))
        return false;
    if (query->tenant[0] && strcmp(query->tenant, slot->tenant) != 0)
        return false;
    return !query->text[0] || strcasestr(slot->tenant, query->text) ||
           strcasestr(slot->service, query->text) || strcasestr(slot->id, query->text) ||
           strcasestr(slot->image, query->text);
}

/* ---- order ---- */

/* The first 16 bytes of a text as two numbers that sort alike. */
static void text_key(const char *text, uint64_t key[2])
{
    char bytes[2 * sizeof(uint64_t)] = {0};

    memcpy(bytes, text, strnlen(text, sizeof(bytes)));
    for (size_t i = 0; i < 2; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * sizeof(word), sizeof(word));
        key[i] = be64toh(word);
    }
}

/*
 * Keys that sort upwards in any order: of a descending one the complement is taken. Absent comes
 * last in both: it has the highest keys, which no number has in the second and no text in the
 * first.
 */
static void figure_key(const struct selector *selector, const struct container_slot *slot,
                       uint64_t key[2])
{
    struct figure figure = column_figure_of(selector->query->sort, &selector->moment, slot);
    uint64_t flip = selector->query->is_descending ? UINT64_MAX : 0;

    key[1] = 0;
    switch (figure.kind) {
    case FIGURE_TEXT:
        text_key(figure.text, key);
        key[1] ^= flip;
        break;
    case FIGURE_SIGNED:
        key[0] = (uint64_t)figure.number ^ UINT64_C(1) << 63;
        break;
    case FIGURE_COUNT:
    case FIGURE_DECIMAL:
        key[0] = figure.count;
        break;
    case FIGURE_ABSENT:
        key[0] = key[1] = UINT64_MAX;
        return;
    }
    key[0] ^= flip;
}

static void row_key(const struct selector *selector, const struct container_slot *slot,
                    uint64_t key[2])
{
    switch (selector->query->order) {
    case ORDER_FIGURE:
        figure_key(selector, slot, key);
        break;
    case ORDER_FAULTS:
        key[0] = UINT64_MAX - select_fault_rank(&selector->moment, slot);
        key[1] = UINT64_MAX - (slot->has & SLOT_HAS_CPU ? slot->cpu_percent_milli / CPU_STEP : 0);
        if (selector->query->is_descending) {
            key[0] = ~key[0];
            key[1] = ~key[1];
        }
        break;
    case ORDER_SLOT:
        break;
    }
}

static int compare_rows(const void *one, const void *other)
{
    const struct selection_row *a = one, *b = other;

    for (size_t i = 0; i < 2; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static void reverse(struct selection_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        struct selection_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

static void put_in_order(const struct selector *selector, struct selection *selection)
{
    if (selector->query->order != ORDER_SLOT)
        qsort(selection->memory, selection->matched, sizeof(*selection->memory), compare_rows);
    else if (selector->query->is_descending)
        reverse(selection->memory, selection->matched);
}

/* ---- the pass ---- */

static void add_letter(struct selection *selection, uint32_t slot, char letter)
{
    selection->letter_slots[selection->letter_count] = slot;
    selection->letters[selection->letter_count++] = letter;
}

/* What of a slot the query asks about: most of a pass is the memory that it touches. */
struct needed {
    struct seqlock_part parts[4];
    size_t count;
};

static struct needed needed_for(const struct status_query *query)
{
    const size_t faults = offsetof(struct container_slot, last_fault);
    const size_t faults_end = offsetof(struct container_slot, exit_code);
    struct needed needed = {{SLOT_PART_HEAD}, 1};

    if (query->text[0])
        needed.parts[needed.count++] =
            slot_part(offsetof(struct container_slot, id),
                      offsetof(struct container_slot, pid) - offsetof(struct container_slot, id));
    if (query->order == ORDER_FAULTS) {
        needed.parts[needed.count++] =
            slot_part(offsetof(struct container_slot, cpu_percent_milli), sizeof(uint32_t));
        needed.parts[needed.count++] = slot_part(faults, faults_end - faults);
    }
    if (query->order == ORDER_FIGURE && query->sort->figure)
        needed = (struct needed){{{0, sizeof(struct container_slot)}}, 1};
    else if (query->order == ORDER_FIGURE)
        needed.parts[needed.count++] = slot_part(query->sort->offset, query->sort->width);
    return needed;
}

static void look_at(const struct selector *selector, uint32_t i, const struct needed *needed,
                    struct container_slot *slot, struct selection *selection)
{
    bool is_readable =
        scoreboard_slot_read_parts(selector->reader, i, needed->parts, needed->count, slot) == 0;
    bool is_open = is_readable && slot->state == CONTAINER_OPEN;

    /* What cannot be read, or holds nobody, might be anyone's. */
    if (selector->allows && (!is_readable || is_open || !is_visible(selector, slot)))
        return;
    bool is_known = is_readable && slot->state < CONTAINER_STATE_COUNT;
    add_letter(selection, i,
               is_known ? container_state_letter((enum container_state)slot->state) : '?');
    if (is_open)
        return;
    selection->containers++;
    if (is_known)
        selection->by_state[slot->state]++;
    if (!is_readable || !select_matches(selector->query, slot))
        return;
    struct selection_row *row = &selection->memory[selection->matched++];
    row->slot = i;
    row_key(selector, slot, row->key);
}

static void take_page(const struct status_query *query, struct selection *selection)
{
    uint32_t limit = query->limit ? query->limit : SCOREBOARD_SLOTS_MAX;
    uint64_t first = (uint64_t)(query->page - 1) * limit;

    selection->pages = selection->matched ? (selection->matched + limit - 1) / limit : 1;
    if (first >= selection->matched)
        return;
    selection->rows = selection->memory + first;
    selection->count = selection->matched - (uint32_t)first;
    if (selection->count > limit)
        selection->count = limit;
}

int selection_take(const struct selector *selector, struct selection *selection)
{
    uint32_t used = selector->reader ? selector->slots_used : 0;
    struct needed needed = needed_for(selector->query);
    struct container_slot slot;

    memset(&slot, 0, sizeof(slot));
    memset(selection, 0, sizeof(*selection));
    selection->memory = calloc(used + 1, sizeof(*selection->memory));
    selection->letters = calloc(used + 1, 1);
    selection->letter_slots = calloc(used + 1, sizeof(*selection->letter_slots));
    if (!selection->memory || !selection->letters || !selection->letter_slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < used; i++)
        look_at(selector, i, &needed, &slot, selection);
    put_in_order(selector, selection);
    take_page(selector->query, selection);
    return 0;
}

void selection_free(struct selection *selection)
{
    free(selection->memory);
    free(selection->letters);
    free(selection->letter_slots);
    memset(selection, 0, sizeof(*selection));
}

bool selection_slot(const struct selector *selector, uint32_t slot_index,
                    struct container_slot *slot)
{
    return selector->reader && scoreboard_slot_read(selector->reader, slot_index, slot) == 0 &&
           slot->state != CONTAINER_OPEN && is_visible(selector, slot);
}

bool selection_slot_parts(const struct selector *selector, uint32_t slot_index,
                          const struct seqlock_part *parts, size_t count,
                          struct container_slot *slot)
{
    return selector->reader &&
           scoreboard_slot_read_parts(selector->reader, slot_index, parts, count, slot) == 0 &&
           slot->state != CONTAINER_OPEN && is_visible(selector, slot);
}

bool selection_slot_head(const struct selector *selector, uint32_t slot_index,
                         struct container_slot *slot)
{
    const struct seqlock_part head = SLOT_PART_HEAD;

    return selection_slot_parts(selector, slot_index, &head, 1, slot);
}
