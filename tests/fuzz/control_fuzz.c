/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer may send on the control socket. A packet is refused or it is one JSON
 * object, which can be sent on and comes back the same.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sockets[2] = {-1, -1};

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

/* What was taken in can be written out again, unless it grew too long, and means the same. */
static void check_round_trip(const json_t *message)
{
    json_t *again = NULL;
    int r = control_send(sockets[0], message, 1000, NULL);

    if (r == -EMSGSIZE)
        return;
    require(r == 0);
    require(control_receive(sockets[1], &again, NULL) == 1);
    require(json_equal(message, again));
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    json_t *message = NULL;

    if (sockets[0] < 0)
        require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
    if (size == 0) /* an empty packet reads as the peer's end */
        return 0;
    require(send(sockets[0], data, size, MSG_DONTWAIT) == (ssize_t)size);
    int r = control_receive(sockets[1], &message, &error);
    if (r == 1) {
        require(json_is_object(message));
        check_round_trip(message);
        json_decref(message);
    } else {
        require(r == (size > CONTROL_MESSAGE_MAX ? -EMSGSIZE : -EBADMSG));
        require(!message && error.code == -r && error.message[0]);
    }
    return 0;
}
