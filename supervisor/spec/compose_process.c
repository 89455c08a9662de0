/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/spec/capability_name.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"
#include "supervisor/spec/shell_words.h"

#define ID_MAX 65535 /* a tenant has 65,536 ids */

static struct service_spec *service_of(void *target)
{
    return ((struct service_reader *)target)->service;
}

/* ---- command, entrypoint ---- */

/* Compose specification, "command", "entrypoint": a list, or a text that is split as by a shell. */
int compose_read_words(const struct place *place, char ***words, struct error *error)
{
    _cleanup_string_list_ struct string_list list = {0};
    int r;

    if (json_is_string(place->value)) {
        _cleanup_free_ char *text = NULL;
        r = place_text(place, &text, error);
        if (r == 0)
            r = shell_words_split(text, &list);
        if (r == -EINVAL && text)
            return place_refuse_value(place, error, "a command line: a quote has no end");
        if (r == -ENOMEM)
            return place_no_memory(place, error);
    } else {
        r = place_texts(place, &list, error);
    }
    if (r < 0)
        return r;
    if (list.count == 0 || !*list.items[0])
        return place_refuse(place, error, "names no program; write [\"/usr/bin/program\", \"-x\"]");
    if (list.count > COMPOSE_ARGUMENTS_MAX)
        return place_refuse(place, error, "%zu arguments; at most %d are possible", list.count,
                            COMPOSE_ARGUMENTS_MAX);
    *words = steal_ptr(list.items);
    return 0;
}

int compose_read_command(const struct place *place, void *target, struct error *error)
{
    return compose_read_words(place, &service_of(target)->command, error);
}

int compose_read_entrypoint(const struct place *place, void *target, struct error *error)
{
    return compose_read_words(place, &service_of(target)->entrypoint, error);
}

/* ---- user, working_dir, hostname ---- */

/*
 * One half of user: a number from 0 to 65535, or a name as useradd(8) makes them. Whatever begins
 * with a digit must be a number (CVE-2024-40635: a number read wrongly became root).
 */
static bool is_user_part(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    uint64_t id;

    if (*text >= '0' && *text <= '9')
        return parse_u64(text, ID_MAX, &id) == 0;
    size_t length = strlen(text);
    if (length == 0 || length > 32 || !strchr(letters, *text))
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
           length;
}

int compose_read_user(const struct place *place, void *target, struct error *error)
{
    _cleanup_free_ char *user = NULL;
    int r = place_text(place, &user, error);

    if (r < 0)
        return r;
    char *colon = strchr(user, ':');
    if (colon)
        *colon = '\0';
    if (!is_user_part(user) || (colon && !is_user_part(colon + 1)))
        return place_refuse_value(
            place, error, "a user; write a name, NAME:GROUP, or numbers up to 65535: 33 or 33:33");
    if (colon)
        *colon = ':';
    service_of(target)->user = steal_ptr(user);
    return 0;
}

int compose_read_working_dir(const struct place *place, void *target, struct error *error)
{
    _cleanup_free_ char *path = NULL;
    int r = place_text(place, &path, error);

    if (r < 0)
        return r;
    if (*path != '/' || path_text_normalise(path) < 0)
        return place_refuse_value(place, error,
                                  "an absolute path without \"..\"; write /var/www or the like");
    service_of(target)->working_dir = steal_ptr(path);
    return 0;
}

int compose_read_hostname(const struct place *place, void *target, struct error *error)
{
    _cleanup_free_ char *name = NULL;
    int r = place_text(place, &name, error);

    if (r < 0)
        return r;
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_LENGTH || strchr("-.", name[0]) ||
        strchr("-.", name[length - 1]) || strstr(name, "..") ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != length)
        return place_refuse_value(place, error,
                                  "a host name; write at most %d letters, digits, '-' and '.'",
                                  NAME_MAX_LENGTH);
    service_of(target)->hostname = steal_ptr(name);
    return 0;
}

/* ---- cap_add ---- */

int compose_read_cap_add(const struct place *place, void *target, struct error *error)
{
    _cleanup_string_list_ struct string_list list = {0};
    int r = place_need_array(place, error);

    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        _cleanup_free_ char *text = NULL;
        r = place_text(&item, &text, error);
        const char *name = r == 0 ? capability_full_name(text) : NULL;
        if (r == 0 && strcasecmp(text, "ALL") == 0)
            r = place_refuse(&item, error, "ALL is not taken; name each capability");
        else if (r == 0 && !name)
            r = place_refuse_value(&item, error,
                                   "a capability of capabilities(7); the nearest one is %s",
                                   capability_nearest(text));
        else if (r == 0 && string_list_add(&list, name) < 0)
            r = place_no_memory(&item, error);
    }
    if (r < 0)
        return r;
    string_list_sort_unique(&list);
    service_of(target)->cap_add = steal_ptr(list.items);
    return 0;
}

/* ---- restart, stop_signal, stop_grace_period ---- */

int compose_read_restart(const struct place *place, void *target, struct error *error)
{
    static const char on_failure[] = "on-failure:";
    struct service_spec *service = service_of(target);
    _cleanup_free_ char *text = NULL;
    uint64_t max;

    if (json_is_false(place->value)) { /* `no` of YAML 1.1 arrives so from other programs */
        service->restart = RESTART_NO;
        return 0;
    }
    int r = place_text(place, &text, error);
    if (r < 0)
        return r;
    for (int policy = RESTART_NO; policy <= RESTART_UNLESS_STOPPED; policy++) {
        if (strcmp(text, restart_policy_name((enum restart_policy)policy)) != 0)
            continue;
        service->restart = (enum restart_policy)policy;
        return 0;
    }
    if (strncmp(text, on_failure, strlen(on_failure)) == 0 &&
        parse_u64(text + strlen(on_failure), 1000000, &max) == 0 && max > 0) {
        service->restart = RESTART_ON_FAILURE;
        service->restart_max = (uint32_t)max;
        return 0;
    }
    return place_refuse_value(place, error,
                              "a restart policy; write \"no\", always, unless-stopped, on-failure "
                              "or on-failure:N with N from 1 to 1000000");
}

/* The number of a signal written as TERM, SIGTERM, RTMIN+3 or 15; 0 when there is none. */
static int signal_number(const char *text)
{
    uint64_t number;

    if (parse_u64(text, (uint64_t)SIGRTMAX, &number) == 0)
        return (int)number;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcasecmp(text, name) == 0)
            return i;
    }
    if (strcasecmp(text, "RTMIN") == 0)
        return SIGRTMIN;
    if (strncasecmp(text, "RTMIN+", 6) == 0 &&
        parse_u64(text + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &number) == 0)
        return SIGRTMIN + (int)number;
    return 0;
}

int compose_read_stop_signal(const struct place *place, void *target, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    int number = signal_number(text);
    if (number == 0 || number == SIGSTOP || number == SIGCONT)
        return place_refuse_value(
            place, error, "a signal that ends a program; write SIGTERM, QUIT, RTMIN+3 or a number");
    service_of(target)->stop_signal = number;
    return 0;
}

int compose_read_stop_grace_period(const struct place *place, void *target, struct error *error)
{
    return place_duration(place, COMPOSE_STOP_USEC_MAX, &service_of(target)->stop_grace_period_usec,
                          error);
}
