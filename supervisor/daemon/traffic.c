/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/engine.h"
#include "supervisor/daemon/rate.h"
#include "supervisor/daemon/sampler.h"

#define MINUTE_USEC UINT64_C(60000000)

struct traffic_watch {
    struct traffic_reader *reader; /* NULL: could not be opened */
    uint32_t *in_flight;           /* traffic_slot_count() + 1 */
    char path[PATH_MAX];
    int last_error; /* so that a lasting failure is one line of the log */
};

struct service_traffic {
    uint32_t hint;
    uint64_t read_usec; /* CLOCK_BOOTTIME */
    struct traffic_totals totals;
    struct traffic_minute minute;
    /* What a slot shows beside the totals. */
    struct traffic_figures {
        uint64_t bytes_out_rate;
        uint32_t requests_rate_milli;
        uint32_t in_flight;
        uint32_t has_latency;
        uint32_t latency_usec[3]; /* of quantiles */
    } figures;
};

static const unsigned quantiles[] = {500, 950, 990};

/* ---- the file ---- */

/* Makes the file if there is none that can be used, and opens it. */
static int open_board(struct engine *engine, struct traffic_watch *watch, struct error *error)
{
    const struct settings *settings = &engine->settings;

    traffic_close(watch->reader);
    watch->reader = NULL;
    free(watch->in_flight);
    watch->in_flight = NULL;
    int r = traffic_create(watch->path, settings->slots, settings->web_gid, error);
    if (r >= 0)
        r = traffic_open(watch->path, &watch->reader, error);
    if (r < 0)
        return r;
    watch->in_flight = calloc((size_t)traffic_slot_count(watch->reader) + 1, sizeof(uint32_t));
    return watch->in_flight ? 0 : error_sys(error, ENOMEM, "the traffic board");
}

int traffic_watch_open(struct engine *engine, struct error *error)
{
    struct traffic_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return error_sys(error, ENOMEM, "the traffic board");
    engine->traffic = watch;
    int r = path_traffic(&engine->settings.paths, watch->path, error);
    return r < 0 ? r : open_board(engine, watch, error);
}

void traffic_watch_close(struct engine *engine)
{
    struct traffic_watch *watch = steal_ptr(engine->traffic);

    if (!watch)
        return;
    traffic_close(watch->reader);
    free(watch->in_flight);
    free(watch);
}

/* A file that somebody truncated or marked is replaced; httpd's children follow. */
static bool make_sure_of_board(struct engine *engine)
{
    struct traffic_watch *watch = engine->traffic;
    struct error error = ERROR_INIT;

    if (watch->reader && watch->in_flight && !traffic_is_retired(watch->reader))
        return true;
    if (watch->reader)
        log_warning("the traffic board %s was damaged by somebody: it begins anew", watch->path);
    int r = open_board(engine, watch, &error);
    if (r < 0 && r != watch->last_error)
        log_error("traffic board: %s", error.message);
    watch->last_error = r;
    return r == 0;
}

/* ---- one service ---- */

void traffic_minute_add(struct traffic_minute *minute, uint64_t now_usec,
                        const uint32_t histogram[TRAFFIC_BUCKETS], uint32_t recent[TRAFFIC_BUCKETS])
{
    const size_t size = sizeof(minute->histograms[0]);

    /* All but the youngest that is a minute old; so a gap leaves the one before the gap. */
    while (minute->count > 1 && now_usec - minute->taken_usec[1] >= MINUTE_USEC) {
        minute->count--;
        memmove(minute->taken_usec, minute->taken_usec + 1,
                minute->count * sizeof(minute->taken_usec[0]));
        memmove(minute->histograms[0], minute->histograms[1], minute->count * size);
    }
    if (minute->count == 0 ||
        (minute->count < TRAFFIC_SNAPSHOTS &&
         now_usec - minute->taken_usec[minute->count - 1] >= TRAFFIC_SNAPSHOT_USEC)) {
        minute->taken_usec[minute->count] = now_usec;
        memcpy(minute->histograms[minute->count], histogram, size);
        minute->count++;
    }
    for (unsigned i = 0; i < TRAFFIC_BUCKETS; i++)
        recent[i] = histogram[i] - minute->histograms[0][i];
}

static uint32_t at_most_u32(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static void take_latency(struct service_traffic *traffic, uint64_t now)
{
    struct traffic_figures *figures = &traffic->figures;
    uint32_t recent[TRAFFIC_BUCKETS];

    traffic_minute_add(&traffic->minute, now, traffic->totals.histogram, recent);
    for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
        figures->latency_usec[i] = at_most_u32(traffic_quantile(recent, quantiles[i]));
    figures->has_latency = false;
    for (unsigned i = 0; i < TRAFFIC_BUCKETS && !figures->has_latency; i++)
        figures->has_latency = recent[i] != 0;
}

/* Totals that went back are another file's, or were written by somebody else than httpd. */
static bool is_another_file(const struct traffic_totals *now, const struct traffic_totals *before)
{
    return now->requests < before->requests || now->begun < before->begun;
}

static struct service_traffic *traffic_of(struct service *service)
{
    if (!service->traffic)
        service->traffic = calloc(1, sizeof(*service->traffic));
    if (service->traffic && !service->traffic->read_usec)
        service->traffic->hint = UINT32_MAX;
    return service->traffic;
}

static void read_service(struct traffic_watch *watch, struct service *service, uint64_t now)
{
    struct traffic_totals totals = {0};
    struct service_traffic *traffic = traffic_of(service);

    if (!traffic)
        return;
    const struct traffic_figures before = traffic->figures;
    /* No request yet is a figure, too: zeros. */
    (void)traffic_read(watch->reader, service->tenant, service->spec->name, &traffic->hint,
                       &totals);
    uint64_t elapsed = traffic->read_usec ? now - traffic->read_usec : 0;
    if (is_another_file(&totals, &traffic->totals)) {
        traffic->minute.count = 0;
        elapsed = 0;
    }
    bool is_news = memcmp(&totals, &traffic->totals, sizeof(totals)) != 0;
    struct traffic_figures *figures = &traffic->figures;
    figures->requests_rate_milli =
        at_most_u32(rate_of(totals.requests, traffic->totals.requests, elapsed, 1000));
    figures->bytes_out_rate = rate_of(totals.bytes_out, traffic->totals.bytes_out, elapsed, 1);
    figures->in_flight = totals.in_flight;
    traffic->totals = totals;
    traffic->read_usec = now;
    if (is_news || figures->has_latency || traffic->minute.count == 0)
        take_latency(traffic, now);
    if (is_news || memcmp(figures, &before, sizeof(before)) != 0)
        service->sampling.is_settled = false;
    service->sampling.has_requests_rate = true;
    service->sampling.requests_rate_milli = figures->requests_rate_milli;
}

/* The children's counter may tell of one that has died: the records of living ones are counted. */
static void count_in_flight(struct engine *engine)
{
    struct traffic_watch *watch = engine->traffic;
    bool is_any = false;

    for (struct service *s = sampler_services(engine); s && !is_any; s = s->next_sampled)
        is_any = s->has_container && s->traffic && s->traffic->figures.in_flight > 0;
    if (!is_any || traffic_count_in_flight(watch->reader, watch->in_flight) < 0)
        return;
    for (struct service *s = sampler_services(engine); s; s = s->next_sampled)
        if (s->has_container && s->traffic)
            s->traffic->figures.in_flight = s->traffic->hint < traffic_slot_count(watch->reader)
                                                ? watch->in_flight[s->traffic->hint]
                                                : 0;
}

void traffic_sample(struct engine *engine, uint64_t now_usec)
{
    if (!make_sure_of_board(engine))
        return;
    for (struct service *s = sampler_services(engine); s; s = s->next_sampled)
        if (s->has_container)
            read_service(engine->traffic, s, now_usec);
    count_in_flight(engine);
}

void traffic_fill(const struct service *service, struct container_slot *slot)
{
    const struct service_traffic *traffic = service->traffic;

    if (!traffic || !traffic->read_usec)
        return;
    const struct traffic_totals *totals = &traffic->totals;
    slot->has |= SLOT_HAS_TRAFFIC;
    slot->requests = totals->requests;
    slot->request_bytes_in = totals->bytes_in;
    slot->request_bytes_out = totals->bytes_out;
    memcpy(slot->status_classes, totals->status_classes, sizeof(slot->status_classes));
    slot->requests_refused = totals->refused;
    slot->last_request_realtime_usec = totals->last_request_realtime_usec;
    if (!service->has_container)
        return; /* what is told of now was not read of late */
    slot->requests_in_flight = traffic->figures.in_flight;
    slot->requests_rate_milli = traffic->figures.requests_rate_milli;
    slot->request_bytes_out_rate = traffic->figures.bytes_out_rate;
    if (!traffic->figures.has_latency)
        return;
    slot->has |= SLOT_HAS_LATENCY;
    slot->latency_p50_usec = traffic->figures.latency_usec[0];
    slot->latency_p95_usec = traffic->figures.latency_usec[1];
    slot->latency_p99_usec = traffic->figures.latency_usec[2];
}

void traffic_forget(struct service *service)
{
    free(service->traffic);
    service->traffic = NULL;
}
