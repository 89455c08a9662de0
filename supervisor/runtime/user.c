/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/user.h"

#include <errno.h>
#include <string.h>

#include "common/units.h"

/* uid_t without (uid_t) -1, which means "unchanged" to setresuid(2). */
#define ID_MAX UINT64_C(4294967294)

static int parse_id(const char *text, uint32_t *id)
{
    uint64_t number;
    int r = parse_u64(text, ID_MAX, &number);

    if (r == 0)
        *id = (uint32_t)number;
    return r;
}

int user_parse(const char *text, struct user_ids *ids, struct error *error)
{
    char uid[24];
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    struct user_ids parsed = {.has_gid = colon != NULL};
    int r = length < sizeof(uid) ? 0 : -EINVAL;

    if (r == 0) {
        memcpy(uid, text, length);
        uid[length] = '\0';
        r = parse_id(uid, &parsed.uid);
    }
    if (r == 0 && colon)
        r = parse_id(colon + 1, &parsed.gid);
    if (r < 0)
        return error_set(error, EINVAL,
                         "--user: \"%.80s\" is not UID or UID:GID; both are numbers of 0..%llu",
                         text, (unsigned long long)ID_MAX);
    *ids = parsed;
    return 0;
}

int user_parse_id(const char *option, const char *text, uint32_t *id, struct error *error)
{
    uint64_t number;
    int r = user_parse_number(option, text, ID_MAX, &number, error);

    if (r == 0)
        *id = (uint32_t)number;
    return r;
}

int user_parse_number(const char *option, const char *text, uint64_t max, uint64_t *number,
                      struct error *error)
{
    if (parse_u64(text, max, number) == 0)
        return 0;
    return error_set(error, EINVAL, "%s: \"%.80s\" is not a number of 0..%llu", option, text,
                     (unsigned long long)max);
}
