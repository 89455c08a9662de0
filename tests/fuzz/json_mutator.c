/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/json_mutator.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define NODES_MAX 4096
#define TEXT_MAX  512

/* libFuzzer's own mutator, which knows the dictionary and what the code compares with. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* A value and where it hangs: in an object by its key, or in an array by its index. */
struct node {
    json_t *parent;
    const char *key; /* NULL in arrays */
    size_t index;
};

struct tree {
    struct node nodes[NODES_MAX];
    size_t count;
    unsigned seed;
};

static unsigned pick(struct tree *tree, size_t count)
{
    return (unsigned)rand_r(&tree->seed) % (unsigned)count;
}

static void gather(struct tree *tree, json_t *parent)
{
    const char *key;
    size_t index;
    json_t *value;

    json_object_foreach (parent, key, value) {
        if (tree->count < NODES_MAX)
            tree->nodes[tree->count++] = (struct node){parent, key, 0};
        gather(tree, value);
    }
    json_array_foreach (parent, index, value) {
        if (tree->count < NODES_MAX)
            tree->nodes[tree->count++] = (struct node){parent, NULL, index};
        gather(tree, value);
    }
}

static json_t *value_of(const struct node *node)
{
    return node->key ? json_object_get(node->parent, node->key)
                     : json_array_get(node->parent, node->index);
}

/* Takes over value, also where it is NULL or cannot be stored. */
static void replace(const struct node *node, json_t *value)
{
    if (!value)
        return;
    if (node->key)
        json_object_set_new(node->parent, node->key, value);
    else
        json_array_set_new(node->parent, node->index, value);
}

/* Values at the edges of what readers expect. */
static json_t *odd_value(struct tree *tree)
{
    static const json_int_t numbers[] = {
        0,
        1,
        -1,
        -2,
        6,
        64,
        1024,
        65535,
        65536,
        4294967294,
        4294967295,
        4294967296,
        2147483647,
        -2147483648LL,
        1000000000,
        18014398509,
        INT64_MAX,
        INT64_MIN,
        INT64_MAX - 1,
        0777,
        010000,
    };
    static const char *const strings[] = {
        "",     "/",  ".",    "..", "/proc/self/fd/3", "a:b,c=d",
        "%s%n", "-1", "0x10", "+0", "4294967296",      "18446744073709551615",
    };

    switch (pick(tree, 8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(pick(tree, 2));
    case 2:
        return json_object();
    case 3:
        return json_array();
    case 4:
        return json_string(strings[pick(tree, ARRAY_LENGTH(strings))]);
    case 5:
        return json_real((double)rand_r(&tree->seed) - 1e9);
    default:
        return json_integer(numbers[pick(tree, ARRAY_LENGTH(numbers))]);
    }
}

/* Text changed by libFuzzer, at most TEXT_MAX - 1 bytes in buffer. */
static void mutate_text(const char *text, char buffer[TEXT_MAX])
{
    size_t length = strnlen(text, TEXT_MAX - 1);

    memcpy(buffer, text, length);
    length = LLVMFuzzerMutate((uint8_t *)buffer, length, TEXT_MAX - 1);
    buffer[length] = '\0';
}

/* A string, or a number, a little different; anything else becomes an odd value. */
static json_t *changed_value(struct tree *tree, const json_t *value)
{
    char text[TEXT_MAX];

    if (json_is_string(value)) {
        mutate_text(json_string_value(value), text);
        return json_string(text); /* NULL if that is no UTF-8 */
    }
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        LLVMFuzzerMutate((uint8_t *)&number, sizeof(number), sizeof(number));
        return json_integer(number);
    }
    return odd_value(tree);
}

/* The value of one node under a changed key, beside it or inside the other. */
static void add_member(struct tree *tree, const struct node *node, const struct node *other)
{
    char key[TEXT_MAX];
    json_t *object = json_is_object(value_of(node)) ? value_of(node) : node->parent;
    json_t *value = pick(tree, 2) ? json_deep_copy(value_of(other)) : odd_value(tree);

    mutate_text(other->key ? other->key : "", key);
    if (json_is_object(object))
        json_object_set_new(object, key, value); /* gives value back if key is no UTF-8 */
    else
        json_array_append_new(object, value);
}

static void mutate_node(struct tree *tree)
{
    const struct node *node = &tree->nodes[pick(tree, tree->count)];
    const struct node *other = &tree->nodes[pick(tree, tree->count)];

    switch (pick(tree, 8)) {
    case 0:
        replace(node, odd_value(tree));
        return;
    case 1:
        replace(node, json_deep_copy(value_of(other)));
        return;
    case 2:
        add_member(tree, node, other);
        return;
    case 3:
        if (node->key)
            json_object_del(node->parent, node->key);
        else
            json_array_remove(node->parent, node->index);
        return;
    case 4:
        if (json_is_array(node->parent))
            json_array_append_new(node->parent, json_deep_copy(value_of(node)));
        return;
    default:
        replace(node, changed_value(tree, value_of(node)));
    }
}

size_t json_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static struct tree tree;
    _cleanup_free_ char *text = NULL;

    tree.count = 0;
    tree.seed = seed;
    json_t *root = pick(&tree, 8) ? json_loadb((const char *)data, size, 0, NULL) : NULL;
    if (!root)
        return LLVMFuzzerMutate(data, size, max);
    /* Nodes move with each change: they are gathered anew. */
    for (unsigned left = 1 + pick(&tree, 3); left > 0; left--) {
        tree.count = 0;
        gather(&tree, root);
        if (tree.count > 0)
            mutate_node(&tree);
    }
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length > max)
        return LLVMFuzzerMutate(data, size, max);
    memcpy(data, text, length);
    return length;
}
