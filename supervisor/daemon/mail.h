/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_MAIL_H
#define DAEMON_MAIL_H

/*
 * What PHP's mail() writes into its mail.log (x-mail-log of a service). The container finds a FIFO
 * there; the engine holds the other end, reads it without ever waiting, and notes each mail: in the
 * journal, on the scoreboard, and the last ones for the verb `mails`. A tenant may write anything
 * into the FIFO, as fast as it likes: lines are bounded and parsed strictly, reading is rationed,
 * and what floods fills the tenant's own pipe. The engine's thread.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/scoreboard.h"

struct engine;
struct service;
struct mail_log; /* of one service; NULL: it has none */

/* Mails of one service that are remembered. */
#define MAIL_RECENT 20

#define MAIL_LINE_MAX    8192
#define MAIL_DOMAINS_MAX 4

/* One mail. Text is terminated, and otherwise as the tenant wrote it. */
struct mail {
    char script[256]; /* cut at its beginning: the end tells more */
    uint32_t line;
    uint32_t recipients;
    uint32_t domain_count;              /* different ones; at most MAIL_DOMAINS_MAX are kept */
    char domains[MAIL_DOMAINS_MAX][64]; /* lower case, of [a-z0-9.-] */
    char to[256];                       /* cut */
    char subject[256];                  /* cut */
};

/*
 * Takes a line of mail.log apart (PHP 8.2, ext/standard/mail.c), without its newline:
 *
 *     [25-Nov-2026 02:06:48 UTC] mail() on [/srv/a.php:12]: To: a@b -- Headers: ... -- Subject: x
 *
 * 0, or -EINVAL if it is no such line.
 */
int mail_parse(const char *line, size_t length, struct mail *mail);

/*
 * Makes the FIFO in the container's directory, which it is mounted from, and watches it. uid and
 * gid are the program's on the host. path, of PATH_MAX bytes, gets its name.
 */
int mail_log_begin(struct service *service, const char *directory, uid_t uid, gid_t gid, char *path,
                   struct error *error);

/* The run has ended: reads what is left and removes the FIFO. */
void mail_log_finish(struct service *service, const char *directory);

/* The service is freed. */
void mail_log_forget(struct service *service);

/* Writes what is known into a slot: its SLOT_HAS_MAILS fields. */
void mail_fill(const struct service *service, struct container_slot *slot);

/*
 * The last mails of a tenant's services, or of one service of it (NULL: of all), the newest first,
 * at most MAIL_RECENT: a new array, without the recipients' addresses unless is_whole. *total gets
 * how many mails there were in all. NULL: no memory.
 */
json_t *mail_list(const struct engine *engine, const char *tenant, const char *service,
                  bool is_whole, uint64_t *total);

#endif
