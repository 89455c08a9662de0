/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_PS_H
#define CLI_CTL_PS_H

/* The JSON form of a slot, as `ps -o json` prints it. containerctl(1) is its reference. */

#include <jansson.h>

#include "common/scoreboard.h"

/* "fcgi", "http", or "none". */
const char *endpoint_kind_name(uint32_t kind);

/* Every key is there in every object; what is not known is null. New reference, NULL: no memory. */
json_t *slot_to_json(const struct container_slot *slot);

#endif
