/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_PLAN_H
#define MOD_CONTAINER_PLAN_H

/*
 * What is to be done with a visitor's path in a FastCGI service: which script runs, or which file
 * is sent. Knows no httpd but for its pools; any thread.
 */

#include <apr_pools.h>

enum plan_action {
    PLAN_SCRIPT = 0, /* run the script that uri's first script_length bytes name */
    PLAN_FILE,       /* send the file that uri names */
    PLAN_ADD_SLASH,  /* redirect to the path with a '/' behind it */
    PLAN_NOT_FOUND,
    PLAN_FORBIDDEN, /* httpd may not look there */
    PLAN_FAILED,    /* the look failed; error says why */
};

struct plan {
    enum plan_action action;
    const char *uri; /* the path (the same pointer), or the index or fallback in its place */
    size_t script_length;
    int error; /* a negative errno */
};

/* Without a tree on the host: names decide. fallback may be NULL. */
struct plan plan_by_name(apr_pool_t *pool, const char *path, const char *fallback);

/* With the tenant's tree (tree_open()): what is there decides. */
struct plan plan_by_tree(apr_pool_t *pool, int tree, const char *path, const char *fallback);

#endif
