/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ADMIN_CALL_H
#define MOD_CONTAINER_ADMIN_CALL_H

/* Carries an order out: calls of the supervisor, for one service or for all of a tenant. */

#include <httpd.h>

#include "mod_container/order.h"

/* Asks the supervisor and answers the request. */
int admin_call_service(request_rec *r, const struct order *order);
int admin_call_tenant(request_rec *r, const struct order *order);

#endif
