/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_USER_H
#define RUNTIME_USER_H

/*
 * What users write on the runtime's command line, strictly: identities are numbers, without sign,
 * blank or rest, and within what uid_t holds. A lenient reading makes root of "4294967296" or "-1"
 * (CVE-2016-3697, CVE-2024-40635). Names are no business of a runtime: engines look them up in the
 * image (config.md, "User").
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct user_ids {
    uint32_t uid;
    bool has_gid;
    uint32_t gid; /* 0 without has_gid */
};

/* "UID" or "UID:GID" of `exec --user`. 0 or -EINVAL with a message that begins with "--user". */
int user_parse(const char *text, struct user_ids *ids, struct error *error);

/* One identity of an option such as "--additional-gids". 0 or -EINVAL with a message. */
int user_parse_id(const char *option, const char *text, uint32_t *id, struct error *error);

/* A number of 0..max of an option such as "--preserve-fds". 0 or -EINVAL with a message. */
int user_parse_number(const char *option, const char *text, uint64_t max, uint64_t *number,
                      struct error *error);

#endif
