/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STORE_FILE_H
#define RUNTIME_STORE_FILE_H

/* Files of a container's directory; for store.c and store_state.c only. */

#include <stddef.h>

#include "supervisor/runtime/store.h"

/* A file on its way to become another; at most one a directory, under its lock. */
#define STORE_FILE_NEW ".new"

/* Writes a file that is not there yet, in a directory that nobody else sees. 0 or a negative errno.
 */
int store_file_create(int directory, const char *name, const char *text, size_t length);
/* Writes a file as a whole or not at all. 0 or a negative errno. */
int store_file_replace(int directory, const char *name, const char *text, size_t length);

/* The first state.json of a container that nobody sees yet. */
int store_state_create(const struct store_entry *entry, const struct store_state *state,
                       struct error *error);

#endif
