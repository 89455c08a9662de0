/* SPDX-License-Identifier: Apache-2.0 */

/* Who reaches whom: tenants, the host and the world outside. Run as root. */

#include "tests/unit/net/stage.h"

static void test_port_flags(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"isolated", "1"},     {"learning", "0"},        {"unicast_flood", "0"},
        {"hairpin_mode", "0"}, {"multicast_flood", "0"}, {"broadcast_flood", "0"},
    };
    char path[128], value[64];

    (void)state;
    attach(0);
    /* sysfs shows the namespace it was mounted in: mount one for the host's, out of everybody's
     * sight. */
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("sysfs", "/mnt", "sysfs", MS_RDONLY, NULL) < 0)
            _exit(101);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
            snprintf(path, sizeof(path), "/mnt/class/net/%s/brport/%s", tenants[0].attachment.link,
                     cases[i].name);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            ssize_t got = fd < 0 ? -1 : read(fd, value, 1);
            if (got != 1 || value[0] != cases[i].value[0])
                _exit((int)i + 1);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_host_reaches_tenants(void **state)
{
    (void)state;
    attach_all();
    for (size_t i = 0; i < TENANTS; i++) {
        _cleanup_close_ int listener = listen_in(tenants[i].netns_fd);
        assert_reaches(host_fd, tenants[i].attachment.ipv4);
        assert_reaches(host_fd, tenants[i].attachment.ipv6);
    }
}

static void test_tenants_do_not_reach_each_other(void **state)
{
    (void)state;
    attach_all();
    _cleanup_close_ int listener = listen_in(tenants[1].netns_fd);
    assert_reaches(host_fd, tenants[1].attachment.ipv4);
    assert_does_not_reach(tenants[0].netns_fd, tenants[1].attachment.ipv4);
    assert_does_not_reach(tenants[0].netns_fd, tenants[1].attachment.ipv6);
}

static struct frame direct_frame(void)
{
    const struct network_attachment *from = &tenants[0].attachment, *to = &tenants[1].attachment;

    return ipv4_frame(to->mac, from->mac, from->ipv4, to->ipv4);
}

/* With all addresses true, and with neighbours known: the frame itself must not pass. */
static void test_frames_do_not_pass_between_ports(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    const struct network_attachment *from = &tenants[0].attachment, *to = &tenants[1].attachment;

    (void)state;
    attach_all();
    struct frame frames[] = {
        direct_frame(),
        ipv4_frame(all, from->mac, from->ipv4, "255.255.255.255"),
        ipv6_frame(to->mac, from->mac, from->ipv6, to->ipv6),
        arp_frame(from->mac, from->mac, from->ipv4, to->ipv4),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++)
        assert_false(
            frame_arrives(&tenants[0], &frames[i], tenants[1].netns_fd, "eth0", FORBIDDEN_MS));
}

/* Isolation of ports alone keeps frames apart, and so do the rules alone. */
static void test_each_border_holds_alone(void **state)
{
    (void)state;
    attach_all();
    struct frame frame = direct_frame();
    nft("flush ruleset\n");
    assert_false(frame_arrives(&tenants[0], &frame, tenants[1].netns_fd, "eth0", FORBIDDEN_MS));
    teardown(NULL);
    setup(NULL);
    attach_all();
    for (size_t i = 0; i < TENANTS; i++) {
        struct ifinfomsg header = {.ifi_index = tenants[i].attachment.ifindex};
        _cleanup_(cleanup_netlink) struct netlink *netlink = NULL;
        _cleanup_(cleanup_message) struct nl_msg *message =
            netlink_message(RTM_NEWLINK, 0, &header, sizeof(header));
        struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
        nla_put_string(message, IFLA_INFO_SLAVE_KIND, "bridge");
        struct nlattr *data = nla_nest_start(message, IFLA_INFO_SLAVE_DATA);
        nla_put_u8(message, IFLA_BRPORT_ISOLATED, 0);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        assert_ok(netlink_open(&netlink));
        assert_ok(netlink_request(netlink, message));
    }
    frame = direct_frame();
    /* Where br_netfilter is loaded, inet rules see bridged frames too. */
    nft("delete table inet container_supervisor\n");
    assert_false(frame_arrives(&tenants[0], &frame, tenants[1].netns_fd, "eth0", FORBIDDEN_MS));
    /* And the control: with neither the frame passes. */
    nft("flush ruleset\n");
    assert_true(frame_arrives(&tenants[0], &frame, tenants[1].netns_fd, "eth0", ALLOWED_MS));
}

/* The detour: a frame to the gateway's MAC with the neighbour's IP address would be routed back. */
static void test_gateway_does_not_route_between_tenants(void **state)
{
    const struct network_attachment *from = &tenants[0].attachment, *to = &tenants[1].attachment;
    uint8_t gateway[6];

    (void)state;
    attach_all();
    gateway_mac(gateway);
    struct frame ipv4 = ipv4_frame(gateway, from->mac, from->ipv4, to->ipv4);
    struct frame ipv6 = ipv6_frame(gateway, from->mac, from->ipv6, to->ipv6);
    struct frame control = ipv4_frame(gateway, from->mac, from->ipv4, "192.0.2.2");
    assert_false(frame_arrives(&tenants[0], &ipv4, tenants[1].netns_fd, "eth0", FORBIDDEN_MS));
    assert_false(frame_arrives(&tenants[0], &ipv6, tenants[1].netns_fd, "eth0", FORBIDDEN_MS));
    assert_true(frame_arrives(&tenants[0], &control, outside_fd, "out1", ALLOWED_MS));
}

static void test_tenants_do_not_reach_the_host(void **state)
{
    static const char *const addresses[] = {"10.203.0.1", "fd4d:6f64:43::1", "192.0.2.1",
                                            "2001:db8:2::1"};
    char link_local[INET6_ADDRSTRLEN];
    uint8_t gateway[6];

    (void)state;
    attach(0);
    _cleanup_close_ int listener = listen_in(host_fd);
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        assert_reaches(host_fd, addresses[i]);
        assert_does_not_reach(tenants[0].netns_fd, addresses[i]);
    }
    gateway_mac(gateway);
    struct in6_addr address = address_link_local(gateway);
    inet_ntop(AF_INET6, &address, link_local, sizeof(link_local));
    _cleanup_(namespace_leave) int previous = -1;
    assert_ok(namespace_enter(tenants[0].netns_fd, &previous));
    int scope = (int)if_nametoindex("eth0");
    namespace_leave(&previous);
    assert_int_equal(try_connect(tenants[0].netns_fd, link_local, scope, FORBIDDEN_MS), ETIMEDOUT);
}

static void test_tenants_get_no_echo_from_the_host(void **state)
{
    uint8_t request[16] = {8, 0, 0xf7, 0xff}; /* echo request, checksum */
    struct sockaddr_storage address;
    socklen_t length = endpoint(&address, "10.203.0.1", 0, 0);

    (void)state;
    attach(0);
    for (int i = 0; i < 2; i++) {
        _cleanup_close_ int fd = socket_in(tenants[0].netns_fd, AF_INET, SOCK_RAW, IPPROTO_ICMP);
        struct pollfd event = {.fd = fd, .events = POLLIN};
        assert_int_equal(
            sendto(fd, request, sizeof(request), 0, (struct sockaddr *)&address, length),
            sizeof(request));
        /* The control: without the rules it is answered. */
        assert_int_equal(poll(&event, 1, i == 0 ? FORBIDDEN_MS : ALLOWED_MS), i);
        if (i == 0)
            nft("delete table inet container_supervisor\n");
    }
}

static void test_masquerade_to_the_outside(void **state)
{
    (void)state;
    attach(0);
    check_masquerade(tenants[0].netns_fd, "192.0.2.2", "::ffff:192.0.2.1");
    check_masquerade(tenants[0].netns_fd, "2001:db8:2::2", "2001:db8:2::1");
}

static void test_outside_does_not_reach_tenants(void **state)
{
    (void)state;
    attach(0);
    _cleanup_close_ int listener = listen_in(tenants[0].netns_fd);
    assert_does_not_reach(outside_fd, tenants[0].attachment.ipv4);
    assert_does_not_reach(outside_fd, tenants[0].attachment.ipv6);
}

static void test_metadata_service_is_not_reached(void **state)
{
    (void)state;
    attach(0);
    _cleanup_close_ int listener = listen_in(outside_fd);
    /* Via the default route the host itself gets there. */
    assert_reaches(host_fd, "169.254.169.254");
    assert_does_not_reach(tenants[0].netns_fd, "169.254.169.254");
    /* But a cloud's resolver. */
    _cleanup_close_ int resolver = listen_on(outside_fd, 53);
    assert_int_equal(try_port(tenants[0].netns_fd, "169.254.169.254", 53, 0, ALLOWED_MS), 0);
}

static void test_spoofed_frames_are_dropped(void **state)
{
    const struct network_attachment *own = &tenants[0].attachment, *other = &tenants[1].attachment;
    uint8_t gateway[6];

    (void)state;
    attach_all();
    gateway_mac(gateway);
    struct frame tagged = ethernet(gateway, own->mac, ETH_P_8021Q);
    struct frame inner = ipv4_frame(gateway, own->mac, own->ipv4, "192.0.2.2");
    put(&tagged, "\0\7", 2);
    put(&tagged, inner.bytes + 12, inner.length - 12);
    const struct {
        const char *what;
        struct frame frame;
        bool passes;
    } cases[] = {
        {"own IPv4", ipv4_frame(gateway, own->mac, own->ipv4, "192.0.2.2"), true},
        {"own IPv6", ipv6_frame(gateway, own->mac, own->ipv6, "2001:db8:2::2"), true},
        {"own ARP", arp_frame(own->mac, own->mac, own->ipv4, own->gateway4), true},
        {"other's IPv4", ipv4_frame(gateway, own->mac, other->ipv4, "192.0.2.2"), false},
        {"outside's IPv4", ipv4_frame(gateway, own->mac, "192.0.2.2", own->gateway4), false},
        {"gateway's IPv4", ipv4_frame(gateway, own->mac, own->gateway4, "192.0.2.2"), false},
        {"other's MAC", ipv4_frame(gateway, other->mac, own->ipv4, "192.0.2.2"), false},
        {"other's both", ipv4_frame(gateway, other->mac, other->ipv4, "192.0.2.2"), false},
        {"other's IPv6", ipv6_frame(gateway, own->mac, other->ipv6, "2001:db8:2::2"), false},
        {"other's both, IPv6", ipv6_frame(gateway, other->mac, other->ipv6, "2001:db8:2::2"),
         false},
        {"no IPv6", ipv6_frame(gateway, own->mac, "::", "2001:db8:2::2"), false},
        {"ARP, other's address", arp_frame(own->mac, own->mac, other->ipv4, own->gateway4), false},
        {"ARP, gateway's address", arp_frame(own->mac, own->mac, own->gateway4, own->gateway4),
         false},
        {"ARP, other's MAC inside", arp_frame(own->mac, other->mac, own->ipv4, own->gateway4),
         false},
        {"ARP, other's MAC outside", arp_frame(other->mac, own->mac, own->ipv4, own->gateway4),
         false},
        {"a VLAN tag", tagged, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        bool passes = frame_arrives(&tenants[0], &cases[i].frame, host_fd, "ctbr0",
                                    cases[i].passes ? ALLOWED_MS : FORBIDDEN_MS / 2);
        if (passes != cases[i].passes)
            fail_msg("%s: %s", cases[i].what, passes ? "passed" : "dropped");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_port_flags),
        TEST(test_host_reaches_tenants),
        TEST(test_tenants_do_not_reach_each_other),
        TEST(test_frames_do_not_pass_between_ports),
        TEST(test_each_border_holds_alone),
        TEST(test_gateway_does_not_route_between_tenants),
        TEST(test_tenants_do_not_reach_the_host),
        TEST(test_tenants_get_no_echo_from_the_host),
        TEST(test_masquerade_to_the_outside),
        TEST(test_outside_does_not_reach_tenants),
        TEST(test_metadata_service_is_not_reached),
        TEST(test_spoofed_frames_are_dropped),
    };

    return cmocka_run_group_tests(tests, make_host, NULL);
}
