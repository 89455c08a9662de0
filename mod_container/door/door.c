/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks. A request meets the door
 *
 *   1. before anything else is done for it, in quick_handler: lists, blocks, the rules of its
 * server and virtual host; with mod_cache, which answers right behind, those of its Locations, too
 *   2. in header_parser, once its Locations, Directories and Ifs are known, before any right is
 *      asked for: what these say and 1 did not
 *   3. at its end: what its status costs
 *
 * A rule counts a request once, whatever chain of internal redirects it becomes; error documents
 * and sub-requests are never counted.
 */
#include "mod_container/door/door.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "common/clock.h"
#include "mod_container/door/door_answer.h"
#include "mod_container/door/page.h"
#include "mod_container/module.h"
#include "mod_container/route.h"
#include "mod_container/traffic.h"

#define WORD_BITS 64

/* What a chain of requests carries, at its first. */
struct door_request {
    struct network client;         /* cut to ContainerThrottlePrefix */
    const struct door_config *met; /* whose lists and blocks were asked */
    bool is_free;                  /* allowed */
    bool is_refused;
    bool is_counted;    /* by some rule */
    uint64_t charged[]; /* bits by the rules' index */
};

static bool has_cache; /* set once a start, before children exist */

/* ---- whom ---- */

static struct network address_of(const request_rec *r, unsigned bits4, unsigned bits6)
{
    const apr_sockaddr_t *address = r->useragent_addr;

    if (!address)
        return (struct network){.family = 0};
    return network_of(address->ipaddr_ptr, (size_t)address->ipaddr_len, bits4, bits6);
}

static bool is_in_list(request_rec *r, const apr_array_header_t *list)
{
    const struct network client = address_of(r, 32, 128);

    for (int i = 0; list && i < list->nelts; i++) {
        const struct door_pass *pass = &APR_ARRAY_IDX(list, i, struct door_pass);
        const char *problem = NULL;
        if (pass->when ? ap_expr_exec(r, pass->when, &problem) > 0
                       : network_contains(&pass->network, &client))
            return true;
    }
    return false;
}

static struct door_request *chain_of(request_rec *r)
{
    const apr_array_header_t *rules = door_settings()->rules;
    size_t words = ((size_t)(rules ? rules->nelts : 0) + WORD_BITS - 1) / WORD_BITS;

    while (r->prev)
        r = r->prev;
    struct module_request *request = module_request_make(r);
    if (!request->door) {
        request->door = apr_pcalloc(r->pool, sizeof(*request->door) + words * sizeof(uint64_t));
        request->door->client = address_of(r, door_settings()->bits4, door_settings()->bits6);
    }
    return request->door;
}

/* ---- what ---- */

static bool is_charged(const struct door_request *chain, const struct door_rule *rule)
{
    return chain->charged[rule->index / WORD_BITS] >> (rule->index % WORD_BITS) & 1;
}

static bool matches(request_rec *r, const struct door_rule *rule, const char *page)
{
    bool is_one = !rule->paths;
    const char *problem = NULL;

    if (rule->methods && !(rule->methods & (AP_METHOD_BIT << r->method_number)))
        return false;
    for (int i = 0; !is_one && i < rule->paths->nelts; i++)
        is_one = page_matches(page, APR_ARRAY_IDX(rule->paths, i, const char *));
    return is_one && (!rule->when || ap_expr_exec(r, rule->when, &problem) > 0);
}

static bool is_spared(const struct door_request *chain, const struct door_config *config,
                      const struct door_rule *rule)
{
    return rule->is_off ||
           (!rule->is_loopback && config->loopback != 1 && network_is_loopback(&chain->client));
}

static struct throttle_subject subject_of(const request_rec *r, const struct door_request *chain,
                                          const struct door_rule *rule, const char *page)
{
    const server_rec *server = r->server;

    return (struct throttle_subject){
        .rule = rule->rule_number,
        .zone = rule->zone_number,
        .client = chain->client,
        .page = rule->is_per_page
                    ? page_hash(server->server_hostname ? server->server_hostname : "",
                                server->addrs ? server->addrs->host_port : server->port, page)
                    : 0,
    };
}

static bool is_dry(const struct door_config *config, const struct door_rule *rule)
{
    return (config && config->mode == DOOR_DRY) || (rule && rule->is_dry);
}

static int status_of(const struct door_config *config, const struct door_rule *rule)
{
    if (rule && rule->status)
        return rule->status;
    return config->status ? config->status : HTTP_TOO_MANY_REQUESTS;
}

/* ---- blocks ---- */

static void begin_block(request_rec *r, const struct door_request *chain,
                        const struct door_rule *rule, uint64_t now)
{
    const struct throttle_block block = {
        .client = chain->client,
        .zone = rule->zone_number,
        .rule = rule->rule_number,
        .origin = THROTTLE_BY_RULE,
        .is_renewed = rule->is_renewed,
        .since_usec = now,
        .until_usec = now + rule->block_usec,
        .period_usec = rule->block_usec,
    };

    if (throttle_block(door_table(), &block, now) == 1)
        door_log_block(r, rule, &chain->client);
}

/* Whether the client is blocked where a rule of the section holds, or everywhere. */
static bool is_blocked(const struct door_request *chain, const struct door_config *config,
                       uint64_t now, struct door_refusal *refusal)
{
    struct throttle_block block;
    uint32_t asked = UINT32_MAX;

    for (int i = -1; i < (config->rules ? config->rules->nelts : 0); i++) {
        const struct door_rule *rule =
            i < 0 ? NULL : APR_ARRAY_IDX(config->rules, i, struct door_rule *);
        uint32_t zone = rule ? rule->zone_number : THROTTLE_ANYWHERE;
        if (zone == asked)
            continue;
        /* A rule that only watches blocks nobody; another one of its zone may have. */
        if (rule && (!rule->block_usec || rule->is_dry || is_spared(chain, config, rule)))
            continue;
        asked = zone;
        if (!throttle_is_blocked(door_table(), &chain->client, zone, now, &block))
            continue;
        *refusal = (struct door_refusal){
            .rule = rule,
            .status = status_of(config, rule),
            .is_block = true,
            .retry_after_usec = block.until_usec > now ? block.until_usec - now : 1,
        };
        return true;
    }
    return false;
}

/* ---- rules ---- */

/* Charges a request under one rule; false: it is refused. */
static bool take(request_rec *r, struct door_request *chain, const struct door_config *config,
                 const struct door_rule *rule, const char *page, uint64_t now,
                 struct door_refusal *refusal)
{
    const struct throttle_subject subject = subject_of(r, chain, rule, page);

    chain->charged[rule->index / WORD_BITS] |= UINT64_C(1) << (rule->index % WORD_BITS);
    if (!rule->counts_requests)
        return true;
    chain->is_counted = true;
    struct throttle_verdict verdict =
        throttle_take(door_table(), &subject, &rule->limit, rule->cost, now);
    if (verdict.is_admitted)
        return true;
    *refusal = (struct door_refusal){
        .rule = rule,
        .status = status_of(config, rule),
        .is_block = rule->block_usec > 0,
        .retry_after_usec = rule->block_usec ? rule->block_usec : verdict.retry_after_usec,
    };
    if (is_dry(config, rule)) {
        throttle_count_would(door_table());
        door_log_refusal(r, refusal, &chain->client, true);
        return true;
    }
    if (rule->block_usec)
        begin_block(r, chain, rule, now);
    return false;
}

static bool take_all(request_rec *r, struct door_request *chain, const struct door_config *config,
                     const char *page, uint64_t now, struct door_refusal *refusal)
{
    for (int i = 0; config->rules && i < config->rules->nelts; i++) {
        const struct door_rule *rule = APR_ARRAY_IDX(config->rules, i, struct door_rule *);
        if (is_spared(chain, config, rule) || is_charged(chain, rule) || !matches(r, rule, page))
            continue;
        if (!take(r, chain, config, rule, page, now, refusal))
            return false;
    }
    return true;
}

/* ---- the door ---- */

static int refuse(request_rec *r, struct door_request *chain, const struct door_config *config,
                  const struct door_refusal *refusal)
{
    struct route *route = config_of_request(r)->route;

    chain->is_refused = true;
    door_log_refusal(r, refusal, &chain->client, false);
    if (route && !route->is_off && !route_of_request(r))
        traffic_refuse(r, route);
    return door_answer(r, config, refusal);
}

/* Asks the lists and blocks of a section; DECLINED: go on. */
static int ask_lists(request_rec *r, struct door_request *chain, const struct door_config *config,
                     uint64_t now)
{
    struct door_refusal refusal = {.status = HTTP_FORBIDDEN};

    chain->met = config;
    chain->is_free = is_in_list(r, config->allow);
    if (chain->is_free)
        return DECLINED;
    if (is_in_list(r, config->deny)) {
        if (config->mode != DOOR_DRY)
            return refuse(r, chain, config, &refusal);
        door_log_refusal(r, &refusal, &chain->client, true);
    }
    if (!door_table() || !is_blocked(chain, config, now, &refusal))
        return DECLINED;
    if (config->mode != DOOR_DRY)
        return refuse(r, chain, config, &refusal);
    throttle_count_would(door_table());
    door_log_refusal(r, &refusal, &chain->client, true);
    return DECLINED;
}

/* Meets what a section says; DECLINED: go on. */
static int meet(request_rec *r, const struct door_config *config, const char *page)
{
    struct door_refusal refusal;
    uint64_t now = clock_monotonic_usec();

    if (!config || config->mode == DOOR_OFF)
        return DECLINED;
    struct door_request *chain = chain_of(r);
    if (chain->is_refused || chain->client.family == 0)
        return DECLINED;
    if (chain->met != config) {
        int answer = ask_lists(r, chain, config, now);
        if (answer != DECLINED)
            return answer;
    }
    if (!chain->is_free && door_table() && !take_all(r, chain, config, page, now, &refusal))
        return refuse(r, chain, config, &refusal);
    return DECLINED;
}

/* A request as it came: "*" and CONNECT's authority have no path. */
static const char *page_of(request_rec *r)
{
    const char *path = r->parsed_uri.path ? r->parsed_uri.path : r->uri;

    if (!path)
        return "";
    return page_normalise(path, apr_palloc(r->pool, strlen(path) + 1));
}

/*
 * What mod_cache would answer never meets header_parser. So the Locations are looked for here, on a
 * copy, for the request itself is to meet them with the URI that translate_name makes of it.
 */
static const struct door_config *config_with_locations(request_rec *r, const char *page)
{
    request_rec copy = *r;

    copy.uri = apr_pstrdup(r->pool, page);
    if (copy.uri[0] != '/' || ap_location_walk(&copy) != OK)
        return config_of_request(r)->door;
    return config_of_request(&copy)->door;
}

static int at_the_door(request_rec *r, int is_lookup)
{
    const struct door_config *config = config_of_request(r)->door;

    if (is_lookup || r->main || r->prev || (!config && !has_cache))
        return DECLINED;
    if (!config && !door_table())
        return DECLINED;
    const char *page = page_of(r);
    if (has_cache)
        config = config_with_locations(r, page);
    return meet(r, config, page);
}

/* An error document is what a request that was counted gets. */
static bool is_error_document(const request_rec *r)
{
    for (; r->prev; r = r->prev)
        if (r->prev->status >= HTTP_BAD_REQUEST)
            return true;
    return false;
}

static int in_the_house(request_rec *r)
{
    const struct door_config *config = config_of_request(r)->door;

    if (!config || r->main || is_error_document(r))
        return DECLINED;
    return meet(r, config, r->uri ? r->uri : "");
}

/* ---- the end ---- */

static unsigned cost_of(const struct door_rule *rule, int status)
{
    unsigned units = 0;

    for (unsigned i = 0; i < rule->cost_count; i++)
        if (status >= rule->costs[i].from && status <= rule->costs[i].to &&
            rule->costs[i].units > units)
            units = rule->costs[i].units;
    return units;
}

static int count_answer(request_rec *r)
{
    const struct module_request *request = module_request_find(r);
    const request_rec *last = r;

    if (!request || !request->door || request->door->is_refused || !door_table())
        return DECLINED;
    struct door_request *chain = request->door;
    while (last->next)
        last = last->next;
    if (chain->is_counted)
        throttle_count_admitted(door_table());
    const apr_array_header_t *rules = door_settings()->rules;
    for (int i = 0; i < rules->nelts; i++) {
        const struct door_rule *rule = APR_ARRAY_IDX(rules, i, struct door_rule *);
        unsigned units = is_charged(chain, rule) ? cost_of(rule, last->status) : 0;
        if (!units)
            continue;
        uint64_t now = clock_monotonic_usec();
        const struct throttle_subject subject =
            subject_of(r, chain, rule, rule->is_per_page ? page_of(r) : "");
        struct throttle_verdict verdict =
            throttle_charge(door_table(), &subject, &rule->limit, units, now);
        if (verdict.is_admitted || !rule->block_usec)
            continue;
        if (is_dry(config_of_request(r)->door, rule))
            throttle_count_would(door_table());
        else
            begin_block(r, chain, rule, now);
    }
    return DECLINED;
}

static int find_cache(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool,
                      server_rec *server)
{
    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    (void)server;
    has_cache = ap_find_linked_module("mod_cache.c") != NULL;
    return OK;
}

void door_register(void)
{
    ap_hook_post_config(find_cache, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_quick_handler(at_the_door, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_header_parser(in_the_house, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(count_answer, NULL, NULL, APR_HOOK_MIDDLE);
    door_register_table();
}
