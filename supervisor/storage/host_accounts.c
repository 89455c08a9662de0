/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/storage/host_image.h"

#define PASSWD_FIELDS 7 /* passwd(5) */
#define GROUP_FIELDS  4 /* group(5) */
#define NOBODY        65534

/* Accounts of people begin at 1000 (Debian policy manual, section 9.2.2). */
static bool is_system_id(const char *text)
{
    uint64_t id;

    return parse_u64(text, 65535, &id) == 0 && (id < 1000 || id == NOBODY);
}

/* Cuts a line at its colons; whether there are just as many fields as there should be. */
static bool split(char *line, char *fields[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fields[i] = strsep(&line, ":");
        if (!fields[i])
            return false;
    }
    return !line && fields[0][0];
}

/* Whether passwd has a line for the user. */
static bool has_user(const char *passwd, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = passwd; line && *line;) {
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return true;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return false;
}

static void print_user(FILE *stream, char *line)
{
    char *field[PASSWD_FIELDS];

    if (split(line, field, PASSWD_FIELDS) && is_system_id(field[2]) && is_system_id(field[3]))
        fprintf(stream, "%s:x:%s:%s:%s:%s:%s\n", field[0], field[2], field[3], field[4], field[5],
                field[6]);
}

static void print_group(FILE *stream, char *line, const char *passwd)
{
    char *field[GROUP_FIELDS], *member;
    const char *comma = "";

    if (!split(line, field, GROUP_FIELDS) || !is_system_id(field[2]))
        return;
    fprintf(stream, "%s:x:%s:", field[0], field[2]);
    while ((member = strsep(&field[3], ","))) {
        if (!*member || !has_user(passwd, member))
            continue;
        fprintf(stream, "%s%s", comma, member);
        comma = ",";
    }
    fputc('\n', stream);
}

/* Without passwd the lines are users. */
static char *filter(const char *source, const char *passwd)
{
    _cleanup_free_ char *copy = strdup(source), *text = NULL;
    char *rest = copy, *line;
    size_t size;
    FILE *stream = copy ? open_memstream(&text, &size) : NULL;

    if (!stream)
        return NULL;
    while ((line = strsep(&rest, "\n"))) {
        if (passwd)
            print_group(stream, line, passwd);
        else
            print_user(stream, line);
    }
    return fclose(stream) == 0 ? steal_ptr(text) : NULL;
}

char *host_accounts_users(const char *passwd)
{
    return filter(passwd, NULL);
}

char *host_accounts_groups(const char *group, const char *passwd)
{
    return filter(group, passwd);
}
