/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_DOOR_H
#define DOOR_DOOR_H

/*
 * The door: it counts what each client asks of httpd, and refuses what is too much. Its files:
 *
 *     door_config  ContainerThrottle... and how sections add up      page  which page a URI names
 *     door_rule    ContainerThrottleRule                             rate  "10/200ms"
 *     door_table   the table's life, and -D DUMP_CONTAINER_THROTTLE
 *     door         the hooks                                         door_answer  answers, log
 * lines
 */

#include <httpd.h>

#include <http_config.h>

#include "mod_container/door/rules.h"

struct location_config;

/* ---- for the other files of the module ---- */

/* The table of this httpd, for any thread of a child; NULL: no rule in the whole configuration. */
struct throttle_table *door_table(void);

/* ---- while the configuration is read: httpd's parent, one thread ---- */

/* The part of a section's configuration that the door reads; made when it is not there yet. */
struct door_config *door_config_of(apr_pool_t *pool, struct location_config *location);

/* A rule that allows one request a second, counts all requests, and has nothing else set. */
struct door_rule *door_rule_new(apr_pool_t *pool, const char *name);

/*
 * Adds a rule to a section, where it takes the place of one of its name. The rule and all it points
 * to live in cmd->pool. Returns NULL, or a sentence for httpd to stop with.
 */
const char *door_add_rule(cmd_parms *cmd, struct door_config *config, struct door_rule *rule);

/* Adds clients, a network or "expr=EXPRESSION", to config->allow or config->deny. */
const char *door_add_client(cmd_parms *cmd, apr_array_header_t **list, const char *text);

/* ContainerThrottleTable, for those who speak of it in other words. */
const char *door_set_entries(cmd_parms *cmd, void *unused, const char *text);

/* What all sections share; forgotten when a configuration is read anew. */
struct door_settings {
    unsigned bits4, bits6;     /* ContainerThrottlePrefix */
    unsigned entries;          /* ContainerThrottleTable */
    apr_array_header_t *rules; /* of struct door_rule *: all, by index; NULL: none */
};

struct door_settings *door_settings(void);
void door_reset(void);

/* ---- for config.c ---- */

struct door_config *door_merge(apr_pool_t *pool, const struct door_config *outer,
                               const struct door_config *inner);

const char *door_set_mode(cmd_parms *cmd, void *location, const char *text);
const char *door_set_rule(cmd_parms *cmd, void *location, int argc, char *const argv[]);
const char *door_set_allow(cmd_parms *cmd, void *location, const char *text);
const char *door_set_deny(cmd_parms *cmd, void *location, const char *text);
const char *door_set_prefix(cmd_parms *cmd, void *unused, const char *four, const char *six);
const char *door_set_status(cmd_parms *cmd, void *location, const char *text);
const char *door_set_page(cmd_parms *cmd, void *location, const char *file);
const char *door_set_loopback(cmd_parms *cmd, void *location, int value);

/* The status that a number names when httpd knows it as an error; else 0. */
int door_status_of(const char *text);

/* ---- hooks ---- */

/* Step of post_config; an HTTP status that stops httpd, or OK. */
int door_start(apr_pool_t *config_pool, server_rec *server);
void door_register(void);
void door_register_table(void); /* called by it */

#endif
