/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of containers: names, files, locks, and several programs at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/identity.h"
#include "supervisor/runtime/store.h"
#include "supervisor/runtime/store_file.h"

static char root[64];
static struct store store;

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/store-test-XXXXXX");
    return mkdtemp(root) ? store_open(&store, root, false, NULL) : -1;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    store_close(&store);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static struct store_state some_state(const char *id)
{
    return (struct store_state){
        .id = id,
        .oci_version = "1.2.0",
        .bundle = "/srv/b",
        .rootfs = "/srv/b/rootfs",
        .created = "2026-11-24T22:00:00.000000000Z",
        .owner = "root",
        .has_own_pids = true,
    };
}

static int make(const char *id, struct store_entry *entry)
{
    struct store_state state = some_state(id);

    return store_create(&store, &state, "{}", 2, entry, NULL);
}

/* How many names there are in the store's directory, hidden ones too. */
static int count_names(void)
{
    DIR *directory = opendir(root);
    int count = -2;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const good[] = {"a", "A-b_c+d.e", "1", "-", "x..y"};
    static const char *const bad[] = {"",     ".",   "..",  ".x",   "a/b", "../a", "a b",
                                      "a\nb", "a\"", "a*b", "\xff", "é",   "a:b",  "/"};
    char longest[STORE_ID_MAX + 2];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        assert_int_equal(store_id_check(good[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(store_id_check(bad[i], NULL), -EINVAL);
    memset(longest, 'x', sizeof(longest));
    longest[STORE_ID_MAX] = '\0';
    assert_int_equal(store_id_check(longest, NULL), 0);
    longest[STORE_ID_MAX] = 'x';
    longest[STORE_ID_MAX + 1] = '\0';
    assert_int_equal(store_id_check(longest, NULL), -EINVAL);
}

static void test_refuses_a_store_of_others(void **state)
{
    struct store other;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(chmod(root, 0777), 0);
    assert_int_equal(store_open(&other, root, false, &error), -EPERM);
    assert_non_null(strstr(error.message, root));
    assert_int_equal(chmod(root, 0700), 0);
    assert_int_equal(chown(root, 12345, 0), 0);
    assert_int_equal(store_open(&other, root, false, NULL), -EPERM);
    assert_int_equal(chown(root, geteuid(), 0), 0);
    assert_int_equal(store_open(&other, "/", false, NULL), -EINVAL);
    assert_int_equal(store_open(&other, "relative", false, NULL), -EINVAL);
}

static void test_makes_the_store_on_demand(void **state)
{
    struct store other;
    char path[96];
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/a/b", root);
    assert_int_equal(store_open(&other, path, false, NULL), -ENOENT);
    assert_int_equal(store_open(&other, path, true, NULL), 0);
    store_close(&other);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

/* ---- one container ---- */

static void test_keeps_what_it_was_given(void **unused)
{
    _cleanup_store_entry_ struct store_entry made, found;
    _cleanup_store_state_ struct store_state read;
    _cleanup_free_ char *config = NULL;
    json_t *annotations = json_pack("{s:s}", "k", "v\n\"");
    struct store_state state = some_state("one");
    size_t length;

    (void)unused;
    state.process = (struct identity){.pid = 4711, .start_time = UINT64_C(1) << 40};
    state.cgroup = "/a/one";
    state.annotations = annotations;
    state.has_poststop = true;
    assert_int_equal(store_create(&store, &state, "{\"a\":1}", 7, &made, NULL), 0);
    assert_int_equal(store_find(&store, "one", &found, NULL), 0);
    assert_int_equal(store_state_read(&found, &read, NULL), 0);
    assert_string_equal(read.id, "one");
    assert_int_equal(read.process.pid, 4711);
    assert_true(read.process.start_time == UINT64_C(1) << 40);
    assert_string_equal(read.cgroup, "/a/one");
    assert_null(read.scope);
    assert_true(read.has_own_pids && read.has_poststop);
    assert_true(json_equal((json_t *)read.annotations, annotations));
    assert_int_equal(store_config_read(&found, &config, &length, NULL), 0);
    assert_string_equal(config, "{\"a\":1}");
    assert_int_equal(length, 7);
    json_decref(annotations);
    assert_int_equal(store_remove(&made, NULL), 0);
    assert_int_equal(count_names(), 0);
}

static void test_a_name_belongs_to_one(void **unused)
{
    _cleanup_store_entry_ struct store_entry first, second;
    struct store_state state = some_state("one");
    struct error error = ERROR_INIT;

    (void)unused;
    assert_int_equal(make("one", &first), 0);
    assert_int_equal(store_create(&store, &state, "{}", 2, &second, &error), -EEXIST);
    assert_non_null(strstr(error.message, "already exists"));
    assert_int_equal(count_names(), 1);
    assert_int_equal(store_remove(&first, NULL), 0);
}

static void test_a_failed_creation_leaves_nothing(void **unused)
{
    struct store_entry entry;
    struct store_state state = some_state("one");

    (void)unused;
    state.bundle = "/not/\xff/utf8";
    assert_int_equal(store_create(&store, &state, "{}", 2, &entry, NULL), -EINVAL);
    assert_int_equal(entry.fd, -1);
    state = some_state("../one");
    assert_int_equal(store_create(&store, &state, "{}", 2, &entry, NULL), -EINVAL);
    assert_int_equal(count_names(), 0);
}

/* A hidden directory as a killed creation leaves it; its descriptor, which has no lock. */
static int leave(const char *name)
{
    assert_int_equal(mkdirat(store.fd, name, 0700), 0);
    int fd = openat(store.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(openat(fd, "config.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(openat(fd, STORE_FILE_NEW, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    return fd;
}

static int visit_nothing(const char *id, void *context)
{
    (void)id, (void)context;
    return 0;
}

static void test_what_a_killed_creation_left_is_removed(void **unused)
{
    _cleanup_store_entry_ struct store_entry entry;

    (void)unused;
    close(leave(".new-0"));
    assert_int_equal(make("one", &entry), 0);
    assert_int_equal(count_names(), 1); /* the new one took the name that was left */
    close(leave(".new-0"));
    close(leave(".new-7"));
    assert_int_equal(store_each(&store, visit_nothing, NULL, NULL), 0);
    assert_int_equal(count_names(), 1);
    assert_int_equal(store_remove(&entry, NULL), 0);
}

static void test_a_creation_that_goes_on_is_left_alone(void **unused)
{
    _cleanup_store_entry_ struct store_entry entry;
    int fd = leave(".new-0");

    (void)unused;
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* as whoever is making it has */
    assert_int_equal(store_each(&store, visit_nothing, NULL, NULL), 0);
    assert_int_equal(make("one", &entry), 0);
    assert_int_equal(count_names(), 2);
    assert_int_equal(faccessat(fd, "config.json", F_OK, 0), 0);
    close(fd);
    assert_int_equal(store_each(&store, visit_nothing, NULL, NULL), 0);
    assert_int_equal(count_names(), 1);
    assert_int_equal(store_remove(&entry, NULL), 0);
}

static int note(const char *id, void *context)
{
    strcat(context, id);
    strcat(context, " ");
    return 0;
}

static void test_lists_containers_only(void **unused)
{
    _cleanup_store_entry_ struct store_entry b, a;
    char names[64] = "";

    (void)unused;
    assert_int_equal(make("b", &b), 0);
    assert_int_equal(make("a", &a), 0);
    assert_int_equal(mkdirat(store.fd, ".seccomp", 0700), 0);
    close(openat(store.fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(store_each(&store, note, names, NULL), 0);
    assert_string_equal(names, "a b ");
    unlinkat(store.fd, ".seccomp", AT_REMOVEDIR);
    unlinkat(store.fd, "file", 0);
    store_remove(&a, NULL);
    store_remove(&b, NULL);
}

static void test_a_link_is_no_container(void **unused)
{
    struct store_entry entry;

    (void)unused;
    assert_int_equal(symlinkat("/etc", store.fd, "evil"), 0);
    assert_true(store_find(&store, "evil", &entry, NULL) < 0);
    unlinkat(store.fd, "evil", 0);
}

/* ---- locks ---- */

static void test_whoever_waited_for_a_removed_one_is_told(void **unused)
{
    _cleanup_store_entry_ struct store_entry made, waiting, again;
    struct error error = ERROR_INIT;

    (void)unused;
    assert_int_equal(make("one", &made), 0);
    assert_int_equal(store_find(&store, "one", &waiting, NULL), 0);
    assert_int_equal(store_lock(&waiting, 0, &error), -EBUSY);
    assert_non_null(strstr(error.message, "busy"));
    assert_int_equal(store_remove(&made, NULL), 0);
    store_unlock(&made);
    assert_int_equal(store_lock(&waiting, 1000, NULL), -ENOENT);
    /* Also when another has the name by then. */
    assert_int_equal(make("one", &again), 0);
    assert_int_equal(store_lock(&waiting, 1000, NULL), -ENOENT);
    assert_int_equal(store_remove(&again, NULL), 0);
}

static void test_a_copy_of_the_descriptor_does_not_keep_the_lock(void **unused)
{
    _cleanup_store_entry_ struct store_entry made, other;

    (void)unused;
    assert_int_equal(make("one", &made), 0);
    _cleanup_close_ int copy = dup(made.fd);
    store_unlock(&made);
    assert_int_equal(store_find(&store, "one", &other, NULL), 0);
    assert_int_equal(store_lock(&other, 0, NULL), 0);
    assert_int_equal(store_remove(&other, NULL), 0);
}

#define ROUNDS   40
#define PROGRAMS 4

/* Each program makes or removes the same name for a while; counts what it made less what it
 * removed. */
static int play(unsigned seed)
{
    int balance = 0;

    for (int i = 0; i < ROUNDS; i++) {
        struct store_entry entry;
        struct store_state state;
        if (rand_r(&seed) % 2) {
            balance += make("one", &entry) == 0;
            store_entry_close(&entry);
            continue;
        }
        /* Which removes what others are not making. */
        if (store_each(&store, visit_nothing, NULL, NULL) < 0)
            _exit(100);
        if (store_find(&store, "one", &entry, NULL) < 0)
            continue;
        if (store_lock(&entry, 60000, NULL) == 0) {
            /* Under the lock it is whole. */
            if (store_state_read(&entry, &state, NULL) < 0)
                _exit(100);
            store_state_free(&state);
            balance -= store_remove(&entry, NULL) == 0;
        }
        store_entry_close(&entry);
    }
    return balance;
}

static void test_many_programs_at_once(void **unused)
{
    pid_t pids[PROGRAMS];
    int sum = 0, status;

    (void)unused;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) /* 50: an exit status has no sign */
            _exit(50 + play(i + 1));
    }
    for (unsigned i = 0; i < PROGRAMS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
        sum += WEXITSTATUS(status) - 50;
    }
    assert_int_equal(sum, count_names());
}

/* ---- status ---- */

static pid_t start_sleeper(struct identity *identity)
{
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(identity_of(pid, identity), 0);
    return pid;
}

static void test_status(void **unused)
{
    _cleanup_store_entry_ struct store_entry made, found;
    struct store_state state = some_state("one");
    char frozen[96];

    (void)unused;
    assert_int_equal(make("one", &made), 0);
    assert_int_equal(store_find(&store, "one", &found, NULL), 0);
    assert_int_equal(store_status(&found, &state), STORE_CREATING);
    store_unlock(&made); /* its maker died */
    assert_int_equal(store_status(&found, &state), STORE_STOPPED);

    pid_t pid = start_sleeper(&state.process);
    assert_int_equal(store_status(&found, &state), STORE_RUNNING);
    close(openat(found.fd, STORE_START_SOCKET, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(store_status(&found, &state), STORE_CREATED);
    unlinkat(found.fd, STORE_START_SOCKET, 0);
    snprintf(frozen, sizeof(frozen), "%s/frozen", root);
    state.freezer = frozen;
    for (int i = 0; i < 2; i++) {
        _cleanup_close_ int fd = open(frozen, O_CREAT | O_WRONLY | O_CLOEXEC | O_TRUNC, 0600);
        assert_int_equal(write(fd, i ? "THAWED\n" : "FROZEN\n", 7), 7);
        assert_int_equal(store_status(&found, &state), i ? STORE_RUNNING : STORE_PAUSED);
    }
    unlink(frozen);

    /* Another process with the same number is not the container. */
    state.process.start_time++;
    assert_int_equal(store_status(&found, &state), STORE_STOPPED);
    assert_int_equal(identity_open(&state.process), -ESRCH);
    state.process.start_time--;
    _cleanup_close_ int pidfd = identity_open(&state.process);
    assert_true(pidfd >= 0);
    /* A zombie has stopped. */
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(store_status(&found, &state), STORE_STOPPED);
    waitpid(pid, NULL, 0);
    assert_int_equal(store_status(&found, &state), STORE_STOPPED);
    store_remove(&made, NULL);
}

static void test_identity_parse(void **unused)
{
    uint64_t start;
    char letter;

    (void)unused;
    assert_int_equal(identity_parse("12 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 20",
                                    &letter, &start),
                     0);
    assert_int_equal(letter, 'S');
    assert_int_equal(start, 99);
    /* The name is the process's own choice. */
    assert_int_equal(
        identity_parse("12 (a) Z 1) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7 2", &letter,
                       &start),
        0);
    assert_int_equal(letter, 'R');
    assert_int_equal(start, 7);
    static const char *const bad[] = {"",
                                      "12",
                                      "12 (a",
                                      "12 (a)",
                                      "12 (a) S",
                                      "12 (a) S 1 2 3",
                                      "12 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -9 1"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(identity_parse(bad[i], &letter, &start), -EINVAL);
}

/* ---- the state file is read strictly ---- */

#define WHOLE                                                                                      \
    "{\"version\":1,\"ociVersion\":\"1\",\"id\":\"a\",\"pid\":1,\"startTime\":2,\"bundle\":\"/\"," \
    "\"rootfs\":\"/\",\"created\":\"x\",\"owner\":\"o\",\"hasOwnPids\":true,"                      \
    "\"hasPoststop\":false%s}"

static int parse(const char *more, struct error *error)
{
    struct store_state state;
    char text[1024];

    snprintf(text, sizeof(text), WHOLE, more);
    int r = store_state_parse(text, strlen(text), &state, error);
    store_state_free(&state);
    return r;
}

static void test_state_is_read_strictly(void **unused)
{
    static const char *const bad[] = {
        ",\"more\":1",     ",\"cgroup\":1",       ",\"cgroup\":\"relative\"",
        ",\"scope\":null", ",\"annotations\":[]", ",\"annotations\":{\"a\":1}",
        ",\"id\":\"a\"",   ",\"freezer\":{}",     "} {\"x\":1",
    };
    static const char *const lacking[] = {
        "", "null", "[]", "{}", "{\"version\":1}", "{\"version\":2}", "{\"version\":\"1\"}"};
    struct store_state state;
    struct error error = ERROR_INIT;

    (void)unused;
    assert_int_equal(parse("", &error), 0);
    assert_int_equal(parse(",\"cgroup\":\"/x\",\"annotations\":{\"a\":\"b\"}", &error), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(parse(bad[i], &error), -EINVAL);
    for (size_t i = 0; i < ARRAY_LENGTH(lacking); i++)
        assert_int_equal(store_state_parse(lacking[i], strlen(lacking[i]), &state, NULL), -EINVAL);
}

static void test_numbers_of_the_state(void **unused)
{
    static const char *const pids[] = {"-1", "2147483648", "1.5", "\"1\"", "99999999999999999999"};
    struct store_state state;
    char whole[512], text[1024];

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++) {
        snprintf(whole, sizeof(whole), WHOLE, "");
        const char *at = strstr(whole, "\"pid\":1");
        snprintf(text, sizeof(text), "%.*s\"pid\":%s%s", (int)(at - whole), whole, pids[i],
                 at + strlen("\"pid\":1"));
        assert_int_equal(store_state_parse(text, strlen(text), &state, NULL), -EINVAL);
    }
}

static void test_a_state_of_another_container_is_refused(void **unused)
{
    _cleanup_store_entry_ struct store_entry made;
    struct store_state state, other = some_state("two");

    (void)unused;
    assert_int_equal(make("one", &made), 0);
    assert_int_equal(store_state_write(&made, &other, NULL), 0);
    assert_int_equal(store_state_read(&made, &state, NULL), -EINVAL);
    /* A file that never ends, and one that is none. */
    unlinkat(made.fd, "state.json", 0);
    assert_int_equal(mkfifoat(made.fd, "state.json", 0600), 0);
    assert_int_equal(store_state_read(&made, &state, NULL), -EINVAL);
    unlinkat(made.fd, "state.json", 0);
    close(openat(made.fd, "state.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    _cleanup_close_ int fd = openat(made.fd, "state.json", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, STORE_STATE_MAX + 1), 0);
    assert_int_equal(store_state_read(&made, &state, NULL), -EFBIG);
    store_remove(&made, NULL);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_refuses_a_store_of_others),
        TEST(test_makes_the_store_on_demand),
        TEST(test_keeps_what_it_was_given),
        TEST(test_a_name_belongs_to_one),
        TEST(test_a_failed_creation_leaves_nothing),
        TEST(test_what_a_killed_creation_left_is_removed),
        TEST(test_a_creation_that_goes_on_is_left_alone),
        TEST(test_lists_containers_only),
        TEST(test_a_link_is_no_container),
        TEST(test_whoever_waited_for_a_removed_one_is_told),
        TEST(test_a_copy_of_the_descriptor_does_not_keep_the_lock),
        TEST(test_many_programs_at_once),
        TEST(test_status),
        TEST(test_identity_parse),
        TEST(test_state_is_read_strictly),
        TEST(test_numbers_of_the_state),
        TEST(test_a_state_of_another_container_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
