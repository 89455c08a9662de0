/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/mail.h"

#define LINE_NUMBER_MAX 9999999u

/* A piece of the line: what is taken off it is never beyond its end. */
struct piece {
    const char *at;
    size_t length;
};

static const char *find(struct piece piece, const char *word)
{
    return memmem(piece.at, piece.length, word, strlen(word));
}

static const char *find_last(struct piece piece, const char *word)
{
    const char *found = NULL;

    for (const char *at; (at = find(piece, word)); piece.at = at + 1) {
        piece.length -= (size_t)(at + 1 - piece.at);
        found = at;
    }
    return found;
}

/* Splits at a word that was found in the piece: what is before it is returned, the rest stays. */
static struct piece split(struct piece *piece, const char *found, const char *word)
{
    struct piece head = {piece->at, (size_t)(found - piece->at)};

    piece->at = found + strlen(word);
    piece->length -= head.length + strlen(word);
    return head;
}

/* Control characters are no text; a NUL would hide the rest of one. */
static void copy(struct piece piece, char *to, size_t size)
{
    size_t length = piece.length < size ? piece.length : size - 1;

    for (size_t i = 0; i < length; i++)
        to[i] = iscntrl((unsigned char)piece.at[i]) ? '?' : piece.at[i];
    to[length] = '\0';
}

/* "/srv/a.php:12"; the name may hold colons and brackets. */
static int take_script(struct piece piece, struct mail *mail)
{
    const char *colon = memrchr(piece.at, ':', piece.length);
    uint32_t line = 0;

    if (!colon || colon == piece.at)
        return -EINVAL;
    const char *end = piece.at + piece.length;
    if (colon + 1 == end)
        return -EINVAL;
    for (const char *at = colon + 1; at < end; at++) {
        if (*at < '0' || *at > '9' || line > LINE_NUMBER_MAX)
            return -EINVAL;
        line = line * 10 + (uint32_t)(*at - '0');
    }
    mail->line = line;
    piece.length = (size_t)(colon - piece.at);
    size_t room = sizeof(mail->script) - 1;
    if (piece.length > room) {
        piece.at += piece.length - room;
        piece.length = room;
    }
    copy(piece, mail->script, sizeof(mail->script));
    return 0;
}

static void note_domain(struct piece domain, struct mail *mail)
{
    char text[sizeof(mail->domains[0])];
    size_t used = 0;

    while (used < domain.length && used < sizeof(text) - 1 &&
           (isalnum((unsigned char)domain.at[used]) || strchr("-.", domain.at[used]))) {
        if (domain.at[used] == '\0')
            break;
        text[used] = (char)tolower((unsigned char)domain.at[used]);
        used++;
    }
    text[used] = '\0';
    if (used == 0)
        return;
    for (uint32_t i = 0; i < mail->domain_count && i < MAIL_DOMAINS_MAX; i++)
        if (strcmp(mail->domains[i], text) == 0)
            return;
    if (mail->domain_count < MAIL_DOMAINS_MAX)
        strcpy(mail->domains[mail->domain_count], text);
    mail->domain_count++;
}

/* "A <a@example.org>, b@example.net": a comma in quotes counts as one between, which is no harm. */
static void take_recipients(struct piece piece, struct mail *mail)
{
    copy(piece, mail->to, sizeof(mail->to));
    while (piece.length > 0) {
        const char *comma = memchr(piece.at, ',', piece.length);
        struct piece one = {piece.at, comma ? (size_t)(comma - piece.at) : piece.length};
        const char *sign = memrchr(one.at, '@', one.length);
        piece.at += one.length + (comma ? 1 : 0);
        piece.length -= one.length + (comma ? 1 : 0);
        if (!sign)
            continue;
        mail->recipients++;
        note_domain((struct piece){sign + 1, one.length - (size_t)(sign + 1 - one.at)}, mail);
    }
    /* A local user's name is a recipient, too. */
    if (mail->recipients == 0 && mail->to[strspn(mail->to, " ,")])
        mail->recipients = 1;
}

int mail_parse(const char *line, size_t length, struct mail *mail)
{
    static const char opening[] = "] mail() on [",
                      to[] = "]: To: ", headers[] = " -- Headers: ", subject[] = " -- Subject: ";
    struct piece rest = {line, length};
    const char *found;

    memset(mail, 0, sizeof(*mail));
    if (length == 0 || line[0] != '[' || !(found = find(rest, opening)))
        return -EINVAL;
    split(&rest, found, opening);
    if (!(found = find(rest, to)) || take_script(split(&rest, found, to), mail) < 0)
        return -EINVAL;
    /* The subject comes last: a header that looks like one stands before it. */
    if (!(found = find_last(rest, subject)))
        return -EINVAL;
    struct piece front = split(&rest, found, subject);
    copy(rest, mail->subject, sizeof(mail->subject));
    if (!(found = find(front, headers)))
        return -EINVAL;
    take_recipients(split(&front, found, headers), mail);
    return 0;
}
