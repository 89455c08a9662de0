/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/plan.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "mod_container/path.h"
#include "mod_container/tree.h"

static struct plan run_script(const char *uri, size_t length)
{
    return (struct plan){.action = PLAN_SCRIPT, .uri = uri, .script_length = length};
}

static struct plan fall_back(const char *fallback)
{
    if (!fallback)
        return (struct plan){.action = PLAN_NOT_FOUND};
    return run_script(fallback, strlen(fallback));
}

static struct plan fail(int error)
{
    return (struct plan){.action = error == -EACCES ? PLAN_FORBIDDEN : PLAN_FAILED, .error = error};
}

static int ends_in_slash(const char *path)
{
    return path[strlen(path) - 1] == '/';
}

struct plan plan_by_name(apr_pool_t *pool, const char *path, const char *fallback)
{
    size_t script = path_script_length(path);

    if (script > 0)
        return run_script(path, script);
    if (ends_in_slash(path)) {
        const char *index = apr_pstrcat(pool, path, "index.php", NULL);
        return run_script(index, strlen(index));
    }
    /* A bare name is PHP-FPM's to refuse (its security.limit_extensions). */
    return fallback ? fall_back(fallback) : run_script(path, strlen(path));
}

/* A directory's own page: index.php before index.html. */
static struct plan plan_index(apr_pool_t *pool, int tree, const char *path, const char *fallback)
{
    const char *script = apr_pstrcat(pool, path, "index.php", NULL);
    const char *page = apr_pstrcat(pool, path, "index.html", NULL);

    int kind = tree_look(tree, script, strlen(script));
    if (kind == TREE_FILE)
        return run_script(script, strlen(script));
    if (kind >= 0)
        kind = tree_look(tree, page, strlen(page));
    if (kind == TREE_FILE)
        return (struct plan){.action = PLAN_FILE, .uri = page};
    return kind < 0 ? fail(kind) : fall_back(fallback);
}

struct plan plan_by_tree(apr_pool_t *pool, int tree, const char *path, const char *fallback)
{
    size_t script = path_script_length(path);
    size_t length = strlen(path);

    if (path_is_hidden(path))
        return (struct plan){.action = PLAN_NOT_FOUND};
    int kind = script > 0 ? tree_look(tree, path, script) : TREE_NOTHING;
    if (kind < 0)
        return fail(kind);
    if (kind == TREE_FILE)
        return run_script(path, script);
    while (length > 1 && path[length - 1] == '/')
        length--;
    kind = tree_look(tree, path, length);
    if (kind < 0)
        return fail(kind);
    if (kind == TREE_DIRECTORY && !ends_in_slash(path))
        return (struct plan){.action = PLAN_ADD_SLASH};
    if (kind == TREE_DIRECTORY)
        return plan_index(pool, tree, path, fallback);
    if (kind == TREE_FILE && !ends_in_slash(path)) {
        enum plan_action action = path_is_source(path) ? PLAN_NOT_FOUND : PLAN_FILE;
        return (struct plan){.action = action, .uri = path};
    }
    return fall_back(fallback);
}
