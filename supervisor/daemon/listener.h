/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

/*
 * The sockets on which tenants' services are reached. The supervisor owns them and hands them to
 * the container, so a restart loses no request: connections wait in the backlog (house plan, flow
 * 2).
 */

#include <stddef.h>

#include "common/error.h"
#include "supervisor/daemon/settings.h"

/*
 * Makes RUN/services/TENANT/SERVICE.sock (0660, root and the web group), listening, blocking for
 * those who accept. Returns the descriptor and the path in a buffer of 108 bytes, or a negative
 * errno.
 */
int listener_open(const struct settings *settings, const char *tenant, const char *service,
                  char *path, struct error *error);

/* Removes the socket's file, and the tenant's directory if it was the last. */
void listener_remove(const char *path);

#endif
