/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/net/address.h"

static void free_pool(struct address_pool **pool)
{
    address_pool_free(*pool);
}

#define POOL _cleanup_(free_pool) struct address_pool *pool = NULL

static void test_refuses_bad_pools(void **state)
{
    static const struct {
        const char *ipv4, *ipv6, *message;
    } cases[] = {
        {"", "", "network.ipv4_pool: \"\" is not ADDRESS/LENGTH; write \"10.203.0.0/16\""},
        {"10.203.0.0", "", "is not ADDRESS/LENGTH"},
        {"10.203.0/16", "", "\"10.203.0\" is not an IPv4 address"},
        {"010.203.0.0/16", "", "is not an IPv4 address"},
        {" 10.203.0.0/16", "", "is not an IPv4 address"},
        {"10.203.0.0/", "", "prefix length \"\" is not one of 8 to 22"},
        {"10.203.0.0/7", "", "prefix length \"7\" is not one of 8 to 22"},
        {"10.203.0.0/23", "", "prefix length \"23\" is not one of 8 to 22"},
        {"10.203.0.0/+16", "", "is not one of 8 to 22"},
        {"10.203.0.0/16 ", "", "is not one of 8 to 22"},
        {"10.203.0.0/4294967312", "", "is not one of 8 to 22"},
        {"10.203.0.1/16", "", "bits behind its prefix; write \"10.203.0.0/16\""},
        {"10.203.4.0/21", "", "write \"10.203.0.0/21\""},
        {"127.0.0.0/8", "", "overlaps loopback"},
        {"127.16.0.0/16", "", "overlaps loopback"},
        {"0.0.0.0/8", "", "this network"},
        {"169.254.0.0/16", "", "overlaps link-local"},
        {"224.0.0.0/8", "", "overlaps multicast"},
        {"250.0.0.0/8", "", "overlaps reserved"},
        {"10.203.0.0/16", "fd00::", "network.ipv6_pool: \"fd00::\" is not ADDRESS/LENGTH"},
        {"10.203.0.0/16", "10.0.0.0/8", "is not an IPv6 address"},
        {"10.203.0.0/16", "fd00::/65", "prefix length \"65\" is not one of 8 to 64"},
        {"10.203.0.0/16", "fd00::1/64", "write \"fd00::/64\""},
        {"10.203.0.0/16", "fd00:0:0:8000::/48", "write \"fd00::/48\""},
        {"10.203.0.0/16", "fe80::/64", "neither unique local"},
        {"10.203.0.0/16", "ff00::/8", "neither unique local"},
        {"10.203.0.0/16", "::/64", "neither unique local"},
        {"10.203.0.0/16",
         "fd00:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd/64",
         "is not ADDRESS/LENGTH"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        POOL;
        struct error error = ERROR_INIT;
        int r = address_pool_open(cases[i].ipv4, cases[i].ipv6, 1, &pool, &error);
        assert_int_equal(r, -EINVAL);
        assert_null(pool);
        if (!strstr(error.message, cases[i].message))
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].message);
    }
}

static void test_capacity_is_bounded(void **state)
{
    POOL;

    (void)state;
    assert_int_equal(address_pool_open("10.0.0.0/8", "", 0, &pool, NULL), -EINVAL);
    assert_int_equal(address_pool_open("10.0.0.0/8", "", 1022, &pool, NULL), -EINVAL);
    assert_int_equal(address_pool_open("10.0.0.0/8", "", 1021, &pool, NULL), 0);
}

static void test_counts_bridges(void **state)
{
    static const struct {
        const char *ipv4, *ipv6;
        uint32_t bridges;
    } cases[] = {
        {"10.0.0.0/8", "", 16384},          {"10.203.0.0/16", "", 64},
        {"10.203.4.0/22", "", 1},           {"10.203.0.0/16", "fd00::/64", 1},
        {"10.203.0.0/16", "fd00::/60", 16}, {"10.203.0.0/16", "fd00::/48", 64},
        {"10.0.0.0/8", "fd00::/8", 16384},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        POOL;
        assert_int_equal(address_pool_open(cases[i].ipv4, cases[i].ipv6, 1021, &pool, NULL), 0);
        assert_int_equal(address_pool_bridges(pool), cases[i].bridges);
        assert_int_equal(address_pool_has_ipv6(pool), cases[i].ipv6[0] != '\0');
    }
}

static void test_addresses(void **state)
{
    static const struct {
        uint32_t bridge, host;
        const char *ipv4, *ipv6;
    } cases[] = {
        {0, 1, "10.203.0.1", "fd4d:6f64:43::1"},
        {0, 2, "10.203.0.2", "fd4d:6f64:43::2"},
        {0, 1022, "10.203.3.254", "fd4d:6f64:43::3fe"},
        {1, 1, "10.203.4.1", "fd4d:6f64:43:1::1"},
        {63, 1022, "10.203.255.254", "fd4d:6f64:43:3f::3fe"},
    };
    POOL;
    char ipv4[ADDRESS_IPV4_TEXT], ipv6[ADDRESS_IPV6_TEXT];

    (void)state;
    assert_int_equal(address_pool_open("10.203.0.0/16", "fd4d:6f64:43::/48", 1021, &pool, NULL), 0);
    assert_int_equal(address_pool_length(pool, AF_INET), 16);
    assert_int_equal(address_pool_length(pool, AF_INET6), 48);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        address_ipv4_text(pool, cases[i].bridge, cases[i].host, ipv4);
        address_ipv6_text(pool, cases[i].bridge, cases[i].host, ipv6);
        assert_string_equal(ipv4, cases[i].ipv4);
        assert_string_equal(ipv6, cases[i].ipv6);
    }
}

static void test_last_bridge_of_the_largest_pools(void **state)
{
    POOL;
    char ipv4[ADDRESS_IPV4_TEXT], ipv6[ADDRESS_IPV6_TEXT];

    (void)state;
    assert_int_equal(address_pool_open("10.0.0.0/8", "2001:db8:ffff:8000::/49", 1021, &pool, NULL),
                     0);
    assert_int_equal(address_pool_bridges(pool), 16384);
    address_ipv4_text(pool, 16383, 1022, ipv4);
    address_ipv6_text(pool, 16383, 1022, ipv6);
    assert_string_equal(ipv4, "10.255.255.254");
    assert_string_equal(ipv6, "2001:db8:ffff:bfff::3fe");
}

static void test_no_ipv6_is_an_empty_text(void **state)
{
    POOL;
    char ipv6[ADDRESS_IPV6_TEXT] = "x";

    (void)state;
    assert_int_equal(address_pool_open("10.203.0.0/16", "", 1021, &pool, NULL), 0);
    address_ipv6_text(pool, 0, 2, ipv6);
    assert_string_equal(ipv6, "");
}

static void test_mac_is_local_unicast_and_unique(void **state)
{
    POOL;
    uint8_t a[6], b[6];
    char text[INET6_ADDRSTRLEN];

    (void)state;
    assert_int_equal(address_pool_open("10.203.0.0/16", "", 1021, &pool, NULL), 0);
    address_mac(pool, 1, 2, a);
    address_mac(pool, 2, 2, b);
    assert_memory_equal(a, "\x02\xc7\x0a\xcb\x04\x02", 6);
    assert_memory_not_equal(a, b, 6);
    struct in6_addr local = address_link_local(a);
    assert_string_equal(inet_ntop(AF_INET6, &local, text, sizeof(text)), "fe80::c7:aff:fecb:402");
}

static void take(struct address_pool *pool, uint32_t want_bridge, uint32_t want_host)
{
    uint32_t bridge, host;

    assert_int_equal(address_take(pool, &bridge, &host, NULL), 0);
    assert_int_equal(bridge, want_bridge);
    assert_int_equal(host, want_host);
}

static void test_lowest_free_first(void **state)
{
    POOL;

    (void)state;
    assert_int_equal(address_pool_open("10.203.0.0/16", "", 3, &pool, NULL), 0);
    take(pool, 0, 2);
    take(pool, 0, 3);
    take(pool, 0, 4);
    take(pool, 1, 2);
    address_give(pool, 0, 3);
    address_give(pool, 1, 2);
    take(pool, 0, 3);
    take(pool, 1, 2);
    take(pool, 1, 3);
}

static void test_used_up(void **state)
{
    POOL;
    struct error error = ERROR_INIT;
    uint32_t bridge, host;

    (void)state;
    assert_int_equal(address_pool_open("10.203.4.0/22", "", 1021, &pool, NULL), 0);
    for (uint32_t i = 2; i <= 1022; i++)
        take(pool, 0, i);
    assert_int_equal(address_take(pool, &bridge, &host, &error), -ENOSPC);
    assert_non_null(strstr(error.message, "1 bridges of 1021 containers"));
    address_give(pool, 0, 700);
    take(pool, 0, 700);
}

static void test_giving_back_nonsense_is_harmless(void **state)
{
    POOL;

    (void)state;
    assert_int_equal(address_pool_open("10.203.0.0/16", "", 1021, &pool, NULL), 0);
    address_give(pool, 0, 2);
    address_give(pool, UINT32_MAX, 2);
    take(pool, 0, 2);
    address_give(pool, 0, UINT32_MAX);
    address_give(pool, 0, 3);
    take(pool, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_bad_pools),
        cmocka_unit_test(test_capacity_is_bounded),
        cmocka_unit_test(test_counts_bridges),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_last_bridge_of_the_largest_pools),
        cmocka_unit_test(test_no_ipv6_is_an_empty_text),
        cmocka_unit_test(test_mac_is_local_unicast_and_unique),
        cmocka_unit_test(test_lowest_free_first),
        cmocka_unit_test(test_used_up),
        cmocka_unit_test(test_giving_back_nonsense_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
