/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATIC_H
#define MOD_CONTAINER_STATIC_H

/*
 * Sends a file of a tenant's tree, with type, validators and ranges as httpd does for its own.
 */

#include <httpd.h>

/* tree is from tree_open(), uri a path that plan_by_tree() found. Returns a handler's status. */
int static_serve(request_rec *r, int tree, const char *uri);

#endif
