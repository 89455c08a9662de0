/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

/*
 * The control socket: AF_UNIX, SOCK_SEQPACKET, one JSON object a message, at most 64 KiB.
 * docs/control-protocol.md is its reference.
 *
 *     request   {"version": 1, "verb": "stop", "tenant": "blog", "service": "web", ...}
 *     answer    {"version": 1, "ok": true, ...}
 *               {"version": 1, "ok": false, "code": "not-found", "message": "..."}
 *
 * A connection carries any number of requests, one after the other. Both sides put a deadline on
 * every exchange. The supervisor knows its peer by SO_PEERCRED and SO_PEERGROUPS (unix(7)), never
 * by what a message says.
 *
 * Who may call: httpd's children (control_call), containerctl (control_call), the supervisor
 * (the other functions). Any thread; nothing is shared.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

#define CONTROL_VERSION     1
#define CONTROL_MESSAGE_MAX 65536
#define CONTROL_TIMEOUT_MS  10000

/* Why a request was refused; the text is the "code" of an answer, the number httpd's status. */
enum control_code {
    CONTROL_OK = 0,
    CONTROL_BAD_REQUEST,   /* "bad-request" 400: not understood; the message says what is right */
    CONTROL_FORBIDDEN,     /* "forbidden" 403: the peer's role may not do this */
    CONTROL_NOT_FOUND,     /* "not-found" 404: no such tenant, service or verb */
    CONTROL_CONFLICT,      /* "conflict" 409: not in this state (pause of a stopped container) */
    CONTROL_TOO_LARGE,     /* "too-large" 413: the answer or request exceeds 64 KiB */
    CONTROL_FAILED,        /* "failed" 500: tried, and it did not work */
    CONTROL_BUSY,          /* "busy" 503: too many connections, or shutting down */
    CONTROL_TIMEOUT,       /* "timeout" 504: accepted, but not done within wait_ms */
    CONTROL_WRONG_VERSION, /* "wrong-version" 505: the peers speak different versions */
    CONTROL_CODE_COUNT
};

const char *control_code_name(enum control_code code);
int control_code_http_status(enum control_code code);
/* The code of a name, CONTROL_FAILED for a name that is not known. */
enum control_code control_code_from_name(const char *name);

/* What a peer may do (house plan, "Security borders"). */
enum control_role {
    CONTROL_ROLE_NONE = 0, /* nothing */
    CONTROL_ROLE_WEB,      /* read; start, stop, restart, pause, resume, kill declared services */
    CONTROL_ROLE_ROOT,     /* everything */
};

/*
 * The role of the peer of a connected socket: root for uid 0, web for a member of web_gid, else
 * none. uid and pid, unless NULL, get the peer's for the audit line.
 */
enum control_role control_peer_role(int fd, gid_t web_gid, uid_t *uid, pid_t *pid);

/*
 * Sends one message within timeout_ms (a deadline for the whole of it). -EMSGSIZE if the text is
 * over CONTROL_MESSAGE_MAX, -ETIMEDOUT, -EPIPE and others of send(2).
 */
int control_send(int fd, const json_t *message, int timeout_ms, struct error *error);

/*
 * Takes one message off fd without waiting. Returns 1 and a new reference in *message, 0 at the
 * peer's end, -EAGAIN if none is there, -EMSGSIZE for one that was cut, -EBADMSG for what is not a
 * JSON object (duplicate keys, NUL characters and depth beyond the parser's are refused).
 */
int control_receive(int fd, json_t **message, struct error *error);

/*
 * A client's whole call: connect to socket_path, send request (with the version added), wait for
 * the answer, all within timeout_ms. Returns 0 and a new reference to an answer with "ok" true;
 * or a negative errno with the answer's message in error: -ENOENT/-ECONNREFUSED (no supervisor),
 * -ETIMEDOUT, -EPROTO (another version, or nonsense), and -EREMOTEIO when the supervisor refused,
 * with the reason in *code. code may be NULL.
 */
int control_call(const char *socket_path, json_t *request, int timeout_ms, json_t **answer,
                 enum control_code *code, struct error *error);

/* One call of control_call_many(): request goes in, the rest comes out as from control_call(). */
struct control_exchange {
    json_t *request; /* stays the caller's */
    json_t *answer;
    enum control_code code;
    int result;
    struct error error;
};

/* At most so many at a time: the supervisor's connections are bounded, too. */
#define CONTROL_EXCHANGES_MAX 16

/*
 * Some calls side by side, on a connection each: what the supervisor is asked to wait for passes
 * once, not once for each.
 */
void control_call_many(const char *socket_path, struct control_exchange *exchanges, size_t count,
                       int timeout_ms);

/*
 * A JSON string of text that may be cut or hostile: what is no UTF-8 (JSON knows nothing else) and
 * NULs (which our readers refuse) become '?'. A new reference, or NULL without memory.
 */
json_t *control_text(const char *text, size_t length);

/* {"version":1,"ok":false,"code":...,"message":...}; a new reference, or NULL without memory. */
json_t *control_refusal(enum control_code code, const char *message);

/* Creates a listening socket at path, mode 0660 and given to gid. Returns it or a negative errno.
 */
int control_listen(const char *path, gid_t gid, struct error *error);

static inline void cleanup_json_decref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ __attribute__((cleanup(cleanup_json_decref)))

#endif
