/* SPDX-License-Identifier: Apache-2.0 */

/* Where the body of an answer to a request goes: httpd's filters, and what keeps it for others. */

#include "common/board/out.h"

#include <http_protocol.h>

/* What a request's pool knows an answer by, while it is being kept. */
#define KEEP_KEY "container-answer"

static void drop_answer(struct out *out)
{
    if (out->answer)
        out->answer->is_too_large = true;
    out->answer = NULL;
}

static apr_status_t keep_end(void *data)
{
    answer_free(data);
    return APR_SUCCESS;
}

void out_keep(request_rec *r, struct answer *answer)
{
    apr_pool_userdata_setn(answer, KEEP_KEY, NULL, r->pool);
    apr_pool_cleanup_register(r->pool, answer, keep_end, apr_pool_cleanup_null);
}

struct answer *out_kept(request_rec *r)
{
    void *data = NULL;

    apr_pool_userdata_get(&data, KEEP_KEY, r->pool);
    struct answer *answer = data;
    if (!answer || answer->is_too_large || r->connection->aborted)
        return NULL;
    apr_pool_cleanup_kill(r->pool, answer, keep_end);
    apr_pool_userdata_setn(NULL, KEEP_KEY, NULL, r->pool);
    return answer;
}

static void pass(struct out *out)
{
    if (!out->is_broken && ap_pass_brigade(out->r->output_filters, out->brigade) != APR_SUCCESS)
        out->is_broken = true;
    if (out->r->connection->aborted)
        out->is_broken = true;
    if (out->is_broken)
        drop_answer(out);
    apr_brigade_cleanup(out->brigade);
}

static void free_bytes(void *bytes)
{
    piece_unref(piece_of(bytes));
}

static void append(struct out *out, struct piece *piece)
{
    apr_bucket *bucket = apr_bucket_heap_create(piece->bytes, piece->used, free_bytes,
                                                out->r->connection->bucket_alloc);

    APR_BRIGADE_INSERT_TAIL(out->brigade, bucket);
}

/* Gives the piece away to the brigade. */
static void wrap(struct out *out)
{
    struct piece *piece = out->piece;

    out->piece = NULL;
    if (!piece)
        return;
    piece->used = (size_t)(out->at - piece->bytes);
    out->at = out->end = NULL;
    if (out->answer)
        answer_add(out->answer, piece);
    append(out, piece);
}

/* httpd would wait for 64 KB; but the reader shall see the beginning at once. */
static void wrap_and_pass(struct out *out)
{
    wrap(out);
    if (!out->has_begun)
        APR_BRIGADE_INSERT_TAIL(out->brigade,
                                apr_bucket_flush_create(out->r->connection->bucket_alloc));
    out->has_begun = true;
    pass(out);
}

void out_begin(struct out *out, request_rec *r)
{
    void *answer = NULL;

    apr_pool_userdata_get(&answer, KEEP_KEY, r->pool);
    *out = (struct out){.pass = wrap_and_pass, .r = r, .answer = answer};
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
    apr_brigade_destroy(out->brigade);
    return OK;
}

/* The body is in memory already, whoever else reads it: there is nothing to gain by pieces. */
int out_send(request_rec *r, const struct answer *answer)
{
    struct out out = {.r = r};

    out.brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    for (size_t i = 0; i < answer->count; i++)
        append(&out, piece_ref(answer->pieces[i]));
    return out_end(&out);
}
