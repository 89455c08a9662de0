/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_OUT_MEMORY_H
#define COMMON_BOARD_OUT_MEMORY_H

/* A short answer that is written into memory first, so that its length is known. One thread. */

#include <stddef.h>

#include "common/board/out.h"

struct out_memory {
    struct out out; /* write to this one */
    char *text;
    size_t length;
};

void out_memory_begin(struct out_memory *memory);

/*
 * What was written, terminated; the caller frees it. length may be NULL. Aborts when there is no
 * memory, as piece_new() does.
 */
char *out_memory_end(struct out_memory *memory, size_t *length);

#endif
