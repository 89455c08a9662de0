/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_UINT64_H
#define RUNTIME_CONFIG_UINT64_H

/*
 * The uint64 numbers of the OCI runtime-spec (values of seccomp arguments, rlimits, where engines
 * write "no limit" as 18446744073709551615). Jansson's integers end at 2^63-1: a greater one makes
 * it refuse the whole document. So such a literal is read as a string of its digits, which no
 * other key takes, and the readers of uint64 keys take both. A double would not do: it has 53 bits.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * As json_loadb(3) with these flags, but for whole numbers from 2^63 to 2^64-1, which become
 * strings. Costs nothing more for a text without them. The caller owns the result; NULL with
 * *problem filled.
 */
json_t *config_load_json(const char *text, size_t length, size_t flags, json_error_t *problem);

/* Reads such a number at path (for the message). 0, or -EINVAL: negative, a fraction, no number. */
int config_read_uint64(const json_t *value, const char *path, uint64_t *number,
                       struct error *error);

#endif
