/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a service: use, limits and faults of each resource, and the facts of its container.
 */
#include <apr_strings.h>

#include "common/cleanup.h"
#include "mod_container/chart.h"
#include "mod_container/columns.h"
#include "mod_container/service_page.h"

/* ---- cells ---- */

static void open_row(struct out *out, const char *key, const char *label, const char *mark)
{
    out_format(out, "<tr data-key=\"%s\"><th scope=\"row\">%s", key, label);
    if (mark)
        out_format(out, " <small class=\"mark\">%s</small>", mark);
    out_text(out, "</th>");
}

static void open_cell(struct out *out, const char *label)
{
    out_format(out, "<td class=\"n\" data-l=\"%s\">", label);
}

static void close_cell(struct out *out)
{
    out_text(out, "</td>");
}

static void cell_of(struct out *out, const char *label, bool is_known, uint64_t value,
                    void (*write)(struct out *out, uint64_t value), const char *behind)
{
    open_cell(out, label);
    if (is_known) {
        write(out, value);
        out_text(out, behind);
    }
    close_cell(out);
}

/* The share of the limit as a bar and in words. */
static void cell_share(struct out *out, bool is_known, uint64_t value, uint64_t limit)
{
    open_cell(out, "Share");
    if (is_known && limit > 0) {
        unsigned percent = chart_percent(value, limit);
        out_format(out, "<span class=\"of%s\">%u %%%s</span>", chart_heat(percent), percent,
                   percent >= CHART_HOT_PERCENT    ? ", at its limit"
                   : percent >= CHART_WARM_PERCENT ? ", near its limit"
                                                   : "");
        chart_bar(out, percent);
    }
    close_cell(out);
}

static void cell_pressure(struct out *out, const struct container_slot *slot, int kind)
{
    const struct pressure_figures *pressure = &slot->pressure[kind];

    out_text(out, "<td class=\"n\" data-l=\"Pressure\">");
    if (kind < PRESSURE_COUNT && (slot->has & SLOT_HAS_PSI_CPU << kind)) {
        const struct {
            const char *word;
            uint32_t centi;
        } parts[] = {{"some", pressure->some_avg10_centi}, {"full", pressure->full_avg10_centi}};
        for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
            out_format(out, "<span class=\"way\"><i>%s</i> ", parts[i].word);
            html_milli(out, parts[i].centi * UINT64_C(10), 1);
            out_text(out, " %</span>");
        }
    }
    out_text(out, "</td></tr>\n");
}

/* ---- rows ---- */

static void row_cpu(struct out *out, const struct container_slot *slot)
{
    uint64_t limit = slot->has & SLOT_HAS_CPU_LIMIT ? slot->cpu_limit_milli * UINT64_C(10) : 0;
    uint64_t use = slot->cpu_percent_milli / 10;
    bool is_known = slot->has & SLOT_HAS_CPU;

    open_row(out, "cpu", "CPU", NULL);
    cell_of(out, "Now", is_known, use, write_cpu, "");
    cell_of(out, "Limit", limit > 0, limit, write_cpu, "");
    cell_share(out, is_known, use, limit);
    open_cell(out, "In all");
    if (is_known)
        html_duration(out, slot->cpu_usage_usec);
    if (slot->has & SLOT_HAS_CPU_SPLIT) {
        out_text(out, " <small>user ");
        html_duration(out, slot->cpu_user_usec);
        out_text(out, ", system ");
        html_duration(out, slot->cpu_system_usec);
        out_text(out, "</small>");
    }
    close_cell(out);
    open_cell(out, "Faults");
    if (slot->has & SLOT_HAS_CPU_THROTTLE) {
        out_text(out, "throttled ");
        out_count(out, slot->cpu_throttled_periods);
        out_text(out, " <small>of ");
        out_count(out, slot->cpu_periods);
        out_text(out, " periods, ");
        html_duration(out, slot->cpu_throttled_usec);
        out_text(out, " in all, now ");
        html_latency(out, slot->cpu_throttled_rate);
        out_text(out, "/s</small>");
    }
    close_cell(out);
    cell_pressure(out, slot, PRESSURE_CPU);
}

static void row_memory(struct out *out, const struct container_slot *slot)
{
    uint64_t limit = slot->has & SLOT_HAS_MEMORY_LIMIT ? slot->memory_limit_bytes : 0;
    bool is_known = slot->has & SLOT_HAS_MEMORY;

    open_row(out, "memory", "Memory", "the OOM killer counts this");
    open_cell(out, "Now");
    if (is_known)
        html_size_titled(out, slot->memory_bytes, "");
    close_cell(out);
    open_cell(out, "Limit");
    if (limit)
        html_size_titled(out, limit, "");
    close_cell(out);
    cell_share(out, is_known, slot->memory_bytes, limit);
    cell_of(out, "In all", slot->has & SLOT_HAS_MEMORY_PEAK, slot->memory_peak_bytes, write_bytes,
            " <small>at most</small>");
    open_cell(out, "Faults");
    if (slot->has & SLOT_HAS_MEMORY_HITS) {
        out_count(out, slot->memory_limit_hits);
        out_text(out, " <small>times at the limit</small> ");
    }
    if (slot->has & SLOT_HAS_OOM) {
        out_count(out, slot->oom_kills);
        out_text(out, " <small>processes killed</small>");
    }
    close_cell(out);
    cell_pressure(out, slot, PRESSURE_MEMORY);
}

/* The parts of memory are read less often: their age stands beside them. */
static void rows_memory_parts(struct out *out, const struct container_slot *slot,
                              const struct moment *moment)
{
    const struct {
        const char *key, *label;
        uint64_t has, bytes;
    } parts[] = {
        {"anon", "of it anonymous", SLOT_HAS_MEMORY_DETAIL, slot->memory_anon_bytes},
        {"file", "of it files", SLOT_HAS_MEMORY_DETAIL, slot->memory_file_bytes},
        {"kernel", "of it kernel", SLOT_HAS_MEMORY_KERNEL, slot->memory_kernel_bytes},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (!(slot->has & parts[i].has))
            continue;
        open_row(out, parts[i].key, parts[i].label, NULL);
        open_cell(out, "Now");
        html_size_titled(out, parts[i].bytes, "");
        out_text(out, " <small>");
        html_duration(out, since(moment->boottime_usec, slot->detail_boottime_usec));
        out_text(out, " old</small></td><td class=\"n\"></td><td class=\"n\"></td><td "
                      "class=\"n\"></td><td class=\"n\"></td><td class=\"n\"></td></tr>\n");
    }
}

/* A row of an amount with a limit and one count of faults. */
static void row_amount(struct out *out, const char *key, const char *label, bool is_known,
                       uint64_t value, uint64_t limit,
                       void (*write)(struct out *out, uint64_t value), bool has_hits, uint64_t hits,
                       const char *what)
{
    if (!is_known)
        return;
    open_row(out, key, label, NULL);
    cell_of(out, "Now", true, value, write, "");
    cell_of(out, "Limit", limit > 0, limit, write, "");
    cell_share(out, true, value, limit);
    out_text(out, "<td class=\"n\"></td>");
    open_cell(out, "Faults");
    if (has_hits) {
        out_count(out, hits);
        out_format(out, " <small>%s</small>", what);
    }
    out_text(out, "</td><td class=\"n\"></td></tr>\n");
}

static void cell_two(struct out *out, const char *label, const char *in, uint64_t in_value,
                     const char *back, uint64_t out_value,
                     void (*write)(struct out *out, uint64_t value))
{
    open_cell(out, label);
    out_format(out, "<span class=\"way\"><i>%s</i> ", in);
    write(out, in_value);
    out_format(out, "</span><span class=\"way\"><i>%s</i> ", back);
    write(out, out_value);
    out_text(out, "</span>");
    close_cell(out);
}

static void row_io(struct out *out, const struct container_slot *slot)
{
    if (!(slot->has & SLOT_HAS_IO))
        return;
    open_row(out, "io", "Disk I/O", NULL);
    cell_two(out, "Now", "read", slot->io_read_rate, "write", slot->io_write_rate, write_byte_rate);
    out_text(out, "<td class=\"n\"></td>");
    open_cell(out, "Operations");
    if (slot->has & SLOT_HAS_IO_OPS)
        out_format(out, "%u + %u <small>operations/s</small>", slot->io_read_ops_rate,
                   slot->io_write_ops_rate);
    close_cell(out);
    cell_two(out, "In all", "read", slot->io_read_bytes, "write", slot->io_write_bytes,
             write_bytes);
    open_cell(out, "Faults");
    if (slot->has & SLOT_HAS_IO_WAIT) {
        out_text(out, "waited ");
        html_duration(out, slot->io_wait_usec);
    }
    close_cell(out);
    cell_pressure(out, slot, PRESSURE_IO);
}

static void row_net(struct out *out, const struct container_slot *slot)
{
    if (!(slot->has & SLOT_HAS_NET))
        return;
    open_row(out, "net", "Network", NULL);
    cell_two(out, "Now", "in", slot->net_receive_rate, "out", slot->net_transmit_rate,
             write_byte_rate);
    out_text(out, "<td class=\"n\"></td>");
    cell_two(out, "Packets", "in", slot->net_receive_packets, "out", slot->net_transmit_packets,
             write_number);
    cell_two(out, "In all", "in", slot->net_receive_bytes, "out", slot->net_transmit_bytes,
             write_bytes);
    open_cell(out, "Faults");
    out_count(out, slot->net_receive_drops + slot->net_transmit_drops);
    out_text(out, " <small>packets dropped</small></td><td class=\"n\"></td></tr>\n");
}

static void row_page_faults(struct out *out, const struct container_slot *slot)
{
    if (!(slot->has & SLOT_HAS_FAULTS))
        return;
    open_row(out, "page-faults", "Page faults", NULL);
    out_text(out, "<td class=\"n\"></td><td class=\"n\"></td><td class=\"n\"></td>");
    open_cell(out, "In all");
    out_count(out, slot->page_faults);
    out_text(out, " <small>of them from disk ");
    out_count(out, slot->major_page_faults);
    out_text(out, "</small></td><td class=\"n\"></td><td class=\"n\"></td></tr>\n");
}

void service_use(struct service_page *service)
{
    const struct container_slot *slot = &service->slot;
    const struct moment *moment = &service->page.overview->moment;
    struct out *out = &service->page.out;

    service_open(service, "use", "Use, limits and faults");
    if (slot->sampled_boottime_usec == 0) {
        out_text(out, "<p class=\"quiet\">Nothing was measured yet.</p>\n");
        service_close(service);
        return;
    }
    out_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                  "aria-labelledby=\"h-use\"><table class=\"use\"><thead><tr><th "
                  "scope=\"col\">Resource</th>");
    static const char *const labels[] = {"Now",    "Limit",  "Share",
                                         "In all", "Faults", "Pressure, 10 s"};
    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
        out_format(out, "<th scope=\"col\" class=\"n\">%s</th>", labels[i]);
    out_text(out, "</tr></thead><tbody>\n");
    row_cpu(out, slot);
    row_memory(out, slot);
    rows_memory_parts(out, slot, moment);
    row_amount(out, "swap", "Swap", slot->has & SLOT_HAS_SWAP, slot->swap_bytes,
               slot->has & SLOT_HAS_SWAP_LIMIT ? slot->swap_limit_bytes : 0, write_bytes, false, 0,
               "");
    row_amount(out, "tasks", "Tasks", slot->has & SLOT_HAS_TASKS, slot->tasks,
               slot->has & SLOT_HAS_TASKS_LIMIT ? slot->tasks_limit : 0, write_number,
               slot->has & SLOT_HAS_TASKS_HITS, slot->tasks_limit_hits, "forks refused");
    row_amount(out, "disk", "Disk space", slot->has & SLOT_HAS_DISK, slot->disk_used_bytes,
               slot->has & SLOT_HAS_DISK_LIMIT ? slot->disk_limit_bytes : 0, write_bytes, false, 0,
               "");
    row_io(out, slot);
    row_net(out, slot);
    row_page_faults(out, slot);
    out_text(out, "</tbody></table></div>\n<p class=\"quiet\">Read ");
    html_milli(out, since(moment->boottime_usec, slot->sampled_boottime_usec) / 1000, 1);
    out_text(out, " s ago. ");
    out_count(out, slot->faults);
    out_text(out, " faults since the supervisor's start");
    if (slot->last_fault != FAULT_NONE && slot->last_fault_realtime_usec) {
        out_format(out, "; the last: %s, ", fault_sentence(slot->last_fault));
        html_duration(out, since(moment->realtime_usec, slot->last_fault_realtime_usec));
        out_text(out, " ago");
    }
    out_text(out, ".</p>\n");
    service_close(service);
}

/* ---- facts ---- */

static void fact(struct out *out, const char *label, const char *value)
{
    if (!*value)
        return;
    out_format(out, "<dt>%s</dt><dd>", label);
    out_html(out, value);
    out_text(out, "</dd>\n");
}

static void fact_count(struct out *out, const char *label, uint64_t value)
{
    out_format(out, "<dt>%s</dt><dd>", label);
    out_count(out, value);
    out_text(out, "</dd>\n");
}

void service_facts(struct service_page *service)
{
    static const char *const kinds[] = {"", "FastCGI", "HTTP"};
    const struct container_slot *slot = &service->slot;
    const struct moment *moment = &service->page.overview->moment;
    struct out *out = &service->page.out;

    service_open(service, "facts", "Container");
    out_text(out, "<dl class=\"facts\">\n");
    fact(out, "Name", slot->id);
    fact(out, "Image", slot->image);
    if (slot->pid) {
        fact_count(out, "First process", slot->pid);
        out_text(out, "<dt>Up</dt><dd>");
        html_duration(out, since(moment->boottime_usec, slot->started_boottime_usec));
        out_text(out, "</dd>\n");
    }
    fact_count(out, "Restarts", slot->restarts);
    if (slot->has & SLOT_HAS_EXIT) {
        out_text(out, "<dt>Last exit</dt><dd>");
        cell_exit(out, slot, moment);
        out_text(out, "</dd>\n");
    }
    if (slot->next_start_boottime_usec > moment->boottime_usec) {
        out_text(out, "<dt>Next start</dt><dd>in ");
        html_duration(out, slot->next_start_boottime_usec - moment->boottime_usec);
        out_text(out, "</dd>\n");
    }
    if (slot->endpoint_kind < ARRAY_LENGTH(kinds))
        fact(out, "Speaks", kinds[slot->endpoint_kind]);
    fact(out, "IPv4", slot->address_ipv4);
    fact(out, "IPv6", slot->address_ipv6);
    if (slot->has & SLOT_HAS_MAILS)
        fact_count(out, "Mails sent", slot->mails);
    if ((slot->has & SLOT_HAS_MAILS) && slot->last_mail_realtime_usec) {
        out_text(out, "<dt>Last mail</dt><dd>");
        html_duration(out, since(moment->realtime_usec, slot->last_mail_realtime_usec));
        out_text(out, " ago</dd>\n");
    }
    out_text(out, "</dl>\n");
    service_close(service);
}
