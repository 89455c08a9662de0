/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_KEYS_H
#define SPEC_KEYS_H

/*
 * Reading a mapping by a table of its keys. A key is read, refused with a reason, or unknown, which
 * is an error that names the nearest known key. Keys that begin with "x-" and are not in the table
 * belong to others and pass.
 */

#include "supervisor/spec/place.h"

struct key {
    const char *name; /* NULL ends a table */
    /* Reads the member at place into target. NULL: see refused. */
    int (*read)(const struct place *place, void *target, struct error *error);
    /* Why a key that Compose knows is not taken, and what to do instead. */
    const char *refused;
};

/* Reads all members of the mapping at place, in the order of the file. */
int keys_read(const struct place *place, const struct key *keys, void *target, struct error *error);

/* A reader for what may stand there and means nothing here. */
int keys_ignore(const struct place *place, void *target, struct error *error);

#endif
