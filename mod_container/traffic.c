/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/traffic.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include <apr_optional.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <http_core.h>
#include <util_filter.h>

#include "mod_container/body.h"
#include "mod_container/module.h"
#include "mod_container/route.h"

#define INPUT_FILTER  "CONTAINER_TRAFFIC_IN"
#define OUTPUT_FILTER "CONTAINER_TRAFFIC_OUT"

/* What one request carries: its ticket, and what its body had so far. */
struct traffic_count {
    struct traffic_ticket ticket;
    request_rec *request; /* the one that was routed */
    apr_uint64_t bytes_in;
    bool is_whole; /* HTTP/2: all of the answer was taken */
};

static struct traffic_writer *writer; /* set once a child, before threads exist; or NULL */
static APR_OPTIONAL_FN_TYPE(ap_logio_get_last_bytes) * last_bytes; /* NULL: no mod_logio */
static ap_filter_rec_t *input_filter, *output_filter;

/* ---- the body ---- */

/* Counts what the service, or whoever stands in for it, reads of the request's body. */
static apr_status_t count_input(ap_filter_t *filter, apr_bucket_brigade *brigade,
                                ap_input_mode_t mode, apr_read_type_e block, apr_off_t readbytes)
{
    struct traffic_count *count = filter->ctx;

    apr_status_t status = ap_get_brigade(filter->next, brigade, mode, block, readbytes);
    if (status != APR_SUCCESS || mode == AP_MODE_SPECULATIVE)
        return status;
    for (apr_bucket *b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade);
         b = APR_BUCKET_NEXT(b))
        if (b->length != (apr_size_t)-1)
            count->bytes_in += b->length;
    return status;
}

/*
 * mod_http2 marks the connection of a stream as aborted when it gives the stream up, which it also
 * does when all of it was sent and this side has not yet come to its log. So it is noted here
 * whether the end of the answer went out before.
 */
static apr_status_t watch_output(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    struct traffic_count *count = filter->ctx;
    bool is_end = !APR_BRIGADE_EMPTY(brigade) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade)) &&
                  !filter->c->aborted;

    apr_status_t status = ap_pass_brigade(filter->next, brigade);
    if (is_end && status == APR_SUCCESS)
        count->is_whole = true;
    return status;
}

void traffic_register(void)
{
    input_filter = ap_register_input_filter(INPUT_FILTER, count_input, NULL, AP_FTYPE_CONTENT_SET);
    output_filter = ap_register_output_filter(OUTPUT_FILTER, watch_output, NULL, AP_FTYPE_PROTOCOL);
}

void traffic_child_init(void)
{
    writer = traffic_writer_new(module_state()->traffic_path);
    last_bytes = APR_RETRIEVE_OPTIONAL_FN(ap_logio_get_last_bytes);
}

/* ---- the end ---- */

/* mod_logio counts headers and TLS, too. Streams of HTTP/2 have no connection of their own. */
static uint64_t bytes_sent(const request_rec *last)
{
    apr_off_t sent = 0;

    if (last_bytes && !last->connection->master)
        sent = last_bytes(last->connection);
    if (sent <= 0)
        sent = last->bytes_sent;
    return sent > 0 ? (uint64_t)sent : 0;
}

int traffic_log_transaction(request_rec *r)
{
    struct traffic_count *count = NULL;
    const request_rec *last = r;

    /* An error page or another internal redirect is a request of its own behind the first. */
    for (const request_rec *at = r; at; at = at->next) {
        const struct routed *routed = route_of_request(at);
        if (routed && routed->traffic)
            count = routed->traffic;
        last = at;
    }
    if (count) {
        const struct traffic_end end = {
            .status = (unsigned)last->status,
            .is_aborted = r->connection->aborted && !count->is_whole,
            .bytes_in = count->bytes_in,
            .bytes_out = bytes_sent(last),
        };
        traffic_finish(&count->ticket, &end);
    }
    return DECLINED;
}

/* The safety net: a request that went without the log's hook. */
static apr_status_t finish_unlogged(void *data)
{
    struct traffic_count *count = data;
    const struct traffic_end end = {
        .status = (unsigned)count->request->status,
        .is_aborted = true,
        .bytes_in = count->bytes_in,
        .bytes_out = (uint64_t)(count->request->bytes_sent > 0 ? count->request->bytes_sent : 0),
    };

    traffic_finish(&count->ticket, &end);
    return APR_SUCCESS;
}

/* ---- the beginning ---- */

/* The target as it was sent, without a password, and without its query unless that is wanted. */
static void take_uri(const request_rec *r, struct traffic_begin *begin)
{
    bool has_query = config_of_request(r)->traffic_query == 1;

    begin->uri = r->unparsed_uri ? r->unparsed_uri : "";
    if (r->parsed_uri.hostname)
        begin->uri =
            apr_uri_unparse(r->pool, &r->parsed_uri,
                            APR_URI_UNP_OMITPASSWORD | (has_query ? 0 : APR_URI_UNP_OMITQUERY));
    begin->uri_length = has_query ? strlen(begin->uri) : strcspn(begin->uri, "?");
}

static void take_client(const request_rec *r, struct traffic_begin *begin)
{
    const apr_sockaddr_t *address = r->useragent_addr;

    if (!address)
        return;
    if (address->family == APR_INET) {
        begin->client = &address->sa.sin.sin_addr;
        begin->client_length = 4;
    } else if (address->family == APR_INET6) {
        const struct in6_addr *six = &address->sa.sin6.sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(six);
        begin->client = is_mapped ? &six->s6_addr[12] : &six->s6_addr[0];
        begin->client_length = is_mapped ? 4 : 16;
    }
}

static bool is_counted(const request_rec *r)
{
    for (const request_rec *at = r->prev; at; at = at->prev) {
        const struct routed *routed = route_of_request(at);
        if (routed && routed->traffic)
            return true;
    }
    return false;
}

struct traffic_count *traffic_begin(request_rec *r, struct route *route)
{
    struct traffic_begin begin = {
        .tenant = route->tenant,
        .service = route->service,
        .hint = &route->traffic_hint,
        .method = r->method,
        .protocol = (unsigned)r->proto_num,
    };

    if (!writer || r->main || is_counted(r))
        return NULL;
    struct traffic_count *count = apr_pcalloc(r->pool, sizeof(*count));
    count->request = r;
    take_uri(r, &begin);
    take_client(r, &begin);
    traffic_start(writer, &begin, &count->ticket);
    if (!count->ticket.mapping)
        return NULL;
    apr_pool_cleanup_register(r->pool, count, finish_unlogged, apr_pool_cleanup_null);
    if ((body_is_announced(r) || r->connection->master))
        ap_add_input_filter_handle(input_filter, count, r, r->connection);
    if (r->connection->master)
        ap_add_output_filter_handle(output_filter, count, r, r->connection);
    return count;
}

void traffic_refuse(request_rec *r, struct route *route)
{
    (void)r;
    if (writer)
        traffic_count_refused(writer, route->tenant, route->service, &route->traffic_hint);
}

/* ---- for pages ---- */

static apr_status_t close_reader(void *reader)
{
    traffic_close(reader);
    return APR_SUCCESS;
}

/* Lives as long as the request. NULL: there is no board. */
static struct traffic_reader *open_reader(request_rec *r)
{
    struct traffic_reader *reader;

    if (traffic_open(module_state()->traffic_path, &reader, NULL) < 0)
        return NULL;
    apr_pool_cleanup_register(r->pool, reader, close_reader, apr_pool_cleanup_null);
    return reader;
}

int traffic_totals(request_rec *r, const char *tenant, const char *service,
                   struct traffic_totals *totals)
{
    struct traffic_reader *reader = open_reader(r);
    uint32_t hint = UINT32_MAX;

    return reader ? traffic_read(reader, tenant, service, &hint, totals) : -ENOENT;
}

size_t traffic_in_flight(request_rec *r, const char *tenant, const char *service,
                         struct traffic_request *requests, size_t max, uint32_t *total)
{
    struct traffic_reader *reader = open_reader(r);

    if (total)
        *total = 0;
    return reader ? traffic_read_in_flight(reader, tenant, service, requests, max, total) : 0;
}

size_t traffic_last_requests(request_rec *r, const char *tenant, const char *service,
                             struct traffic_request *requests, size_t max)
{
    struct traffic_reader *reader = open_reader(r);

    return reader ? traffic_read_recent(reader, tenant, service, requests, max) : 0;
}
