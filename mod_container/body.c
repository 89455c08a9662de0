/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/body.h"

#include <string.h>

#include <apr_buckets.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

bool body_is_announced(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return (length && strcmp(length, "0") != 0) ||
           apr_table_get(r->headers_in, "Transfer-Encoding");
}

static int refuse_large(request_rec *r)
{
    r->connection->keepalive = AP_CONN_CLOSE;
    return HTTP_REQUEST_ENTITY_TOO_LARGE;
}

/* Judges the announced length before anything is read. */
static int check_announcement(request_rec *r, apr_size_t max)
{
    const char *announced = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t length;

    if (!announced)
        return apr_table_get(r->headers_in, "Transfer-Encoding") ? OK : HTTP_LENGTH_REQUIRED;
    if (!ap_parse_strict_length(&length, announced))
        return HTTP_BAD_REQUEST;
    return length > (apr_off_t)max ? refuse_large(r) : OK;
}

/* Appends a brigade's data. Returns OK, DONE at the end of the body, or a status. */
static int append(request_rec *r, apr_bucket_brigade *brigade, apr_size_t max, char *text,
                  apr_size_t *length)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t size;

        if (APR_BUCKET_IS_EOS(bucket))
            return DONE;
        if (APR_BUCKET_IS_METADATA(bucket))
            continue;
        if (apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ) != APR_SUCCESS)
            return HTTP_BAD_REQUEST;
        if (size > max - *length)
            return refuse_large(r);
        memcpy(text + *length, data, size);
        *length += size;
    }
    return OK;
}

int body_read(request_rec *r, apr_size_t max, char **text, apr_size_t *length)
{
    int status = check_announcement(r, max);

    if (status != OK)
        return status;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    char *buffer = apr_palloc(r->pool, max + 1);
    *length = 0;
    while (status == OK) {
        apr_status_t got = ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES,
                                          APR_BLOCK_READ, (apr_off_t)max + 1);
        status = got == APR_SUCCESS ? append(r, brigade, max, buffer, length)
                                    : ap_map_http_request_error(got, HTTP_BAD_REQUEST);
        apr_brigade_cleanup(brigade);
    }
    apr_brigade_destroy(brigade);
    if (status != DONE)
        return status;
    buffer[*length] = '\0';
    *text = buffer;
    return OK;
}
