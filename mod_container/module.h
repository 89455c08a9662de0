/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_MODULE_H
#define MOD_CONTAINER_MODULE_H

/* What the files of the module share: the module itself, its state, its log. */

#include <httpd.h>

#include <http_config.h>
#include <http_log.h>

#include "common/board/answers.h"
#include "common/board/summary.h"
#include "mod_container/board.h"
#include "mod_container/config.h"

/* The one symbol that httpd looks for; the rest of the object is hidden. */
extern module AP_MODULE_DECLARE_DATA container_module __attribute__((visibility("default")));
APLOG_USE_MODULE(container);

/* What the module keeps with a request; not with its sub-requests or the next of its chain. */
struct routed;
struct door_request;
struct module_request {
    struct routed *routed;     /* route.h; NULL: no route */
    struct door_request *door; /* door/door.c; with the first request of a chain only */
};

/* Made when it is not there yet, and NULL when it is not, without making it. */
struct module_request *module_request_make(request_rec *r);
struct module_request *module_request_find(const request_rec *r);

/* Set in post_config, read by all; lives as long as the configuration. */
const struct module_state *module_state(void);

/* This child's scoreboard; made in child_init. */
struct board *module_board(void);

/* What its threads know of the whole board; made in child_init. */
struct summary_cache *module_summaries(void);

/* What its threads have answered just now; made in child_init. */
struct answer_cache *module_answers(void);

#endif
