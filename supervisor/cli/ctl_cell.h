/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_CELL_H
#define CLI_CTL_CELL_H

/* How numbers look in a cell of a table for people. */

#include <stddef.h>

enum cell_look {
    CELL_TEXT,
    CELL_NUMBER,  /* "12" */
    CELL_DECIMAL, /* "12.3" */
    CELL_BYTES,   /* "12M" */
    CELL_SECONDS, /* "0.2s", "3d4h" */
    CELL_MSEC,    /* of seconds: "12ms", "1.5s" */
};

/* Writes the number, or nothing for one below 0. CELL_TEXT is not for numbers. */
void cell_number(double number, enum cell_look look, char *cell, size_t size);

#endif
