/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/page_static.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "common/sha256.h"
#include "mod_container/reply.h"

#define ALLOWED_METHODS "GET, HEAD, OPTIONS"
#define HASH_DIGITS     12

/* The assembler reads the files (GNU as manual, ".incbin"); Makefile.apxs knows that it does. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"mod_container/page/" file "\"\n" #name    \
            "_end:\n.byte 0\n.popsection\n");                                                      \
    extern const char name[] __attribute__((visibility("hidden")));                                \
    extern const char name##_end[] __attribute__((visibility("hidden")))

EMBED(page_style, "board.css");
EMBED(page_script, "board.js");

static const struct {
    const char *begin, *end;
    const char *prefix, *suffix;
    const char *type;
} files[PAGE_FILE_COUNT] = {
    [PAGE_STYLE] = {page_style, page_style_end, "-/board.", ".css", "text/css; charset=utf-8"},
    [PAGE_SCRIPT] = {page_script, page_script_end, "-/board.", ".js",
                     "text/javascript; charset=utf-8"},
};

/* Set before there are children, the same at each start of one module. */
static char paths[PAGE_FILE_COUNT][32];
static char etags[PAGE_FILE_COUNT][HASH_DIGITS + 3];

void page_static_start(void)
{
    for (int i = 0; i < PAGE_FILE_COUNT; i++) {
        uint8_t digest[SHA256_SIZE];
        char hash[HASH_DIGITS + 1];

        sha256(files[i].begin, (size_t)(files[i].end - files[i].begin), digest);
        for (int at = 0; at < HASH_DIGITS / 2; at++)
            apr_snprintf(hash + 2 * at, 3, "%02x", digest[at]);
        apr_snprintf(paths[i], sizeof(paths[i]), "%s%s%s", files[i].prefix, hash, files[i].suffix);
        apr_snprintf(etags[i], sizeof(etags[i]), "\"%s\"", hash);
    }
}

const char *page_static_path(enum page_file file)
{
    return paths[file];
}

bool page_static_is_path(const char *target)
{
    return target[0] == '-' && target[1] == '/';
}

static int serve(request_rec *r, enum page_file file)
{
    size_t length = (size_t)(files[file].end - files[file].begin);

    reply_guard_headers(r);
    apr_table_setn(r->headers_out, "Cache-Control", "private, max-age=31536000, immutable");
    apr_table_setn(r->headers_out, "ETag", etags[file]);
    int status = ap_meets_conditions(r);
    if (status != OK)
        return status;
    ap_set_content_type(r, files[file].type);
    ap_set_content_length(r, (apr_off_t)length);
    if (!r->header_only)
        ap_rwrite(files[file].begin, (int)length, r);
    return OK;
}

int page_static_serve(request_rec *r, const char *target)
{
    if (r->method_number == M_OPTIONS)
        return reply_options(r, ALLOWED_METHODS);
    if (r->method_number != M_GET)
        return reply_method_not_allowed(r, ALLOWED_METHODS);
    for (int i = 0; i < PAGE_FILE_COUNT; i++)
        if (strcmp(target, paths[i]) == 0)
            return serve(r, (enum page_file)i);
    return HTTP_NOT_FOUND;
}
