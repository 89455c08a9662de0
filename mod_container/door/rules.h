/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_RULES_H
#define DOOR_RULES_H

/*
 * What the configuration says about throttling, in the form in which requests meet it. Made by
 * ContainerThrottle... (door_config.c) and by mod_evasive's words (evasive.c); read by the hooks.
 * Never changed once the configuration is read.
 */

#include <httpd.h>

#include <ap_expr.h>
#include <apr_tables.h>

#include "common/throttle.h"

enum door_mode {
    DOOR_UNSET = -1,
    DOOR_OFF = 0,
    DOOR_ON = 1,
    DOOR_DRY = 2, /* counts and logs, refuses nobody */
};

/* Answers from..to (404 and 404, or 500 and 599) cost so many units more. */
struct door_cost {
    unsigned short from, to;
    unsigned units;
};

#define DOOR_COSTS 8

struct door_rule {
    const char *name; /* "login" */

    /* Filled by door_add_rule() and at httpd's start. */
    const char *where;   /* FILE:LINE of its directive */
    server_rec *server;  /* in which it stands */
    const char *section; /* "<Location /shop>", or NULL: of the server or virtual host itself */
    const char *zone;    /* where it holds: "server", "NAME:PORT", or that and a section */
    unsigned index;      /* among all rules of the configuration */
    unsigned rule_number, zone_number; /* throttle_name() of the two */

    bool is_off; /* takes the rule of this name out of the sections around */

    struct throttle_limit limit;
    bool is_per_page;    /* counts each page of a client apart */
    apr_int64_t methods; /* bits of method numbers; 0: all */
    apr_array_header_t
        *paths;           /* of const char *, normalised; "/a" one page, "/a/" and all below, or
                             "*.php"; NULL: all */
    ap_expr_info_t *when; /* or NULL */
    unsigned cost;        /* of each request; at least 1 */
    bool counts_requests; /* false: only what costs says; then it has a block */
    struct door_cost costs[DOOR_COSTS];
    unsigned cost_count;

    uint64_t block_usec; /* 0: refuses, without a block */
    bool is_renewed;
    bool is_dry;
    bool is_loopback; /* counts clients from loopback, too */
    int status;       /* 0: as ContainerThrottleStatus says */
};

/* One of a list of clients. */
struct door_pass {
    struct network network; /* family 0: see when */
    ap_expr_info_t *when;
    const char *where;
};

/* Of a server, virtual host, Directory, Location or If. */
struct door_config {
    enum door_mode mode;
    apr_array_header_t *rules; /* of struct door_rule *: this section's own and those around it */
    apr_array_header_t *allow; /* of struct door_pass *: never counted, never refused */
    apr_array_header_t *deny;  /* of struct door_pass *: always refused */
    int status;                /* 0: unset; 429 by default */
    int loopback;              /* -1: unset; 1: loopback is a client like any other */
    const char *body;          /* a page of the operator's own for people, or NULL */
};

#endif
