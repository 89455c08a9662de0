/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"

/* ---- expose ---- */

static int add_port(const struct place *place, struct service_spec *service, uint16_t port,
                    struct error *error)
{
    size_t at = 0;

    while (at < service->expose_count && service->expose[at] < port)
        at++;
    if (at < service->expose_count && service->expose[at] == port)
        return 0;
    uint16_t *ports = reallocarray(service->expose, service->expose_count + 1, sizeof(*ports));
    if (!ports)
        return place_no_memory(place, error);
    memmove(ports + at + 1, ports + at, (service->expose_count - at) * sizeof(*ports));
    ports[at] = port;
    service->expose = ports;
    service->expose_count++;
    return 0;
}

int compose_read_expose(const struct place *place, void *target, struct error *error)
{
    struct service_spec *service = ((struct service_reader *)target)->service;
    int r = place_need_array(place, error);

    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        _cleanup_free_ char *text = NULL;
        uint64_t port = 0;
        r = place_text(&item, &text, error);
        char *protocol = r == 0 ? strchr(text, '/') : NULL;
        if (protocol && strcmp(protocol, "/tcp") == 0)
            *protocol = '\0';
        if (r == 0 && (parse_u64(text, UINT16_MAX, &port) < 0 || port == 0))
            r = place_refuse_value(&item, error,
                                   "a TCP port; write a number from 1 to 65535, or 80/tcp");
        if (r == 0)
            r = add_port(&item, service, (uint16_t)port, error);
    }
    return r;
}

/* ---- x-listen ---- */

static int read_protocol(const struct place *place, void *target, struct error *error)
{
    static const struct {
        const char *name;
        enum endpoint_kind kind;
    } kinds[] = {{"fcgi", ENDPOINT_FCGI}, {"http", ENDPOINT_HTTP}};
    struct service_spec *service = target;
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (strcmp(kinds[i].name, text) != 0)
            continue;
        service->listen_kind = kinds[i].kind;
        return 0;
    }
    return place_refuse_value(place, error, "one of fcgi, http");
}

/* FPM_SOCKETS separates by "=" and ",", so that no path can hold these. */
static int read_path(const struct place *place, void *target, struct error *error)
{
    struct service_spec *service = target;
    _cleanup_free_ char *path = NULL;
    int r = place_text(place, &path, error);

    if (r < 0)
        return r;
    if (*path != '/' || path_text_normalise(path) < 0 || strcmp(path, "/") == 0 ||
        strlen(path) > COMPOSE_LISTEN_PATH_MAX || strpbrk(path, "=,"))
        return place_refuse_value(place, error,
                                  "the path of a socket; write an absolute path of at most %d "
                                  "bytes without \"..\", '=' and ','",
                                  COMPOSE_LISTEN_PATH_MAX);
    service->listen_path = steal_ptr(path);
    return 0;
}

int compose_read_x_listen(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"protocol", read_protocol, NULL},
        {"path", read_path, NULL},
        {NULL, NULL, NULL},
    };
    struct service_spec *service = ((struct service_reader *)target)->service;
    int r = json_is_object(place->value) ? keys_read(place, keys, service, error)
                                         : read_protocol(place, service, error);

    if (r < 0)
        return r;
    if (service->listen_kind == ENDPOINT_NONE)
        return place_refuse(place, error, "protocol is missing; write protocol: fcgi or http");
    if (!service->listen_path)
        service->listen_path = strdup(COMPOSE_LISTEN_DEFAULT);
    return service->listen_path ? 0 : place_no_memory(place, error);
}

/* ---- x-mail-log ---- */

int compose_read_x_mail_log(const struct place *place, void *target, struct error *error)
{
    struct service_spec *service = ((struct service_reader *)target)->service;
    _cleanup_free_ char *path = NULL;
    int r = place_text(place, &path, error);

    if (r < 0)
        return r;
    if (*path != '/' || path_text_normalise(path) < 0 || strcmp(path, "/") == 0)
        return place_refuse_value(place, error,
                                  "a path inside the container; write /var/log/php-mail.log");
    service->mail_log = steal_ptr(path);
    return 0;
}
