/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/cleanup.h"

#define UTF8_BOM "\xef\xbb\xbf"

/* A finished value with what it costs when an alias repeats it. */
struct node {
    json_t *json;
    char *written; /* text of a scalar that is no string */
    unsigned line;
    unsigned height; /* containers on the longest way down, itself included */
    size_t nodes, bytes;
};

struct anchor {
    char *name;
    struct node node;
};

struct builder {
    yaml_parser_t parser;
    struct yaml_tree *tree;
    const char *text; /* for the line of bytes that are no UTF-8 */
    size_t length;
    struct anchor *anchors;
    size_t anchor_count;
    size_t nodes, bytes; /* of the whole file so far, aliases counted as what they stand for */
    struct error *error;
};

static int build_node(struct builder *builder, const yaml_event_t *event, unsigned depth,
                      struct node *node);

static void node_clear(struct node *node)
{
    json_decref(node->json);
    free(node->written);
    *node = (struct node){0};
}

/* Refuses what stands in a line. Returns -errnum. */
static int fail(const struct builder *builder, int errnum, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail(const struct builder *builder, int errnum, size_t line, const char *format, ...)
{
    char message[640];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return error_set(builder->error, errnum, "%.255s:%zu: %s", builder->tree->display, line,
                     message);
}

static int no_memory(struct builder *builder)
{
    return error_sys(builder->error, ENOMEM, "%s", builder->tree->display);
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

/* ---- libyaml's events ---- */

static int parser_failure(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    size_t line = parser->problem_mark.line + 1;

    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(builder);
    if (parser->error == YAML_READER_ERROR) { /* has no mark, but a place in the bytes */
        size_t end =
            parser->problem_offset < builder->length ? parser->problem_offset : builder->length;
        line = 1;
        for (size_t i = 0; i < end; i++)
            line += builder->text[i] == '\n';
    }
    if (parser->context)
        return fail(builder, EINVAL, line, "%s, %s (begun in line %zu)", parser->problem,
                    parser->context, parser->context_mark.line + 1);
    return fail(builder, EINVAL, line, "%s", parser->problem ? parser->problem : "not YAML");
}

static void event_cleanup(yaml_event_t *event)
{
    yaml_event_delete(event);
}
#define _cleanup_event_ __attribute__((cleanup(event_cleanup)))

static int next_event(struct builder *builder, yaml_event_t *event)
{
    return yaml_parser_parse(&builder->parser, event) ? 0 : parser_failure(builder);
}

/* ---- bounds ---- */

/* Counts what a value adds to the file, before it is kept. */
static int account(struct builder *builder, const struct node *node, unsigned depth)
{
    builder->nodes += node->nodes;
    builder->bytes += node->bytes;
    if (builder->nodes > YAML_NODES_MAX)
        return fail(builder, E2BIG, node->line,
                    "more than %d values, aliases counted as what they "
                    "stand for",
                    YAML_NODES_MAX);
    if (builder->bytes > YAML_TEXT_MAX)
        return fail(builder, E2BIG, node->line,
                    "more than %d bytes of text, aliases counted as "
                    "what they stand for",
                    YAML_TEXT_MAX);
    if (depth + node->height > YAML_DEPTH_MAX)
        return fail(builder, E2BIG, node->line, "nested deeper than %d levels", YAML_DEPTH_MAX);
    return 0;
}

/* Adds what a child costs to its container. */
static void add_costs(struct node *container, const struct node *child)
{
    container->nodes += child->nodes;
    container->bytes += child->bytes;
    if (container->height < child->height + 1)
        container->height = child->height + 1;
}

/* ---- anchors and aliases ---- */

static int anchor_add(struct builder *builder, const char *name, const struct node *node)
{
    struct anchor *anchor = NULL;

    for (size_t i = 0; i < builder->anchor_count; i++)
        if (strcmp(builder->anchors[i].name, name) == 0)
            anchor = &builder->anchors[i]; /* YAML lets a later anchor take the name */
    if (!anchor) {
        if (builder->anchor_count == YAML_ANCHORS_MAX)
            return fail(builder, E2BIG, node->line, "more than %d anchors", YAML_ANCHORS_MAX);
        anchor = &builder->anchors[builder->anchor_count];
        anchor->name = strdup(name);
        if (!anchor->name)
            return no_memory(builder);
        builder->anchor_count++;
    }
    node_clear(&anchor->node);
    anchor->node = *node;
    json_incref(anchor->node.json);
    if (node->written && !(anchor->node.written = strdup(node->written)))
        return no_memory(builder);
    return 0;
}

static int build_alias(struct builder *builder, const yaml_event_t *event, unsigned depth,
                       struct node *node)
{
    const char *name = (const char *)event->data.alias.anchor;

    for (size_t i = 0; i < builder->anchor_count; i++) {
        const struct anchor *anchor = &builder->anchors[i];
        if (strcmp(anchor->name, name) != 0)
            continue;
        struct node copy = anchor->node;
        copy.line = line_of(event);
        int r = account(builder, &copy, depth);
        if (r < 0)
            return r;
        if (copy.written && !(copy.written = strdup(copy.written)))
            return no_memory(builder);
        json_incref(copy.json);
        *node = copy;
        return 0;
    }
    return fail(builder, EINVAL, line_of(event),
                "alias \"*%.80s\" has no anchor \"&%.80s\" that ends before it", name, name);
}

/* ---- scalars ---- */

static int build_scalar(struct builder *builder, const yaml_event_t *event, unsigned depth,
                        struct node *node)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    int is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    *node = (struct node){
        .line = line_of(event), .nodes = 1, .bytes = event->data.scalar.length, .height = 0};
    int r = account(builder, node, depth);
    if (r < 0)
        return r;
    switch (yaml_scalar_resolve(text, event->data.scalar.length, is_plain, tag, &node->json)) {
    case YAML_SCALAR_OK:
        break;
    case YAML_SCALAR_NUL:
        return fail(builder, EINVAL, node->line, "text with a NUL character");
    case YAML_SCALAR_NOT_UTF8:
        return fail(builder, EINVAL, node->line, "text that is not UTF-8");
    case YAML_SCALAR_TOO_LARGE:
        return fail(builder, EINVAL, node->line,
                    "%.40s does not fit into 64 bits; write it in quotes if it is text", text);
    case YAML_SCALAR_BAD_TAG:
        return fail(builder, EINVAL, node->line, "tag \"%.80s\" is not known; remove it", tag);
    case YAML_SCALAR_NOT_TAGGED:
        return fail(builder, EINVAL, node->line, "\"%.40s\" is not what its tag \"%.80s\" says",
                    text, tag);
    }
    if (!node->json)
        return no_memory(builder);
    if (!json_is_string(node->json) && !(node->written = strdup(text)))
        return no_memory(builder);
    return 0;
}

/* ---- containers ---- */

static int check_tag(struct builder *builder, const yaml_event_t *event, const yaml_char_t *tag,
                     const char *expected)
{
    if (!tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, expected) == 0)
        return 0;
    return fail(builder, EINVAL, line_of(event), "tag \"%.80s\" is not known; remove it",
                (const char *)tag);
}

static int add_item(struct builder *builder, struct node *list, struct node *item)
{
    size_t index = json_array_size(list->json);

    add_costs(list, item);
    if (json_array_append(list->json, item->json) < 0 ||
        positions_add(&builder->tree->positions, list->json, NULL, index, item->line,
                      item->written) < 0)
        return no_memory(builder);
    return 0;
}

static int build_sequence(struct builder *builder, const yaml_event_t *start, unsigned depth,
                          struct node *node)
{
    *node = (struct node){.json = json_array(), .line = line_of(start), .nodes = 1, .height = 1};
    if (!node->json)
        return no_memory(builder);
    int r = check_tag(builder, start, start->data.sequence_start.tag, YAML_SEQ_TAG);
    if (r == 0)
        r = account(builder, node, depth);
    while (r == 0) {
        _cleanup_event_ yaml_event_t event = {0};
        struct node item = {0};
        r = next_event(builder, &event);
        if (r == 0 && event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        if (r == 0)
            r = build_node(builder, &event, depth + 1, &item);
        if (r == 0)
            r = add_item(builder, node, &item);
        node_clear(&item);
    }
    return r;
}

static int add_member(struct builder *builder, json_t *object, const char *key, json_t *value,
                      unsigned line, const char *written)
{
    if (json_object_set(object, key, value) < 0 ||
        positions_add(&builder->tree->positions, object, key, 0, line, written) < 0)
        return no_memory(builder);
    return 0;
}

/* Takes over the members of `from` that object has not; they keep the lines they were written at.
 */
static int merge_object(struct builder *builder, json_t *object, const json_t *from, unsigned line)
{
    const char *key;
    json_t *value;

    if (!json_is_object(from))
        return fail(builder, EINVAL, line, "\"<<\" takes a mapping, or a list of mappings");
    json_object_foreach ((json_t *)from, key, value) {
        if (json_object_get(object, key))
            continue;
        const struct position *position = positions_find(&builder->tree->positions, from, key, 0);
        _cleanup_free_ char *written =
            position && position->written ? strdup(position->written) : NULL;
        if (position && position->written && !written)
            return no_memory(builder);
        int r = add_member(builder, object, key, value, position ? position->line : line, written);
        if (r < 0)
            return r;
    }
    return 0;
}

static int merge(struct builder *builder, json_t *object, const struct node *source)
{
    size_t i;
    json_t *item;

    if (json_array_append(builder->tree->merged, source->json) < 0)
        return no_memory(builder);
    if (!json_is_array(source->json))
        return merge_object(builder, object, source->json, source->line);
    json_array_foreach (source->json, i, item) {
        int r = merge_object(builder, object, item, source->line);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag &&
           strcmp((const char *)event->data.scalar.value, "<<") == 0;
}

/* A key must be a text, and new in its mapping. */
static int check_key(struct builder *builder, const yaml_event_t *event, const json_t *object,
                     struct node *key)
{
    if (event->type != YAML_SCALAR_EVENT)
        return fail(builder, EINVAL, line_of(event), "a key must be a plain or quoted text");
    int r = build_scalar(builder, event, 0, key);
    if (r < 0)
        return r;
    if (!json_is_string(key->json))
        return fail(builder, EINVAL, key->line, "key \"%.40s\" is not text; write it in quotes",
                    key->written);
    const char *name = json_string_value(key->json);
    if (json_string_length(key->json) > YAML_KEY_MAX)
        return fail(builder, E2BIG, key->line, "a key longer than %d bytes", YAML_KEY_MAX);
    if (json_object_get(object, name)) {
        const struct position *first = positions_find(&builder->tree->positions, object, name, 0);
        return fail(builder, EINVAL, key->line, "key \"%.80s\" is there already, in line %u", name,
                    first ? first->line : 0);
    }
    if (event->data.scalar.anchor)
        return anchor_add(builder, (const char *)event->data.scalar.anchor, key);
    return 0;
}

/* One key and its value. A merge is kept in *merged, to be done last: written keys win. */
static int build_member(struct builder *builder, const yaml_event_t *key_event, unsigned depth,
                        struct node *mapping, struct node *merged)
{
    struct node key = {0}, value = {0};
    _cleanup_event_ yaml_event_t event = {0};
    int r = check_key(builder, key_event, mapping->json, &key);

    if (r == 0)
        r = next_event(builder, &event);
    if (r == 0)
        r = build_node(builder, &event, depth + 1, &value);
    if (r == 0) {
        add_costs(mapping, &value);
        mapping->bytes += key.bytes;
        if (!is_merge_key(key_event)) {
            r = add_member(builder, mapping->json, json_string_value(key.json), value.json,
                           key.line, value.written);
        } else if (merged->json) {
            r = fail(builder, EINVAL, key.line, "a second \"<<\"; write <<: [*one, *two]");
        } else {
            *merged = value;
            value = (struct node){0};
        }
    }
    node_clear(&key);
    node_clear(&value);
    return r;
}

static int build_mapping(struct builder *builder, const yaml_event_t *start, unsigned depth,
                         struct node *node)
{
    struct node merged = {0};

    *node = (struct node){.json = json_object(), .line = line_of(start), .nodes = 1, .height = 1};
    if (!node->json)
        return no_memory(builder);
    int r = check_tag(builder, start, start->data.mapping_start.tag, YAML_MAP_TAG);
    if (r == 0)
        r = account(builder, node, depth);
    while (r == 0) {
        _cleanup_event_ yaml_event_t event = {0};
        r = next_event(builder, &event);
        if (r == 0 && event.type == YAML_MAPPING_END_EVENT)
            break;
        if (r == 0)
            r = build_member(builder, &event, depth, node, &merged);
    }
    if (r == 0 && merged.json)
        r = merge(builder, node->json, &merged);
    node_clear(&merged);
    return r;
}

static int build_node(struct builder *builder, const yaml_event_t *event, unsigned depth,
                      struct node *node)
{
    const yaml_char_t *anchor = NULL;
    int r;

    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return build_alias(builder, event, depth, node);
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        r = build_scalar(builder, event, depth, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        r = build_sequence(builder, event, depth, node);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        r = build_mapping(builder, event, depth, node);
        break;
    default:
        return fail(builder, EINVAL, line_of(event), "a value is missing here");
    }
    return r == 0 && anchor ? anchor_add(builder, (const char *)anchor, node) : r;
}

/* ---- the document ---- */

/* Skips the events that begin the stream and its first document. */
static int first_content(struct builder *builder, yaml_event_t *event)
{
    for (;;) {
        int r = next_event(builder, event);
        if (r < 0)
            return r;
        if (event->type == YAML_STREAM_END_EVENT)
            return fail(builder, EINVAL, line_of(event), "the file is empty");
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT)
            return 0;
        yaml_event_delete(event);
    }
}

static int expect_end(struct builder *builder)
{
    for (;;) {
        _cleanup_event_ yaml_event_t event = {0};
        int r = next_event(builder, &event);
        if (r < 0)
            return r;
        if (event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (event.type != YAML_DOCUMENT_END_EVENT)
            return fail(builder, EINVAL, line_of(&event),
                        "a second document begins; one file holds one document");
    }
}

static int build_document(struct builder *builder)
{
    _cleanup_event_ yaml_event_t event = {0};
    struct node root = {0};
    int r = first_content(builder, &event);

    if (r == 0)
        r = build_node(builder, &event, 0, &root);
    if (r == 0)
        r = expect_end(builder);
    if (r == 0)
        builder->tree->root = json_incref(root.json);
    node_clear(&root);
    return r;
}

static void builder_clear(struct builder *builder)
{
    for (size_t i = 0; i < builder->anchor_count; i++) {
        free(builder->anchors[i].name);
        node_clear(&builder->anchors[i].node);
    }
    free(builder->anchors);
    yaml_parser_delete(&builder->parser);
}

static int build_tree(struct builder *builder)
{
    builder->anchors = calloc(YAML_ANCHORS_MAX, sizeof(*builder->anchors));
    if (!builder->anchors)
        return no_memory(builder);
    yaml_parser_set_encoding(&builder->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder->parser, (const unsigned char *)builder->text,
                                 builder->length);
    return build_document(builder);
}

int yaml_tree_parse(const char *text, size_t length, const char *display, struct yaml_tree **tree,
                    struct error *error)
{
    _cleanup_yaml_tree_ struct yaml_tree *made = calloc(1, sizeof(*made));
    struct builder builder = {.tree = made, .text = text, .length = length, .error = error};

    if (!made || !(made->display = strdup(display)) || !(made->merged = json_array()))
        return error_sys(error, ENOMEM, "%s", display);
    if (length > YAML_FILE_MAX)
        return error_set(error, E2BIG, "%s: larger than %d bytes", display, YAML_FILE_MAX);
    if (length >= strlen(UTF8_BOM) && memcmp(text, UTF8_BOM, strlen(UTF8_BOM)) == 0) {
        builder.text += strlen(UTF8_BOM);
        builder.length -= strlen(UTF8_BOM);
    }
    if (!yaml_parser_initialize(&builder.parser))
        return no_memory(&builder);
    int r = build_tree(&builder);
    builder_clear(&builder);
    if (r == 0)
        *tree = steal_ptr(made);
    return r;
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (!tree)
        return;
    positions_free(&tree->positions);
    json_decref(tree->root);
    json_decref(tree->merged);
    free(tree->display);
    free(tree);
}
