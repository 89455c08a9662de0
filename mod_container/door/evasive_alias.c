/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <IfModule mod_evasive20.c> is true where our LoadModule stands before it: modules without any
 * content bear the names. Without them an existing file would be skipped without a word.
 */
#include "mod_container/door/evasive_alias.h"

#include <string.h>

#include "common/cleanup.h"

#define ALIAS(file)                                                                                \
    {                                                                                              \
        MODULE_MAGIC_NUMBER_MAJOR, MODULE_MAGIC_NUMBER_MINOR, -1, file, NULL, NULL,                \
            MODULE_MAGIC_COOKIE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0                       \
    }

static module aliases[] = {ALIAS("mod_evasive20.c"), ALIAS("mod_evasive24.c"),
                           ALIAS("mod_evasive.c")};

static bool is_alias(const module *other)
{
    return other >= aliases && other < aliases + ARRAY_LENGTH(aliases);
}

bool evasive_peer_is_loaded(void)
{
    for (const module *other = ap_top_module; other; other = other->next)
        if (!is_alias(other) && other->name && strncmp(other->name, "mod_evasive", 11) == 0)
            return true;
    return false;
}

static apr_status_t remove_aliases(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(aliases); i++)
        if (aliases[i].module_index >= 0)
            ap_remove_module(&aliases[i]);
    return APR_SUCCESS;
}

void evasive_alias_add(apr_pool_t *pool)
{
    if (evasive_peer_is_loaded())
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(aliases); i++)
        ap_add_module(&aliases[i], pool, NULL);
    /* httpd's list must not lead into an object that is unloaded with the pool. */
    apr_pool_cleanup_register(pool, NULL, remove_aliases, apr_pool_cleanup_null);
}
