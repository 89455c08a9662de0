/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a scoreboard for tests of its readers, with no supervisor: board_writer PATH SLOTS
 *
 * Takes one JSON object a line on standard input and answers "ok" or "error: ..." on standard
 * output. {"slot": N, KEY: VALUE...} writes slot N anew; keys are fields of struct container_slot,
 * "state" is a name, and each figure that is given is marked as known.
 * {"freeze": true} stops the heartbeat, {"freeze": false} goes on, {"retire": true} marks the board
 * retired and leaves it, {"inside": N} leaves slot N's sequence odd, as a writer that died there.
 * "copies": M in it writes M slots more behind it, each of another tenant ("a", "a00001" ...).
 * {"history": N, "ring": 0, "step_msec": 1000, "points": [[CPU, MEMORY, IO, REQUESTS]...]} writes
 * points of slot N's ring (and of "copies": M more) that end now (null: absent), in the units of
 * struct history_point.
 * {"host": {KEY: VALUE...}} writes the host's figures; "load" and "psi" are arrays of three.
 * The end of input removes the board.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "common/scoreboard.h"
#include "common/units.h"

#define HEARTBEAT_MS    200
#define SLOT_SIZE       (sizeof(uint64_t) + sizeof(struct container_slot))
#define LINE_MAX_LENGTH 8192

enum field_kind { FIELD_U32, FIELD_I32, FIELD_U64, FIELD_TEXT };

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset, size;
    uint64_t has;
};

#define FIELD(kind, name, bit)                                                                     \
    {                                                                                              \
#name, kind, offsetof(struct container_slot, name),                                        \
            sizeof(((struct container_slot *)NULL)->name), bit                                     \
    }

#define AT(kind, key, member, bit)                                                                 \
    {                                                                                              \
        key, kind, offsetof(struct container_slot, member),                                        \
            sizeof(((struct container_slot *)NULL)->member), bit                                   \
    }
#define STATUS_CLASS(n) AT(FIELD_U64, "status_" #n "xx", status_classes[(n)-1], SLOT_HAS_TRAFFIC)
/* "psi_cpu" is the average over 10 seconds of some, as the page shows it. */
#define PRESSURE(key, n, bit)                                                                      \
    AT(FIELD_U32, key, pressure[n].some_avg10_centi, bit),                                         \
        AT(FIELD_U32, key "_full_avg10_centi", pressure[n].full_avg10_centi, bit),                 \
        AT(FIELD_U64, key "_some_total_usec", pressure[n].some_total_usec, bit),                   \
        AT(FIELD_U64, key "_full_total_usec", pressure[n].full_total_usec, bit)
#define DEVICE(n)                                                                                  \
    AT(FIELD_U32, "device" #n "_major", devices[n].major, SLOT_HAS_IO),                            \
        AT(FIELD_U32, "device" #n "_minor", devices[n].minor, SLOT_HAS_IO),                        \
        AT(FIELD_U64, "device" #n "_read_bytes", devices[n].read_bytes, SLOT_HAS_IO),              \
        AT(FIELD_U64, "device" #n "_write_bytes", devices[n].write_bytes, SLOT_HAS_IO),            \
        AT(FIELD_U64, "device" #n "_read_ops", devices[n].read_ops, SLOT_HAS_IO_OPS),              \
        AT(FIELD_U64, "device" #n "_write_ops", devices[n].write_ops, SLOT_HAS_IO_OPS),            \
        AT(FIELD_U64, "device" #n "_wait_usec", devices[n].wait_usec, SLOT_HAS_IO_WAIT)

static const struct field fields[] = {
    FIELD(FIELD_TEXT, tenant, 0),
    FIELD(FIELD_TEXT, service, 0),
    FIELD(FIELD_TEXT, id, 0),
    FIELD(FIELD_U32, replica, 0),
    FIELD(FIELD_U32, pid, 0),
    FIELD(FIELD_U64, started_realtime_usec, 0),
    FIELD(FIELD_U64, started_boottime_usec, 0),
    FIELD(FIELD_U64, state_since_boottime_usec, 0),
    FIELD(FIELD_U64, next_start_boottime_usec, 0),
    FIELD(FIELD_U32, endpoint_kind, 0),
    FIELD(FIELD_U32, id_base, 0),
    FIELD(FIELD_TEXT, endpoint_path, 0),
    FIELD(FIELD_TEXT, address_ipv4, 0),
    FIELD(FIELD_TEXT, address_ipv6, 0),
    FIELD(FIELD_TEXT, image, 0),
    FIELD(FIELD_U64, sampled_boottime_usec, 0),
    FIELD(FIELD_U64, cpu_usage_usec, SLOT_HAS_CPU),
    FIELD(FIELD_U64, cpu_user_usec, SLOT_HAS_CPU_SPLIT),
    FIELD(FIELD_U64, cpu_system_usec, SLOT_HAS_CPU_SPLIT),
    FIELD(FIELD_U64, cpu_periods, SLOT_HAS_CPU_THROTTLE),
    FIELD(FIELD_U64, cpu_throttled_periods, SLOT_HAS_CPU_THROTTLE),
    FIELD(FIELD_U64, cpu_throttled_usec, SLOT_HAS_CPU_THROTTLE),
    FIELD(FIELD_U32, cpu_percent_milli, SLOT_HAS_CPU),
    FIELD(FIELD_U32, cpu_limit_milli, SLOT_HAS_CPU_LIMIT),
    FIELD(FIELD_U32, cpu_throttled_rate, SLOT_HAS_CPU_THROTTLE),
    FIELD(FIELD_U32, oom_kills, SLOT_HAS_OOM),
    FIELD(FIELD_U64, memory_bytes, SLOT_HAS_MEMORY),
    FIELD(FIELD_U64, memory_limit_bytes, SLOT_HAS_MEMORY_LIMIT),
    FIELD(FIELD_U64, memory_peak_bytes, SLOT_HAS_MEMORY_PEAK),
    FIELD(FIELD_U64, memory_anon_bytes, SLOT_HAS_MEMORY_DETAIL),
    FIELD(FIELD_U64, memory_file_bytes, SLOT_HAS_MEMORY_DETAIL),
    FIELD(FIELD_U64, memory_kernel_bytes, SLOT_HAS_MEMORY_KERNEL),
    FIELD(FIELD_U64, swap_bytes, SLOT_HAS_SWAP),
    FIELD(FIELD_U64, swap_limit_bytes, SLOT_HAS_SWAP_LIMIT),
    FIELD(FIELD_U64, memory_limit_hits, SLOT_HAS_MEMORY_HITS),
    FIELD(FIELD_U64, page_faults, SLOT_HAS_FAULTS),
    FIELD(FIELD_U64, major_page_faults, SLOT_HAS_FAULTS),
    FIELD(FIELD_U32, tasks, SLOT_HAS_TASKS),
    FIELD(FIELD_U32, tasks_limit, SLOT_HAS_TASKS_LIMIT),
    FIELD(FIELD_U64, tasks_limit_hits, SLOT_HAS_TASKS_HITS),
    FIELD(FIELD_U64, io_read_bytes, SLOT_HAS_IO),
    FIELD(FIELD_U64, io_write_bytes, SLOT_HAS_IO),
    FIELD(FIELD_U64, io_read_ops, SLOT_HAS_IO_OPS),
    FIELD(FIELD_U64, io_write_ops, SLOT_HAS_IO_OPS),
    FIELD(FIELD_U64, io_wait_usec, SLOT_HAS_IO_WAIT),
    FIELD(FIELD_U64, io_read_rate, SLOT_HAS_IO),
    FIELD(FIELD_U64, io_write_rate, SLOT_HAS_IO),
    FIELD(FIELD_U32, io_read_ops_rate, SLOT_HAS_IO_OPS),
    FIELD(FIELD_U32, io_write_ops_rate, SLOT_HAS_IO_OPS),
    FIELD(FIELD_U64, net_receive_bytes, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_transmit_bytes, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_receive_packets, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_transmit_packets, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_receive_drops, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_transmit_drops, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_receive_rate, SLOT_HAS_NET),
    FIELD(FIELD_U64, net_transmit_rate, SLOT_HAS_NET),
    FIELD(FIELD_U64, disk_used_bytes, SLOT_HAS_DISK),
    FIELD(FIELD_U64, disk_limit_bytes, SLOT_HAS_DISK_LIMIT),
    FIELD(FIELD_U64, requests, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U64, request_bytes_in, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U64, request_bytes_out, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U64, requests_refused, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U64, last_request_realtime_usec, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U32, requests_in_flight, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U32, requests_rate_milli, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U64, request_bytes_out_rate, SLOT_HAS_TRAFFIC),
    FIELD(FIELD_U32, latency_p50_usec, SLOT_HAS_LATENCY),
    FIELD(FIELD_U32, latency_p95_usec, SLOT_HAS_LATENCY),
    FIELD(FIELD_U32, latency_p99_usec, SLOT_HAS_LATENCY),
    FIELD(FIELD_U32, mails, SLOT_HAS_MAILS),
    FIELD(FIELD_U64, last_mail_realtime_usec, SLOT_HAS_MAILS),
    FIELD(FIELD_U32, faults, 0),
    FIELD(FIELD_U32, last_fault, 0),
    FIELD(FIELD_U64, last_fault_realtime_usec, 0),
    FIELD(FIELD_U32, restarts, 0),
    FIELD(FIELD_I32, exit_code, SLOT_HAS_EXIT),
    FIELD(FIELD_U32, exit_signal, SLOT_HAS_EXIT),
    FIELD(FIELD_U64, exit_realtime_usec, SLOT_HAS_EXIT),
    FIELD(FIELD_TEXT, message, 0),
    FIELD(FIELD_U64, detail_boottime_usec, 0),
    STATUS_CLASS(1),
    STATUS_CLASS(2),
    STATUS_CLASS(3),
    STATUS_CLASS(4),
    STATUS_CLASS(5),
    PRESSURE("psi_cpu", PRESSURE_CPU, SLOT_HAS_PSI_CPU),
    PRESSURE("psi_memory", PRESSURE_MEMORY, SLOT_HAS_PSI_MEMORY),
    PRESSURE("psi_io", PRESSURE_IO, SLOT_HAS_PSI_IO),
    DEVICE(0),
    DEVICE(1),
    DEVICE(2),
    DEVICE(3),
};

/* Text may hold "\xHH" for a byte that JSON cannot say. */
static void store_text(char *to, size_t size, const char *from)
{
    size_t used = 0;

    for (; *from && used + 1 < size; from++) {
        if (from[0] == '\\' && from[1] == 'x' && from[2] && from[3]) {
            char digits[3] = {from[2], from[3], '\0'};
            to[used++] = (char)strtoul(digits, NULL, 16);
            from += 3;
        } else {
            to[used++] = *from;
        }
    }
    to[used] = '\0';
}

static int store(struct container_slot *slot, const struct field *field, const json_t *value)
{
    char *at = (char *)slot + field->offset;
    json_int_t number = json_integer_value(value);

    if (field->kind == FIELD_TEXT ? !json_is_string(value) : !json_is_integer(value))
        return -EINVAL;
    switch (field->kind) {
    case FIELD_TEXT:
        store_text(at, field->size, json_string_value(value));
        break;
    case FIELD_U64:
        *(uint64_t *)at = (uint64_t)number;
        break;
    case FIELD_U32:
        *(uint32_t *)at = (uint32_t)number;
        break;
    case FIELD_I32:
        *(int32_t *)at = (int32_t)number;
        break;
    }
    slot->has |= field->has;
    return 0;
}

static int store_state(struct container_slot *slot, const json_t *value)
{
    for (uint32_t i = 0; i < CONTAINER_STATE_COUNT; i++)
        if (json_is_string(value) &&
            strcmp(container_state_name((enum container_state)i), json_string_value(value)) == 0) {
            slot->state = i;
            return 0;
        }
    return -EINVAL;
}

static int store_key(struct container_slot *slot, const char *key, const json_t *value)
{
    if (strcmp(key, "state") == 0)
        return store_state(slot, value);
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        if (strcmp(fields[i].key, key) == 0)
            return store(slot, &fields[i], value);
    return -EINVAL;
}

/* Of another tenant, a little busier. */
static void write_copy(struct scoreboard_writer *writer, struct container_slot slot, uint32_t index)
{
    size_t length = strnlen(slot.tenant, sizeof(slot.tenant) - 6);

    snprintf(slot.tenant + length, sizeof(slot.tenant) - length, "%05u", index);
    snprintf(slot.id, sizeof(slot.id), "%s-%s-%u", slot.tenant, slot.service, slot.replica);
    slot.pid += index;
    slot.cpu_percent_milli += index;
    slot.cpu_usage_usec += index;
    slot.memory_bytes += index;
    slot.requests += index;
    scoreboard_slot_write(writer, index, &slot);
}

static int write_slot(struct scoreboard_writer *writer, uint32_t slots, json_t *order,
                      const char **bad_key)
{
    struct container_slot slot = {.state = CONTAINER_RUNNING, .replica = 1};
    json_int_t index = json_integer_value(json_object_get(order, "slot"));
    json_int_t copies = json_integer_value(json_object_get(order, "copies"));
    json_t *value;

    json_object_del(order, "slot");
    json_object_del(order, "copies");
    json_object_foreach (order, *bad_key, value)
        if (store_key(&slot, *bad_key, value) < 0)
            return -EINVAL;
    *bad_key = "slot";
    if (index < 0 || copies < 0 || index + copies >= slots)
        return -ERANGE;
    scoreboard_slot_write(writer, (uint32_t)index, &slot);
    for (json_int_t i = 1; i <= copies; i++)
        write_copy(writer, slot, (uint32_t)(index + i));
    return 0;
}

/* The sequence word is a slot's first (docs/scoreboard.md). */
static int die_inside(const char *path, json_int_t index)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    size_t size = SCOREBOARD_HEADER_SIZE + (size_t)(index + 1) * SLOT_SIZE;
    char *memory =
        fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    *(uint64_t *)(memory + size - SLOT_SIZE) |= 1;
    munmap(memory, size);
    return 0;
}

/* ---- histories and the host ---- */

static uint32_t point_value(const json_t *point, size_t at)
{
    const json_t *value = json_array_get(point, at);

    return json_is_integer(value) ? (uint32_t)json_integer_value(value) : HISTORY_ABSENT;
}

static int write_history(struct scoreboard_writer *writer, uint32_t slots, const json_t *order)
{
    json_int_t slot, ring, step_msec, copies = 0;
    json_t *points, *point;
    size_t i;

    if (json_unpack((json_t *)order, "{s:I, s:I, s:I, s:o, s?I}", "history", &slot, "ring", &ring,
                    "step_msec", &step_msec, "points", &points, "copies", &copies) < 0)
        return -EINVAL;
    if (slot < 0 || copies < 0 || slot + copies >= slots || ring < 0 || ring >= HISTORY_RINGS)
        return -ERANGE;
    uint64_t now = clock_boottime_usec(), step = (uint64_t)step_msec * 1000;
    json_array_foreach (points, i, point) {
        const struct history_point value = {point_value(point, 0), point_value(point, 1),
                                            point_value(point, 2), point_value(point, 3)};
        uint64_t before = (json_array_size(points) - 1 - i) * step;
        for (json_int_t copy = 0; copy <= copies; copy++) {
            int r = scoreboard_history_push(writer, (uint32_t)(slot + copy),
                                            (enum history_ring)ring, (uint32_t)step_msec,
                                            now > before ? now - before : 1, &value);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static int write_host(struct scoreboard_writer *writer, const json_t *host)
{
    struct host_figures figures = {
        .has = SLOT_HAS_CPU | SLOT_HAS_MEMORY | SLOT_HAS_SWAP,
        .sampled_boottime_usec = clock_boottime_usec(),
        .cpu_percent_milli = (uint32_t)number_of(host, "cpu_percent_milli"),
        .memory_available_bytes = number_of(host, "memory_available_bytes"),
        .swap_total_bytes = number_of(host, "swap_total_bytes"),
        .swap_free_bytes = number_of(host, "swap_free_bytes"),
        .starts = number_of(host, "starts"),
        .failures = number_of(host, "failures"),
        .wakes = number_of(host, "wakes"),
    };
    const json_t *psi = json_object_get(host, "psi");

    for (size_t i = 0; i < 3; i++)
        figures.load_centi[i] = point_value(json_object_get(host, "load"), i);
    for (size_t i = 0; psi && i < PRESSURE_COUNT; i++) {
        figures.has |= SLOT_HAS_PSI_CPU << i;
        figures.pressure[i].some_avg10_centi = point_value(psi, i);
    }
    scoreboard_host_write(writer, &figures);
    return 0;
}

struct board {
    const char *path;
    uint32_t slots;
    struct scoreboard_writer *writer;
    bool is_frozen;
};

static void obey(struct board *board, const char *line)
{
    json_error_t problem;
    const char *bad_key = "";
    _cleanup_json_ json_t *order = json_loads(line, JSON_REJECT_DUPLICATES, &problem);
    int r = -EINVAL;

    if (json_object_get(order, "slot"))
        r = write_slot(board->writer, board->slots, order, &bad_key);
    else if (json_object_get(order, "history"))
        r = write_history(board->writer, board->slots, order);
    else if (json_object_get(order, "host"))
        r = write_host(board->writer, json_object_get(order, "host"));
    else if (json_is_boolean(json_object_get(order, "freeze"))) {
        board->is_frozen = json_is_true(json_object_get(order, "freeze"));
        r = 0;
    } else if (json_is_true(json_object_get(order, "retire"))) {
        scoreboard_writer_close(board->writer, false);
        board->writer = NULL;
        r = 0;
    } else if (json_is_integer(json_object_get(order, "inside")))
        r = die_inside(board->path, json_integer_value(json_object_get(order, "inside")));
    if (r == 0)
        puts("ok");
    else
        printf("error: %s %s\n", strerror(-r), bad_key);
    fflush(stdout);
}

/* Reads one line without taking more from the descriptor, so that poll() stays true. 0 at the end.
 */
static int read_line(char *line, size_t size)
{
    size_t used = 0;

    while (used + 1 < size && read(STDIN_FILENO, line + used, 1) == 1) {
        if (line[used] == '\n') {
            line[used] = '\0';
            return 1;
        }
        used++;
    }
    return 0;
}

static void run(struct board *board)
{
    char line[LINE_MAX_LENGTH];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    for (;;) {
        if (board->writer && !board->is_frozen)
            scoreboard_heartbeat(board->writer, clock_boottime_usec());
        int ready = poll(&input, 1, HEARTBEAT_MS);
        if (ready < 0 && errno != EINTR)
            return;
        if (ready <= 0)
            continue;
        if (!read_line(line, sizeof(line)))
            return;
        obey(board, line);
    }
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    struct board board = {.path = argc == 3 ? argv[1] : NULL};
    uint64_t slots;

    if (argc != 3 || parse_u64(argv[2], SCOREBOARD_SLOTS_MAX, &slots) < 0) {
        fputs("usage: board_writer PATH SLOTS\n", stderr);
        return 2;
    }
    board.slots = (uint32_t)slots;
    struct scoreboard_info info = {.engine_pid = (uint32_t)getpid(),
                                   .cpus = 2,
                                   .engine_started_realtime_usec = clock_realtime_usec(),
                                   .engine_started_boottime_usec = clock_boottime_usec(),
                                   .sample_interval_usec = 1000000,
                                   .memory_total_bytes = UINT64_C(8) << 30,
                                   .version = "0.1.0-test"};
    if (scoreboard_create(board.path, board.slots, (unsigned)getegid(), &info, &board.writer,
                          &error) < 0) {
        fprintf(stderr, "board_writer: %s\n", error.message);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    run(&board);
    scoreboard_writer_close(board.writer, true);
    return 0;
}
