/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_EVASIVE_H
#define DOOR_EVASIVE_H

/*
 * The words of mod_evasive and its forks (DOS...), understood as rules of the door when mod_evasive
 * itself is not loaded. docs/from-mod-evasive.md is their reference. httpd's parent, one thread.
 */

#include <httpd.h>

#include <http_config.h>

/* One per kind of word; cmd->cmd->name tells which. Each returns a sentence, or NULL. */
const char *evasive_set_number(cmd_parms *cmd, void *location, const char *text);
const char *evasive_set_status(cmd_parms *cmd, void *location, const char *text);
const char *evasive_set_enabled(cmd_parms *cmd, void *location, const char *text);
const char *evasive_add_client(cmd_parms *cmd, void *location, const char *text);
const char *evasive_add_uri(cmd_parms *cmd, void *location, const char *text);
const char *evasive_note(cmd_parms *cmd, void *location, const char *text);

/* Hooks, and mod_evasive's names for <IfModule>. pool is the configuration's. */
void evasive_register(apr_pool_t *pool);

#endif
