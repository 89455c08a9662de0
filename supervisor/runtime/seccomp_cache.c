/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/seccomp_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "supervisor/runtime/seccomp_internal.h"

#define FORMAT_VERSION 1 /* of the file, the key, and what seccomp.c makes of a profile */
#define NAME_SIZE      (2 * SHA256_SIZE + 1)
#define REFRESH_AGE_S  (24 * 3600)
#define FIRST_SIZE     16384 /* of a profile as text: Docker's has 7 kB */

/* A file is a header and its instructions; host byte order, the key has the architecture. */
struct header {
    char magic[8];
    uint32_t format;
    uint32_t has_notify;
    uint32_t count; /* instructions */
    uint32_t reserved;
    uint8_t key[SHA256_SIZE];
    uint8_t digest[SHA256_SIZE]; /* of the file with this field zero */
};

struct entry {
    struct header header;
    struct sock_filter filter[BPF_MAXINSNS];
};

static const char magic[8] = "SECCOMP";

/* ---- the key ---- */

struct key_prefix {
    uint32_t format, architecture;
    uint32_t major, minor, micro;
};

/* The profile as text behind the prefix. */
static char *key_text(const json_t *profile, const struct key_prefix *prefix, size_t *length)
{
    size_t size = FIRST_SIZE;

    for (;;) {
        _cleanup_free_ char *text = malloc(sizeof(*prefix) + size);
        if (!text)
            return NULL;
        memcpy(text, prefix, sizeof(*prefix));
        size_t needed = json_dumpb(profile, text + sizeof(*prefix), size,
                                   JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (needed == 0)
            return NULL;
        if (needed <= size) {
            *length = sizeof(*prefix) + needed;
            return steal_ptr(text);
        }
        size = needed;
    }
}

static int make_key(const json_t *profile, uint8_t key[SHA256_SIZE])
{
    const struct scmp_version *version = seccomp_version();
    struct key_prefix prefix = {.format = FORMAT_VERSION, .architecture = seccomp_arch_native()};
    json_t *bare = json_copy((json_t *)profile);
    size_t length = 0;

    if (!bare)
        return -ENOMEM;
    if (version) {
        prefix.major = version->major;
        prefix.minor = version->minor;
        prefix.micro = version->micro;
    }
    /* Engines make up a socket for each container; the filter is the same. */
    json_object_del(bare, "listenerPath");
    json_object_del(bare, "listenerMetadata");
    _cleanup_free_ char *text = key_text(bare, &prefix, &length);
    json_decref(bare);
    if (!text)
        return -ENOMEM;
    sha256(text, length, key);
    return 0;
}

static void make_name(const uint8_t key[SHA256_SIZE], char name[NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SHA256_SIZE; i++) {
        name[2 * i] = digits[key[i] >> 4];
        name[2 * i + 1] = digits[key[i] & 15];
    }
    name[NAME_SIZE - 1] = '\0';
}

/* ---- reading ---- */

static bool is_private_directory(int directory_fd)
{
    struct stat st;

    return directory_fd >= 0 && fstat(directory_fd, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & 07777) == 0700;
}

static bool is_private_file(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 07777) == 0600 &&
           st->st_nlink == 1 && st->st_size > (off_t)sizeof(struct header) &&
           st->st_size <= (off_t)sizeof(struct entry);
}

static void make_digest(struct entry *entry, size_t size, uint8_t digest[SHA256_SIZE])
{
    memset(entry->header.digest, 0, SHA256_SIZE);
    sha256(entry, size, digest);
}

static bool is_intact(struct entry *entry, size_t size, const uint8_t key[SHA256_SIZE])
{
    struct header *header = &entry->header;
    uint8_t said[SHA256_SIZE], digest[SHA256_SIZE];

    if (memcmp(header->magic, magic, sizeof(magic)) != 0 || header->format != FORMAT_VERSION ||
        memcmp(header->key, key, SHA256_SIZE) != 0 || header->count == 0 ||
        header->count > BPF_MAXINSNS ||
        size != sizeof(*header) + header->count * sizeof(*entry->filter))
        return false;
    memcpy(said, header->digest, SHA256_SIZE);
    make_digest(entry, size, digest);
    return memcmp(said, digest, SHA256_SIZE) == 0;
}

static bool read_entry(int directory_fd, const uint8_t key[SHA256_SIZE],
                       struct seccomp_program *program)
{
    char name[NAME_SIZE];
    struct stat st;

    make_name(key, name);
    /* O_NONBLOCK: a fifo in place of the file must not hold us. */
    _cleanup_close_ int fd =
        openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !is_private_file(&st))
        return false;
    size_t size = (size_t)st.st_size;
    _cleanup_free_ struct entry *entry = malloc(sizeof(*entry));
    if (!entry || pread(fd, entry, size, 0) != st.st_size || !is_intact(entry, size, key))
        return false;
    program->program.filter = malloc(entry->header.count * sizeof(*entry->filter));
    if (!program->program.filter)
        return false;
    memcpy(program->program.filter, entry->filter, entry->header.count * sizeof(*entry->filter));
    program->program.len = (unsigned short)entry->header.count;
    program->has_notify = entry->header.has_notify != 0;
    if (time(NULL) - st.st_mtime > REFRESH_AGE_S)
        futimens(fd, NULL);
    return true;
}

/* ---- writing ---- */

struct oldest {
    char name[256];
    struct timespec time;
    size_t count;
};

static void look_at(DIR *directory, const char *name, struct oldest *oldest)
{
    struct stat st;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(dirfd(directory), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    bool is_older =
        st.st_mtim.tv_sec < oldest->time.tv_sec ||
        (st.st_mtim.tv_sec == oldest->time.tv_sec && st.st_mtim.tv_nsec < oldest->time.tv_nsec);
    if (oldest->count++ == 0 || is_older) {
        snprintf(oldest->name, sizeof(oldest->name), "%s", name);
        oldest->time = st.st_mtim;
    }
}

/*
 * Makes room for one file. What a writer that was killed left behind is a file like others. More
 * than one goes only where somebody filled the directory by other means, or two wrote at once.
 */
static void evict(int directory_fd)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct oldest oldest;

    if (!directory) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (unsigned turns = 0; turns < SECCOMP_CACHE_FILES_MAX; turns++) {
        oldest = (struct oldest){.count = 0};
        rewinddir(directory);
        for (const struct dirent *found; (found = readdir(directory));)
            look_at(directory, found->d_name, &oldest);
        if (oldest.count < SECCOMP_CACHE_FILES_MAX || unlinkat(directory_fd, oldest.name, 0) < 0)
            return;
    }
}

static void write_entry(int directory_fd, const uint8_t key[SHA256_SIZE],
                        const struct seccomp_program *program)
{
    char name[NAME_SIZE], temporary[32];
    size_t filter_size = program->program.len * sizeof(struct sock_filter);
    size_t size = sizeof(struct header) + filter_size;
    uint8_t digest[SHA256_SIZE];
    _cleanup_free_ struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return;
    entry->header = (struct header){
        .format = FORMAT_VERSION, .has_notify = program->has_notify, .count = program->program.len};
    memcpy(entry->header.magic, magic, sizeof(magic));
    memcpy(entry->header.key, key, SHA256_SIZE);
    memcpy(entry->filter, program->program.filter, filter_size);
    make_digest(entry, size, digest);
    memcpy(entry->header.digest, digest, SHA256_SIZE);

    evict(directory_fd);
    make_name(key, name);
    /* Who has our pid now is us: what is there under this name was left by a process that died. */
    snprintf(temporary, sizeof(temporary), "new-%d", getpid());
    unlinkat(directory_fd, temporary, 0);
    _cleanup_close_ int fd =
        openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    /* No fsync: a file that a power failure cut short has the wrong digest. fchmod: the umask. */
    if (fchmod(fd, 0600) < 0 || write(fd, entry, size) != (ssize_t)size ||
        renameat(directory_fd, temporary, directory_fd, name) < 0)
        unlinkat(directory_fd, temporary, 0);
}

static int fill(const json_t *profile, int cache_dir_fd, const struct seccomp_head *head,
                struct seccomp_program *program, struct error *error)
{
    uint8_t key[SHA256_SIZE];
    bool has_cache = is_private_directory(cache_dir_fd) && make_key(profile, key) == 0;

    if (has_cache && read_entry(cache_dir_fd, key, program))
        return 0;
    int r = seccomp_program_compile(head, program, error);
    if (r == 0 && has_cache)
        write_entry(cache_dir_fd, key, program);
    return r;
}

int seccomp_program_cached(const json_t *profile, int cache_dir_fd,
                           struct seccomp_program **program, struct error *error)
{
    struct seccomp_program *made = NULL;
    struct seccomp_head head;

    int r = seccomp_program_begin(profile, &head, &made, error);
    if (r == 0)
        r = fill(profile, cache_dir_fd, &head, made, error);
    if (r == 0)
        r = seccomp_program_finish(made, error);
    if (r < 0) {
        seccomp_program_free(made);
        return r;
    }
    *program = made;
    return 0;
}
