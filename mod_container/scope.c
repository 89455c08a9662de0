/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/scope.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "common/names.h"

/* In the order of strcmp(3): it is searched once for each slot of each answer. */
struct status_scope {
    apr_array_header_t *tenants; /* of const char * */
};

/* Where tenant is, or would be put in. */
static int find(const struct status_scope *scope, const char *tenant, bool *is_there)
{
    int low = 0, high = scope->tenants->nelts;

    *is_there = false;
    while (low < high && !*is_there) {
        int middle = low + (high - low) / 2;
        int order = strcmp(tenant, APR_ARRAY_IDX(scope->tenants, middle, const char *));
        *is_there = order == 0;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

bool status_scope_allows(const struct location_config *config, const char *tenant)
{
    bool is_there = true;

    if (config->status_scope)
        find(config->status_scope, tenant, &is_there);
    return is_there;
}

bool status_scope_is_limited(const struct location_config *config)
{
    return config->status_scope != NULL;
}

struct status_scope *status_scope_add(apr_pool_t *pool, struct status_scope *scope,
                                      const char *tenant, struct error *error)
{
    bool is_there;

    if (name_check("tenant", tenant, error) < 0)
        return NULL;
    if (!scope) {
        scope = apr_palloc(pool, sizeof(*scope));
        scope->tenants = apr_array_make(pool, 4, sizeof(const char *));
    }
    int place = find(scope, tenant, &is_there);
    if (is_there)
        return scope;
    apr_array_push(scope->tenants);
    const char **names = (const char **)scope->tenants->elts;
    memmove(names + place + 1, names + place,
            sizeof(*names) * (size_t)(scope->tenants->nelts - 1 - place));
    names[place] = apr_pstrdup(pool, tenant);
    return scope;
}
