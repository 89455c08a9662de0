/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl throttle: whom httpd's door blocks. Needs no supervisor and no worker of httpd. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/throttle.h"
#include "common/units.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

#define BLOCKS_MAX     1000
#define PERIOD_DEFAULT (UINT64_C(600) * 1000000)

static void close_table(struct throttle_table **table)
{
    throttle_close(*table);
}

static int fail(const struct error *error, int r)
{
    fprintf(stderr, "containerctl: throttle: %s\n", error->message);
    if (r == -ENOENT)
        fprintf(stderr, "httpd keeps no throttle table here: it has no ContainerThrottleRule, was "
                        "never started, or could not write into the run directory\n");
    return CTL_FAILED;
}

/* ---- ls ---- */

struct row {
    char client[NETWORK_TEXT_SIZE], zone[THROTTLE_NAME_SIZE], rule[THROTTLE_NAME_SIZE];
    char since[32], left[32], refused[24];
};

static void fill_row(const struct throttle_table *table, const struct throttle_block *block,
                     uint64_t now, struct row *row)
{
    uint64_t since = now > block->since_usec ? now - block->since_usec : 0;
    uint64_t left = block->until_usec > now ? block->until_usec - now : 0;

    network_format(&block->client, row->client);
    if (block->zone == THROTTLE_ANYWHERE)
        strcpy(row->zone, "anywhere");
    else
        throttle_name_of(table, block->zone, row->zone);
    if (block->origin == THROTTLE_BY_ADMIN)
        strcpy(row->rule, "(admin)");
    else
        throttle_name_of(table, block->rule, row->rule);
    format_duration(since / 1000000 * 1000000, row->since, sizeof(row->since));
    format_duration((left + 999999) / 1000000 * 1000000, row->left, sizeof(row->left));
    snprintf(row->refused, sizeof(row->refused), "%llu", (unsigned long long)block->refused);
}

static json_t *json_of(const struct throttle_table *table, const struct throttle_block *block,
                       uint64_t now)
{
    uint64_t left = block->until_usec > now ? block->until_usec - now : 0;
    struct row row;

    fill_row(table, block, now, &row);
    return json_pack(
        "{s:s, s:o, s:o, s:b, s:b, s:I, s:I}", "client", row.client, "zone",
        block->zone == THROTTLE_ANYWHERE ? json_null() : text_to_json(row.zone), "rule",
        block->origin == THROTTLE_BY_ADMIN ? json_null() : text_to_json(row.rule), "by_admin",
        block->origin == THROTTLE_BY_ADMIN, "renewed", (int)block->is_renewed, "left_seconds",
        (json_int_t)((left + 999999) / 1000000), "refused", (json_int_t)block->refused);
}

static int print_json(const struct ctl *ctl, const struct throttle_table *table,
                      const struct throttle_block *blocks, size_t count, uint64_t now)
{
    struct throttle_totals totals;
    json_t *list = json_array();

    throttle_totals(table, now, &totals);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_of(table, &blocks[i], now));
    json_t *all =
        json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "totals", "entries",
                  (json_int_t)totals.entries, "used", (json_int_t)totals.used, "blocks",
                  (json_int_t)totals.blocks, "admitted", (json_int_t)totals.admitted, "refused",
                  (json_int_t)totals.refused, "blocked", (json_int_t)totals.blocked, "would_refuse",
                  (json_int_t)totals.would, "crowded", (json_int_t)totals.crowded, "unmeasured",
                  (json_int_t)totals.unmeasured, "blocks", list);
    return ctl_print_json(ctl, all) < 0 ? CTL_FAILED : CTL_OK;
}

static int list(const struct ctl *ctl, struct throttle_table *table, int count, char **args)
{
    static const struct table_column columns[] = {{"CLIENT", false, 0}, {"ZONE", false, 0},
                                                  {"RULE", false, 0},   {"SINCE", true, 0},
                                                  {"LEFT", true, 0},    {"REFUSED", true, 0}};
    static struct throttle_block blocks[BLOCKS_MAX];
    uint64_t now = clock_monotonic_usec();
    size_t total, used = throttle_blocks(table, NULL, now, blocks, BLOCKS_MAX, &total);

    (void)count;
    (void)args;
    if (ctl->output == CTL_OUTPUT_JSON)
        return print_json(ctl, table, blocks, used, now);
    _cleanup_(cleanup_table) struct table *out = table_new(columns, ARRAY_LENGTH(columns));
    int r = out ? 0 : -ENOMEM;
    for (size_t i = 0; i < used && r == 0; i++) {
        struct row row;
        fill_row(table, &blocks[i], now, &row);
        const char *const cells[] = {row.client, row.zone, row.rule,
                                     row.since,  row.left, row.refused};
        for (size_t c = 0; c < ARRAY_LENGTH(cells) && r == 0; c++)
            r = table_add(out, cells[c], NULL);
    }
    if (r < 0)
        return CTL_FAILED;
    table_print(out, stdout, ctl->has_colour);
    if (total > used)
        printf("and %zu more\n", total - used);
    return CTL_OK;
}

/* ---- one client ---- */

/* An IPv6 address is one of a network of 64 bits, as which httpd counts it. */
static int read_client(const struct ctl *ctl, const char *text, struct network *client)
{
    struct error error = ERROR_INIT;

    if (network_parse(text, client, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    if (client->family == 6 && !strchr(text, '/'))
        *client = network_of(client->bytes, 16, 32, 64);
    return CTL_OK;
}

static int add(const struct ctl *ctl, struct throttle_table *table, int count, char **args)
{
    struct throttle_block block = {.origin = THROTTLE_BY_ADMIN, .period_usec = PERIOD_DEFAULT};
    static const struct network loop = {.family = 4, .bits = 8, .bytes = {127}};
    char text[NETWORK_TEXT_SIZE], period[32];

    (void)count;
    int r = read_client(ctl, args[0], &block.client);
    if (r != CTL_OK)
        return r;
    if (ctl->for_usec)
        block.period_usec = ctl->for_usec;
    bool is_loop = network_is_loopback(&block.client) || network_contains(&block.client, &loop) ||
                   block.client.bits == 0;
    if (is_loop && !ctl->force)
        return ctl_usage(ctl, "%s holds this machine's own addresses: --force blocks it anyway",
                         args[0]);
    r = throttle_block(table, &block, clock_monotonic_usec());
    if (r < 0) {
        fprintf(stderr, "containerctl: throttle add %s: %s\n", args[0],
                r == -ENOSPC ? "the table is full: ContainerThrottleTable makes it larger"
                             : strerror(-r));
        return CTL_FAILED;
    }
    printf("%s is blocked for %s%s\n", network_format(&block.client, text),
           format_duration(block.period_usec, period, sizeof(period)),
           r == 0 ? " or longer: it was blocked already" : "");
    return CTL_OK;
}

static int remove_block(const struct ctl *ctl, struct throttle_table *table, int count, char **args)
{
    struct network client;
    int r = read_client(ctl, args[0], &client);

    (void)count;
    if (r != CTL_OK)
        return r;
    if (throttle_unblock(table, &client, 0, true, clock_monotonic_usec()) == 0) {
        fprintf(stderr, "containerctl: throttle rm %s: it is not blocked by itself\n", args[0]);
        return CTL_FAILED;
    }
    return CTL_OK;
}

static int clear(const struct ctl *ctl, struct throttle_table *table, int count, char **args)
{
    (void)count;
    (void)args;
    printf("%u blocks taken back\n", throttle_clear(table, ctl->all, clock_monotonic_usec()));
    return CTL_OK;
}

static int test(const struct ctl *ctl, struct throttle_table *table, int count, char **args)
{
    static struct throttle_block blocks[BLOCKS_MAX];
    uint64_t now = clock_monotonic_usec();
    struct network client;
    int r = read_client(ctl, args[0], &client);

    (void)count;
    if (r != CTL_OK)
        return r;
    size_t used = throttle_blocks(table, &client, now, blocks, BLOCKS_MAX, NULL);
    for (size_t i = 0; i < used; i++) {
        struct row row;
        fill_row(table, &blocks[i], now, &row);
        printf("blocked as %s in %s by %s for another %s, %s requests refused\n", row.client,
               row.zone, row.rule, row.left, row.refused);
    }
    if (used == 0)
        printf("not blocked\n");
    return CTL_OK;
}

int ctl_throttle(const struct ctl *ctl, int count, char **args)
{
    static const struct {
        const char *name;
        int arguments;
        bool for_writing;
        int (*run)(const struct ctl *ctl, struct throttle_table *table, int count, char **args);
    } acts[] = {
        {"ls", 0, false, list},    {"add", 1, true, add},    {"rm", 1, true, remove_block},
        {"clear", 0, true, clear}, {"test", 1, false, test},
    };
    _cleanup_(close_table) struct throttle_table *table = NULL;
    struct error error = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        if (strcmp(acts[i].name, args[0]) != 0)
            continue;
        if (count - 1 != acts[i].arguments)
            return ctl_usage(ctl, "throttle %s takes %s", args[0],
                             acts[i].arguments ? "one address or network" : "no argument");
        int r = throttle_open(ctl->throttle, acts[i].for_writing, &table, &error);
        return r < 0 ? fail(&error, r) : acts[i].run(ctl, table, count - 1, args + 1);
    }
    return ctl_usage(ctl, "throttle \"%s\": write ls, add, rm, clear or test", args[0]);
}
