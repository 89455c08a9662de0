/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the traffic board. What is read may have been written by a stolen child of httpd: every
 * number is checked, every text terminated, and nothing is mapped, for a file that is truncated
 * would be a SIGBUS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/traffic_internal.h"

/* What of a slot is read for its totals. */
#define SLOT_HEAD_SIZE offsetof(struct traffic_slot, recent)

/* Times that a text is read again because its writer was inside. */
#define READ_TRIES 8

/* Processes whose life is remembered during one pass; a power of two. */
#define PROCESSES_MAX 1024u

struct traffic_reader {
    int fd;
    struct traffic_layout layout;
    uint64_t hash_key[2];
    uint64_t created_realtime_usec;
};

static bool read_whole(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t length = pread(fd, buffer, size, offset);

    return length >= 0 && (size_t)length == size;
}

int traffic_open(const char *path, struct traffic_reader **reader, struct error *error)
{
    /* O_NONBLOCK: a FIFO in its place is refused below instead of waited on. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct traffic_header header;

    if (fd < 0)
        return error_sys(error, errno, "open the traffic board %s", path);
    if (!read_whole(fd, &header, sizeof(header), 0))
        return error_set(error, EPROTO, "%s: not a traffic board", path);
    int r = traffic_header_check(&header, fd, 0, error);
    if (r < 0)
        return error_wrap(error, "%s", path);
    _cleanup_free_ struct traffic_reader *made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "open the traffic board");
    made->fd = steal_fd(&fd);
    traffic_layout_of(header.slot_count, &made->layout);
    memcpy(made->hash_key, header.hash_key, sizeof(made->hash_key));
    made->created_realtime_usec = header.created_realtime_usec;
    *reader = steal_ptr(made);
    return 0;
}

void traffic_close(struct traffic_reader *reader)
{
    if (!reader)
        return;
    close(reader->fd);
    free(reader);
}

bool traffic_is_retired(const struct traffic_reader *reader)
{
    struct traffic_header header;

    return !read_whole(reader->fd, &header, sizeof(header), 0) ||
           atomic_load(&header.retired) != 0 ||
           traffic_header_check(&header, reader->fd, reader->layout.slot_count, NULL) < 0 ||
           memcmp(header.hash_key, reader->hash_key, sizeof(header.hash_key)) != 0;
}

uint32_t traffic_slot_count(const struct traffic_reader *reader)
{
    return reader->layout.slot_count;
}

/* ---- totals ---- */

static off_t slot_offset(const struct traffic_reader *reader, uint32_t index)
{
    return reader->layout.slots + (off_t)index * TRAFFIC_SLOT_SIZE;
}

static bool slot_has_name(const struct traffic_slot *slot, const struct traffic_name *name)
{
    return atomic_load(&slot->is_named) == 1 && memcmp(slot->name, name, sizeof(*name)) == 0;
}

/* Only its first SLOT_HEAD_SIZE bytes are filled. */
static bool read_head(const struct traffic_reader *reader, uint32_t index,
                      struct traffic_slot *slot)
{
    return read_whole(reader->fd, slot, SLOT_HEAD_SIZE, slot_offset(reader, index));
}

/* The keys from `first` on, as many as are looked at for one name. */
static bool read_keys(const struct traffic_reader *reader, uint32_t first,
                      uint64_t keys[TRAFFIC_PROBES])
{
    uint32_t count = reader->layout.slot_count;
    uint32_t straight = count - first < TRAFFIC_PROBES ? count - first : TRAFFIC_PROBES;

    return read_whole(reader->fd, keys, straight * sizeof(*keys),
                      reader->layout.keys + (off_t)first * (off_t)sizeof(*keys)) &&
           (straight == TRAFFIC_PROBES ||
            read_whole(reader->fd, keys + straight, (TRAFFIC_PROBES - straight) * sizeof(*keys),
                       reader->layout.keys));
}

/* Finds the slot of a name and reads its head. */
static bool find(const struct traffic_reader *reader, const struct traffic_name *name,
                 uint32_t *index, struct traffic_slot *slot)
{
    uint32_t mask = reader->layout.slot_count - 1;
    uint64_t keys[TRAFFIC_PROBES], key = traffic_key(reader->hash_key, name);

    if (*index <= mask && read_head(reader, *index, slot) && slot_has_name(slot, name))
        return true;
    if (!read_keys(reader, (uint32_t)key & mask, keys))
        return false;
    for (uint32_t i = 0; i < TRAFFIC_PROBES && keys[i] != 0; i++) {
        uint32_t at = ((uint32_t)key + i) & mask;
        if (keys[i] == key && read_head(reader, at, slot) && slot_has_name(slot, name)) {
            *index = at;
            return true;
        }
    }
    return false;
}

static uint64_t count_of(const struct traffic_slot *slot, enum traffic_count count)
{
    return atomic_load_explicit(&slot->counts[count], memory_order_relaxed);
}

static void take_totals(const struct traffic_slot *slot, struct traffic_totals *totals)
{
    totals->begun = count_of(slot, COUNT_BEGUN);
    totals->requests = count_of(slot, COUNT_REQUESTS);
    totals->lost = count_of(slot, COUNT_LOST);
    totals->aborted = count_of(slot, COUNT_ABORTED);
    totals->refused = count_of(slot, COUNT_REFUSED);
    totals->bytes_in = count_of(slot, COUNT_BYTES_IN);
    totals->bytes_out = count_of(slot, COUNT_BYTES_OUT);
    totals->duration_usec = count_of(slot, COUNT_DURATION);
    totals->last_request_realtime_usec = count_of(slot, COUNT_LAST_REQUEST);
    for (int i = 0; i < STATUS_CLASSES; i++)
        totals->status_classes[i] = count_of(slot, COUNT_CLASSES + (unsigned)i);
    totals->in_flight = (uint32_t)atomic_load(&slot->in_flight);
    for (int i = 0; i < TRAFFIC_BUCKETS; i++)
        totals->histogram[i] = atomic_load_explicit(&slot->histogram[i], memory_order_relaxed);
}

int traffic_read(const struct traffic_reader *reader, const char *tenant, const char *service,
                 uint32_t *hint, struct traffic_totals *totals)
{
    struct traffic_name name;
    struct traffic_slot slot;

    traffic_name_of(tenant, service, &name);
    if (!find(reader, &name, hint, &slot))
        return -ENOENT;
    take_totals(&slot, totals);
    return 0;
}

int traffic_read_other(const struct traffic_reader *reader, struct traffic_totals *totals)
{
    struct traffic_slot slot;

    if (!read_head(reader, reader->layout.slot_count, &slot))
        return -ENOENT;
    take_totals(&slot, totals);
    return 0;
}

/* ---- in flight ---- */

/* Processes that were looked at in one pass over the claims. */
struct lives {
    uint64_t owners[PROCESSES_MAX];
    bool is_alive[PROCESSES_MAX];
    unsigned known;
};

/* More processes than fit are a hostile file's: they are taken for dead. */
static bool is_alive(struct lives *lives, uint64_t owner)
{
    unsigned at = (unsigned)(owner * UINT64_C(0x9e3779b97f4a7c15) >> 54);

    while (lives->owners[at] != 0 && lives->owners[at] != owner)
        at = (at + 1) % PROCESSES_MAX;
    if (lives->owners[at] == owner)
        return lives->is_alive[at];
    if (lives->known >= PROCESSES_MAX / 2)
        return false;
    struct identity identity = traffic_owner_identity(owner);
    lives->known++;
    lives->owners[at] = owner;
    lives->is_alive[at] = identity_is_alive(&identity);
    return lives->is_alive[at];
}

/* Everything that a pass over the claims needs: too much for a stack of httpd's. */
struct pass {
    struct traffic_claim claims[TRAFFIC_IN_FLIGHT];
    struct lives lives;
    struct traffic_request requests[TRAFFIC_IN_FLIGHT];
};

static struct pass *pass_begin(const struct traffic_reader *reader)
{
    struct pass *pass = malloc(sizeof(*pass));

    if (!pass)
        return NULL;
    memset(&pass->lives, 0, sizeof(pass->lives));
    if (read_whole(reader->fd, pass->claims, sizeof(pass->claims), reader->layout.claims))
        return pass;
    free(pass);
    return NULL;
}

/* Whether the claim is a living process's, and its slot. */
static bool claim_is_live(const struct traffic_reader *reader, struct pass *pass, uint32_t index,
                          uint32_t *slot)
{
    uint64_t owner = atomic_load(&pass->claims[index].owner);

    *slot = traffic_claim_slot(atomic_load(&pass->claims[index].service));
    return owner != 0 && *slot <= reader->layout.slot_count && is_alive(&pass->lives, owner);
}

int traffic_count_in_flight(const struct traffic_reader *reader, uint32_t *counts)
{
    _cleanup_free_ struct pass *pass = pass_begin(reader);
    uint32_t slot;

    memset(counts, 0, ((size_t)reader->layout.slot_count + 1) * sizeof(*counts));
    if (!pass)
        return -EIO;
    for (uint32_t i = 0; i < TRAFFIC_IN_FLIGHT; i++)
        if (claim_is_live(reader, pass, i, &slot))
            counts[slot]++;
    return 0;
}

static void take_text(const struct traffic_text *text, struct traffic_request *request)
{
    uint64_t now = clock_realtime_usec();
    int family = text->client_length == 4 ? AF_INET : AF_INET6;

    memset(request, 0, sizeof(*request));
    request->time_realtime_usec = text->time_realtime_usec;
    request->age_usec = now > text->time_realtime_usec ? now - text->time_realtime_usec : 0;
    memcpy(request->method, text->method, sizeof(text->method));
    memcpy(request->uri, text->uri, sizeof(text->uri));
    if (text->client_length == 4 || text->client_length == 16)
        inet_ntop(family, text->client, request->client, sizeof(request->client));
    snprintf(request->protocol, sizeof(request->protocol), "HTTP/%u.%u",
             text->protocol / 1000u % 100u, text->protocol % 1000u % 100u);
}

/* Twice the same with an even sequence: nobody wrote in between. */
static bool read_steady(const struct traffic_reader *reader, off_t offset, uint64_t *words,
                        size_t size)
{
    uint64_t again[(sizeof(struct traffic_ended) + 8) / 8];

    for (int try = 0; try < READ_TRIES; try++) {
        if (!read_whole(reader->fd, words, size, offset) ||
            !read_whole(reader->fd, again, size, offset))
            return false;
        if (words[0] % 2 == 0 && memcmp(words, again, size) == 0)
            return true;
    }
    return false;
}

static bool read_detail(const struct traffic_reader *reader, const struct pass *pass,
                        uint32_t index, struct traffic_request *request)
{
    uint64_t words[sizeof(struct traffic_detail) / sizeof(uint64_t)];
    struct traffic_text text;
    struct traffic_claim claim;

    if (!read_steady(reader,
                     reader->layout.details + (off_t)index * (off_t)sizeof(struct traffic_detail),
                     words, sizeof(words)))
        return false;
    /* The record may have gone to another request since the claims were read. */
    if (!read_whole(reader->fd, &claim, sizeof(claim),
                    reader->layout.claims + (off_t)index * (off_t)sizeof(claim)) ||
        atomic_load(&claim.owner) != atomic_load(&pass->claims[index].owner) ||
        ((atomic_load(&claim.service) ^ atomic_load(&pass->claims[index].service)) &
         ~TRAFFIC_MOVING))
        return false;
    memcpy(&text, words + 1, sizeof(text));
    take_text(&text, request);
    request->pid = (uint32_t)traffic_owner_identity(atomic_load(&claim.owner)).pid;
    return true;
}

static int compare_age(const void *a, const void *b)
{
    const struct traffic_request *left = a, *right = b;

    return (left->time_realtime_usec > right->time_realtime_usec) -
           (left->time_realtime_usec < right->time_realtime_usec);
}

size_t traffic_read_in_flight(const struct traffic_reader *reader, const char *tenant,
                              const char *service, struct traffic_request *requests, size_t max,
                              uint32_t *total)
{
    struct traffic_name name;
    struct traffic_slot head;
    uint32_t wanted = UINT32_MAX, slot, count = 0;

    if (total)
        *total = 0;
    traffic_name_of(tenant, service, &name);
    if (!find(reader, &name, &wanted, &head))
        return 0;
    _cleanup_free_ struct pass *pass = pass_begin(reader);
    if (!pass)
        return 0;
    for (uint32_t i = 0; i < TRAFFIC_IN_FLIGHT; i++)
        if (claim_is_live(reader, pass, i, &slot) && slot == wanted &&
            read_detail(reader, pass, i, &pass->requests[count]))
            count++;
    qsort(pass->requests, count, sizeof(*requests), compare_age);
    if (total)
        *total = count;
    if (count > max)
        count = (uint32_t)max;
    memcpy(requests, pass->requests, count * sizeof(*requests));
    return count;
}

/* ---- ended ---- */

static bool read_ended(const struct traffic_reader *reader, uint32_t slot, uint32_t index,
                       struct traffic_request *request)
{
    uint64_t words[sizeof(struct traffic_recent) / sizeof(uint64_t)];
    struct traffic_ended ended;
    off_t offset =
        slot_offset(reader, slot) + (off_t)(SLOT_HEAD_SIZE + index * sizeof(struct traffic_recent));

    if (!read_steady(reader, offset, words, sizeof(words)) || words[0] == 0)
        return false;
    memcpy(&ended, words + 1, sizeof(ended));
    take_text(&ended.text, request);
    request->duration_usec = ended.duration_usec;
    request->bytes_out = ended.bytes_out;
    request->status = ended.status;
    request->is_aborted = ended.is_aborted != 0;
    return true;
}

size_t traffic_read_recent(const struct traffic_reader *reader, const char *tenant,
                           const char *service, struct traffic_request *requests, size_t max)
{
    struct traffic_name name;
    struct traffic_slot head;
    uint32_t slot = UINT32_MAX;
    size_t count = 0;

    traffic_name_of(tenant, service, &name);
    if (!find(reader, &name, &slot, &head))
        return 0;
    uint32_t newest = atomic_load(&head.next_recent) % TRAFFIC_RECENT + TRAFFIC_RECENT - 1;
    for (uint32_t i = 0; i < TRAFFIC_RECENT && count < max; i++)
        count += read_ended(reader, slot, (newest - i) % TRAFFIC_RECENT, &requests[count]) ? 1 : 0;
    return count;
}
