/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_CONFIG_H
#define MOD_CONTAINER_CONFIG_H

/*
 * The directives (docs/directives.md) and what they become. All memory lives in the configuration
 * pool, from one (re)start to the next.
 */

#include <httpd.h>

#include <http_config.h>
#include <limits.h>

#include "common/board/limit_cause.h"
#include "common/error.h"
#include "common/names.h"

/* One ContainerRoute. */
struct route {
    int is_off; /* "ContainerRoute off": takes a Location out of a route around it */
    char tenant[NAME_MAX_LENGTH + 1];
    char service[NAME_MAX_LENGTH + 1];
    const char *docroot;    /* inside the container; no slash at the end */
    const char *static_dir; /* on the host, or NULL */
    const char *fallback;   /* URI of a PHP script, or NULL */
    const char *where;      /* FILE:LINE of the directive */

    /* What a child remembers; its threads share it, each word an atomic. */
    volatile apr_uint32_t slot_hint;
    volatile apr_uint32_t traffic_hint;
    volatile apr_uint32_t logged_at[LIMIT_KIND_COUNT]; /* seconds since the epoch */
};

#define ADMIN_LIMIT_DEFAULT 120
#define ADMIN_LIMIT_MAX     6000

struct status_scope;  /* scope.h */
struct gate_limit;    /* gate_limit.h */
struct door_config;   /* door/rules.h */
struct limit_setting; /* limit_page.h */

/* Per <Location> or server. Tri-state flags: -1 is "not said here". */
struct location_config {
    struct route *route; /* NULL: not said here */
    int status_on;
    int admin_on;
    int admin_limit;                   /* ContainerAdminLimit: calls a minute; 0: off */
    int traffic_query;                 /* the last requests are shown with their query */
    int status_logs;                   /* ContainerStatusLogs: the page shows the last log lines */
    struct status_scope *status_scope; /* ContainerStatusScope, or NULL: all tenants */
    const struct gate_limit *gate;     /* ContainerMaxRequests, or NULL: not said here */
    struct door_config *door;          /* ContainerThrottle..., or NULL: nothing said here */
    const struct limit_setting *limit_page; /* ContainerLimitPage, or NULL: our own */
    const char *base; /* path of the <Location> that enables a handler; NULL for LocationMatch */
};

/* What all requests need, made in post_config from the whole configuration. */
struct module_state {
    char scoreboard_path[PATH_MAX];
    char control_path[PATH_MAX];
    char traffic_path[PATH_MAX];
    char limit_key_path[PATH_MAX];
    char throttle_path[PATH_MAX];
    const char *content_security_policy;
};

extern const command_rec config_directives[];

void *config_create_server(apr_pool_t *pool, server_rec *server);
void *config_create_location(apr_pool_t *pool, char *path);
void *config_merge_location(apr_pool_t *pool, void *base, void *added);

/* Refuses a directive in sections that a routed request never reaches. */
const char *config_check_section(cmd_parms *cmd);

/* FILE:LINE of the directive that is being read. */
const char *config_where(const cmd_parms *cmd);

/* The configuration that holds for a request now; the pointer is never NULL. */
const struct location_config *config_of_request(const request_rec *r);

/* Fills the two paths of state from the main server's directives. */
int config_resolve(const server_rec *main_server, struct module_state *state, struct error *error);

/* FILE:LINE of the first ContainerRoute of this configuration, or NULL; forgotten by reset. */
const char *config_first_route(void);
void config_reset(void);

#endif
