/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket with a client and a server in processes of their own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/control.h"

/* Ids that no account of the machine needs to have. */
#define WEB_GID   61001
#define OTHER_GID 61002
#define SOME_UID  61003

struct fixture {
    char directory[32];
    char path[64];
    pid_t server;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->directory, "/tmp/control.XXXXXX");
    if (!mkdtemp(fixture->directory) || chmod(fixture->directory, 0755) < 0)
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/s", fixture->directory);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->server > 0) {
        kill(fixture->server, SIGKILL);
        waitpid(fixture->server, NULL, 0);
    }
    unlink(fixture->path);
    int r = rmdir(fixture->directory);
    free(fixture);
    return r;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int listen_here(const struct fixture *fixture)
{
    struct error error = ERROR_INIT;
    int fd = control_listen(fixture->path, WEB_GID, &error);

    if (fd < 0)
        fail_msg("%s", error.message);
    return fd;
}

/* Waits for a connection on the listener, which does not block. */
static int accept_one(int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};

    return poll(&ready, 1, 10000) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static int receive_waiting(int fd, json_t **message, struct error *error)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 10000) == 1 ? control_receive(fd, message, error) : -ETIMEDOUT;
}

/* Runs serve for one connection after the other in a child, until tear_down(). */
static void start_server(struct fixture *fixture, void (*serve)(int fd))
{
    _cleanup_close_ int listener = listen_here(fixture);

    fixture->server = fork();
    assert_true(fixture->server >= 0);
    if (fixture->server > 0)
        return;
    alarm(60);
    for (;;) {
        _cleanup_close_ int fd = accept_one(listener);
        if (fd >= 0)
            serve(fd);
    }
}

static int call(const struct fixture *fixture, int timeout_ms, json_t **answer,
                enum control_code *code, struct error *error)
{
    _cleanup_json_ json_t *request = json_pack("{s:s, s:s}", "verb", "stop", "tenant", "blog");

    *answer = NULL;
    *error = (struct error)ERROR_INIT;
    if (code)
        *code = CONTROL_CODE_COUNT;
    return control_call(fixture->path, request, timeout_ms, answer, code, error);
}

/* ---- codes ---- */

static void codes_and_names_belong_together(void **state)
{
    static const int statuses[] = {200, 400, 403, 404, 409, 413, 500, 503, 504, 505};

    (void)state;
    for (unsigned i = 0; i < CONTROL_CODE_COUNT; i++) {
        assert_int_equal(control_code_from_name(control_code_name(i)), i);
        assert_int_equal(control_code_http_status(i), statuses[i]);
    }
    assert_int_equal(control_code_from_name("of a later version"), CONTROL_FAILED);
    assert_string_equal(control_code_name(CONTROL_CODE_COUNT), "failed");
    assert_int_equal(control_code_http_status((enum control_code) - 1), 500);
}

static void a_refusal_is_what_the_reference_says(void **state)
{
    (void)state;
    _cleanup_json_ json_t *refusal = control_refusal(CONTROL_NOT_FOUND, "no \"x\"");
    _cleanup_free_ char *text = json_dumps(refusal, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"code\":\"not-found\",\"message\":\"no \\\"x\\\"\",\"ok\":false,"
                              "\"version\":1}");
}

/* ---- messages ---- */

struct pair {
    int here, there;
};

static struct pair make_pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

static void close_pair(struct pair *pair)
{
    close_fd(&pair->here);
    close_fd(&pair->there);
}

/* A message whose text is exactly length bytes. */
static json_t *message_of(size_t length)
{
    _cleanup_free_ char *text = malloc(length + 1);

    memset(text, 'a', length);
    text[length - strlen("{\"k\":\"\"}")] = '\0';
    return json_pack("{s:s}", "k", text);
}

static void a_message_of_64_kib_passes_and_one_byte_more_does_not(void **state)
{
    struct pair pair = make_pair();
    struct error error = ERROR_INIT;
    json_t *received = NULL;

    (void)state;
    _cleanup_json_ json_t *fits = message_of(CONTROL_MESSAGE_MAX);
    assert_int_equal(control_send(pair.here, fits, 1000, &error), 0);
    assert_int_equal(control_receive(pair.there, &received, &error), 1);
    assert_true(json_equal(fits, received));
    json_decref(received);

    _cleanup_json_ json_t *over = message_of(CONTROL_MESSAGE_MAX + 1);
    assert_int_equal(control_send(pair.here, over, 1000, &error), -EMSGSIZE);
    assert_non_null(strstr(error.message, "65537"));
    assert_int_equal(control_receive(pair.there, &received, &error), -EAGAIN);
    close_pair(&pair);
}

static void a_packet_over_64_kib_is_cut_off_and_refused(void **state)
{
    struct pair pair = make_pair();
    struct error error = ERROR_INIT;
    json_t *received = NULL;
    char *packet = malloc(CONTROL_MESSAGE_MAX + 1);

    (void)state;
    /* what is left of it is valid: only the cut tells */
    memset(packet, ' ', CONTROL_MESSAGE_MAX + 1);
    memcpy(packet, "{\"version\":1}", 13);
    assert_int_equal(send(pair.here, packet, CONTROL_MESSAGE_MAX + 1, 0), CONTROL_MESSAGE_MAX + 1);
    assert_int_equal(send(pair.here, packet, CONTROL_MESSAGE_MAX, 0), CONTROL_MESSAGE_MAX);
    assert_int_equal(control_receive(pair.there, &received, &error), -EMSGSIZE);
    assert_null(received);
    /* the next packet is not harmed by the one that was cut */
    assert_int_equal(control_receive(pair.there, &received, &error), 1);
    json_decref(received);
    free(packet);
    close_pair(&pair);
}

static void what_is_not_one_json_object_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length; /* 0: as long as the text */
    } bad[] = {
        {"[1]", 0},
        {"null", 0},
        {"1", 0},
        {"\"text\"", 0},
        {"{", 0},
        {"{}{}", 0},
        {"{} x", 0},
        {"nonsense", 0},
        {" ", 0},
        {"{\"a\":1,\"a\":2}", 0},
        {"{\"o\":{\"a\":1,\"a\":1}}", 0},
        {"{\"a\":\"\\u0000\"}", 0},
        {"{\"a\":\"\xff\"}", 0},
        {"{\"a\":\"\xc0\xaf\"}", 0},
        {"{\"a\":99999999999999999999}", 0},
        {"{\"a\":1e999}", 0},
        {"{'a':1}", 0},
        {"{\"a\":1}\0", 8},
        {"\0", 1},
    };
    struct pair pair = make_pair();

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        size_t length = bad[i].length ? bad[i].length : strlen(bad[i].bytes);
        struct error error = ERROR_INIT;
        json_t *received = NULL;
        assert_int_equal(send(pair.here, bad[i].bytes, length, 0), length);
        int r = control_receive(pair.there, &received, &error);
        if (r != -EBADMSG || received)
            fail_msg("\"%s\": %d", bad[i].bytes, r);
        assert_non_null(strstr(error.message, "not a JSON object"));
    }
    close_pair(&pair);
}

static void depth_is_bounded(void **state)
{
    struct pair pair = make_pair();
    json_t *received = NULL;
    char *deep = malloc(CONTROL_MESSAGE_MAX);

    (void)state;
    memset(deep, '[', CONTROL_MESSAGE_MAX);
    memcpy(deep, "{\"a\":", 5);
    assert_int_equal(send(pair.here, deep, CONTROL_MESSAGE_MAX, 0), CONTROL_MESSAGE_MAX);
    assert_int_equal(control_receive(pair.there, &received, NULL), -EBADMSG);
    free(deep);
    close_pair(&pair);
}

static void descriptors_sent_along_are_not_taken(void **state)
{
    struct pair pair = make_pair();
    json_t *received = NULL;
    char text[] = "{}", space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = text, .iov_len = 2};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

    (void)state;
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &pair.here, sizeof(int));
    int before = dup(pair.here);
    close(before);
    assert_int_equal(sendmsg(pair.here, &header, 0), 2);
    assert_int_equal(control_receive(pair.there, &received, NULL), 1);
    json_decref(received);
    int after = dup(pair.here); /* the lowest free number is still the same */
    close(after);
    assert_int_equal(after, before);
    close_pair(&pair);
}

static void an_end_and_an_empty_queue_are_told_apart(void **state)
{
    struct pair pair = make_pair();
    json_t *received = NULL;

    (void)state;
    assert_int_equal(control_receive(pair.there, &received, NULL), -EAGAIN);
    close_fd(&pair.here);
    assert_int_equal(control_receive(pair.there, &received, NULL), 0);
    close_pair(&pair);
}

static void a_peer_that_takes_nothing_is_given_up_by_the_deadline(void **state)
{
    struct pair pair = make_pair();
    struct error error = ERROR_INIT;
    _cleanup_json_ json_t *message = message_of(60000);
    int r = 0;

    (void)state;
    uint64_t began = now_ms();
    for (unsigned i = 0; i < 1000 && r == 0; i++)
        r = control_send(pair.here, message, 300, &error);
    assert_int_equal(r, -ETIMEDOUT);
    assert_in_range(now_ms() - began, 280, 3000);
    close_fd(&pair.there);
    assert_int_equal(control_send(pair.here, message, 300, &error), -ECONNRESET);
    assert_int_equal(control_send(pair.here, message, 300, &error), -EPIPE); /* and no SIGPIPE */
    close_pair(&pair);
}

/* ---- calls ---- */

/* Answers with the request, so that the client's test sees what came over. */
static void serve_echo(int fd)
{
    json_t *request = NULL;

    while (receive_waiting(fd, &request, NULL) == 1) {
        _cleanup_json_ json_t *answer =
            json_pack("{s:i, s:b, s:o}", "version", CONTROL_VERSION, "ok", 1, "request", request);
        control_send(fd, answer, 1000, NULL);
    }
}

static void a_call_adds_the_version_and_brings_the_answer(void **state)
{
    struct fixture *fixture = *state;
    enum control_code code;
    struct error error;
    _cleanup_json_ json_t *answer = NULL;

    start_server(fixture, serve_echo);
    assert_int_equal(call(fixture, 5000, &answer, &code, &error), 0);
    assert_int_equal(code, CONTROL_OK);
    _cleanup_free_ char *text =
        json_dumps(json_object_get(answer, "request"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"tenant\":\"blog\",\"verb\":\"stop\",\"version\":1}");
    json_decref(answer);
    assert_int_equal(call(fixture, 5000, &answer, NULL, &error), 0); /* no code wanted */
}

static void serve_refusal(int fd)
{
    json_t *request = NULL;
    _cleanup_json_ json_t *answer = control_refusal(CONTROL_CONFLICT, "blog/web is %s paused");

    receive_waiting(fd, &request, NULL);
    json_decref(request);
    control_send(fd, answer, 1000, NULL);
}

static void a_refusal_is_an_error_with_its_code(void **state)
{
    struct fixture *fixture = *state;
    enum control_code code;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_refusal);
    assert_int_equal(call(fixture, 5000, &answer, &code, &error), -EREMOTEIO);
    assert_null(answer);
    assert_int_equal(code, CONTROL_CONFLICT);
    assert_string_equal(error.message, "blog/web is %s paused");
    assert_int_equal(call(fixture, 5000, &answer, NULL, &error), -EREMOTEIO);
}

/* Says "busy" and closes before it has read anything, as a server does that has no room. */
static void serve_busy(int fd)
{
    _cleanup_json_ json_t *answer = control_refusal(CONTROL_BUSY, "too many connections");

    control_send(fd, answer, 1000, NULL);
    usleep(20000); /* lets some requests come in before the close and some after */
}

static void a_refusal_before_the_request_is_read_is_not_lost(void **state)
{
    struct fixture *fixture = *state;
    enum control_code code;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_busy);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(call(fixture, 5000, &answer, &code, &error), -EREMOTEIO);
        assert_int_equal(code, CONTROL_BUSY);
    }
}

static void serve_busy_at_once(int fd)
{
    _cleanup_json_ json_t *answer = control_refusal(CONTROL_BUSY, "too many connections");

    control_send(fd, answer, 1000, NULL);
}

static void the_same_if_the_connection_is_closed_before_the_request(void **state)
{
    struct fixture *fixture = *state;
    enum control_code code;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_busy_at_once);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(call(fixture, 5000, &answer, &code, &error), -EREMOTEIO);
        assert_int_equal(code, CONTROL_BUSY);
    }
}

/* ok false with a code of "ok" must not look like success. */
static void serve_contradiction(int fd)
{
    static const char text[] = "{\"version\":1,\"ok\":false,\"code\":\"ok\"}";

    send(fd, text, strlen(text), MSG_NOSIGNAL);
    serve_refusal(fd);
}

static void a_refusal_with_a_false_code_is_still_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    enum control_code code;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_contradiction);
    assert_int_equal(call(fixture, 5000, &answer, &code, &error), -EREMOTEIO);
    assert_int_equal(code, CONTROL_FAILED);
    assert_true(strlen(error.message) > 0);
}

static void serve_later_version(int fd)
{
    static const char text[] = "{\"version\":2,\"ok\":true}";
    json_t *request = NULL;

    receive_waiting(fd, &request, NULL);
    json_decref(request);
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void a_later_supervisor_is_refused_with_both_versions(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_later_version);
    assert_int_equal(call(fixture, 5000, &answer, NULL, &error), -EPROTO);
    assert_null(answer);
    assert_non_null(strstr(error.message, "version 2"));
    assert_non_null(strstr(error.message, "program 1"));
}

/* A supervisor of this version facing an older or newer client. */
static void serve_version_check(int fd)
{
    char message[100];
    json_t *request = NULL;

    receive_waiting(fd, &request, NULL);
    json_int_t version = json_integer_value(json_object_get(request, "version"));
    json_decref(request);
    snprintf(message, sizeof(message), "you speak %lld, I speak %d", (long long)version,
             CONTROL_VERSION);
    _cleanup_json_ json_t *answer = control_refusal(
        version == CONTROL_VERSION ? CONTROL_CONFLICT : CONTROL_WRONG_VERSION, message);
    control_send(fd, answer, 1000, NULL);
}

static void a_later_client_is_told_wrong_version(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const char text[] = "{\"version\":2,\"verb\":\"version\"}";
    enum control_code code;
    struct error error;
    json_t *answer = NULL;

    start_server(fixture, serve_version_check);
    strcpy(address.sun_path, fixture->path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    assert_int_equal(receive_waiting(fd, &answer, NULL), 1);
    assert_int_equal(json_integer_value(json_object_get(answer, "version")), CONTROL_VERSION);
    assert_string_equal(json_string_value(json_object_get(answer, "code")), "wrong-version");
    assert_string_equal(json_string_value(json_object_get(answer, "message")),
                        "you speak 2, I speak 1");
    json_decref(answer);
    /* and this program's own calls do carry the version */
    assert_int_equal(call(fixture, 5000, &answer, &code, &error), -EREMOTEIO);
    assert_int_equal(code, CONTROL_CONFLICT);
}

static void serve_nonsense(int fd)
{
    json_t *request = NULL;

    receive_waiting(fd, &request, NULL);
    json_decref(request);
    send(fd, "[]", 2, MSG_NOSIGNAL);
}

static void serve_nothing_and_close(int fd)
{
    json_t *request = NULL;

    receive_waiting(fd, &request, NULL);
    json_decref(request);
}

static void nonsense_and_silence_are_errors(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_nonsense);
    assert_int_equal(call(fixture, 5000, &answer, NULL, &error), -EBADMSG);
    kill(fixture->server, SIGKILL);
    waitpid(fixture->server, NULL, 0);
    start_server(fixture, serve_nothing_and_close);
    assert_int_equal(call(fixture, 5000, &answer, NULL, &error), -EPROTO);
    assert_non_null(strstr(error.message, "without an answer"));
}

/* A server that accepts and reads but never answers, and one that never even accepts. */
static void serve_silence(int fd)
{
    (void)fd;
    sleep(30);
}

static void a_call_ends_at_its_deadline(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    json_t *answer;

    start_server(fixture, serve_silence);
    uint64_t began = now_ms();
    assert_int_equal(call(fixture, 400, &answer, NULL, &error), -ETIMEDOUT);
    assert_in_range(now_ms() - began, 390, 3000);
    assert_non_null(strstr(error.message, "400 ms"));
}

static void a_supervisor_that_accepts_nobody_ends_in_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int listener = listen_here(fixture);
    int waiting[200], count = 0;
    struct error error;
    json_t *answer;

    assert_int_equal(call(fixture, 200, &answer, NULL, &error), -ETIMEDOUT);
    strcpy(address.sun_path, fixture->path);
    for (bool is_full = false; !is_full && count < 200; count++) {
        waiting[count] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        is_full = connect(waiting[count], (struct sockaddr *)&address, sizeof(address)) < 0;
    }
    uint64_t began = now_ms();
    assert_int_equal(call(fixture, 200, &answer, NULL, &error), -EAGAIN);
    assert_in_range(now_ms() - began, 0, 1000);
    assert_non_null(strstr(error.message, fixture->path));
    assert_in_range(count, 2, 199);
    while (count > 0)
        close(waiting[--count]);
}

static void no_supervisor_is_told_as_such(void **state)
{
    struct fixture *fixture = *state;
    char long_path[200];
    struct error error;
    json_t *answer = NULL;
    _cleanup_json_ json_t *request = json_object();

    assert_int_equal(call(fixture, 1000, &answer, NULL, &error), -ENOENT);
    assert_non_null(strstr(error.message, fixture->path));
    int fd = listen_here(fixture);
    close(fd);
    assert_int_equal(call(fixture, 1000, &answer, NULL, &error), -ECONNREFUSED);
    memset(long_path, 'a', sizeof(long_path));
    long_path[0] = '/';
    long_path[199] = '\0';
    assert_int_equal(control_call(long_path, request, 1000, &answer, NULL, &error), -ENAMETOOLONG);
    /* the errno does not depend on whether the text is wanted */
    assert_int_equal(control_call(fixture->path, request, 1000, &answer, NULL, NULL),
                     -ECONNREFUSED);
}

static void a_request_over_the_bound_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct error error = ERROR_INIT;
    json_t *answer = NULL;
    _cleanup_json_ json_t *request = message_of(CONTROL_MESSAGE_MAX); /* the version is too much */

    start_server(fixture, serve_echo);
    assert_int_equal(control_call(fixture->path, request, 1000, &answer, NULL, &error), -EMSGSIZE);
}

/* ---- who is there ---- */

struct peer {
    uid_t uid;
    gid_t gid;
    gid_t groups[4];
    size_t group_count;
    enum control_role role;
};

/* A child with the ids of peer connects and stays until it is killed. Exits 9 if it may not. */
static pid_t connect_as(const struct fixture *fixture, const struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    alarm(30);
    strcpy(address.sun_path, fixture->path);
    if (setgroups(peer->group_count, peer->groups) < 0 ||
        setresgid(peer->gid, peer->gid, peer->gid) < 0 ||
        setresuid(peer->uid, peer->uid, peer->uid) < 0)
        _exit(8);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(errno == EACCES ? 9 : 7);
    for (;;)
        pause();
}

static void roles_come_from_the_kernel(void **state)
{
    static const struct peer peers[] = {
        {0, 0, {0}, 0, CONTROL_ROLE_ROOT},
        {0, OTHER_GID, {OTHER_GID}, 1, CONTROL_ROLE_ROOT},
        {SOME_UID, WEB_GID, {0}, 0, CONTROL_ROLE_WEB},
        {SOME_UID, OTHER_GID, {7, OTHER_GID, WEB_GID}, 3, CONTROL_ROLE_WEB},
        {SOME_UID, OTHER_GID, {7, OTHER_GID}, 2, CONTROL_ROLE_NONE},
        {65534, 65534, {0}, 0, CONTROL_ROLE_NONE},
        {SOME_UID, 0, {0}, 1, CONTROL_ROLE_NONE}, /* group root is not root */
    };
    struct fixture *fixture = *state;
    _cleanup_close_ int listener = listen_here(fixture);

    assert_int_equal(chmod(fixture->path, 0666), 0); /* the mode is the other test's */
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++) {
        uid_t uid = 12345;
        pid_t pid = 0, child = connect_as(fixture, &peers[i]);
        _cleanup_close_ int fd = accept_one(listener);
        assert_true(fd >= 0);
        enum control_role role = control_peer_role(fd, WEB_GID, &uid, &pid);
        if (role != peers[i].role)
            fail_msg("peer %zu has role %d, not %d", i, role, peers[i].role);
        assert_int_equal(uid, peers[i].uid);
        assert_int_equal(pid, child);
        assert_int_equal(control_peer_role(fd, WEB_GID, NULL, NULL), peers[i].role);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    assert_int_equal(control_peer_role(-1, WEB_GID, NULL, NULL), CONTROL_ROLE_NONE);
}

static void the_sockets_mode_keeps_others_out(void **state)
{
    static const struct peer stranger = {SOME_UID, OTHER_GID, {OTHER_GID}, 1, CONTROL_ROLE_NONE};
    struct fixture *fixture = *state;
    _cleanup_close_ int listener = listen_here(fixture);
    struct stat st;
    int status;

    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, WEB_GID);
    pid_t child = connect_as(fixture, &stranger);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 9);
}

static void listening_replaces_a_socket_left_behind_and_knows_its_bounds(void **state)
{
    struct fixture *fixture = *state;
    char long_path[200];
    struct error error = ERROR_INIT;

    int fd = listen_here(fixture);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    fd = listen_here(fixture); /* the file of the first is still there */
    close(fd);
    memset(long_path, 'a', sizeof(long_path));
    long_path[0] = '/';
    long_path[199] = '\0';
    assert_int_equal(control_listen(long_path, 0, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.message, "107 bytes"));
    assert_int_equal(control_listen("/nonexistent/directory/s", 0, &error), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void text_that_is_no_utf8_becomes_a_string(void **state)
{
    (void)state;
    _cleanup_json_ json_t *whole = control_text("a\xc3\xa4", 3);
    assert_string_equal(json_string_value(whole), "a\xc3\xa4");
    _cleanup_json_ json_t *cut = control_text("a\xc3", 2);
    assert_string_equal(json_string_value(cut), "a?");
    _cleanup_json_ json_t *hollow = control_text("a\0b", 3);
    assert_string_equal(json_string_value(hollow), "a?b");
    _cleanup_json_ json_t *refusal = control_refusal(CONTROL_FAILED, "\xff");
    assert_string_equal(json_string_value(json_object_get(refusal, "message")), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_no_utf8_becomes_a_string),
        cmocka_unit_test(codes_and_names_belong_together),
        cmocka_unit_test(a_refusal_is_what_the_reference_says),
        cmocka_unit_test(a_message_of_64_kib_passes_and_one_byte_more_does_not),
        cmocka_unit_test(a_packet_over_64_kib_is_cut_off_and_refused),
        cmocka_unit_test(what_is_not_one_json_object_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(descriptors_sent_along_are_not_taken),
        cmocka_unit_test(an_end_and_an_empty_queue_are_told_apart),
        cmocka_unit_test(a_peer_that_takes_nothing_is_given_up_by_the_deadline),
        TEST(a_call_adds_the_version_and_brings_the_answer),
        TEST(a_refusal_is_an_error_with_its_code),
        TEST(a_refusal_before_the_request_is_read_is_not_lost),
        TEST(the_same_if_the_connection_is_closed_before_the_request),
        TEST(a_refusal_with_a_false_code_is_still_a_refusal),
        TEST(a_later_supervisor_is_refused_with_both_versions),
        TEST(a_later_client_is_told_wrong_version),
        TEST(nonsense_and_silence_are_errors),
        TEST(a_call_ends_at_its_deadline),
        TEST(a_supervisor_that_accepts_nobody_ends_in_an_error),
        TEST(no_supervisor_is_told_as_such),
        TEST(a_request_over_the_bound_is_not_sent),
        TEST(roles_come_from_the_kernel),
        TEST(the_sockets_mode_keeps_others_out),
        TEST(listening_replaces_a_socket_left_behind_and_knows_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
