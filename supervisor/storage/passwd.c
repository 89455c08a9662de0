/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/passwd.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/sys/openat2.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define ID_MAX        65535
#define NAME_SIZE     64 /* of a user or group, with the NUL; useradd(8) allows 32 characters */

/* The fields of passwd(5) and group(5) that matter. */
enum { FIELD_NAME = 0, FIELD_ID = 2, PASSWD_GID = 3, PASSWD_HOME = 5, GROUP_MEMBERS = 3 };
#define FIELDS_MAX 7

/* A cursor over the lines of a text that it cuts up. */
struct lines {
    char *rest;
    char *field[FIELDS_MAX]; /* "" where the line has fewer */
};

static bool next_line(struct lines *lines)
{
    char *line = strsep(&lines->rest, "\n");

    if (!line)
        return false;
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        char *field = line ? strsep(&line, ":") : NULL;
        lines->field[i] = field ? field : "";
    }
    return true;
}

/* A file that is not there is an empty one: images without /etc/passwd are common. */
static int read_file(int root_fd, const char *path, char **text, struct error *error)
{
    int r = read_text_beneath(root_fd, path, FILE_SIZE_MAX, text, NULL);

    switch (-r) {
    case 0:
        return 0;
    case ENOENT:
        *text = strdup("");
        return *text ? 0 : error_sys(error, ENOMEM, "/%s of the image", path);
    case EFBIG:
        return error_set(error, EFBIG, "/%s of the image is larger than %d bytes", path,
                         FILE_SIZE_MAX);
    case EINVAL:
    case ENXIO:
        return error_set(error, EINVAL, "/%s of the image is not a regular text file", path);
    case EXDEV:
    case ELOOP:
        return error_set(error, -r,
                         "/%s of the image is a link that leads out of it or in a circle", path);
    default:
        return error_sys(error, -r, "/%s of the image", path);
    }
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* As shadow's programs take names: a letter or '_' first, so that no name can be meant as a number.
 */
static bool is_name(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_.-$", *text))
            return false;
    return true;
}

static int parse_id(const char *text, uint32_t *id)
{
    uint64_t number;

    if (!is_number(text) || parse_u64(text, ID_MAX, &number) < 0)
        return -EINVAL;
    *id = (uint32_t)number;
    return 0;
}

static int check_word(const char *what, const char *text, struct error *error)
{
    uint32_t id;

    if (is_number(text) ? parse_id(text, &id) == 0 : is_name(text))
        return 0;
    return error_set(
        error, EINVAL,
        "\"%.80s\" is not a %s; write a number of 0 to %d or a name of letters, digits, "
        "'_', '.' and '-'",
        text, what, ID_MAX);
}

static void keep_home(const char *home, struct passwd_user *found)
{
    if (home[0] == '/' && strlen(home) < sizeof(found->home))
        strcpy(found->home, home);
}

/*
 * Finds the user's line, by name or, for a number, by number alone. What the line says counts only
 * if its numbers are sound. 1 when found (the name is kept for the groups), 0 when not, or a
 * negative errno.
 */
static int find_user(const char *text, const char *user, struct passwd_user *found, char *name,
                     struct error *error)
{
    _cleanup_free_ char *copy = strdup(text);
    struct lines lines = {.rest = copy};
    bool by_number = is_number(user);
    uint32_t wanted = 0, uid, gid;

    if (!copy)
        return error_sys(error, ENOMEM, "/etc/passwd of the image");
    if (by_number)
        parse_id(user, &wanted);
    while (next_line(&lines)) {
        bool is_sound = parse_id(lines.field[FIELD_ID], &uid) == 0 &&
                        parse_id(lines.field[PASSWD_GID], &gid) == 0;
        if (by_number ? !is_sound || uid != wanted : strcmp(lines.field[FIELD_NAME], user) != 0)
            continue;
        if (!is_sound)
            return error_set(
                error, EINVAL,
                "/etc/passwd of the image: user %s has the ids \"%.20s\" and \"%.20s\"; "
                "they must be 0 to %d",
                user, lines.field[FIELD_ID], lines.field[PASSWD_GID], ID_MAX);
        found->uid = uid;
        found->gid = gid;
        keep_home(lines.field[PASSWD_HOME], found);
        snprintf(name, NAME_SIZE, "%s", lines.field[FIELD_NAME]);
        return 1;
    }
    return 0;
}

static int find_group(const char *text, const char *group, uint32_t *gid, struct error *error)
{
    _cleanup_free_ char *copy = strdup(text);
    struct lines lines = {.rest = copy};

    if (!copy)
        return error_sys(error, ENOMEM, "/etc/group of the image");
    while (next_line(&lines)) {
        if (strcmp(lines.field[FIELD_NAME], group) != 0)
            continue;
        if (parse_id(lines.field[FIELD_ID], gid) == 0)
            return 0;
        return error_set(
            error, EINVAL,
            "/etc/group of the image: group %s has the id \"%.20s\"; it must be 0 to %d", group,
            lines.field[FIELD_ID], ID_MAX);
    }
    return error_set(error, ENOENT, "group \"%s\" is not in /etc/group of the image", group);
}

static bool is_member(char *members, const char *name)
{
    char *member;

    while ((member = strsep(&members, ",")))
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

static bool has_gid(const struct passwd_user *user, uint32_t gid)
{
    if (user->gid == gid)
        return true;
    for (size_t i = 0; i < user->additional_gid_count; i++)
        if (user->additional_gids[i] == gid)
            return true;
    return false;
}

static int add_groups(const char *text, const char *name, struct passwd_user *found,
                      struct error *error)
{
    _cleanup_free_ char *copy = strdup(text);
    struct lines lines = {.rest = copy};
    uint32_t gid;

    if (!copy)
        return error_sys(error, ENOMEM, "/etc/group of the image");
    while (next_line(&lines)) {
        if (parse_id(lines.field[FIELD_ID], &gid) < 0 ||
            !is_member(lines.field[GROUP_MEMBERS], name) || has_gid(found, gid))
            continue;
        if (found->additional_gid_count == PASSWD_GROUPS_MAX)
            return error_set(error, E2BIG, "user %s is in more than %d groups of the image", name,
                             PASSWD_GROUPS_MAX);
        found->additional_gids[found->additional_gid_count++] = gid;
    }
    return 0;
}

/* Cuts "user:group" in two words; group is "" when it was not given. */
static int split_user(const char *text, char *user, char *group, struct error *error)
{
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);

    if (length >= NAME_SIZE || (colon && strlen(colon + 1) >= NAME_SIZE))
        return error_set(error, EINVAL, "\"%.80s\" is too long for USER or USER:GROUP", text);
    memcpy(user, text, length);
    user[length] = '\0';
    strcpy(group, colon ? colon + 1 : "");
    int r = check_word("user", user, error);
    return r < 0 || !colon ? r : check_word("group", group, error);
}

static int resolve_group(int root_fd, const char *group, const char *name,
                         struct passwd_user *found, struct error *error)
{
    _cleanup_free_ char *text = NULL;

    /* Whoever names a group gets that one alone. */
    if (is_number(group))
        return parse_id(group, &found->gid);
    if (!*group && !*name)
        return 0;
    int r = read_file(root_fd, "etc/group", &text, error);
    if (r < 0)
        return r;
    return *group ? find_group(text, group, &found->gid, error)
                  : add_groups(text, name, found, error);
}

int passwd_resolve(int root_fd, const char *user, struct passwd_user *found, struct error *error)
{
    char word[NAME_SIZE], group[NAME_SIZE], name[NAME_SIZE] = "";
    struct passwd_user made = {.home = "/"};
    _cleanup_free_ char *text = NULL;
    int r = split_user(user ? user : "0:0", word, group, error);

    if (r == 0)
        r = read_file(root_fd, "etc/passwd", &text, error);
    if (r == 0)
        r = find_user(text, word, &made, name, error);
    if (r < 0)
        return r;
    if (r == 0 && !is_number(word))
        return error_set(error, ENOENT, "user \"%s\" is not in /etc/passwd of the image", word);
    if (r == 0)
        parse_id(word, &made.uid);
    r = resolve_group(root_fd, group, name, &made, error);
    if (r < 0)
        return r;
    *found = made;
    return 0;
}
