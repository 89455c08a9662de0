/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic board for tests of its writers, with no supervisor:
 *
 *     traffic_tool create PATH SERVICES GID     makes the file; prints "made" or "kept"
 *     traffic_tool show PATH TENANT SERVICE     what is known of a service, as JSON
 *     traffic_tool cost PATH THREADS            processor time of counting one request, in each of
 *                                               some threads that count for the same service
 */
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/traffic.h"

#define REQUESTS_MAX 256
#define COST_ROUNDS  1000000
#define THREADS_MAX  16

static json_t *requests_json(const struct traffic_request *requests, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array, json_pack("{s:I, s:I, s:I, s:i, s:i, s:b, s:s, s:s, s:s, s:s}", "age_usec",
                             (json_int_t)requests[i].age_usec, "duration_usec",
                             (json_int_t)requests[i].duration_usec, "bytes_out",
                             (json_int_t)requests[i].bytes_out, "pid", (int)requests[i].pid,
                             "status", (int)requests[i].status, "aborted", requests[i].is_aborted,
                             "method", requests[i].method, "uri", requests[i].uri, "client",
                             requests[i].client, "protocol", requests[i].protocol));
    return array;
}

static int show(const char *path, const char *tenant, const char *service)
{
    static struct traffic_request requests[REQUESTS_MAX];
    struct error error = ERROR_INIT;
    struct traffic_totals t = {0};
    struct traffic_reader *reader;
    uint32_t hint = UINT32_MAX, in_flight;
    json_t *classes = json_array();

    if (traffic_open(path, &reader, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    bool is_there = traffic_read(reader, tenant, service, &hint, &t) == 0;
    uint64_t in_histogram = 0;
    for (unsigned i = 0; i < TRAFFIC_BUCKETS; i++)
        in_histogram += t.histogram[i];
    for (int i = 0; i < STATUS_CLASSES; i++)
        json_array_append_new(classes, json_integer((json_int_t)t.status_classes[i]));
    size_t count =
        traffic_read_in_flight(reader, tenant, service, requests, REQUESTS_MAX, &in_flight);
    json_t *now = requests_json(requests, count);
    count = traffic_read_recent(reader, tenant, service, requests, REQUESTS_MAX);
    json_t *recent = requests_json(requests, count);
    json_t *all = json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:o, s:o, s:o}", "found", is_there,
        "begun", (json_int_t)t.begun, "requests", (json_int_t)t.requests, "lost",
        (json_int_t)t.lost, "aborted", (json_int_t)t.aborted, "refused", (json_int_t)t.refused,
        "bytes_in", (json_int_t)t.bytes_in, "bytes_out", (json_int_t)t.bytes_out, "histogram",
        (json_int_t)in_histogram, "in_flight", (int)in_flight, "counter", (int)t.in_flight,
        "classes", classes, "now", now, "recent", recent);
    traffic_close(reader);
    if (!all)
        return 1;
    json_dumpf(all, stdout, JSON_COMPACT);
    json_decref(all);
    return 0;
}

static int create(const char *path, unsigned services, unsigned gid)
{
    struct error error = ERROR_INIT;
    int r = traffic_create(path, services, gid, &error);

    if (r < 0)
        fprintf(stderr, "%s\n", error.message);
    else
        puts(r ? "kept" : "made");
    return r < 0;
}

/* ---- cost ---- */

static struct traffic_writer *writer;

static double thread_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *count_requests(void *unused)
{
    static const char uri[] = "/wp-content/themes/theme/style.css";
    static volatile uint32_t hint;
    const struct traffic_begin begin = {
        .tenant = "alpha",
        .service = "web",
        .hint = &hint,
        .method = "GET",
        .uri = uri,
        .uri_length = sizeof(uri) - 1,
        .client = "\x7f\0\0\1",
        .client_length = 4,
        .protocol = 1001,
    };
    double before = thread_seconds();

    for (int i = 0; i < COST_ROUNDS; i++) {
        struct traffic_ticket ticket = {0};
        traffic_start(writer, &begin, &ticket);
        traffic_finish(&ticket, &(struct traffic_end){.status = 200, .bytes_out = 1000});
    }
    printf("%.0f ns\n", (thread_seconds() - before) / COST_ROUNDS * 1e9);
    return unused;
}

static int cost(const char *path, int threads)
{
    pthread_t running[THREADS_MAX];

    if (threads < 1 || threads > THREADS_MAX || !(writer = traffic_writer_new(path)))
        return 1;
    for (int i = 0; i < threads; i++)
        pthread_create(&running[i], NULL, count_requests, NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(running[i], NULL);
    traffic_writer_free(writer);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "create") == 0)
        return create(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    if (argc == 5 && strcmp(argv[1], "show") == 0)
        return show(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "cost") == 0)
        return cost(argv[2], atoi(argv[3]));
    fprintf(stderr, "usage: traffic_tool create PATH SERVICES GID | show PATH TENANT SERVICE | "
                    "cost PATH THREADS\n");
    return 2;
}
