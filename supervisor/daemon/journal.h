/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

/*
 * The journal of events: DATA/events/events.jsonl, one JSON object a line, renamed to
 * events.jsonl.1 at 8 MiB. It says what happened to which container, and who asked for it.
 */

#define JOURNAL_MAX_BYTES (8u << 20)

/* Appends. Failures are logged once and otherwise ignored: a full disk stops no container. */
void journal_write(int data_fd, const char *time, const char *tenant, const char *service,
                   const char *state, const char *text);

#endif
