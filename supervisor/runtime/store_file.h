/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STORE_FILE_H
#define RUNTIME_STORE_FILE_H

/* Files of a container's directory; for store.c and store_state.c only. */

#include <stddef.h>

/* A file on its way to become another; at most one a directory, under its lock. */
#define STORE_FILE_NEW ".new"

/* Writes a file as a whole or not at all. 0 or a negative errno. */
int store_file_write(int directory, const char *name, const char *text, size_t length);

#endif
