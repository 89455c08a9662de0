/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML reader against any bytes: it must refuse or give a tree within its bounds, in which
 * every value has a line of the file.
 *
 * libFuzzer: -dict=tests/fuzz/compose.dict
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "supervisor/spec/place.h"
#include "supervisor/spec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    size_t nodes;
    unsigned lines;
};

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void visit(struct walk *walk, const struct place *place, unsigned depth)
{
    const char *key;
    json_t *value;

    check(++walk->nodes <= YAML_NODES_MAX);
    check(depth <= YAML_DEPTH_MAX);
    check(place->value && place->line >= 1 && place->line <= walk->lines);
    json_object_foreach (place->value, key, value) {
        struct place member = place_member(place, key);
        visit(walk, &member, depth + 1);
    }
    for (size_t i = 0; i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        visit(walk, &item, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;
    struct error error = ERROR_INIT;
    int r = yaml_tree_parse((const char *)data, size, "fuzz.yaml", &tree, &error);

    check((r == 0) == (tree != NULL));
    check(r == 0 || error.message[0]);
    if (r < 0)
        return 0;
    /* libyaml counts CR, LF, NEL, LS and PS as ends of lines: no more of them than bytes. */
    struct walk walk = {.lines = (unsigned)size + 1};
    struct place root = place_root(tree);
    visit(&walk, &root, 0);
    char *text = json_dumps(tree->root, JSON_ENCODE_ANY);
    check(text != NULL);
    free(text);
    return 0;
}
