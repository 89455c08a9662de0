/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_ANSWER_H
#define DOOR_ANSWER_H

/* What a refused client gets, and what the log says of it. */

#include <httpd.h>

#include "mod_container/door/rules.h"

/* Why a request is refused. */
struct door_refusal {
    const struct door_rule *rule; /* NULL: a list, or a block of an admin */
    int status;
    bool is_block;             /* the connection ends with the answer */
    uint64_t retry_after_usec; /* 0: nobody knows */
};

/* Answers, as a handler or header parser: what the hook is to return. */
int door_answer(request_rec *r, const struct door_config *config,
                const struct door_refusal *refusal);

/* A block began. */
void door_log_block(request_rec *r, const struct door_rule *rule, const struct network *client);

/* A request was refused, or (is_dry) would have been: one line in 10 s per child. */
void door_log_refusal(request_rec *r, const struct door_refusal *refusal,
                      const struct network *client, bool is_dry);

#endif
