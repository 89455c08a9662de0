/* SPDX-License-Identifier: Apache-2.0 */

/* Where the body of an answer goes: httpd's filters. */

#include "mod_container/out.h"

#include <http_protocol.h>

/*
 * What an allocator of buckets gives from its free list is at most 8 KB; larger ones, as our
 * buffer, are kept by the connection's allocator likewise, and fewer trips through the filters pay.
 */
static void take_buffer(struct out *out)
{
    out->buffer = apr_bucket_alloc(OUT_BUFFER_SIZE, out->r->connection->bucket_alloc);
}

static void pass(struct out *out)
{
    if (!out->is_broken && ap_pass_brigade(out->r->output_filters, out->brigade) != APR_SUCCESS)
        out->is_broken = true;
    if (out->r->connection->aborted)
        out->is_broken = true;
    apr_brigade_cleanup(out->brigade);
}

/* Gives the buffer away to the brigade. */
static void wrap(struct out *out)
{
    apr_bucket *bucket;

    if (!out->buffer || out->used == 0)
        return;
    bucket = apr_bucket_heap_create(out->buffer, out->used, apr_bucket_free,
                                    out->r->connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(out->brigade, bucket);
    out->buffer = NULL;
    out->used = 0;
}

static void wrap_and_pass(struct out *out)
{
    wrap(out);
    pass(out);
}

void out_begin(struct out *out, request_rec *r)
{
    static const struct out_sink sink = {.take = take_buffer, .pass = wrap_and_pass};

    *out = (struct out){.sink = &sink, .r = r};
    out->brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
}

void out_flush(struct out *out)
{
    wrap(out);
    APR_BRIGADE_INSERT_TAIL(out->brigade,
                            apr_bucket_flush_create(out->r->connection->bucket_alloc));
    pass(out);
}

int out_end(struct out *out)
{
    wrap(out);
    if (!APR_BRIGADE_EMPTY(out->brigade))
        pass(out);
    if (out->buffer)
        apr_bucket_free(out->buffer);
    apr_brigade_destroy(out->brigade);
    return OK;
}
