/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/limit_template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "mod_container/tree.h"

/* Text up to a place, and the place; the last part has none. */
struct part {
    size_t start, length;
    enum limit_place place; /* LIMIT_PLACE_COUNT: none */
};

struct limit_template {
    char *text;
    struct part *parts;
    size_t count, room;
};

static const char *const place_names[LIMIT_PLACE_COUNT] = {
    [LIMIT_PLACE_STATUS] = "status",       [LIMIT_PLACE_TITLE] = "title",
    [LIMIT_PLACE_MESSAGE] = "message",     [LIMIT_PLACE_RETRY_AFTER] = "retry_after",
    [LIMIT_PLACE_REFERENCE] = "reference", [LIMIT_PLACE_HOST] = "host",
};

#define PLACES                                                                                     \
    "there are %%{status}, %%{title}, %%{message}, %%{retry_after}, %%{reference} and %%{host}"

void limit_template_free(struct limit_template *template)
{
    if (!template)
        return;
    free(template->text);
    free(template->parts);
    free(template);
}

static void cleanup_template(struct limit_template **template)
{
    limit_template_free(*template);
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static int add_part(struct limit_template *template, struct part part)
{
    if (template->count == template->room) {
        size_t room = template->room ? 2 * template->room : 16;
        struct part *parts = realloc(template->parts, room * sizeof(*parts));
        if (!parts)
            return -ENOMEM;
        template->parts = parts;
        template->room = room;
    }
    template->parts[template->count++] = part;
    return 0;
}

/* at is behind "%{"; *end gets what is behind the '}'. */
static int read_place(const struct limit_template *template, const char *at, const char **end,
                      enum limit_place *place, struct error *error)
{
    size_t length = strcspn(at, "}\n");

    if (at[length] != '}')
        return error_set(
            error, EINVAL,
            "%u: \"%%{%.40s\" has no '}'; write %%%%{ for the two characters themselves",
            line_of(template->text, at), at);
    *end = at + length + 1;
    for (int i = 0; i < LIMIT_PLACE_COUNT; i++)
        if (strlen(place_names[i]) == length && strncmp(place_names[i], at, length) == 0) {
            *place = (enum limit_place)i;
            return 0;
        }
    return error_set(error, EINVAL,
                     "%u: %%{%.*s} is not known; " PLACES
                     "; write %%%%{ for the two characters themselves",
                     line_of(template->text, at), length < 40 ? (int)length : 40, at);
}

static int take_apart(struct limit_template *template, struct error *error)
{
    const char *text = template->text, *from = text, *at = text;

    while ((at = strstr(at, "%{"))) {
        struct part part = {.start = (size_t)(from - text), .place = LIMIT_PLACE_COUNT};
        const char *end = at + 2;
        bool is_escaped = at > from && at[-1] == '%';
        /* Of "%%{" the first '%' is left out. */
        part.length = (size_t)(at - from) - (is_escaped ? 1 : 0);
        int r = is_escaped ? 0 : read_place(template, end, &end, &part.place, error);
        if (r == 0 && add_part(template, part) < 0)
            r = error_sys(error, ENOMEM, "the template");
        if (r < 0)
            return r;
        from = is_escaped ? at : end;
        at = end;
    }
    struct part last = {(size_t)(from - text), strlen(from), LIMIT_PLACE_COUNT};
    return add_part(template, last) < 0 ? error_sys(error, ENOMEM, "the template") : 0;
}

int limit_template_parse(const char *text, size_t length, struct limit_template **template,
                         struct error *error)
{
    _cleanup_(cleanup_template) struct limit_template *made = calloc(1, sizeof(*made));

    if (length > LIMIT_TEMPLATE_MAX_BYTES)
        return error_set(error, E2BIG, "a template has at most %d bytes", LIMIT_TEMPLATE_MAX_BYTES);
    if (length == 0)
        return error_set(error, EINVAL, "1: the template is empty");
    const char *zero = memchr(text, '\0', length);
    if (zero)
        return error_set(error, EINVAL, "%u: a NUL is no text", line_of(text, zero));
    if (made)
        made->text = strndup(text, length);
    if (!made || !made->text)
        return error_sys(error, ENOMEM, "the template");
    int r = take_apart(made, error);
    if (r == 0)
        *template = steal_ptr(made);
    return r;
}

void limit_template_write(const struct limit_template *template,
                          const char *const values[LIMIT_PLACE_COUNT], struct out *out)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        out_bytes(out, template->text + part->start, part->length);
        if (part->place < LIMIT_PLACE_COUNT && values[part->place])
            out_html(out, values[part->place]);
    }
}

/* As much as there is, up to size bytes. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t more = read(fd, buffer + length, size - length);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -errno;
        if (more == 0)
            break;
        length += (size_t)more;
    }
    return (ssize_t)length;
}

int limit_template_load(const char *path, struct limit_template **template, struct error *error)
{
    struct stat st;
    _cleanup_free_ char *text = malloc(LIMIT_TEMPLATE_MAX_BYTES + 1);
    _cleanup_close_ int fd = tree_open_plain(path, &st);

    if (!text)
        return error_sys(error, ENOMEM, "%s", path);
    if (fd == -ELOOP)
        return error_set(error, ELOOP,
                         "%s leads through a symbolic link; write the path of the file itself",
                         path);
    if (fd < 0)
        return error_sys(error, -fd, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(error, EINVAL, "%s is not a regular file", path);
    ssize_t length = read_all(fd, text, LIMIT_TEMPLATE_MAX_BYTES + 1);
    if (length < 0)
        return error_sys(error, (int)-length, "%s", path);
    int r = limit_template_parse(text, (size_t)length, template, error);
    return r < 0 ? error_wrap(error, "%s", path) : 0;
}
