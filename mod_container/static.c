/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/static.h"

#include <errno.h>

#include <apr_buckets.h>
#include <apr_portable.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_core.h>
#include <util_filter.h>

#include "common/cleanup.h"
#include "mod_container/module.h"
#include "mod_container/tree.h"

/*
 * Makes an APR file of a descriptor. The duplicate is what APR registers for closing, so that it
 * stays right when the core keeps the file beyond the request; the original stays the caller's.
 */
static apr_status_t wrap_descriptor(request_rec *r, int fd, apr_file_t **file)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY;
    apr_file_t *borrowed;

    if (core->enable_sendfile != ENABLE_SENDFILE_OFF)
        flags |= APR_FOPEN_SENDFILE_ENABLED;
    apr_status_t status = apr_os_file_put(&borrowed, &fd, flags, r->pool);
    if (status == APR_SUCCESS)
        status = apr_file_dup(file, borrowed, r->pool);
    return status;
}

static int send_file(request_rec *r, apr_file_t *file)
{
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    ap_update_mtime(r, r->finfo.mtime);
    ap_set_last_modified(r);
    ap_set_etag_fd(r, file);
    ap_set_accept_ranges(r);
    ap_set_content_length(r, r->finfo.size);
    int status = ap_meets_conditions(r);
    if (status != OK) {
        r->status = status;
    } else {
        apr_bucket *bucket = apr_brigade_insert_file(brigade, file, 0, r->finfo.size, r->pool);
        /* The tenant may truncate the file at any moment: mapped, that would be a SIGBUS. */
        if (bucket)
            apr_bucket_file_enable_mmap(bucket, 0);
    }
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(r->connection->bucket_alloc));
    apr_status_t sent = ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return sent == APR_SUCCESS || r->status != HTTP_OK || r->connection->aborted ? OK
                                                                                 : AP_FILTER_ERROR;
}

static int open_status(request_rec *r, int fd, const char *uri)
{
    if (fd == -ENOENT)
        return HTTP_NOT_FOUND;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, APR_FROM_OS_ERROR(-fd), r,
                  "cannot open the static file of %s", uri);
    return fd == -EACCES ? HTTP_FORBIDDEN : HTTP_INTERNAL_SERVER_ERROR;
}

int static_serve(request_rec *r, int tree, const char *uri)
{
    struct stat st;
    apr_file_t *file;

    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_OPTIONS, -1);
    if (r->method_number == M_OPTIONS)
        return ap_send_http_options(r);
    if (r->method_number != M_GET)
        return HTTP_METHOD_NOT_ALLOWED;
    _cleanup_close_ int fd = tree_open_file(tree, uri, &st);
    if (fd < 0)
        return open_status(r, fd, uri);
    apr_status_t status = wrap_descriptor(r, fd, &file);
    if (status == APR_SUCCESS)
        status = apr_file_info_get(&r->finfo, APR_FINFO_NORM, file);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "cannot serve the static file of %s", uri);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    /* The type comes from the name alone: no such path is opened on the host. */
    r->filename = (char *)uri;
    int typed = ap_run_type_checker(r);
    if (typed != OK && typed != DECLINED)
        return typed;
    return send_file(r, file);
}
