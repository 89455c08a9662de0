/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real links that move. The test plays the host in a network namespace of its own; a container is a
 * process that sleeps in another one. What came of it is told by ip(8), not by the code under test.
 * Run as root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/netdev.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/rtnetlink.h"

static struct error error;
static pid_t container;
static ino_t host_namespace;

/* ---- the stage ---- */

static size_t count_descriptors(void)
{
    _cleanup_closedir_ DIR *list = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(list))
        count++;
    return count;
}

static ino_t own_namespace(void)
{
    struct stat status;

    assert_int_equal(stat("/proc/self/ns/net", &status), 0);
    return status.st_ino;
}

static pid_t container_start(uint64_t flags)
{
    pid_t pid = clone_process(flags, -1, NULL);

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void container_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The links of a test are gone with its two namespaces. */
static int set_up(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNET) < 0)
        return -1;
    host_namespace = own_namespace();
    container = container_start(CLONE_NEWNET);
    error = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    container_stop(container);
    return 0;
}

/* ---- ip(8), outside (pid 0) or in a container ---- */

static const char *enter(pid_t pid)
{
    static char prefix[64];

    snprintf(prefix, sizeof(prefix), pid ? "nsenter --net=/proc/%d/ns/net " : "", pid);
    return prefix;
}

static void ip(pid_t pid, const char *arguments)
{
    char command[512];

    snprintf(command, sizeof(command), "%sip %s", enter(pid), arguments);
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* "ip -j addr show dev NAME"; NULL: there is none. */
static json_t *show(pid_t pid, const char *name)
{
    char command[256];

    snprintf(command, sizeof(command), "%sip -j addr show dev %s 2>/dev/null", enter(pid), name);
    FILE *pipe = popen(command, "re");
    json_t *answer = json_loadf(pipe, 0, NULL);
    pclose(pipe);
    json_t *link = json_incref(json_array_get(answer, 0));
    json_decref(answer);
    return link;
}

/* What must survive a move: the permanent global addresses, but for what the kernel does itself. */
static json_t *addresses(pid_t pid, const char *name)
{
    json_t *link = show(pid, name), *kept = json_array(), *address;
    size_t i;

    if (!link)
        fail_msg("%s: no such link", name);
    json_array_foreach (json_object_get(link, "addr_info"), i, address) {
        const char *scope = json_string_value(json_object_get(address, "scope"));
        if (strcmp(scope, "global") || json_object_get(address, "dynamic"))
            continue;
        json_object_del(address, "tentative");
        json_array_append(kept, address);
    }
    json_decref(link);
    return kept;
}

static bool exists(pid_t pid, const char *name)
{
    json_t *link = show(pid, name);

    json_decref(link);
    return link != NULL;
}

static bool has_flag(pid_t pid, const char *name, const char *wanted)
{
    json_t *link = show(pid, name), *flag;
    bool is_found = false;
    size_t i;

    json_array_foreach (json_object_get(link, "flags"), i, flag)
        is_found = is_found || strcmp(json_string_value(flag), wanted) == 0;
    json_decref(link);
    return is_found;
}

static void assert_same_addresses(json_t *before, json_t *after)
{
    if (!json_equal(before, after))
        fail_msg("before: %s\nafter: %s", json_dumps(before, JSON_INDENT(1)),
                 json_dumps(after, JSON_INDENT(1)));
    json_decref(before);
    json_decref(after);
}

/* ---- calls ---- */

static int move_list(pid_t pid, struct config_net_device *devices, size_t count)
{
    struct config config = {.net_devices = devices, .net_device_count = count};
    size_t open_before = count_descriptors();

    int r = netdev_move_all(&config, pid, &error);
    assert_int_equal(count_descriptors(), open_before);
    assert_int_equal(own_namespace(), host_namespace);
    return r;
}

static int move(const char *host_name, const char *name)
{
    struct config_net_device device = {.host_name = host_name, .name = name};

    return move_list(container, &device, 1);
}

static void assert_moves(const char *host_name, const char *name)
{
    int r = move(host_name, name);

    if (r < 0)
        fail_msg("%d: %s", r, error.message);
    assert_int_equal(r, 0);
}

/* ---- moves ---- */

static void test_keeps_name_and_addresses(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "link set left address 02:00:00:00:00:07 mtu 1400");
    ip(0, "addr add 10.1.0.1/24 broadcast 10.1.0.255 dev left");
    ip(0, "addr add 10.1.0.2/24 dev left");
    ip(0, "addr add 10.2.0.1 peer 10.2.0.9/32 dev left metric 77");
    ip(0, "addr add 10.3.0.1/16 dev left label left:web noprefixroute");
    ip(0, "addr add fd00:1::1/64 dev left");
    ip(0, "addr add fd00:1::2/64 dev left nodad");
    ip(0, "addr add fd00:2::1/128 dev left preferred_lft 0");
    ip(0, "addr add fd00:3::1 peer fd00:3::2/128 dev left");
    ip(0, "link set left up");
    json_t *before = addresses(0, "left");
    assert_int_equal(json_array_size(before), 8);
    assert_moves("left", "left");
    assert_same_addresses(before, addresses(container, "left"));
    assert_false(exists(0, "left"));
    assert_true(has_flag(container, "left", "UP"));
    json_t *link = show(container, "left");
    assert_string_equal(json_string_value(json_object_get(link, "address")), "02:00:00:00:00:07");
    assert_int_equal(json_integer_value(json_object_get(link, "mtu")), 1400);
    json_decref(link);
}

static void test_sets_up_a_link_that_is_down_and_bare(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    assert_moves("left", "left");
    assert_true(has_flag(container, "left", "UP"));
    json_t *none = addresses(container, "left");
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
}

static void test_leaves_other_addresses_behind(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev left");
    ip(0, "addr add 169.254.9.9/16 dev left scope link");
    ip(0, "addr add 10.1.0.2/24 dev left valid_lft 1000 preferred_lft 500");
    ip(0, "addr add fd00:1::9/64 dev left valid_lft 1000 preferred_lft 500");
    assert_moves("left", "left");
    json_t *link = show(container, "left"), *address;
    size_t i, ipv4 = 0;
    json_array_foreach (json_object_get(link, "addr_info"), i, address) {
        const char *local = json_string_value(json_object_get(address, "local"));
        if (strncmp(local, "fe80", 4) == 0)
            continue; /* the kernel makes one for every link */
        assert_string_equal(local, "10.1.0.1");
        ipv4++;
    }
    assert_int_equal(ipv4, 1);
    json_decref(link);
}

static void test_renames(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev left");
    ip(0, "addr add 10.3.0.1/16 dev left label left:web");
    assert_moves("left", "inside0");
    assert_false(exists(container, "left"));
    json_t *after = addresses(container, "inside0");
    assert_int_equal(json_array_size(after), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(after, 0), "label")),
                        "inside0");
    assert_string_equal(json_string_value(json_object_get(json_array_get(after, 1), "label")),
                        "inside0:web");
    json_decref(after);
}

/* A label cannot be longer than a name: the link's own stands for it. */
static void test_renames_with_label_too_long(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "addr add 10.3.0.1/16 dev left label left:web");
    assert_moves("left", "fifteen-letters");
    json_t *after = addresses(container, "fifteen-letters");
    assert_string_equal(json_string_value(json_object_get(json_array_get(after, 0), "label")),
                        "fifteen-letters");
    json_decref(after);
}

/* Which free number it is, is the kernel's choice: some count the one between move and renaming. */
static void test_template(void **state)
{
    (void)state;
    ip(container, "link add name eth0 type veth peer name other");
    ip(container, "link add name eth1 type veth peer name another");
    ip(0, "link add name eth0 type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev eth0");
    assert_moves("eth0", "eth%d");
    const char *name = exists(container, "eth2") ? "eth2" : "eth3";
    assert_true(has_flag(container, name, "UP"));
    assert_false(has_flag(container, "eth0", "UP"));
    assert_false(has_flag(container, "eth1", "UP"));
    json_t *after = addresses(container, name), *first = json_array_get(after, 0);
    assert_int_equal(json_array_size(after), 1);
    assert_string_equal(json_string_value(json_object_get(first, "local")), "10.1.0.1");
    assert_string_equal(json_string_value(json_object_get(first, "label")), name);
    json_decref(after);
}

/* A link's number may be another one's inside: nothing may happen to that. */
static void test_index_is_taken_inside(void **state)
{
    (void)state;
    ip(0, "link add name left index 40 type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev left");
    ip(container, "link add name forty index 40 type veth peer name more index 41");
    assert_moves("left", "eth%d");
    assert_true(has_flag(container, "eth0", "UP"));
    assert_false(has_flag(container, "forty", "UP"));
    assert_false(has_flag(container, "more", "UP"));
    json_t *after = addresses(container, "eth0"), *none = addresses(container, "forty");
    assert_int_equal(json_array_size(after), 1);
    assert_int_equal(json_array_size(none), 0);
    json_decref(after);
    json_decref(none);
}

static void test_alternative_name(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "link property add dev left altname left-by-its-long-name");
    ip(0, "link property add dev left altname lefty");
    assert_moves("lefty", "lefty");
    assert_true(has_flag(container, "left", "UP"));
    assert_true(has_flag(container, "left-by-its-long-name", "UP"));
}

static void test_several(void **state)
{
    struct config_net_device devices[] = {{"left", "eth0"}, {"right", "eth1"}};

    (void)state;
    ip(0, "link add name left type veth peer name right");
    assert_int_equal(move_list(container, devices, 2), 0);
    assert_true(has_flag(container, "eth0", "UP"));
    assert_true(has_flag(container, "eth1", "UP"));
}

/* More than one answer of the kernel's can hold. */
static void test_many_addresses(void **state)
{
    (void)state;
    ip(0, "link add name left type veth peer name right");
    FILE *batch = popen("ip -batch -", "we");
    for (int i = 0; i < 1200; i++)
        fprintf(batch, "addr add 10.9.%d.%d/32 dev left\n", i / 200, 1 + i % 200);
    for (int i = 1; i <= 300; i++)
        fprintf(batch, "addr add fd00:9::%x/128 dev left\n", i);
    assert_int_equal(pclose(batch), 0);
    json_t *before = addresses(0, "left");
    assert_int_equal(json_array_size(before), 1500);
    assert_moves("left", "left");
    assert_same_addresses(before, addresses(container, "left"));
}

static void test_container_with_users_of_its_own(void **state)
{
    struct config_net_device device = {"left", "eth0"};
    pid_t other = container_start(CLONE_NEWUSER | CLONE_NEWNET);

    (void)state;
    ip(0, "link add name left type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev left");
    json_t *before = addresses(0, "left");
    json_object_set_new(json_array_get(before, 0), "label", json_string("eth0"));
    assert_int_equal(move_list(other, &device, 1), 0);
    assert_same_addresses(before, addresses(other, "eth0"));
    container_stop(other);
}

/* ---- refusals ---- */

static void test_name_exists_inside(void **state)
{
    (void)state;
    ip(container, "link add name web0 type veth peer name other");
    ip(0, "link add name left type veth peer name right");
    ip(0, "addr add 10.1.0.1/24 dev left");
    ip(0, "link set left up");
    assert_int_equal(move("left", "web0"), -EEXIST);
    assert_string_equal(error.message,
                        "linux.netDevices: left: the container has a device \"web0\" already; "
                        "choose another \"name\", or one that ends in \"%d\"");
    json_t *untouched = addresses(0, "left");
    assert_int_equal(json_array_size(untouched), 1);
    json_decref(untouched);
    assert_true(has_flag(0, "left", "UP"));
    assert_false(exists(container, "left"));
}

static void test_missing_device_moves_nothing(void **state)
{
    struct config_net_device devices[] = {{"left", "left"}, {"eth9", "eth9"}};

    (void)state;
    ip(0, "link add name left type veth peer name right");
    assert_int_equal(move_list(container, devices, 2), -ENODEV);
    assert_string_equal(error.message, "linux.netDevices: eth9: no such device");
    assert_true(exists(0, "left"));
    assert_int_equal(move("a-name-that-no-link-can-have", "eth0"), -ENODEV);
}

static void test_two_of_one_name(void **state)
{
    struct config_net_device devices[] = {{"left", "eth0"}, {"right", "eth0"}};

    (void)state;
    ip(0, "link add name left type veth peer name right");
    assert_int_equal(move_list(container, devices, 2), -EEXIST);
    assert_non_null(strstr(error.message, "linux.netDevices: right: the container has"));
}

static void test_names_that_cannot_be(void **state)
{
    static const char *const names[] = {"",     ".",    "..",   "a/b", "a:b", "a b",
                                        "a\tb", "a%sb", "%d%d", "a%",  "%dx", "sixteen-letters!"};

    (void)state;
    ip(0, "link add name left type veth peer name right");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (move("left", names[i]) != -EINVAL)
            fail_msg("\"%s\" was taken", names[i]);
        assert_non_null(strstr(error.message, "is not a name of a device"));
    }
    assert_true(exists(0, "left"));
}

static void test_link_that_cannot_move(void **state)
{
    static const char wanted[] =
        "linux.netDevices: lo: move it into the container: Invalid argument";

    (void)state;
    assert_int_equal(move("lo", "loop"), -EINVAL);
    assert_memory_equal(error.message, wanted, sizeof(wanted) - 1);
}

/* The kernel's own words, beyond the errno. */
static void test_reason(void **state)
{
    _cleanup_rtnetlink_ struct rtnetlink netlink = {.fd = -1};
    struct rtnetlink_address address = {.header = {.ifa_family = AF_INET, .ifa_prefixlen = 24}};
    struct rtnetlink_link link;

    (void)state;
    address.values[IFA_LOCAL] = (struct rtnetlink_value){4, {10, 1, 0, 1}};
    address.values[IFA_LABEL] = (struct rtnetlink_value){16, "sixteen-letters!"};
    assert_int_equal(rtnetlink_open(&netlink, -1), 0);
    assert_true(rtnetlink_address_add(&netlink, 1, &address) < 0);
    assert_string_equal(netlink.reason, "Attribute failed policy validation");
    assert_int_equal(rtnetlink_link_find(&netlink, "lo", 0, &link), 0);
    assert_string_equal(netlink.reason, "");
}

static void test_same_namespace(void **state)
{
    struct config_net_device device = {"left", "eth0"};

    (void)state;
    ip(0, "link add name left type veth peer name right");
    assert_int_equal(move_list(getpid(), &device, 1), -EINVAL);
    assert_non_null(strstr(error.message, "shares the network namespace"));
    assert_true(exists(0, "left"));
}

static void test_process_that_is_gone(void **state)
{
    struct config_net_device device = {"left", "eth0"};
    pid_t other = container_start(CLONE_NEWNET);

    (void)state;
    container_stop(other);
    assert_int_equal(move_list(other, &device, 1), -ENOENT);
    assert_non_null(strstr(error.message, "linux.netDevices: open /proc/"));
}

static void test_nothing_to_move(void **state)
{
    (void)state;
    assert_int_equal(move_list(0, NULL, 0), 0); /* no namespace is looked at */
}

/* ---- answers that are not right ---- */

static void test_ignores_answers_of_others(void **state)
{
    _cleanup_rtnetlink_ struct rtnetlink netlink = {.fd = -1};
    _cleanup_close_ int liar = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl address;
    socklen_t size = sizeof(address);
    struct rtnetlink_link link;

    (void)state;
    assert_int_equal(rtnetlink_open(&netlink, -1), 0);
    assert_int_equal(rtnetlink_link_find(&netlink, "lo", 0, &link), 0); /* binds the socket */
    assert_int_equal(getsockname(netlink.fd, (struct sockaddr *)&address, &size), 0);
    struct {
        struct nlmsghdr header;
        struct nlmsgerr end;
    } lie = {.header = {.nlmsg_len = sizeof(lie),
                        .nlmsg_type = NLMSG_ERROR,
                        .nlmsg_seq = netlink.sequence + 1},
             .end.error = -EXFULL};
    assert_int_equal(sendto(liar, &lie, sizeof(lie), 0, (struct sockaddr *)&address, size),
                     sizeof(lie));
    assert_int_equal(rtnetlink_link_find(&netlink, "lo", 0, &link), 0);
    assert_int_equal(link.index, 1);
    assert_string_equal(link.name, "lo");
}

/* With 300 long names a link does not fit in the buffer: an error, and the socket stays in step. */
static void test_answer_that_is_too_long(void **state)
{
    _cleanup_rtnetlink_ struct rtnetlink netlink = {.fd = -1};
    struct rtnetlink_link link;

    (void)state;
    ip(0, "link add name left type veth peer name right");
    FILE *batch = popen("ip -batch -", "we");
    for (int i = 0; i < 300; i++)
        fprintf(batch, "link property add dev left altname n%0119d\n", i);
    assert_int_equal(pclose(batch), 0);
    assert_int_equal(rtnetlink_open(&netlink, -1), 0);
    assert_int_equal(rtnetlink_link_find(&netlink, "left", 0, &link), -EMSGSIZE);
    assert_int_equal(rtnetlink_link_find(&netlink, "right", 0, &link), 0);
    assert_string_equal(link.name, "right");
    assert_int_equal(rtnetlink_link_find(&netlink, NULL, 999, &link), -ENODEV);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keeps_name_and_addresses),
        TEST(test_sets_up_a_link_that_is_down_and_bare),
        TEST(test_leaves_other_addresses_behind),
        TEST(test_renames),
        TEST(test_renames_with_label_too_long),
        TEST(test_template),
        TEST(test_index_is_taken_inside),
        TEST(test_alternative_name),
        TEST(test_several),
        TEST(test_many_addresses),
        TEST(test_container_with_users_of_its_own),
        TEST(test_name_exists_inside),
        TEST(test_missing_device_moves_nothing),
        TEST(test_two_of_one_name),
        TEST(test_names_that_cannot_be),
        TEST(test_link_that_cannot_move),
        TEST(test_reason),
        TEST(test_same_namespace),
        TEST(test_process_that_is_gone),
        TEST(test_nothing_to_move),
        TEST(test_ignores_answers_of_others),
        TEST(test_answer_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
