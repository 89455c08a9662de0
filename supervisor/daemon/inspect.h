/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_INSPECT_H
#define DAEMON_INSPECT_H

/* The answer to `inspect` (docs/control-protocol.md). */

#include <jansson.h>
#include <stdbool.h>

#include "supervisor/daemon/service.h"

/* is_whole: with the spec, which may hold passwords, else with its public part. New reference. */
json_t *inspect_answer(const struct service *service, bool is_whole);

#endif
