/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/limit_link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/board/form.h"
#include "common/cleanup.h"

#define QUERY_MAX  512
#define FIELDS_MAX 6

int limit_key_read(const char *path, uint8_t key[SEAL_KEY_SIZE], struct error *error)
{
    struct stat st;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return error_sys(error, errno, "open %s, the key of limit links", path);
    if (fstat(fd, &st) < 0)
        return error_sys(error, errno, "look at %s", path);
    if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IRWXO)))
        return error_set(error, EPERM,
                         "%s is not a file of root's that others can neither write nor read", path);
    if (read(fd, key, SEAL_KEY_SIZE) != SEAL_KEY_SIZE || st.st_size != SEAL_KEY_SIZE)
        return error_set(error, EPROTO, "%s does not hold %d bytes", path, SEAL_KEY_SIZE);
    return 0;
}

/* The expiry is part of each seal; "limits" keeps it apart from seals of other things. */
static void take_words(const char *words[3], const char *tenant, const char *service)
{
    words[0] = "limits";
    words[1] = tenant;
    words[2] = service;
}

char *limit_link_make(const uint8_t key[SEAL_KEY_SIZE], const char *tenant, const char *service,
                      uint64_t until)
{
    char seal[SEAL_TEXT_SIZE], *text = NULL;
    const char *words[3];

    take_words(words, tenant, service);
    if (!seal_make(key, words, ARRAY_LENGTH(words), until, seal))
        return NULL;
    if (asprintf(&text, LIMIT_LINK_PATH "?tenant=%s&service=%s&until=%" PRIu64 "&signature=%s",
                 tenant, service, until, strchr(seal, '-') + 1) < 0)
        return NULL;
    return text;
}

/* ---- reading ---- */

static int take_name(const char *what, const char *value, char name[NAME_MAX_LENGTH + 1],
                     struct error *error)
{
    int r = name_check(what, value, error);

    if (r == 0)
        strcpy(name, value);
    return r;
}

/* What is sealed is "UNTIL-SIGNATURE". */
static int join_seal(const char *until, const char *signature, char seal[SEAL_TEXT_SIZE],
                     struct error *error)
{
    int length = snprintf(seal, SEAL_TEXT_SIZE, "%s-%s", until, signature);

    return length > 0 && length < SEAL_TEXT_SIZE
               ? 0
               : error_set(error, EINVAL, "until and signature are longer than any are");
}

static int take_format(const struct form_field *field, struct limit_link *link)
{
    link->is_json = strcmp(field->key, "json") == 0
                        ? !field->value || !*field->value
                        : strcmp(field->key, "format") == 0 && field->value &&
                              strcmp(field->value, "json") == 0;
    return link->is_json ? 0 : -EINVAL;
}

static int take_fields(const struct form_field *fields, int count, struct limit_link *link,
                       struct error *error)
{
    static const char *const keys[] = {"tenant", "service", "until", "signature"};
    const char *values[ARRAY_LENGTH(keys)] = {NULL};

    for (int i = 0; i < count; i++) {
        size_t key = 0;
        while (key < ARRAY_LENGTH(keys) && strcmp(keys[key], fields[i].key) != 0)
            key++;
        if (key < ARRAY_LENGTH(keys))
            values[key] = fields[i].value;
        else if (take_format(&fields[i], link) < 0)
            return error_set(error, EINVAL, "\"%.64s\" is not part of a link", fields[i].key);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (!values[i])
            return error_set(error, EINVAL, "the link has no %s", keys[i]);
    int r = take_name("tenant", values[0], link->tenant, error);
    if (r == 0)
        r = take_name("service", values[1], link->service, error);
    return r == 0 ? join_seal(values[2], values[3], link->seal, error) : r;
}

int limit_link_parse(const char *query, struct limit_link *link, struct error *error)
{
    char copy[QUERY_MAX];
    struct form_field fields[FIELDS_MAX];

    memset(link, 0, sizeof(*link));
    if (!query || !*query)
        return error_set(error, EINVAL, "the link has no tenant");
    if (strlen(query) >= sizeof(copy))
        return error_set(error, EINVAL, "the link is longer than any is");
    strcpy(copy, query);
    int count = form_parse(copy, fields, FIELDS_MAX, error);
    if (count < 0)
        return -EINVAL;
    return take_fields(fields, count, link, error);
}

bool limit_link_is_valid(const struct limit_link *link, const uint8_t key[SEAL_KEY_SIZE],
                         uint64_t now)
{
    const char *words[3];

    take_words(words, link->tenant, link->service);
    return seal_is_valid(key, words, ARRAY_LENGTH(words), now, link->seal);
}
