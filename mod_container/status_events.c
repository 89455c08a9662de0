/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream remembers of each slot its state and a hash of what it last sent, 16 bytes; the slot is
 * read once a sample and sent when the hash differs. Events:
 *
 *     board      once a sample: clocks, supervisor, counts, letters
 *     state      a container's state has changed, or it appeared: from, to
 *     container  its row, as in ?format=json
 *     gone       a container's slot is open now, or it is not selected any more
 */
#include "mod_container/status_events.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <ap_mpm.h>
#include <apr_portable.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/cleanup.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"
#include "mod_container/status.h"

#define TICK_MS       200
#define SILENCE_USEC  (15 * UINT64_C(1000000)) /* then a comment says that the line is up */
#define LIFE_USEC     (3600 * UINT64_C(1000000))
#define RETRY_SECONDS 30 /* of a client that found no place */
#define RECONNECT_MS  2000
#define STOP_TRIES    100
#define STOP_TRY_USEC 10000

/* ---- places ---- */

/* Shared by the children of one configuration; a place holds the pid of its child, or 0. */
static struct places {
    uint32_t count;
    uint32_t per_child;
    _Atomic uint32_t holders[EVENTS_MAX];
} * places;

static _Atomic bool is_stopping;          /* of this child */
static _Atomic uint32_t streams_of_child; /* of this child */

static apr_status_t places_end(void *memory)
{
    munmap(memory, sizeof(*places));
    places = NULL;
    return APR_SUCCESS;
}

static uint32_t share(int of)
{
    uint32_t quarter = of > 0 ? (uint32_t)of / 4 : 0;

    return quarter < 1 ? 1 : quarter > EVENTS_MAX ? EVENTS_MAX : quarter;
}

apr_status_t status_events_start(apr_pool_t *config_pool)
{
    int threads = 0, children = 0;
    const int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    /* -1 is what mmap(2) wants with MAP_ANONYMOUS. */
    // cppcheck-suppress invalidFunctionArg
    void *memory = mmap(NULL, sizeof(*places), protection, flags, -1, 0);

    if (memory == MAP_FAILED)
        return APR_FROM_OS_ERROR(errno);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children);
    if (threads < 1)
        threads = 1;
    places = memory;
    places->per_child = share(threads);
    places->count = share(threads * children);
    apr_pool_cleanup_register(config_pool, memory, places_end, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

/*
 * A child that stops at once does not wait for its threads, and takes away under their hands what
 * they use: the streams get a moment to leave.
 */
void status_events_stop(apr_pool_t *child_pool, int is_graceful)
{
    (void)child_pool;
    atomic_store(&is_stopping, true);
    for (int i = 0; !is_graceful && i < STOP_TRIES && atomic_load(&streams_of_child) > 0; i++)
        usleep(STOP_TRY_USEC);
}

/* A child that crashed has left its pid behind. */
static bool is_free(uint32_t holder)
{
    return holder == 0 || (kill((pid_t)holder, 0) < 0 && errno == ESRCH);
}

/* Returns the number of a place, or -EBUSY. */
static int place_take(void)
{
    if (atomic_fetch_add(&streams_of_child, 1) >= places->per_child) {
        atomic_fetch_sub(&streams_of_child, 1);
        return -EBUSY;
    }
    for (uint32_t i = 0; i < places->count; i++) {
        uint32_t holder = atomic_load(&places->holders[i]);
        if (is_free(holder) &&
            atomic_compare_exchange_strong(&places->holders[i], &holder, (uint32_t)getpid()))
            return (int)i;
    }
    atomic_fetch_sub(&streams_of_child, 1);
    return -EBUSY;
}

static void place_give_back(const int *place)
{
    if (*place < 0)
        return;
    atomic_store(&places->holders[*place], 0);
    atomic_fetch_sub(&streams_of_child, 1);
}

/* ---- what has changed ---- */

/* What was last sent of a slot; state CONTAINER_OPEN: nothing. */
struct seen {
    uint64_t hash;
    uint32_t state;
};

struct stream {
    request_rec *r;
    struct out out;
    const struct status_query *query;
    struct seen *seen;
    uint32_t seen_count;
    uint64_t engine_started_boottime_usec, heartbeat_boottime_usec;
    enum board_condition condition;
    uint64_t sent_boottime_usec;
};

static void stream_free(struct stream *stream)
{
    free(stream->seen);
}

/* Of a slot but for its clocks of samples, which alone are no news. */
static uint64_t slot_hash(struct container_slot slot)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325), word;

    slot.sampled_boottime_usec = 0;
    slot.detail_boottime_usec = 0;
    for (size_t i = 0; i < sizeof(slot); i += sizeof(word)) {
        memcpy(&word, (const char *)&slot + i, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash;
}

static void event(struct stream *stream, const char *name)
{
    out_literal(&stream->out, "event: ");
    out_text(&stream->out, name);
    out_literal(&stream->out, "\ndata: ");
}

static void end_event(struct stream *stream)
{
    out_literal(&stream->out, "\n\n");
}

static void tell_state(struct stream *stream, uint32_t index, uint32_t from,
                       const struct container_slot *slot)
{
    struct out *out = &stream->out;

    event(stream, "state");
    out_literal(out, "{\"slot\":");
    out_count(out, index);
    out_literal(out, ",\"tenant\":");
    out_json(out, slot->tenant);
    out_literal(out, ",\"service\":");
    out_json(out, slot->service);
    out_literal(out, ",\"replica\":");
    out_count(out, slot->replica);
    out_literal(out, ",\"from\":");
    out_json(out, from == CONTAINER_OPEN ? NULL : container_state_name(from));
    out_literal(out, ",\"to\":");
    out_json(out, container_state_name(slot->state));
    out_char(out, '}');
    end_event(stream);
}

static void tell_gone(struct stream *stream, uint32_t index)
{
    event(stream, "gone");
    out_literal(&stream->out, "{\"slot\":");
    out_count(&stream->out, index);
    out_char(&stream->out, '}');
    end_event(stream);
}

static void look_at(struct stream *stream, const struct overview *overview, uint32_t index)
{
    struct seen *seen = &stream->seen[index];
    struct container_slot slot;

    if (!overview_slot(overview, index, &slot) || !select_matches(stream->query, &slot)) {
        if (seen->state != CONTAINER_OPEN)
            tell_gone(stream, index);
        *seen = (struct seen){0};
        return;
    }
    uint64_t hash = slot_hash(slot);
    if (hash == seen->hash && seen->state != CONTAINER_OPEN)
        return;
    if (slot.state != seen->state)
        tell_state(stream, index, seen->state, &slot);
    event(stream, "container");
    status_json_container(&stream->out, &overview->moment, &slot, index);
    end_event(stream);
    seen->hash = hash;
    seen->state = slot.state;
}

/* Room for all slots of this board; forgets what another board said. */
static int make_room(struct stream *stream, const struct scoreboard_info *info)
{
    bool is_other = stream->engine_started_boottime_usec != info->engine_started_boottime_usec;

    for (uint32_t i = 0; is_other && i < stream->seen_count; i++)
        stream->seen[i].hash = 0; /* told again; what is gone is told as gone */
    stream->engine_started_boottime_usec = info->engine_started_boottime_usec;
    if (info->slots_used <= stream->seen_count)
        return 0;
    struct seen *larger = realloc(stream->seen, info->slots_used * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    memset(larger + stream->seen_count, 0,
           (info->slots_used - stream->seen_count) * sizeof(*larger));
    stream->seen = larger;
    stream->seen_count = info->slots_used;
    return 0;
}

/* ---- the stream ---- */

static int tell_sample(struct stream *stream, const struct board_view *board)
{
    struct overview overview;
    /* What an overview takes lives in a pool; a stream may run for an hour. */
    apr_pool_t *pool;
    request_rec r = *stream->r;

    apr_pool_create(&pool, stream->r->pool);
    r.pool = pool;
    overview_begin(&r, board, stream->query, &overview);
    int status = overview_take_summary(&r, &overview);
    if (status == OK && make_room(stream, &board->info) < 0)
        status = HTTP_INTERNAL_SERVER_ERROR;
    if (status == OK) {
        event(stream, "board");
        status_json_board(&stream->out, &overview);
        out_char(&stream->out, '}');
        end_event(stream);
        for (uint32_t i = 0; i < stream->seen_count && !stream->out.is_broken; i++)
            look_at(stream, &overview, i);
        out_flush(&stream->out);
    }
    apr_pool_destroy(pool);
    stream->sent_boottime_usec = clock_boottime_usec();
    return status;
}

static int tell_what_is_new(struct stream *stream)
{
    int status = OK;
    _cleanup_board_view_ struct board_view board;

    board_acquire(module_board(), &board);
    bool is_new =
        stream->sent_boottime_usec == 0 || board.condition != stream->condition ||
        (board.reader &&
         (board.info.heartbeat_boottime_usec != stream->heartbeat_boottime_usec ||
          board.info.engine_started_boottime_usec != stream->engine_started_boottime_usec));
    if (is_new) {
        stream->condition = board.condition;
        stream->heartbeat_boottime_usec = board.info.heartbeat_boottime_usec;
        status = tell_sample(stream, &board);
    } else if (clock_boottime_usec() - stream->sent_boottime_usec > SILENCE_USEC) {
        out_literal(&stream->out, ": the line is up\n\n");
        out_flush(&stream->out);
        stream->sent_boottime_usec = clock_boottime_usec();
    }
    return status;
}

/* Waits a tick; false when the client has gone. Over HTTP/2 there is no socket of one's own: a
   client that went is seen when the next event is written. */
static bool wait_a_tick(request_rec *r)
{
    apr_socket_t *socket = r->connection->master ? NULL : ap_get_conn_socket(r->connection);
    struct pollfd client = {.fd = -1, .events = POLLRDHUP};
    apr_os_sock_t fd;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS)
        client.fd = fd;
    return poll(&client, 1, TICK_MS) <= 0 ||
           !(client.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* Whether this child shall go: the MPM's state tells of the parent, the hook of the child alone. */
static bool child_ends(void)
{
    int state = AP_MPMQ_RUNNING;

    ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    return state == AP_MPMQ_STOPPING || atomic_load(&is_stopping);
}

static void run(struct stream *stream)
{
    uint64_t end = clock_boottime_usec() + LIFE_USEC;

    out_format(&stream->out, "retry: %d\n\n", RECONNECT_MS);
    do {
        if (tell_what_is_new(stream) != OK)
            return;
    } while (!stream->out.is_broken && !child_ends() && clock_boottime_usec() < end &&
             wait_a_tick(stream->r));
}

int status_events(request_rec *r, const struct status_query *query)
{
    _cleanup_(place_give_back) int place = -1;
    _cleanup_(stream_free) struct stream stream = {.r = r, .query = query};

    if (!r->header_only && (place = place_take()) < 0) {
        apr_table_setn(r->err_headers_out, "Retry-After", APR_STRINGIFY(RETRY_SECONDS));
        return reply_text(
            r, HTTP_SERVICE_UNAVAILABLE,
            "all places for streams of events are taken; come again later, or ask for "
            "format=json");
    }
    reply_guard_headers(r);
    ap_set_content_type(r, "text/event-stream; charset=utf-8");
    apr_table_setn(r->headers_out, "X-Accel-Buffering", "no"); /* of a proxy in front */
    if (r->header_only)
        return OK;
    out_begin(&stream.out, r);
    run(&stream);
    /* What follows a stream on its connection would wait for what is asked of us here: end it. */
    r->connection->keepalive = AP_CONN_CLOSE;
    return out_end(&stream.out);
}
