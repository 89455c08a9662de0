/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_EVASIVE_ALIAS_H
#define DOOR_EVASIVE_ALIAS_H

/* mod_evasive's names in httpd's list of modules. httpd's parent, one thread. */

#include <stdbool.h>

#include <httpd.h>

#include <http_config.h>

/* Adds the names for as long as pool lives, unless the real one is there. While we are loaded. */
void evasive_alias_add(apr_pool_t *pool);

/* Whether the real mod_evasive is loaded. */
bool evasive_peer_is_loaded(void);

#endif
