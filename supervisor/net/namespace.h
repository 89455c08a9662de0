/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NAMESPACE_H
#define NET_NAMESPACE_H

/* Network namespaces as descriptors, and the step into one and back. One thread. */

#include "common/error.h"

/*
 * Opens the namespace of a configuration: "host" (the caller's own), "private" (a new one, with lo
 * up, gone when its last descriptor and link are) or an absolute path such as /run/netns/NAME.
 * Returns a descriptor or a negative errno.
 */
int namespace_open(const char *name, struct error *error);

/* Opens the caller's own network namespace. */
int namespace_open_own(void);

/* Moves the caller into the namespace; *previous, a descriptor, leads back. 0 or a negative errno.
 */
int namespace_enter(int netns_fd, int *previous);

/*
 * Moves the caller back and closes *previous. Ends the process if that cannot be done: to go on in
 * the wrong namespace would set up links and rules in the wrong place. For
 * _cleanup_(namespace_leave); -1 is harmless.
 */
void namespace_leave(int *previous);

#endif
