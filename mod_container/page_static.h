/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_PAGE_STATIC_H
#define MOD_CONTAINER_PAGE_STATIC_H

/*
 * The two files of the status page, a style sheet and a script, compiled into the module from
 * mod_container/page/. They are served below the page's own Location, under the same access rules,
 * with the hash of their content in their name: a browser keeps them for a year and never shows
 * those of another version. "-" begins no tenant's name, so the addresses cannot meet.
 */

#include <httpd.h>
#include <stdbool.h>

enum page_file { PAGE_STYLE = 0, PAGE_SCRIPT, PAGE_FILE_COUNT };

/* What every page allows: its own two files, requests and forms to its own origin, nothing else. */
#define PAGE_SECURITY_POLICY                                                                       \
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "                \
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/* Names the files; called in post_config, before there are children. */
void page_static_start(void);

/* The address of a file below the Location: "-/board.0123456789ab.css". Lives as long as httpd. */
const char *page_static_path(enum page_file file);

/* Whether target, what stands behind the Location, is in the place of these files. */
bool page_static_is_path(const char *target);

/* Answers a request for LOCATION/TARGET; target is the decoded rest, "-/board....css". 404 for any
 * other. Returns what the handler is to return. */
int page_static_serve(request_rec *r, const char *target);

#endif
