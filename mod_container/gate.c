/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/gate.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include <ap_mpm.h>
#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_core.h>

#include "common/clock.h"
#include "mod_container/limit_page.h"
#include "mod_container/module.h"
#include "mod_container/route.h"
#include "mod_container/traffic.h"

/* How often one who waits looks whether its client is still there. */
#define TICK_MS 250

#define STOP_TRIES    100
#define STOP_TRY_USEC 10000

/* A request's place, in the pool of the request that asked for it. */
struct gate_hold {
    struct gate_claim claim;
    bool is_refused;
};

static bool is_wanted; /* while the configuration is read, in the parent, one thread */

/* Set once a start, before children exist; each child adds what it is. */
static struct gate_table table;

static struct gate_limit parking;     /* of httpd: requests that wait, of all services */
static uint32_t waiting_max;          /* of this child */
static _Atomic uint32_t waiting_here; /* of this child */
static _Atomic bool is_stopping;      /* of this child */

/* ---- configuration ---- */

void gate_reset(void)
{
    is_wanted = false;
    memset(&table, 0, sizeof(table));
}

const char *gate_set_limit(cmd_parms *cmd, void *data, int argc, char *const argv[])
{
    struct location_config *config = data;
    struct gate_limit *limit = apr_pcalloc(cmd->pool, sizeof(*limit));
    struct error error = ERROR_INIT;
    const char *problem = config_check_section(cmd);

    if (problem)
        return problem;
    if (gate_limit_parse(argc, (const char *const *)argv, limit, &error) < 0)
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, error.message);
    limit->where = config_where(cmd);
    config->gate = limit;
    is_wanted = is_wanted || limit->requests > 0;
    return NULL;
}

/* ---- the memory ---- */

/*
 * What the parent remembers of the memory from one graceful restart to the next, in the pool of the
 * process. It is never unmapped: children of an earlier generation still use it, and all that the
 * parent ever does with it is to hand it on to its children.
 */
struct kept {
    void *memory;
    uint32_t count;
    uint64_t hash_key[2];
};

/* Pages that nobody touches cost nothing but address space; less of it where that is counted. */
static apr_status_t map_memory(struct kept *kept)
{
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;

    for (kept->count = GATE_COUNT_MAX; kept->count >= GATE_COUNT_MIN; kept->count /= 2) {
        /* -1 is what mmap(2) wants with MAP_ANONYMOUS. */
        // cppcheck-suppress invalidFunctionArg
        kept->memory = mmap(NULL, gate_table_size(kept->count), protection, flags, -1, 0);
        if (kept->memory != MAP_FAILED)
            return APR_SUCCESS;
    }
    return APR_FROM_OS_ERROR(errno);
}

/* What is kept, found or made. No cleanup of ours: this code is gone when that pool ends. */
static apr_status_t find_kept(apr_pool_t *process_pool, struct kept **kept)
{
    const char *name = apr_psprintf(process_pool, "mod_container:gates-%d-%" APR_SIZE_T_FMT,
                                    GATE_LAYOUT, gate_table_size(1));
    void *found = NULL;

    apr_pool_userdata_get(&found, name, process_pool);
    *kept = found;
    if (found)
        return APR_SUCCESS;
    *kept = apr_pcalloc(process_pool, sizeof(**kept));
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)(*kept)->hash_key, sizeof((*kept)->hash_key));
    if (status == APR_SUCCESS)
        status = map_memory(*kept);
    if (status == APR_SUCCESS)
        status = apr_pool_userdata_set(*kept, name, apr_pool_cleanup_null, process_pool);
    return status;
}

int gate_start(server_rec *main_server)
{
    struct kept *kept;

    if (!is_wanted)
        return OK;
    apr_status_t status = find_kept(main_server->process->pool, &kept);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, status, main_server,
                     "no random bytes or no shared memory for ContainerMaxRequests");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    table.memory = kept->memory;
    table.count = kept->count;
    memcpy(table.hash_key, kept->hash_key, sizeof(table.hash_key));
    return OK;
}

static uint32_t quarter(int of)
{
    return of < 8 ? 1 : (uint32_t)of / 4;
}

/*
 * Who waits holds a worker. However many services have queues, together they get a quarter of each
 * child's threads, and a quarter of all workers, which bounds prefork.
 */
void gate_child_init(void)
{
    int threads = 0, children = 0;

    if (!table.memory)
        return;
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children);
    waiting_max = quarter(threads);
    parking.requests = quarter((threads > 1 ? threads : 1) * children);
    if (parking.requests > GATE_PLACES)
        parking.requests = GATE_PLACES;
    gate_table_own(&table);
}

void gate_stop(apr_pool_t *child_pool, int is_graceful)
{
    (void)child_pool;
    if (is_graceful) /* then the child waits for its requests: theirs is the deadline */
        return;
    atomic_store(&is_stopping, true);
    for (int i = 0; i < STOP_TRIES && atomic_load(&waiting_here) > 0; i++)
        usleep(STOP_TRY_USEC);
}

/* ---- waiting ---- */

/* Streams of HTTP/2 have no socket of their own: their connection is marked when they end. */
static bool client_is_gone(const request_rec *r)
{
    apr_socket_t *socket;
    struct pollfd looked = {.events = POLLRDHUP};

    if (r->connection->aborted)
        return true;
    if (r->connection->master || !(socket = ap_get_conn_socket(r->connection)) ||
        apr_os_sock_get(&looked.fd, socket) != APR_SUCCESS)
        return false;
    return poll(&looked, 1, 0) > 0;
}

/* Waits in the claim's place of the queue. */
static enum gate_answer wait_in_queue(const request_rec *r, const struct gate_limit *limit,
                                      struct gate_claim *claim, unsigned *waited_ms)
{
    const int64_t began = clock_monotonic_ms();

    for (;;) {
        int64_t waited = clock_monotonic_ms() - began;
        *waited_ms = (unsigned)waited;
        if (waited >= (int64_t)limit->deadline_ms)
            return GATE_LATE;
        if (atomic_load(&is_stopping) || client_is_gone(r))
            return GATE_GONE;
        int64_t left = (int64_t)limit->deadline_ms - waited;
        if (gate_wait(&table, claim, left < TICK_MS ? (unsigned)left : TICK_MS) == GATE_ADMITTED)
            return GATE_ADMITTED;
    }
}

/* The same, if there is a worker to spare for one who waits. */
static enum gate_answer wait_parked(const request_rec *r, const struct gate_limit *limit,
                                    struct gate_claim *claim, unsigned *waited_ms)
{
    const struct gate_request park = {.tenant = "", .service = "", .limit = &parking};
    enum gate_answer answer = GATE_QUEUE_FULL;
    struct gate_claim parked;

    if (atomic_fetch_add(&waiting_here, 1) < waiting_max) {
        enum gate_answer has_room = gate_enter(&table, &park, &parked);
        if (has_room == GATE_ADMITTED || has_room == GATE_OPEN)
            answer = wait_in_queue(r, limit, claim, waited_ms);
        gate_leave(&parked);
    }
    atomic_fetch_sub(&waiting_here, 1);
    if (answer != GATE_ADMITTED)
        gate_leave(claim);
    return answer;
}

/* ---- a request ---- */

static apr_status_t end_hold(void *data)
{
    struct gate_hold *hold = data;

    gate_leave(&hold->claim);
    return APR_SUCCESS;
}

/* What this request, or the one it is a part of or came from, has at the gate of this service. */
static struct gate_hold *find_hold(const request_rec *r, const struct route *route)
{
    for (const request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        const struct routed *routed = route_of_request(at);
        if (routed && routed->hold && strcmp(routed->route->tenant, route->tenant) == 0 &&
            strcmp(routed->route->service, route->service) == 0)
            return routed->hold;
    }
    return NULL;
}

static uint64_t client_of(const request_rec *r)
{
    const apr_sockaddr_t *address = r->useragent_addr;

    return address ? gate_client(address->ipaddr_ptr, (size_t)address->ipaddr_len) : 0;
}

/* The client went away, or this child ends at once: what is answered here reaches nobody, mostly.
 */
static int give_up(request_rec *r)
{
    r->connection->keepalive = AP_CONN_CLOSE;
    if (!atomic_load(&is_stopping))
        r->connection->aborted = 1;
    apr_table_setn(r->err_headers_out, "Retry-After", "1");
    return HTTP_SERVICE_UNAVAILABLE;
}

/* Takes a place for a request that has none yet, waiting if need be. */
static enum gate_answer enter(request_rec *r, struct routed *routed, struct gate_verdict *verdict)
{
    const struct gate_request request = {.tenant = routed->route->tenant,
                                         .service = routed->route->service,
                                         .limit = verdict->limit,
                                         .client = client_of(r)};
    struct gate_hold *hold = apr_pcalloc(r->pool, sizeof(*hold));

    routed->hold = hold;
    enum gate_answer answer = gate_enter(&table, &request, &hold->claim);
    if (answer == GATE_ADMITTED || answer == GATE_WAITING)
        apr_pool_cleanup_register(r->pool, hold, end_hold, apr_pool_cleanup_null);
    if (answer == GATE_WAITING)
        answer = wait_parked(r, verdict->limit, &hold->claim, &verdict->waited_ms);
    hold->is_refused = answer != GATE_ADMITTED && answer != GATE_OPEN;
    return answer;
}

bool gate_pass(request_rec *r, struct routed *routed, int *answer)
{
    struct gate_verdict verdict = {.limit = config_of_request(r)->gate};

    if (!verdict.limit || verdict.limit->requests == 0 || !table.memory)
        return true;
    const struct gate_hold *hold = find_hold(r, routed->route);
    if (hold) { /* an error document of one that was refused does not ask, and wait, again */
        *answer = HTTP_SERVICE_UNAVAILABLE;
        return !hold->is_refused;
    }
    verdict.answer = enter(r, routed, &verdict);
    if (verdict.answer == GATE_ADMITTED || verdict.answer == GATE_OPEN)
        return true;
    if (verdict.answer == GATE_GONE) {
        *answer = give_up(r);
        return false;
    }
    gate_count_refused(&routed->hold->claim, verdict.answer);
    gate_read_claimed(&routed->hold->claim, &verdict.figures);
    verdict.retry_after_seconds =
        gate_retry_seconds(&verdict.figures, verdict.limit, verdict.answer);
    *answer = gate_refuse(r, routed->route, &verdict);
    return false;
}

/* ---- refusals ---- */

static const char *reason_of(apr_pool_t *pool, const struct gate_verdict *verdict)
{
    switch (verdict->answer) {
    case GATE_CLIENT:
        return apr_psprintf(pool, "the client has %u in flight or waiting",
                            verdict->limit->per_client);
    case GATE_LATE:
        return apr_psprintf(pool, "waited %u ms, which is the deadline", verdict->waited_ms);
    case GATE_QUEUE_FULL:
        return "its queue, or what httpd has for all queues, is full";
    default:
        return "all places are taken";
    }
}

int gate_refuse(request_rec *r, struct route *route, const struct gate_verdict *verdict)
{
    const struct gate_limit *limit = verdict->limit;
    const struct gate_figures *figures = &verdict->figures;
    bool is_client = verdict->answer == GATE_CLIENT;
    struct limit_cause cause = {
        .kind = is_client ? LIMIT_CLIENT : LIMIT_REQUESTS,
        .retry_after_seconds = verdict->retry_after_seconds,
        .has_figures = true,
        .value = is_client ? limit->per_client : figures->in_flight,
        .limit = is_client ? limit->per_client : limit->requests,
    };

    cause.detail = apr_psprintf(
        r->pool, "ContainerMaxRequests %u (%s): %u in flight and %u waiting: %s, Retry-After %u",
        limit->requests, limit->where, figures->in_flight, figures->waiting,
        reason_of(r->pool, verdict), verdict->retry_after_seconds);
    traffic_refuse(r, route);
    return limit_page_answer(r, route, &cause);
}

int gate_read(const char *tenant, const char *service, struct gate_figures *figures)
{
    return gate_table_read(&table, tenant, service, figures);
}
