/* SPDX-License-Identifier: Apache-2.0 */

/* What attaching, detaching, opening and closing leave behind. Run as root. */

#include <limits.h>

#include "tests/unit/net/stage.h"

static void test_attachment_is_described(void **state)
{
    const struct network_attachment *first = &tenants[0].attachment;

    (void)state;
    attach_all();
    assert_int_equal(first->bridge, 0);
    assert_int_equal(first->host, 2);
    assert_string_equal(first->ipv4, "10.203.0.2");
    assert_string_equal(first->ipv6, "fd4d:6f64:43::2");
    assert_string_equal(first->gateway4, "10.203.0.1");
    assert_string_equal(first->gateway6, "fd4d:6f64:43::1");
    assert_true(first->ifindex > 0);
    assert_int_equal(strncmp(first->link, "ctbr-", 5), 0);
    assert_string_not_equal(first->link, tenants[1].attachment.link);
    assert_string_equal(tenants[1].attachment.ipv4, "10.203.0.3");
    assert_string_equal(links_in(tenants[0].netns_fd), "eth0\n");
}

static void test_sysctls_of_both_ends(void **state)
{
    static const struct {
        bool is_inside;
        const char *path, *value;
    } cases[] = {
        {true, "/proc/sys/net/ipv6/conf/eth0/accept_ra", "0"},
        {true, "/proc/sys/net/ipv6/conf/eth0/accept_dad", "0"},
        {true, "/proc/sys/net/ipv4/conf/eth0/accept_redirects", "0"},
        {false, "/proc/sys/net/ipv4/ip_forward", "1"},
        {false, "/proc/sys/net/ipv6/conf/all/forwarding", "1"},
        {false, "/proc/sys/net/ipv4/conf/ctbr0/arp_ignore", "1"},
        {false, "/proc/sys/net/ipv6/conf/ctbr0/accept_ra", "0"},
        /* Took router advertisements before, and goes on. */
        {false, "/proc/sys/net/ipv6/conf/out0/accept_ra", "2"},
    };
    char value[64];

    (void)state;
    attach(0);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        read_proc(cases[i].is_inside ? tenants[0].netns_fd : host_fd, cases[i].path, value,
                  sizeof(value));
        if (strcmp(value, cases[i].value) != 0)
            fail_msg("%s is %s", cases[i].path, value);
    }
}

static void test_detach_gives_the_address_back(void **state)
{
    (void)state;
    attach_all();
    assert_non_null(strstr(nft("list set bridge container_supervisor ipv4\n"), "10.203.0.3"));
    char link[16];
    strcpy(link, tenants[1].attachment.link);
    assert_ok(network_detach(network, &tenants[1].attachment, &error));
    assert_null(strstr(links_in(host_fd), link));
    assert_string_equal(links_in(tenants[1].netns_fd), "");
    assert_null(strstr(nft("list set bridge container_supervisor ipv4\n"), "10.203.0.3"));
    assert_null(strstr(nft("list set bridge container_supervisor ipv6\n"), "43::3"));
    /* Twice is harmless, and frees nobody else's address. */
    assert_ok(network_detach(network, &tenants[1].attachment, &error));
    attach(1);
    assert_string_equal(tenants[1].attachment.ipv4, "10.203.0.3");
    _cleanup_close_ int listener = listen_in(tenants[1].netns_fd);
    assert_reaches(host_fd, "10.203.0.3");
    assert_reaches(host_fd, "fd4d:6f64:43::3");
}

static void test_detach_after_the_namespace_has_gone(void **state)
{
    (void)state;
    attach_all();
    close_fd(&tenants[1].netns_fd);
    struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < 250 && strstr(links_in(host_fd), tenants[1].attachment.link); i++)
        nanosleep(&pause, NULL);
    assert_null(strstr(links_in(host_fd), tenants[1].attachment.link));
    assert_ok(network_detach(network, &tenants[1].attachment, &error));
    assert_null(strstr(nft("list set bridge container_supervisor ipv4\n"), "10.203.0.3"));
    tenants[1].netns_fd = namespace_open("private", &error);
    attach(1);
    assert_string_equal(tenants[1].attachment.ipv4, "10.203.0.3");
}

static void test_failed_attach_leaves_nothing(void **state)
{
    struct network_attachment attachment = {0};

    (void)state;
    attach(0);
    char before[4096];
    strcpy(before, links_in(host_fd));
    /* Somebody has an eth0 there already. */
    int r = network_attach(network, "again", tenants[0].netns_fd, &attachment, &error);
    assert_int_equal(r, -EEXIST);
    assert_string_equal(error.message, "network of again: the container has a link eth0 already");
    assert_int_equal(attachment.ifindex, 0);
    assert_string_equal(links_in(host_fd), before);
    assert_null(strstr(nft("list set bridge container_supervisor ipv4\n"), "10.203.0.3"));
    /* Not a namespace. */
    _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(network_attach(network, "null", null, &attachment, &error) < 0);
    assert_string_equal(links_in(host_fd), before);
    attach(1);
    assert_string_equal(tenants[1].attachment.ipv4, "10.203.0.3");
}

static void test_second_bridge_appears(void **state)
{
    (void)state;
    teardown(NULL);
    open_network(&host_config, 2);
    assert_non_null(strstr(links_in(host_fd), "ctbr0\n"));
    assert_null(strstr(links_in(host_fd), "ctbr1\n"));
    attach_all();
    assert_non_null(strstr(links_in(host_fd), "ctbr1\n"));
    assert_int_equal(tenants[2].attachment.bridge, 1);
    assert_string_equal(tenants[2].attachment.ipv4, "10.203.4.2");
    assert_string_equal(tenants[2].attachment.ipv6, "fd4d:6f64:43:1::2");
    assert_string_equal(tenants[2].attachment.gateway4, "10.203.4.1");
    _cleanup_close_ int listener = listen_in(tenants[2].netns_fd);
    _cleanup_close_ int on_host = listen_in(host_fd);
    assert_reaches(host_fd, "10.203.4.2");
    assert_reaches(host_fd, "fd4d:6f64:43:1::2");
    assert_does_not_reach(tenants[0].netns_fd, "10.203.4.2");
    assert_does_not_reach(tenants[0].netns_fd, "fd4d:6f64:43:1::2");
    assert_does_not_reach(tenants[2].netns_fd, "10.203.0.1");
    check_masquerade(tenants[2].netns_fd, "192.0.2.2", "::ffff:192.0.2.1");
}

static void test_close_leaves_nothing(void **state)
{
    (void)state;
    teardown(NULL);
    int before = open_descriptors();
    setup(NULL);
    attach_all();
    teardown(NULL);
    assert_string_equal(links_in(host_fd), "");
    assert_string_equal(nft("list ruleset\n"), "");
    assert_int_equal(open_descriptors(), before);
}

static void test_leftovers_of_a_crash_are_removed(void **state)
{
    int status;

    (void)state;
    teardown(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        /* Dies without closing; an inherited descriptor keeps the namespaces of its tenants. */
        struct network_attachment attachment;
        int r = network_open_with_capacity(&host_config, 1, &network, NULL);
        for (int i = 0; r == 0 && i < TENANTS; i++)
            r = network_attach(network, "abc" + i, namespace_open("private", NULL), &attachment,
                               NULL);
        _exit(r == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_non_null(strstr(links_in(host_fd), "ctbr2\n"));
    setup(NULL);
    assert_string_equal(links_in(host_fd), "ctbr0\n");
    assert_null(strstr(nft("list table bridge container_supervisor\n"), "elements"));
    assert_null(strstr(nft("list set inet container_supervisor bridges\n"), "ctbr1"));
    attach(0);
    assert_string_equal(tenants[0].attachment.ipv4, "10.203.0.2");
    _cleanup_close_ int listener = listen_in(tenants[0].netns_fd);
    assert_reaches(host_fd, "10.203.0.2");
}

static void test_foreign_links_and_tables_stay(void **state)
{
    static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 9};
    static const char *const names[] = {"ctbrx", "ctbr0x", "ctb0", "ctbrr-abc"};
    _cleanup_(cleanup_netlink) struct netlink *netlink = NULL;
    struct link link;

    (void)state;
    teardown(NULL);
    assert_ok(netlink_open(&netlink));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        assert_ok(link_add_bridge(netlink, names[i], mac));
    nft("add table inet other\n");
    setup(NULL);
    attach_all();
    /* One that got into the group of the ports, too. */
    struct link port;
    assert_ok(link_find(netlink, tenants[0].attachment.link, &port));
    assert_true(port.group >= 0x40000000);
    assert_ok(link_find(netlink, names[0], &link));
    struct ifinfomsg header = {.ifi_index = link.index};
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(RTM_NEWLINK, 0, &header, sizeof(header));
    assert_int_equal(nla_put_u32(message, IFLA_GROUP, port.group), 0);
    assert_ok(netlink_request(netlink, message));
    teardown(NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_ok(link_find(netlink, names[i], &link));
        assert_ok(link_delete(netlink, link.index));
    }
    assert_string_equal(nft("list ruleset\n"), "table inet other {\n}\n");
    nft("delete table inet other\n");
}

/* Sends n octets by TCP from one socket to the other end. */
static void transfer(int from_netns, const char *to, int listener, size_t count)
{
    struct sockaddr_storage address;
    socklen_t length = endpoint(&address, to, PORT, 0);
    _cleanup_close_ int fd = socket_in(from_netns, address.ss_family, SOCK_STREAM, 0);
    struct pollfd event = {.fd = fd, .events = POLLOUT};
    static char bytes[4096];

    connect(fd, (struct sockaddr *)&address, length);
    assert_int_equal(poll(&event, 1, ALLOWED_MS), 1);
    _cleanup_close_ int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(peer >= 0);
    struct pollfd incoming = {.fd = peer, .events = POLLIN};
    for (size_t sent = 0; sent < count; sent += sizeof(bytes)) {
        assert_int_equal(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
        for (size_t got = 0; got < sizeof(bytes);) {
            assert_int_equal(poll(&incoming, 1, ALLOWED_MS), 1);
            ssize_t n = recv(peer, bytes, sizeof(bytes), 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
    }
}

static void test_counters_are_the_containers(void **state)
{
    struct network_counters counters[TENANTS + 1] = {0};

    (void)state;
    attach_all();
    for (size_t i = 0; i < TENANTS; i++)
        counters[i].ifindex = tenants[i].attachment.ifindex;
    counters[TENANTS].ifindex = INT_MAX;
    counters[TENANTS].receive_bytes = 1;
    _cleanup_close_ int inside = listen_in(tenants[1].netns_fd);
    _cleanup_close_ int outside = listen_in(outside_fd);
    transfer(host_fd, tenants[1].attachment.ipv4, inside, 200 * 1024);
    transfer(tenants[2].netns_fd, "192.0.2.2", outside, 400 * 1024);
    assert_int_equal(network_counters(network, counters, ARRAY_LENGTH(counters)), 0);
    for (size_t i = 0; i < TENANTS; i++)
        assert_true(counters[i].is_found && counters[i].ifindex == tenants[i].attachment.ifindex);
    assert_false(counters[TENANTS].is_found);
    assert_int_equal(counters[TENANTS].receive_bytes, 0);
    assert_in_range(counters[0].receive_bytes, 0, 20 * 1024);
    assert_in_range(counters[1].receive_bytes, 200 * 1024, 300 * 1024);
    assert_in_range(counters[1].transmit_bytes, 0, 50 * 1024);
    assert_in_range(counters[2].transmit_bytes, 400 * 1024, 600 * 1024);
    assert_in_range(counters[2].receive_bytes, 0, 100 * 1024);
    assert_true(counters[1].receive_packets > 0 && counters[1].transmit_packets > 0);
    assert_in_range(counters[2].transmit_packets, 10, 10000);
    assert_int_equal(network_counters(network, NULL, 0), 0);
}

static void test_no_ipv6_pool(void **state)
{
    struct network_config config = host_config;
    char value[64];

    (void)state;
    teardown(NULL);
    config.ipv6_pool = "";
    open_network(&config, ADDRESS_BRIDGE_CAPACITY);
    attach(0);
    assert_string_equal(tenants[0].attachment.ipv6, "");
    assert_string_equal(tenants[0].attachment.gateway6, "");
    read_proc(tenants[0].netns_fd, "/proc/sys/net/ipv6/conf/eth0/disable_ipv6", value,
              sizeof(value));
    assert_string_equal(value, "1");
    _cleanup_close_ int listener = listen_in(tenants[0].netns_fd);
    assert_reaches(host_fd, tenants[0].attachment.ipv4);
    check_masquerade(tenants[0].netns_fd, "192.0.2.2", "::ffff:192.0.2.1");
}

static void test_private_namespace(void **state)
{
    struct network_config config = host_config;

    (void)state;
    teardown(NULL);
    config.namespace = "private";
    open_network(&config, 1);
    attach_all();
    assert_string_equal(links_in(host_fd), "");
    assert_string_equal(nft("list ruleset\n"), "");
    assert_string_equal(tenants[2].attachment.ipv4, "10.203.8.2");
    struct network_counters counters[TENANTS] = {0};
    for (size_t i = 0; i < TENANTS; i++)
        counters[i].ifindex = tenants[i].attachment.ifindex;
    assert_int_equal(network_counters(network, counters, TENANTS), 0);
    for (size_t i = 0; i < TENANTS; i++)
        assert_true(counters[i].is_found);
    assert_ok(network_detach(network, &tenants[1].attachment, &error));
    assert_string_equal(links_in(tenants[1].netns_fd), "");
    assert_int_equal(network_counters(network, counters, TENANTS), 0);
    assert_false(counters[1].is_found);
}

static void test_namespace_by_path(void **state)
{
    struct network_config config = host_config;
    _cleanup_close_ int other = namespace_open("private", &error);
    char path[64];

    (void)state;
    teardown(NULL);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
    config.namespace = path;
    open_network(&config, ADDRESS_BRIDGE_CAPACITY);
    attach(0);
    assert_string_equal(links_in(host_fd), "");
    assert_non_null(strstr(links_in(other), "ctbr0\n"));
    _cleanup_close_ int listener = listen_in(tenants[0].netns_fd);
    assert_reaches(other, tenants[0].attachment.ipv4);
    teardown(NULL);
    assert_string_equal(links_in(other), "");
}

static void test_bad_configuration(void **state)
{
    static const struct {
        const char *namespace, *bridge, *table, *ipv4, *message;
    } cases[] = {
        {"hosts", "ctbr", "t", "10.203.0.0/16", "network.namespace: \"hosts\" is not known"},
        {"", "ctbr", "t", "10.203.0.0/16", "network.namespace: \"\" is not known"},
        {"/dev/null", "ctbr", "t", "10.203.0.0/16", "is not a network namespace"},
        {"/proc/self/ns/mnt", "ctbr", "t", "10.203.0.0/16", "is not a network namespace"},
        {"/nowhere", "ctbr", "t", "10.203.0.0/16", "No such file or directory"},
        {"host", "", "t", "10.203.0.0/16", "network.bridge: \"\""},
        {"host", "ctbr0123456", "t", "10.203.0.0/16", "network.bridge: \"ctbr0123456\""},
        {"host", "ct-br", "t", "10.203.0.0/16", "network.bridge"},
        {"host", "ct*", "t", "10.203.0.0/16", "network.bridge"},
        {"host", "ctbr", "", "10.203.0.0/16", "network.table: \"\""},
        {"host", "ctbr", "t { }; flush ruleset", "10.203.0.0/16", "network.table"},
        {"host", "ctbr", "t", "10.203.0.0/24", "network.ipv4_pool"},
        {"host", "ctbr", "t", "192.0.0.0/16",
         "192.0.0.0/16 overlaps the route 192.0.2.0/24 of this machine"},
    };

    (void)state;
    teardown(NULL);
    int before = open_descriptors();
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct network_config config = host_config;
        config.namespace = cases[i].namespace;
        config.bridge = cases[i].bridge;
        config.table = cases[i].table;
        config.ipv4_pool = cases[i].ipv4;
        int r = network_open(&config, &network, &error);
        assert_true(r < 0);
        assert_null(network);
        if (!strstr(error.message, cases[i].message))
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].message);
        assert_string_equal(links_in(host_fd), "");
        assert_string_equal(nft("list ruleset\n"), "");
    }
    assert_int_equal(open_descriptors(), before);
}

static void test_changes_of_the_host_are_noted(void **state)
{
    _cleanup_close_ int other = namespace_open("private", &error);
    struct network_config config = host_config;
    char path[64];

    (void)state;
    teardown(NULL);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
    config.namespace = path;
    open_network(&config, 1);
    assert_non_null(strstr(network_notes(network), "sysctl net/ipv4/ip_forward was set to 1\n"));
    assert_non_null(
        strstr(network_notes(network), "sysctl net/ipv6/conf/all/forwarding was set to 1\n"));
    teardown(NULL);
    open_network(&config, 1);
    assert_string_equal(network_notes(network), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_attachment_is_described),
        TEST(test_sysctls_of_both_ends),
        TEST(test_detach_gives_the_address_back),
        TEST(test_detach_after_the_namespace_has_gone),
        TEST(test_failed_attach_leaves_nothing),
        TEST(test_second_bridge_appears),
        TEST(test_close_leaves_nothing),
        TEST(test_leftovers_of_a_crash_are_removed),
        TEST(test_foreign_links_and_tables_stay),
        TEST(test_counters_are_the_containers),
        TEST(test_no_ipv6_pool),
        TEST(test_private_namespace),
        TEST(test_namespace_by_path),
        TEST(test_bad_configuration),
        TEST(test_changes_of_the_host_are_noted),
    };

    return cmocka_run_group_tests(tests, make_host, NULL);
}
