/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/keys.h"

#include <string.h>

#include "supervisor/spec/suggest.h"

#define KEYS_MAX 128

static int refuse_unknown(const struct place *place, const struct key *keys, struct error *error)
{
    const char *names[KEYS_MAX];
    size_t count = 0;

    for (; keys->name && count < KEYS_MAX; keys++)
        if (keys->read)
            names[count++] = keys->name;
    const char *nearest = suggest_nearest(place->key, names, count);
    return place_refuse(place, error, "unknown key; the nearest known key is \"%s\"",
                        nearest ? nearest : "");
}

static int read_key(const struct place *place, const struct key *keys, void *target,
                    struct error *error)
{
    for (const struct key *key = keys; key->name; key++) {
        if (strcmp(key->name, place->key) != 0)
            continue;
        if (!key->read)
            return place_refuse(place, error, "not supported: %s", key->refused);
        return key->read(place, target, error);
    }
    if (strncmp(place->key, "x-", 2) == 0)
        return 0;
    return refuse_unknown(place, keys, error);
}

int keys_read(const struct place *place, const struct key *keys, void *target, struct error *error)
{
    const char *name;
    json_t *value;
    int r = place_need_object(place, error);

    if (r < 0)
        return r;
    json_object_foreach (place->value, name, value) {
        struct place member = place_member(place, name);
        r = read_key(&member, keys, target, error);
        if (r < 0)
            return r;
    }
    return 0;
}

int keys_ignore(const struct place *place, void *target, struct error *error)
{
    (void)place;
    (void)target;
    (void)error;
    return 0;
}
