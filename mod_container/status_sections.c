/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/status_sections.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mod_container/chart.h"
#include "mod_container/columns.h"

/* More than these are counted, not listed: the page stays short where everything is on fire. */
#define FAULTS_SHOWN  40
#define TENANTS_SHOWN 100

/* ---- the machine ---- */

static void open_tile(struct out *out, const char *key, const char *label)
{
    out_format(out, "<div data-key=\"%s\"><dt>%s</dt><dd>", key, label);
}

static void close_tile(struct out *out)
{
    out_text(out, "</dd></div>\n");
}

static void tile_load(struct out *out, const struct host_figures *host)
{
    open_tile(out, "load", "Load");
    for (int i = 0; i < 3; i++) {
        out_text(out, i == 0 ? "<b>" : " <small>");
        html_milli(out, host->load_centi[i] * UINT64_C(10), 2);
        out_text(out, i == 0 ? "</b>" : "</small>");
    }
    close_tile(out);
}

static void tile_cpu(struct out *out, const struct host_figures *host, unsigned cpus)
{
    if (!(host->has & SLOT_HAS_CPU))
        return;
    unsigned percent = host->cpu_percent_milli / 1000;
    open_tile(out, "cpu", "CPU");
    out_format(out, "<b>%u %%</b>", percent);
    if (cpus)
        out_format(out, " <small>of %u CPUs</small>", cpus);
    chart_bar(out, percent);
    close_tile(out);
}

static void tile_memory(struct out *out, const struct host_figures *host, uint64_t total)
{
    if (!(host->has & SLOT_HAS_MEMORY) || total == 0)
        return;
    uint64_t used = since(total, host->memory_available_bytes);
    open_tile(out, "memory", "Memory");
    out_text(out, "<b>");
    html_size_titled(out, used, "");
    out_format(out, "</b> <small>%u %% of ", chart_percent(used, total));
    html_size(out, total);
    out_text(out, "</small>");
    chart_bar(out, chart_percent(used, total));
    close_tile(out);
}

static void tile_swap(struct out *out, const struct host_figures *host)
{
    if (!(host->has & SLOT_HAS_SWAP) || host->swap_total_bytes == 0)
        return;
    uint64_t used = since(host->swap_total_bytes, host->swap_free_bytes);
    open_tile(out, "swap", "Swap");
    out_text(out, "<b>");
    html_size_titled(out, used, "");
    out_text(out, "</b> <small>of ");
    html_size(out, host->swap_total_bytes);
    out_text(out, "</small>");
    chart_bar(out, chart_percent(used, host->swap_total_bytes));
    close_tile(out);
}

/* Some: a task waited; full: all of them did, so nothing was done. */
static void tile_pressure(struct out *out, const struct host_figures *host)
{
    static const char *const names[] = {"CPU", "memory", "I/O"};

    if (!(host->has & (SLOT_HAS_PSI_CPU | SLOT_HAS_PSI_MEMORY | SLOT_HAS_PSI_IO)))
        return;
    out_text(out, "<div data-key=\"psi\"><dt title=\"share of the last 10 s in which some task "
                  "waited for it (PSI)\">Pressure</dt><dd>");
    for (int i = 0; i < PRESSURE_COUNT; i++) {
        if (!(host->has & SLOT_HAS_PSI_CPU << i))
            continue;
        unsigned percent = host->pressure[i].some_avg10_centi / 100;
        out_format(out, "<span class=\"psi%s\">%s <b>", chart_heat(percent), names[i]);
        html_milli(out, host->pressure[i].some_avg10_centi * UINT64_C(10), 1);
        out_text(out, " %</b></span> ");
    }
    close_tile(out);
}

/* Since the supervisor's start. */
static void tile_starts(struct out *out, const struct host_figures *host)
{
    open_tile(out, "starts", "Starts");
    out_text(out, "<b>");
    out_count(out, host->starts);
    out_text(out, "</b> <small>");
    out_count(out, host->wakes);
    out_text(out, " woken</small> <small class=\"");
    out_text(out, host->failures ? "warm\">" : "\">");
    out_count(out, host->failures);
    out_text(out, " failed</small>");
    close_tile(out);
}

void section_host(struct page *page)
{
    const struct host_figures *host = &page->overview->host;
    const struct scoreboard_info *info = &page->overview->board->info;
    struct out *out = &page->out;

    /* A board whose engine has not read the machine yet, or a view of some tenants only. */
    if (host->sampled_boottime_usec == 0)
        return;
    out_text(out, "<dl class=\"host\" aria-label=\"Machine\" data-key=\"host\">\n");
    tile_load(out, host);
    tile_cpu(out, host, info->cpus);
    tile_memory(out, host, info->memory_total_bytes);
    tile_swap(out, host);
    tile_pressure(out, host);
    tile_starts(out, host);
    out_text(out, "</dl>\n");
}

/* ---- what needs a look ---- */

static void write_fault(struct page *page, uint32_t index, const struct container_slot *slot)
{
    struct out *out = &page->out;
    const struct moment *moment = &page->overview->moment;
    enum container_state state = page_state(slot);

    out_format(out, "<li data-key=\"%u\" class=\"%s\">", index, state_css_class(state));
    page_letter(out, state);
    out_format(out, " <span class=\"word\">%s</span> <a href=\"", container_state_name(state));
    page_address(page, slot->tenant, slot->service);
    out_text(out, "\">");
    out_html(out, slot->tenant);
    out_text(out, "/<wbr>");
    out_html(out, slot->service);
    if (slot->replica > 1)
        out_format(out, " #%u", slot->replica);
    out_text(out, "</a> <span class=\"reason\">");
    cell_reason(out, slot, moment);
    out_text(out, "</span>");
    if (slot->state_since_boottime_usec) {
        out_text(out, " <small>for ");
        html_duration(out, since(moment->boottime_usec, slot->state_since_boottime_usec));
        out_text(out, "</small>");
    }
    out_text(out, "</li>\n");
}

struct trouble {
    uint32_t index;
    unsigned rank;
    uint64_t last_fault_usec;
};

/* The worst first, then the latest. */
static int compare_troubles(const void *one, const void *other)
{
    const struct trouble *a = one, *b = other;

    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    if (a->last_fault_usec != b->last_fault_usec)
        return a->last_fault_usec > b->last_fault_usec ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* All of them, of the whole board that may be seen, whatever the table shows. */
static uint32_t find_troubles(struct page *page, struct trouble *troubles)
{
    const struct selection *selection = &page->overview->selection;
    const char *tenant = page->overview->query->tenant;
    struct container_slot slot;
    uint32_t count = 0;

    for (uint32_t i = 0; i < selection->letter_count; i++) {
        uint32_t index = selection->letter_slots[i];
        if (selection->letters[i] == container_state_letter(CONTAINER_OPEN) ||
            !overview_slot(page->overview, index, &slot) ||
            (*tenant && strcmp(tenant, slot.tenant) != 0))
            continue;
        unsigned rank = select_fault_rank(&page->overview->moment, &slot);
        if (rank > 0)
            troubles[count++] = (struct trouble){index, rank, slot.last_fault_realtime_usec};
    }
    qsort(troubles, count, sizeof(*troubles), compare_troubles);
    return count;
}

void section_faults(struct page *page)
{
    const struct selection *selection = &page->overview->selection;
    struct trouble *troubles =
        apr_palloc(page->r->pool, (selection->letter_count + 1) * sizeof(*troubles));
    uint32_t count = find_troubles(page, troubles);
    struct out *out = &page->out;
    struct container_slot slot;

    if (count == 0)
        return;
    out_format(out,
               "<section class=\"faults\" aria-labelledby=\"h-faults\" data-key=\"faults\"><h2 "
               "id=\"h-faults\">Needs a look <small>%u</small></h2>\n<ul>\n",
               count);
    for (uint32_t i = 0; i < count && i < FAULTS_SHOWN; i++)
        if (overview_slot(page->overview, troubles[i].index, &slot))
            write_fault(page, troubles[i].index, &slot);
    out_text(out, "</ul>\n");
    if (count > FAULTS_SHOWN)
        out_format(out, "<p>and %u more; the table begins with them.</p>\n", count - FAULTS_SHOWN);
    out_text(out, "</section>\n");
}

/* ---- tenants ---- */

struct tenant_sum {
    const char *name;
    uint32_t containers, running;
    bool has_cpu, has_memory, has_io, has_traffic;
    uint64_t cpu_centi, memory_bytes, io_rate, requests_milli;
    uint32_t faults;
};

static void add_slot(struct tenant_sum *sum, const struct container_slot *slot)
{
    sum->containers++;
    sum->running += slot->pid != 0;
    sum->faults += slot->faults;
    if (slot->has & SLOT_HAS_CPU) {
        sum->has_cpu = true;
        sum->cpu_centi += slot->cpu_percent_milli / 10;
    }
    if (slot->has & SLOT_HAS_MEMORY) {
        sum->has_memory = true;
        sum->memory_bytes += slot->memory_bytes;
    }
    if (slot->has & SLOT_HAS_IO) {
        sum->has_io = true;
        sum->io_rate += slot->io_read_rate + slot->io_write_rate;
    }
    if (slot->has & SLOT_HAS_TRAFFIC) {
        sum->has_traffic = true;
        sum->requests_milli += slot->requests_rate_milli;
    }
}

static int compare_sums(const void *one, const void *other)
{
    const struct tenant_sum *a = *(struct tenant_sum *const *)one;
    const struct tenant_sum *b = *(struct tenant_sum *const *)other;

    if (a->cpu_centi != b->cpu_centi)
        return a->cpu_centi > b->cpu_centi ? -1 : 1;
    if (a->memory_bytes != b->memory_bytes)
        return a->memory_bytes > b->memory_bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Adds up every container that may be seen. The sums live in pool. */
static struct tenant_sum **take_sums(struct page *page, apr_pool_t *pool, uint32_t *count)
{
    const struct selection *selection = &page->overview->selection;
    const char *only = page->overview->query->tenant;
    apr_hash_t *by_name = apr_hash_make(pool);
    struct container_slot slot;

    for (uint32_t i = 0; i < selection->letter_count; i++) {
        if (selection->letters[i] == container_state_letter(CONTAINER_OPEN) ||
            !overview_slot(page->overview, selection->letter_slots[i], &slot) ||
            (*only && strcmp(only, slot.tenant) != 0))
            continue;
        struct tenant_sum *sum = apr_hash_get(by_name, slot.tenant, APR_HASH_KEY_STRING);
        if (!sum) {
            sum = apr_pcalloc(pool, sizeof(*sum));
            sum->name = apr_pstrdup(pool, slot.tenant);
            apr_hash_set(by_name, sum->name, APR_HASH_KEY_STRING, sum);
        }
        add_slot(sum, &slot);
    }
    *count = apr_hash_count(by_name);
    struct tenant_sum **sums = apr_palloc(pool, (*count + 1) * sizeof(struct tenant_sum *));
    uint32_t used = 0;
    for (apr_hash_index_t *at = apr_hash_first(pool, by_name); at; at = apr_hash_next(at))
        sums[used++] = apr_hash_this_val(at);
    qsort(sums, *count, sizeof(struct tenant_sum *), compare_sums);
    return sums;
}

static void write_sum(struct page *page, const struct tenant_sum *sum)
{
    const struct {
        const char *label;
        bool is_known;
        void (*write)(struct out *out, uint64_t value);
        uint64_t value;
    } cells[] = {
        {"Containers", true, write_number, sum->containers},
        {"Running", true, write_number, sum->running},
        {"CPU", sum->has_cpu, write_cpu, sum->cpu_centi},
        {"Memory", sum->has_memory, write_bytes, sum->memory_bytes},
        {"Disk I/O", sum->has_io, write_byte_rate, sum->io_rate},
        {"Requests", sum->has_traffic, write_request_rate, sum->requests_milli},
        {"Faults", true, write_number, sum->faults},
    };
    struct out *out = &page->out;

    out_text(out, "<tr data-key=\"");
    out_html(out, sum->name);
    out_text(out, "\"><th scope=\"row\" class=\"name\"><a href=\"");
    page_address(page, sum->name, NULL);
    out_text(out, "\">");
    out_html(out, sum->name);
    out_text(out, "</a></th>");
    for (size_t i = 0; i < ARRAY_LENGTH(cells); i++) {
        out_format(out, "<td class=\"n\" data-l=\"%s\">", cells[i].label);
        if (cells[i].is_known)
            cells[i].write(out, cells[i].value);
        out_text(out, "</td>");
    }
    out_text(out, "</tr>\n");
}

void section_tenants(struct page *page)
{
    struct out *out = &page->out;
    apr_pool_t *pool;
    uint32_t count;

    apr_pool_create(&pool, page->r->pool);
    struct tenant_sum **sums = take_sums(page, pool, &count);
    out_format(out,
               "<section class=\"tenants\" aria-labelledby=\"h-tenants\" data-key=\"tenants\"><h2 "
               "id=\"h-tenants\">Tenants <small>%u</small></h2>\n<div class=\"scroll\" "
               "tabindex=\"0\" role=\"region\" aria-labelledby=\"h-tenants\"><table>\n"
               "<thead><tr><th scope=\"col\">Tenant</th>",
               count);
    static const char *const labels[] = {"Containers", "Running",  "CPU",   "Memory",
                                         "Disk I/O",   "Requests", "Faults"};
    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
        out_format(out, "<th scope=\"col\" class=\"n\">%s</th>", labels[i]);
    out_text(out, "</tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < count && i < TENANTS_SHOWN; i++)
        write_sum(page, sums[i]);
    out_text(out, "</tbody></table></div>\n");
    if (count > TENANTS_SHOWN)
        out_format(out, "<p>The first %d by CPU and memory, of %u.</p>\n", TENANTS_SHOWN, count);
    out_text(out, "</section>\n");
    apr_pool_destroy(pool);
}
