/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

/*
 * The journal of events: DATA/events/events.jsonl, one JSON object a line, renamed to
 * events.jsonl.1 at 8 MiB. It says what happened to which container, who asked for it, and how a
 * process ended. docs/control-protocol.md ("events") describes the objects; `events` reads them.
 * The engine's thread.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define JOURNAL_MAX_BYTES (8u << 20)

struct journal_event {
    const char *time, *tenant, *service, *state, *text;
    bool is_warning;
    const json_t *actor; /* who asked for it; NULL: nobody */
    const json_t *exit;  /* how the process ended; NULL: this is no end */
    const json_t *mail;  /* what was sent; NULL: this is no mail */
};

/* Appends. Failures are logged once and otherwise ignored: a full disk stops no container. */
void journal_write(int data_fd, const struct journal_event *event);

#define JOURNAL_CURSOR_SIZE 64

struct journal_query {
    const char *tenant, *service; /* NULL: every; no service without a tenant */
    const char *cursor;           /* go on here; NULL: `tail` says where to begin */
    uint64_t tail;                /* so many events before the end; UINT64_MAX: the oldest kept */
};

/*
 * Reads what the query asks for, the oldest first and at most some 48 KiB of it, into a new array.
 * next becomes the cursor to go on with, *has_more whether there is more at once. -EINVAL for a
 * cursor that is none; one whose place was rotated away begins at the oldest event kept.
 */
int journal_read(int data_fd, const struct journal_query *query, json_t **events,
                 char next[JOURNAL_CURSOR_SIZE], bool *has_more, struct error *error);

#endif
