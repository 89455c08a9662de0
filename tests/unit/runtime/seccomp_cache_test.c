/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "supervisor/runtime/seccomp_cache.h"
#include "tests/unit/runtime/seccomp_stage.h"

/* The file's layout, as seccomp_cache.c writes it. */
#define DIGEST_AT   56
#define HEADER_SIZE 88

#define PROFILE                                                                                    \
    "{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG'], 'syscalls': "       \
    "[{'names': ['getppid'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 33}]}"

static char path[] = "/tmp/seccomp-cache-XXXXXX";
static int directory;
static json_t *profile;
static struct seccomp_program *compiled;

static int setup(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    profile = stage_profile(PROFILE);
    return seccomp_program_new(profile, &compiled, &error);
}

static int teardown(void **state)
{
    (void)state;
    seccomp_program_free(compiled);
    json_decref(profile);
    return 0;
}

static int open_directory(void **state)
{
    (void)state;
    strcpy(path, "/tmp/seccomp-cache-XXXXXX");
    if (!mkdtemp(path))
        return -1;
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory < 0 ? -1 : 0;
}

/* Calls back for each entry's name; returns how many there are. */
static unsigned for_each(void (*use)(const char *name, void *data), void *data)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *list = fdopendir(fd);
    unsigned count = 0;

    for (const struct dirent *found; (found = readdir(list));) {
        if (found->d_name[0] == '.')
            continue;
        count++;
        if (use)
            use(found->d_name, data);
    }
    return count;
}

static void unlink_entry(const char *name, void *data)
{
    (void)data;
    if (unlinkat(directory, name, 0) < 0)
        unlinkat(directory, name, AT_REMOVEDIR);
}

static int close_directory(void **state)
{
    (void)state;
    for_each(unlink_entry, NULL);
    close(directory);
    return rmdir(path);
}

static void copy_name(const char *name, void *data)
{
    strcpy(data, name);
}

/* The name of the only entry. */
static void only_name(char name[256])
{
    assert_int_equal(for_each(copy_name, name), 1);
}

static struct seccomp_program *cached_of(const json_t *of, int fd)
{
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;

    if (seccomp_program_cached(of, fd, &program, &error) < 0)
        fail_msg("%s", error.message);
    return program;
}

static bool is_like(const struct seccomp_program *program, const struct seccomp_program *other)
{
    return program->program.len == other->program.len && program->flags == other->flags &&
           program->has_notify == other->has_notify &&
           memcmp(program->program.filter, other->program.filter,
                  program->program.len * sizeof(*program->program.filter)) == 0;
}

/* Gets the profile's program and checks that it is what a compiler makes of it. */
static void assert_right_answer(void)
{
    struct seccomp_program *program = cached_of(profile, directory);

    assert_true(is_like(program, compiled));
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), EDOM);
    seccomp_program_free(program);
}

struct file {
    uint8_t data[65536];
    size_t size;
};

static void read_file(const char *name, struct file *file)
{
    _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

    ssize_t size = read(fd, file->data, sizeof(file->data));
    assert_true(size > HEADER_SIZE);
    file->size = (size_t)size;
}

static void write_file(const char *name, const struct file *file)
{
    _cleanup_close_ int fd =
        openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, file->data, file->size), (ssize_t)file->size);
}

static void sign(struct file *file)
{
    memset(file->data + DIGEST_AT, 0, SHA256_SIZE);
    uint8_t digest[SHA256_SIZE];
    sha256(file->data, file->size, digest);
    memcpy(file->data + DIGEST_AT, digest, SHA256_SIZE);
}

static void an_entry_is_private_and_stays(void **state)
{
    char name[256];
    struct stat first, second;

    (void)state;
    mode_t before = umask(0777); /* of which nothing must reach the file */
    assert_right_answer();
    umask(before);
    only_name(name);
    assert_int_equal(strlen(name), 64);
    assert_int_equal(fstatat(directory, name, &first, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(first.st_mode, S_IFREG | 0600);
    assert_int_equal(first.st_size, HEADER_SIZE + compiled->program.len * 8);
    assert_right_answer();
    assert_int_equal(fstatat(directory, name, &second, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(first.st_ino, second.st_ino);
}

/* An entry that says something else, with a right digest, is believed: the cache is in use. */
static void an_entry_is_used(void **state)
{
    char name[256];
    struct file file;

    (void)state;
    assert_right_answer();
    only_name(name);
    read_file(name, &file);
    for (size_t at = HEADER_SIZE; at < file.size; at += sizeof(struct sock_filter)) {
        struct sock_filter *one = (void *)(file.data + at);
        if (one->code == (BPF_RET | BPF_K) && one->k == (SECCOMP_RET_ERRNO | EDOM))
            one->k = SECCOMP_RET_ERRNO | EXDEV;
    }
    sign(&file);
    write_file(name, &file);
    struct seccomp_program *program = cached_of(profile, directory);
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), EXDEV);
    assert_int_equal(program->flags, SECCOMP_FILTER_FLAG_LOG);
    seccomp_program_free(program);
}

static void notify_comes_back_from_the_cache(void **state)
{
    json_t *listened = stage_profile(
        "{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/first', 'syscalls': [{'names': "
        "['getppid'], 'action': 'SCMP_ACT_NOTIFY'}]}");
    struct seccomp_program *first = cached_of(listened, directory);

    (void)state;
    json_object_set_new(listened, "listenerPath", json_string("/second"));
    json_object_set_new(listened, "listenerMetadata", json_string("word"));
    struct seccomp_program *second = cached_of(listened, directory);
    assert_true(second->has_notify);
    assert_true(is_like(first, second));
    assert_string_equal(second->listener_path, "/second");
    assert_string_equal(second->listener_metadata, "word");
    /* The socket is no part of the filter. */
    assert_int_equal(for_each(NULL, NULL), 1);
    seccomp_program_free(first);
    seccomp_program_free(second);
    json_decref(listened);
}

/* ---- what is wrong with an entry never reaches a container, and is put right ---- */

static void make_truncated(const char *name)
{
    struct file file;
    read_file(name, &file);
    file.size -= 8;
    write_file(name, &file);
}

static void make_empty(const char *name)
{
    write_file(name, &(struct file){.size = 0});
}

static void make_longer(const char *name)
{
    struct file file;
    read_file(name, &file);
    memset(file.data + file.size, 0, 8);
    file.size += 8;
    sign(&file);
    write_file(name, &file);
}

static void make_huge(const char *name)
{
    struct file file = {.size = sizeof(file.data)};
    write_file(name, &file);
}

/* A filter that allows everything, without the digest that would go with it. */
static void make_permissive(const char *name)
{
    struct file file;
    read_file(name, &file);
    for (size_t at = HEADER_SIZE; at < file.size; at += sizeof(struct sock_filter))
        ((struct sock_filter *)(void *)(file.data + at))->k = SECCOMP_RET_ALLOW;
    write_file(name, &file);
}

static void make_other_notify(const char *name)
{
    struct file file;
    read_file(name, &file);
    file.data[12] ^= 1;
    write_file(name, &file);
}

static void make_other_format(const char *name)
{
    struct file file;
    read_file(name, &file);
    file.data[8]++;
    sign(&file);
    write_file(name, &file);
}

/* The entry of another profile under this one's name. */
static void make_other_key(const char *name)
{
    struct file file;
    read_file(name, &file);
    file.data[24] ^= 1;
    sign(&file);
    write_file(name, &file);
}

static void make_zero_count(const char *name)
{
    struct file file;
    read_file(name, &file);
    memset(file.data + 16, 0, 4);
    sign(&file);
    write_file(name, &file);
}

static void make_readable(const char *name)
{
    assert_int_equal(fchmodat(directory, name, 0644, 0), 0);
}

static void make_setuid(const char *name)
{
    assert_int_equal(fchmodat(directory, name, 04600, 0), 0);
}

static void make_foreign(const char *name)
{
    assert_int_equal(fchownat(directory, name, 12345, 0, 0), 0);
}

static void make_symlink(const char *name)
{
    assert_int_equal(renameat(directory, name, directory, "target"), 0);
    assert_int_equal(symlinkat("target", directory, name), 0);
}

static void make_hard_link(const char *name)
{
    assert_int_equal(linkat(directory, name, directory, "other", 0), 0);
}

static void make_fifo(const char *name)
{
    assert_int_equal(unlinkat(directory, name, 0), 0);
    assert_int_equal(mkfifoat(directory, name, 0600), 0);
}

static void make_directory(const char *name)
{
    assert_int_equal(unlinkat(directory, name, 0), 0);
    assert_int_equal(mkdirat(directory, name, 0700), 0);
}

static void bad_entries_are_compiled_anew(void **state)
{
    static const struct {
        const char *what;
        void (*spoil)(const char *name);
        bool stays; /* cannot be replaced */
    } cases[] = {
        {"truncated", make_truncated, false},
        {"empty", make_empty, false},
        {"longer", make_longer, false},
        {"huge", make_huge, false},
        {"permissive", make_permissive, false},
        {"other notify", make_other_notify, false},
        {"other format", make_other_format, false},
        {"other key", make_other_key, false},
        {"zero count", make_zero_count, false},
        {"readable", make_readable, false},
        {"setuid", make_setuid, false},
        {"foreign", make_foreign, false},
        {"symlink", make_symlink, false},
        {"hard link", make_hard_link, false},
        {"fifo", make_fifo, false},
        {"directory", make_directory, true},
    };
    struct file good, now;
    char name[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct stat st;
        for_each(unlink_entry, NULL);
        assert_right_answer();
        only_name(name);
        read_file(name, &good);
        cases[i].spoil(name);
        print_message("%s\n", cases[i].what);
        alarm(TIMEOUT_S); /* a fifo must not hold us */
        assert_right_answer();
        alarm(0);
        if (cases[i].stays)
            continue;
        assert_int_equal(fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(st.st_nlink, 1);
        read_file(name, &now);
        assert_int_equal(now.size, good.size);
        assert_memory_equal(now.data, good.data, good.size);
    }
}

/* ---- the directory ---- */

static void directories_that_are_not_private_are_left_alone(void **state)
{
    static const mode_t modes[] = {0755, 0770, 0701, 01700, 0500};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        assert_int_equal(fchmod(directory, modes[i]), 0);
        assert_right_answer();
        assert_int_equal(for_each(NULL, NULL), 0);
    }
    assert_int_equal(fchmod(directory, 0700), 0);
    assert_int_equal(fchown(directory, 12345, 0), 0);
    assert_right_answer();
    assert_int_equal(for_each(NULL, NULL), 0);
    assert_int_equal(fchown(directory, geteuid(), 0), 0);
}

static void no_directory_is_no_failure(void **state)
{
    static const int bad[] = {-1, 9999};
    struct seccomp_program *program;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        program = cached_of(profile, bad[i]);
        assert_true(is_like(program, compiled));
        seccomp_program_free(program);
    }
    _cleanup_close_ int file = openat(directory, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0700);
    program = cached_of(profile, file);
    assert_true(is_like(program, compiled));
    seccomp_program_free(program);
}

/* Profiles that differ in a number. Returns the name of the entry that this one made or has. */
static json_t *numbered(int number)
{
    json_t *made = json_deep_copy(profile);
    json_t *rule = json_array_get(json_object_get(made, "syscalls"), 0);

    json_object_set_new(rule, "errnoRet", json_integer(number));
    return made;
}

static void use_numbered(int number)
{
    json_t *one = numbered(number);
    struct seccomp_program *program = cached_of(one, directory);

    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), number);
    seccomp_program_free(program);
    json_decref(one);
}

static void age_entry(const char *name, void *data)
{
    const struct timespec times[2] = {{0, UTIME_OMIT}, {time(NULL) - *(const int *)data, 0}};

    assert_int_equal(utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void has_entry(const char *name, void *data)
{
    if (strcmp(name, data) == 0)
        strcpy(data, "found");
}

static void the_number_of_files_is_bounded(void **state)
{
    int week = 7 * 24 * 3600;
    char kept[256], gone[256] = "left-by-a-dead-writer";

    (void)state;
    use_numbered(100);
    only_name(kept);
    assert_int_equal(close(openat(directory, gone, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    for_each(age_entry, &week);
    use_numbered(100); /* used after a day: young again */
    for (int i = 1; i <= SECCOMP_CACHE_FILES_MAX - 2; i++)
        use_numbered(i);
    assert_int_equal(for_each(NULL, NULL), SECCOMP_CACHE_FILES_MAX);
    use_numbered(SECCOMP_CACHE_FILES_MAX - 1);
    assert_int_equal(for_each(NULL, NULL), SECCOMP_CACHE_FILES_MAX);
    for_each(has_entry, gone);
    assert_string_not_equal(gone, "found");
    for_each(has_entry, kept);
    assert_string_equal(kept, "found");
}

static void a_directory_that_was_filled_is_emptied(void **state)
{
    int week = 7 * 24 * 3600;

    (void)state;
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "other-%d", i);
        close(openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    for_each(age_entry, &week);
    assert_right_answer();
    assert_int_equal(for_each(NULL, NULL), SECCOMP_CACHE_FILES_MAX);
    assert_right_answer();
}

/* What another profile or key order would do. */
static void the_key_is_the_content(void **state)
{
    json_t *same = stage_profile(
        "{'syscalls': [{'errnoRet': 33, 'action': 'SCMP_ACT_ERRNO', 'names': ['getppid']}], "
        "'flags': ['SECCOMP_FILTER_FLAG_LOG'], 'defaultAction': 'SCMP_ACT_ALLOW'}");

    (void)state;
    assert_right_answer();
    seccomp_program_free(cached_of(same, directory));
    assert_int_equal(for_each(NULL, NULL), 1);
    use_numbered(34);
    assert_int_equal(for_each(NULL, NULL), 2);
    json_object_set_new(same, "flags", json_array());
    seccomp_program_free(cached_of(same, directory));
    assert_int_equal(for_each(NULL, NULL), 3);
    json_decref(same);
}

static void bad_profiles_stay_bad(void **state)
{
    json_t *bad = stage_profile("{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': "
                                "['write'], 'action': 'SCMP_ACT_NOTIFY'}]}");
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seccomp_program_cached(bad, directory, &program, &error), -EINVAL);
        assert_null(program);
        assert_non_null(strstr(error.message, "linux.seccomp.syscalls[0]"));
    }
    assert_int_equal(for_each(NULL, NULL), 0);
    json_decref(bad);
}

static void writers_at_once(void **state)
{
    pid_t pids[8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct seccomp_program *program = NULL;
            struct error error = ERROR_INIT;
            for (int turn = 0; turn < 30; turn++) {
                if (turn % 3 == 0)
                    for_each(unlink_entry, NULL);
                if (seccomp_program_cached(profile, directory, &program, &error) < 0 ||
                    !is_like(program, compiled))
                    _exit(1);
                seccomp_program_free(program);
            }
            _exit(0);
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++)
        assert_int_equal(stage_end(pids[i]), 0);
    assert_right_answer();
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, open_directory, close_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(an_entry_is_private_and_stays),
        IN_A_DIRECTORY(an_entry_is_used),
        IN_A_DIRECTORY(notify_comes_back_from_the_cache),
        IN_A_DIRECTORY(bad_entries_are_compiled_anew),
        IN_A_DIRECTORY(directories_that_are_not_private_are_left_alone),
        IN_A_DIRECTORY(no_directory_is_no_failure),
        IN_A_DIRECTORY(the_number_of_files_is_bounded),
        IN_A_DIRECTORY(a_directory_that_was_filled_is_emptied),
        IN_A_DIRECTORY(the_key_is_the_content),
        IN_A_DIRECTORY(bad_profiles_stay_bad),
        IN_A_DIRECTORY(writers_at_once),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
