/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: what is told about a container and about the host. */
#include "common/cleanup.h"
#include "common/figures.h"

#define USEC 1000000u

static struct figure absent(void)
{
    return (struct figure){.kind = FIGURE_ABSENT};
}

static struct figure text(const char *value)
{
    return *value ? (struct figure){.kind = FIGURE_TEXT, .text = value} : absent();
}

static struct figure count_if(bool is_known, uint64_t value)
{
    return is_known ? (struct figure){.kind = FIGURE_COUNT, .count = value} : absent();
}

static struct figure milli_if(bool is_known, uint64_t value)
{
    return is_known ? (struct figure){.kind = FIGURE_DECIMAL, .decimals = 3, .count = value}
                    : absent();
}

static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* ---- figures that no single field tells ---- */

#define FIGURE(name)                                                                               \
    static struct figure figure_##name(__attribute__((unused)) const struct moment *moment,        \
                                       const struct container_slot *slot)

FIGURE(state)
{
    return text(container_state_name((enum container_state)slot->state));
}

FIGURE(uptime)
{
    return count_if(slot->pid != 0 && slot->started_boottime_usec != 0,
                    since(moment->boottime_usec, slot->started_boottime_usec) / USEC);
}

FIGURE(state_age)
{
    return count_if(slot->state_since_boottime_usec != 0,
                    since(moment->boottime_usec, slot->state_since_boottime_usec) / USEC);
}

FIGURE(next_start)
{
    return count_if(slot->next_start_boottime_usec != 0,
                    since(slot->next_start_boottime_usec, moment->boottime_usec) / USEC);
}

FIGURE(sample_age)
{
    return milli_if(slot->sampled_boottime_usec != 0,
                    since(moment->boottime_usec, slot->sampled_boottime_usec) / 1000);
}

FIGURE(detail_age)
{
    return milli_if(slot->detail_boottime_usec != 0,
                    since(moment->boottime_usec, slot->detail_boottime_usec) / 1000);
}

FIGURE(last_fault)
{
    return text(slot->last_fault == FAULT_NONE ? "" : slot_fault_name(slot->last_fault));
}

/* A run that a signal ended has no exit status, and the other way round. */
FIGURE(exit_code)
{
    if (!(slot->has & SLOT_HAS_EXIT) || slot->exit_signal != 0)
        return absent();
    return (struct figure){.kind = FIGURE_SIGNED, .number = slot->exit_code};
}

FIGURE(exit_signal)
{
    return count_if((slot->has & SLOT_HAS_EXIT) && slot->exit_signal != 0, slot->exit_signal);
}

FIGURE(endpoint)
{
    return text(slot->endpoint_kind == ENDPOINT_FCGI   ? "fcgi"
                : slot->endpoint_kind == ENDPOINT_HTTP ? "http"
                                                       : "");
}

/* A clock that was never set: 0 is no time. */
#define TIME_FIGURE(name, field)                                                                   \
    FIGURE(name)                                                                                   \
    {                                                                                              \
        return count_if(slot->field != 0, slot->field / USEC);                                     \
    }

TIME_FIGURE(started, started_realtime_usec)
TIME_FIGURE(exit_time, exit_realtime_usec)
TIME_FIGURE(last_fault_time, last_fault_realtime_usec)
TIME_FIGURE(last_request, last_request_realtime_usec)
TIME_FIGURE(last_mail, last_mail_realtime_usec)

FIGURE(pid)
{
    return count_if(slot->pid != 0, slot->pid);
}

/* ---- the rows ---- */

#define FIELD(type, name)                                                                          \
    .offset = offsetof(struct type, name), .width = sizeof(((struct type *)NULL)->name)
#define SLOT(name)   FIELD(container_slot, name)
#define HOST(name)   FIELD(host_figures, name)
#define DEVICE(name) FIELD(slot_device, name)
#define PSI(name)    FIELD(pressure_figures, name)

#define TEXT     .kind = FIGURE_TEXT
#define COUNT    .kind = FIGURE_COUNT
#define CENTI    .kind = FIGURE_DECIMAL, .decimals = 2
#define MILLI    .kind = FIGURE_DECIMAL, .decimals = 3
#define MICRO    .kind = FIGURE_DECIMAL, .decimals = 6
#define SUM      .flags = FIGURE_SUM
#define RATE     .flags = FIGURE_RATE
#define SUM_RATE .flags = FIGURE_SUM | FIGURE_RATE
#define HAS(bit) .has = SLOT_HAS_##bit
#define IS(name) .figure = figure_##name

#define GAUGE(family, unit, help, ...) .metric = {family, METRIC_GAUGE, unit, help, ##__VA_ARGS__}
#define COUNTER(family, unit, help, ...)                                                           \
    .metric = {family, METRIC_COUNTER, unit, help, ##__VA_ARGS__}
#define SUMMARY(family, unit, help, ...)                                                           \
    .metric = {family, METRIC_SUMMARY, unit, help, ##__VA_ARGS__}
#define INFO(label)                                                                                \
    .metric = {"container", METRIC_INFO, NULL,                                                     \
               "What a container is: its id, image, endpoint and addresses", label}

/* Both fields: each decides whether the other is told. */
#define EXIT .offset = offsetof(struct container_slot, exit_code), .width = 2 * sizeof(uint32_t)

/* clang-format off */
const struct column_figure column_figures[] = {
    {"state", "State", TEXT, IS(state), SLOT(state),
     GAUGE("container_state", NULL, "The state a container is in, as a label; the value is 1", "state")},
    {"tenant", "Tenant", TEXT, SLOT(tenant)},
    {"service", "Service", TEXT, SLOT(service)},
    {"replica", "Replica", COUNT, SLOT(replica)},
    {"id", "Id", TEXT, SLOT(id), INFO("id")},
    {"image", "Image", TEXT, SLOT(image), INFO("image")},
    {"endpoint", "Endpoint", TEXT, IS(endpoint), SLOT(endpoint_kind), INFO("endpoint")},
    {"address_ipv4", "AddressIpv4", TEXT, SLOT(address_ipv4), INFO("address_ipv4")},
    {"address_ipv6", "AddressIpv6", TEXT, SLOT(address_ipv6), INFO("address_ipv6")},
    {"pid", "Pid", COUNT, IS(pid)},
    {"uptime_seconds", "UptimeSeconds", COUNT, IS(uptime)},
    {"started_unix", "StartedUnix", COUNT, IS(started), SLOT(started_realtime_usec),
     GAUGE("container_start_time_seconds", "seconds", "Start of a container's last run, since 1970")},
    {"state_seconds", "StateSeconds", COUNT, IS(state_age)},
    {"next_start_seconds", "NextStartSeconds", COUNT, IS(next_start)},
    {"sample_age_seconds", "SampleAgeSeconds", MILLI, IS(sample_age)},
    {"detail_age_seconds", "DetailAgeSeconds", MILLI, IS(detail_age)},

    {"cpu_percent", "CpuPercent", SLOT(cpu_percent_milli), MILLI, SUM_RATE, HAS(CPU)},
    {"cpu_seconds", "CpuSeconds", SLOT(cpu_usage_usec), MICRO, SUM, HAS(CPU),
     COUNTER("container_cpu_usage_seconds", "seconds", "CPU time of a container in this run", NULL, 0, true)},
    {"cpu_user_seconds", "CpuUserSeconds", SLOT(cpu_user_usec), MICRO, SUM, HAS(CPU_SPLIT),
     COUNTER("container_cpu_mode_seconds", "seconds", "CPU time of a container by mode", "mode=\"user\"")},
    {"cpu_system_seconds", "CpuSystemSeconds", SLOT(cpu_system_usec), MICRO, SUM, HAS(CPU_SPLIT),
     COUNTER("container_cpu_mode_seconds", "seconds", NULL, "mode=\"system\"")},
    {"cpu_limit", "CpuLimit", SLOT(cpu_limit_milli), MILLI, SUM, HAS(CPU_LIMIT),
     GAUGE("container_cpu_limit_cores", "cores", "CPUs that a container may use at most")},
    {"cpu_periods", "CpuPeriods", SLOT(cpu_periods), COUNT, SUM, HAS(CPU_THROTTLE),
     COUNTER("container_cpu_periods", NULL, "Periods in which a container had work and a CPU limit")},
    {"cpu_throttled_periods", "CpuThrottledPeriods", SLOT(cpu_throttled_periods), COUNT, SUM, HAS(CPU_THROTTLE),
     COUNTER("container_cpu_throttled_periods", NULL, "Periods in which the CPU limit held a container up")},
    {"cpu_throttled_seconds", "CpuThrottledSeconds", SLOT(cpu_throttled_usec), MICRO, SUM, HAS(CPU_THROTTLE),
     COUNTER("container_cpu_throttled_seconds", "seconds", "Time for which the CPU limit held a container's tasks up")},
    {"cpu_throttled_rate", "CpuThrottledRate", SLOT(cpu_throttled_rate), MICRO, SUM_RATE, HAS(CPU_THROTTLE)},

    {"memory_bytes", "MemoryBytes", SLOT(memory_bytes), COUNT, SUM, HAS(MEMORY),
     GAUGE("container_memory_usage_bytes", "bytes", "Memory charged to a container: what the OOM killer compares with its limit")},
    {"memory_limit_bytes", "MemoryLimitBytes", SLOT(memory_limit_bytes), COUNT, SUM, HAS(MEMORY_LIMIT),
     GAUGE("container_memory_limit_bytes", "bytes", "Memory limit of a container")},
    {"memory_peak_bytes", "MemoryPeakBytes", SLOT(memory_peak_bytes), COUNT, HAS(MEMORY_PEAK),
     GAUGE("container_memory_peak_bytes", "bytes", "Most memory that was charged to a container in this run")},
    {"memory_anon_bytes", "MemoryAnonBytes", SLOT(memory_anon_bytes), COUNT, SUM, HAS(MEMORY_DETAIL),
     GAUGE("container_memory_kind_bytes", "bytes", "Memory charged to a container by kind; read less often", "kind=\"anon\"")},
    {"memory_file_bytes", "MemoryFileBytes", SLOT(memory_file_bytes), COUNT, SUM, HAS(MEMORY_DETAIL),
     GAUGE("container_memory_kind_bytes", "bytes", NULL, "kind=\"file\"")},
    {"memory_kernel_bytes", "MemoryKernelBytes", SLOT(memory_kernel_bytes), COUNT, SUM, HAS(MEMORY_KERNEL),
     GAUGE("container_memory_kind_bytes", "bytes", NULL, "kind=\"kernel\"")},
    {"swap_bytes", "SwapBytes", SLOT(swap_bytes), COUNT, SUM, HAS(SWAP),
     GAUGE("container_swap_usage_bytes", "bytes", "Swap that a container uses")},
    {"swap_limit_bytes", "SwapLimitBytes", SLOT(swap_limit_bytes), COUNT, SUM, HAS(SWAP_LIMIT),
     GAUGE("container_swap_limit_bytes", "bytes", "Swap limit of a container")},
    {"memory_limit_hits", "MemoryLimitHits", SLOT(memory_limit_hits), COUNT, SUM, HAS(MEMORY_HITS),
     COUNTER("container_memory_limit_hits", NULL, "How often a container reached its memory limit")},
    {"oom_kills", "OomKills", SLOT(oom_kills), COUNT, SUM, HAS(OOM),
     COUNTER("container_oom_kills", NULL, "Processes of a container killed for lack of memory, in this run")},
    {"page_faults", "PageFaults", SLOT(page_faults), COUNT, SUM, HAS(FAULTS),
     COUNTER("container_page_faults", NULL, "Page faults of a container")},
    {"major_page_faults", "MajorPageFaults", SLOT(major_page_faults), COUNT, SUM, HAS(FAULTS),
     COUNTER("container_major_page_faults", NULL, "Page faults of a container that waited for a disk")},

    {"tasks", "Tasks", SLOT(tasks), COUNT, SUM, HAS(TASKS),
     GAUGE("container_tasks", NULL, "Processes and threads of a container")},
    {"tasks_limit", "TasksLimit", SLOT(tasks_limit), COUNT, SUM, HAS(TASKS_LIMIT),
     GAUGE("container_tasks_limit", NULL, "Processes and threads that a container may have at most")},
    {"tasks_limit_hits", "TasksLimitHits", SLOT(tasks_limit_hits), COUNT, SUM, HAS(TASKS_HITS),
     COUNTER("container_tasks_limit_hits", NULL, "Forks that the tasks limit refused")},

    {"io_read_bytes", "IoReadBytes", SLOT(io_read_bytes), COUNT, SUM, HAS(IO),
     COUNTER("container_io_bytes", "bytes", "Bytes of a container from and to all its block devices", "direction=\"read\"")},
    {"io_write_bytes", "IoWriteBytes", SLOT(io_write_bytes), COUNT, SUM, HAS(IO),
     COUNTER("container_io_bytes", "bytes", NULL, "direction=\"write\"")},
    {"io_read_rate", "IoReadRate", SLOT(io_read_rate), COUNT, SUM_RATE, HAS(IO)},
    {"io_write_rate", "IoWriteRate", SLOT(io_write_rate), COUNT, SUM_RATE, HAS(IO)},
    {"io_read_operations", "IoReadOperations", SLOT(io_read_ops), COUNT, SUM, HAS(IO_OPS),
     COUNTER("container_io_operations", NULL, "Operations of a container on all its block devices", "direction=\"read\"")},
    {"io_write_operations", "IoWriteOperations", SLOT(io_write_ops), COUNT, SUM, HAS(IO_OPS),
     COUNTER("container_io_operations", NULL, NULL, "direction=\"write\"")},
    {"io_read_operations_rate", "IoReadOperationsRate", SLOT(io_read_ops_rate), COUNT, SUM_RATE, HAS(IO_OPS)},
    {"io_write_operations_rate", "IoWriteOperationsRate", SLOT(io_write_ops_rate), COUNT, SUM_RATE, HAS(IO_OPS)},
    {"io_wait_seconds", "IoWaitSeconds", SLOT(io_wait_usec), MICRO, SUM, HAS(IO_WAIT),
     COUNTER("container_io_wait_seconds", "seconds", "Time for which a container's operations waited for block devices")},

    {"net_receive_bytes", "NetReceiveBytes", SLOT(net_receive_bytes), COUNT, SUM, HAS(NET),
     COUNTER("container_network_bytes", "bytes", "Bytes over a container's link, as it sees them", "direction=\"receive\"")},
    {"net_transmit_bytes", "NetTransmitBytes", SLOT(net_transmit_bytes), COUNT, SUM, HAS(NET),
     COUNTER("container_network_bytes", "bytes", NULL, "direction=\"transmit\"")},
    {"net_receive_rate", "NetReceiveRate", SLOT(net_receive_rate), COUNT, SUM_RATE, HAS(NET)},
    {"net_transmit_rate", "NetTransmitRate", SLOT(net_transmit_rate), COUNT, SUM_RATE, HAS(NET)},
    {"net_receive_packets", "NetReceivePackets", SLOT(net_receive_packets), COUNT, SUM, HAS(NET),
     COUNTER("container_network_packets", NULL, "Packets over a container's link", "direction=\"receive\"")},
    {"net_transmit_packets", "NetTransmitPackets", SLOT(net_transmit_packets), COUNT, SUM, HAS(NET),
     COUNTER("container_network_packets", NULL, NULL, "direction=\"transmit\"")},
    {"net_receive_drops", "NetReceiveDrops", SLOT(net_receive_drops), COUNT, SUM, HAS(NET),
     COUNTER("container_network_drops", NULL, "Packets that were dropped on a container's link", "direction=\"receive\"")},
    {"net_transmit_drops", "NetTransmitDrops", SLOT(net_transmit_drops), COUNT, SUM, HAS(NET),
     COUNTER("container_network_drops", NULL, NULL, "direction=\"transmit\"")},

    {"disk_used_bytes", "DiskUsedBytes", SLOT(disk_used_bytes), COUNT, SUM, HAS(DISK),
     GAUGE("container_disk_usage_bytes", "bytes", "Disk space that a container's own files take")},
    {"disk_limit_bytes", "DiskLimitBytes", SLOT(disk_limit_bytes), COUNT, SUM, HAS(DISK_LIMIT),
     GAUGE("container_disk_limit_bytes", "bytes", "Disk space that a container may take at most")},

    {"requests", "Requests", SLOT(requests), COUNT, SUM, HAS(TRAFFIC),
     COUNTER("container_http_requests", NULL, "Requests that httpd handed to a container")},
    {"requests_rate", "RequestsRate", SLOT(requests_rate_milli), MILLI, SUM_RATE, HAS(TRAFFIC)},
    {"requests_in_flight", "RequestsInFlight", SLOT(requests_in_flight), COUNT, SUM, HAS(TRAFFIC),
     GAUGE("container_http_requests_in_flight", NULL, "Requests that a container works on")},
    {"requests_refused", "RequestsRefused", SLOT(requests_refused), COUNT, SUM, HAS(TRAFFIC),
     COUNTER("container_http_requests_refused", NULL, "Requests that were refused at the door and never reached the container")},
    {"request_bytes_in", "RequestBytesIn", SLOT(request_bytes_in), COUNT, SUM, HAS(TRAFFIC),
     COUNTER("container_http_bytes", "bytes", "Bytes of requests to and answers from a container", "direction=\"in\"")},
    {"request_bytes_out", "RequestBytesOut", SLOT(request_bytes_out), COUNT, SUM, HAS(TRAFFIC),
     COUNTER("container_http_bytes", "bytes", NULL, "direction=\"out\"")},
    {"request_bytes_out_rate", "RequestBytesOutRate", SLOT(request_bytes_out_rate), COUNT, SUM_RATE, HAS(TRAFFIC)},
    {"last_request_unix", "LastRequestUnix", COUNT, IS(last_request)},
    {"latency_p50_seconds", "LatencyP50Seconds", SLOT(latency_p50_usec), MICRO, HAS(LATENCY),
     SUMMARY("container_http_latency_seconds", "seconds", "Latency of a container's answers over the last minute", "quantile=\"0.5\"")},
    {"latency_p95_seconds", "LatencyP95Seconds", SLOT(latency_p95_usec), MICRO, HAS(LATENCY),
     SUMMARY("container_http_latency_seconds", "seconds", NULL, "quantile=\"0.95\"")},
    {"latency_p99_seconds", "LatencyP99Seconds", SLOT(latency_p99_usec), MICRO, HAS(LATENCY),
     SUMMARY("container_http_latency_seconds", "seconds", NULL, "quantile=\"0.99\"")},
    {"mails", "Mails", SLOT(mails), COUNT, SUM, HAS(MAILS),
     COUNTER("container_mails", NULL, "Mails that a container's PHP sent, since the supervisor's start")},
    {"last_mail_unix", "LastMailUnix", COUNT, IS(last_mail)},

    {"faults", "Faults", SLOT(faults), COUNT, SUM,
     COUNTER("container_faults", NULL, "Limits reached, crashes and failed checks, since the supervisor's start")},
    {"last_fault", "LastFault", TEXT, IS(last_fault)},
    {"last_fault_unix", "LastFaultUnix", COUNT, IS(last_fault_time)},
    {"restarts", "Restarts", SLOT(restarts), COUNT, SUM,
     COUNTER("container_restarts", NULL, "Restarts by the policy, since the last start by hand")},
    {"exit_code", "ExitCode", .kind = FIGURE_SIGNED, IS(exit_code), EXIT,
     GAUGE("container_last_exit_code", NULL, "Status of a container's last run, if it ended by itself")},
    {"exit_signal", "ExitSignal", COUNT, IS(exit_signal), EXIT,
     GAUGE("container_last_exit_signal", NULL, "Signal that ended a container's last run")},
    {"exit_unix", "ExitUnix", COUNT, IS(exit_time)},
    {"message", "Message", TEXT, SLOT(message)},
};

const size_t column_figure_count = ARRAY_LENGTH(column_figures);

/* ---- what there is several times ---- */

static const struct column_figure device_rows[] = {
    {"read_bytes", "ReadBytes", DEVICE(read_bytes), COUNT,
     COUNTER("container_device_bytes", "bytes", "Bytes of a container from and to one block device", "direction=\"read\"")},
    {"write_bytes", "WriteBytes", DEVICE(write_bytes), COUNT,
     COUNTER("container_device_bytes", "bytes", NULL, "direction=\"write\"")},
    {"read_operations", "ReadOperations", DEVICE(read_ops), COUNT, HAS(IO_OPS),
     COUNTER("container_device_operations", NULL, "Operations of a container on one block device", "direction=\"read\"")},
    {"write_operations", "WriteOperations", DEVICE(write_ops), COUNT, HAS(IO_OPS),
     COUNTER("container_device_operations", NULL, NULL, "direction=\"write\"")},
    {"wait_seconds", "WaitSeconds", DEVICE(wait_usec), MICRO, HAS(IO_WAIT),
     COUNTER("container_device_wait_seconds", "seconds", "Time for which a container's operations waited for one block device")},
};

/* The averages are the kernel's own of the last 10 and 60 seconds. */
#define PRESSURE_ROWS(prefix, whose)                                                                                 \
    {"some_avg10_percent", "SomeAvg10Percent", PSI(some_avg10_centi), CENTI, RATE},                                  \
    {"some_avg60_percent", "SomeAvg60Percent", PSI(some_avg60_centi), CENTI, RATE},                                  \
    {"full_avg10_percent", "FullAvg10Percent", PSI(full_avg10_centi), CENTI, RATE},                                  \
    {"full_avg60_percent", "FullAvg60Percent", PSI(full_avg60_centi), CENTI, RATE},                                  \
    {"some_total_seconds", "SomeTotalSeconds", PSI(some_total_usec), MICRO,                                          \
     COUNTER(prefix "_pressure_seconds", "seconds", "Time for which some or all tasks of " whose " waited for a resource", \
             "share=\"some\"")},                                                                                     \
    {"full_total_seconds", "FullTotalSeconds", PSI(full_total_usec), MICRO,                                          \
     COUNTER(prefix "_pressure_seconds", "seconds", NULL, "share=\"full\"")}

static const struct column_figure pressure_rows[] = {PRESSURE_ROWS("container", "a container")};
static const struct column_figure host_pressure_rows[] = {PRESSURE_ROWS("container_host", "the machine")};

static const struct column_figure response_rows[] = {
    {"count", "", .offset = 0, .width = sizeof(uint64_t), COUNT,
     COUNTER("container_http_responses", NULL, "Answers of a container by class of their status")},
};

static const char *const pressure_names[PRESSURE_COUNT] = {
    [PRESSURE_CPU] = "cpu", [PRESSURE_MEMORY] = "memory", [PRESSURE_IO] = "io"};
static const char *const class_names[STATUS_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

const struct figure_group figure_groups[] = {
    {"devices", "device", "device", "Device", NULL, SLOT_DEVICES,
     offsetof(struct container_slot, devices), sizeof(struct slot_device), SLOT_HAS_IO, 0,
     device_rows, ARRAY_LENGTH(device_rows)},
    {"pressure", "resource", "pressure", "Pressure", pressure_names, PRESSURE_COUNT,
     offsetof(struct container_slot, pressure), sizeof(struct pressure_figures), SLOT_HAS_PSI_CPU, 1,
     pressure_rows, ARRAY_LENGTH(pressure_rows)},
    {"responses", "code", "responses", "Responses", class_names, STATUS_CLASSES,
     offsetof(struct container_slot, status_classes), sizeof(uint64_t), SLOT_HAS_TRAFFIC, 0,
     response_rows, ARRAY_LENGTH(response_rows)},
};

const size_t figure_group_count = ARRAY_LENGTH(figure_groups);

const struct figure_group host_pressure_group = {
    "pressure", "resource", "host_pressure", "HostPressure", pressure_names, PRESSURE_COUNT,
    offsetof(struct host_figures, pressure), sizeof(struct pressure_figures), SLOT_HAS_PSI_CPU, 1,
    host_pressure_rows, ARRAY_LENGTH(host_pressure_rows)};

/* ---- the host ---- */

const struct column_figure host_figure_rows[] = {
    {"load1", "HostLoad1", HOST(load_centi[0]), CENTI,
     GAUGE("container_host_load", NULL, "Load average of the machine", "minutes=\"1\"")},
    {"load5", "HostLoad5", HOST(load_centi[1]), CENTI, GAUGE("container_host_load", NULL, NULL, "minutes=\"5\"")},
    {"load15", "HostLoad15", HOST(load_centi[2]), CENTI, GAUGE("container_host_load", NULL, NULL, "minutes=\"15\"")},
    {"cpu_percent", "HostCpuPercent", HOST(cpu_percent_milli), MILLI, HAS(CPU),
     GAUGE("container_host_cpu_usage_ratio", "ratio", "Use of all CPUs of the machine together", NULL, 2)},
    {"memory_available_bytes", "HostMemoryAvailableBytes", HOST(memory_available_bytes), COUNT, HAS(MEMORY),
     GAUGE("container_host_memory_available_bytes", "bytes", "Memory of the machine that can still be had")},
    {"swap_total_bytes", "HostSwapTotalBytes", HOST(swap_total_bytes), COUNT, HAS(SWAP),
     GAUGE("container_host_swap_size_bytes", "bytes", "Swap space of the machine")},
    {"swap_free_bytes", "HostSwapFreeBytes", HOST(swap_free_bytes), COUNT, HAS(SWAP),
     GAUGE("container_host_swap_free_bytes", "bytes", "Free swap space of the machine")},
    {"sample_cpu_seconds", "SupervisorSampleCpuSeconds", HOST(sampler_usec), MICRO,
     GAUGE("container_supervisor_sample_cpu_seconds", "seconds", "CPU time of the supervisor's last sample")},
    {"engine_cpu_seconds", "SupervisorCpuSeconds", HOST(engine_cpu_usec), MICRO,
     COUNTER("container_supervisor_cpu_seconds", "seconds", "CPU time of the supervisor's engine", NULL, 0, true)},
    {"starts", "SupervisorStarts", HOST(starts), COUNT,
     COUNTER("container_supervisor_starts", NULL, "Starts of containers since the engine's start", NULL, 0, true)},
    {"failures", "SupervisorFailures", HOST(failures), COUNT,
     COUNTER("container_supervisor_failures", NULL, "Starts that failed and runs that crashed since the engine's start", NULL, 0, true)},
    {"wakes", "SupervisorWakes", HOST(wakes), COUNT,
     COUNTER("container_supervisor_wakes", NULL, "Containers that were started for a request, since the engine's start", NULL, 0, true)},
};
/* clang-format on */

const size_t host_figure_row_count = ARRAY_LENGTH(host_figure_rows);
