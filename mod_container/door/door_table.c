/* SPDX-License-Identifier: Apache-2.0 */
/* The table's life from start to start, and what -D DUMP_CONTAINER_THROTTLE shows. */
#include <errno.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/cleanup.h"
#include "mod_container/door/door.h"
#include "mod_container/module.h"

#define MEMORY_KEY "container_throttle_memory"

static struct throttle_table *table; /* set once a start, before children exist */

struct throttle_table *door_table(void)
{
    return table;
}

static const char *zone_of(apr_pool_t *pool, const struct door_rule *rule)
{
    const server_rec *server = rule->server;
    const char *zone = "server";

    if (server->is_virtual)
        zone = apr_psprintf(pool, "%s:%u", server->server_hostname,
                            server->addrs ? server->addrs->host_port : server->port);
    return rule->section ? apr_pstrcat(pool, zone, " ", rule->section, NULL) : zone;
}

static apr_status_t close_table(void *data)
{
    throttle_close(data);
    if (table == data)
        table = NULL;
    return APR_SUCCESS;
}

/* Memory without a name lives as long as httpd's parent, so that a restart keeps the counts. */
static int keep_memory(server_rec *server, const struct error *why, struct error *error)
{
    void *kept = NULL;

    apr_pool_userdata_get(&kept, MEMORY_KEY, server->process->pool);
    table = kept;
    if (table)
        return 0;
    int r = throttle_create(NULL, door_settings()->entries, false, &table, error);
    if (r < 0)
        return r;
    apr_pool_userdata_setn(table, MEMORY_KEY, apr_pool_cleanup_null, server->process->pool);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                 "ContainerThrottle counts in memory that ends with httpd, and that containerctl "
                 "cannot see: %s",
                 why->message);
    return 0;
}

static int open_table(apr_pool_t *config_pool, server_rec *server, struct error *error)
{
    struct error why = ERROR_INIT;
    int generation = 0;

    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (throttle_create(module_state()->throttle_path, door_settings()->entries, generation > 0,
                        &table, &why) < 0)
        return keep_memory(server, &why, error);
    apr_pool_cleanup_register(config_pool, table, close_table, apr_pool_cleanup_null);
    return 0;
}

int door_start(apr_pool_t *config_pool, server_rec *server)
{
    const apr_array_header_t *rules = door_settings()->rules;
    struct error error = ERROR_INIT;

    table = NULL;
    if (!rules)
        return OK;
    if (open_table(config_pool, server, &error) < 0) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server, "ContainerThrottle: %s",
                     error.message);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (int i = 0; i < rules->nelts; i++) {
        struct door_rule *rule = APR_ARRAY_IDX(rules, i, struct door_rule *);
        rule->zone = zone_of(config_pool, rule);
        rule->rule_number = throttle_name(table, rule->name);
        rule->zone_number = throttle_name(table, rule->zone);
        if (rule->rule_number && rule->zone_number)
            continue;
        /* Without a number of its own it would count together with others. */
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server,
                     "ContainerThrottleRule %s at %s: the table knows %u names of rules and "
                     "places already; give rules that do the same the same name",
                     rule->name, rule->where, THROTTLE_NAMES);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* ---- apachectl -t -D DUMP_CONTAINER_THROTTLE ---- */

/* As a directive would say it. */
static const char *duration_text(apr_pool_t *pool, uint64_t usec)
{
    static const struct {
        uint64_t usec;
        const char *name;
    } units[] = {{UINT64_C(3600000000), "h"}, {60000000, "m"}, {1000000, "s"}, {1000, "ms"}};

    for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
        if (usec % units[i].usec == 0)
            return apr_psprintf(pool, "%" APR_UINT64_T_FMT "%s",
                                (apr_uint64_t)(usec / units[i].usec), units[i].name);
    return apr_psprintf(pool, "%" APR_UINT64_T_FMT "us", (apr_uint64_t)usec);
}

static void print_rule(apr_file_t *out, apr_pool_t *pool, const struct door_rule *rule)
{
    apr_file_printf(out, "%s: %s %u/%s per=%s", zone_of(pool, rule), rule->name, rule->limit.units,
                    duration_text(pool, rule->limit.interval_usec),
                    rule->is_per_page ? "page" : "client");
    if (rule->limit.burst)
        apr_file_printf(out, " burst=%u", rule->limit.burst);
    if (!rule->counts_requests || rule->cost != 1)
        apr_file_printf(out, " cost=%u", rule->counts_requests ? rule->cost : 0);
    for (int i = 0; i < METHODS; i++)
        if (rule->methods & (AP_METHOD_BIT << i))
            apr_file_printf(out, " method=%s", ap_method_name_of(pool, i));
    for (int i = 0; rule->paths && i < rule->paths->nelts; i++)
        apr_file_printf(out, " path=%s", APR_ARRAY_IDX(rule->paths, i, const char *));
    for (unsigned i = 0; i < rule->cost_count; i++)
        apr_file_printf(out, " status=%u-%u:%u", rule->costs[i].from, rule->costs[i].to,
                        rule->costs[i].units);
    if (rule->block_usec)
        apr_file_printf(out, " block=%s%s", duration_text(pool, rule->block_usec),
                        rule->is_renewed ? ",renew" : "");
    if (rule->status)
        apr_file_printf(out, " status-code=%d", rule->status);
    apr_file_printf(out, "%s%s%s%s (%s)\n", rule->is_off ? " off" : "",
                    rule->when ? " when=..." : "", rule->is_dry ? " dry-run" : "",
                    rule->is_loopback ? " loopback" : "", rule->where);
}

static void dump(apr_pool_t *pool, server_rec *server)
{
    const apr_array_header_t *rules = door_settings()->rules;
    apr_file_t *out = NULL;

    (void)server;
    if (!ap_exists_config_define("DUMP_CONTAINER_THROTTLE"))
        return;
    apr_file_open_stdout(&out, pool);
    apr_file_printf(out, "ContainerThrottle rules: %d\n", rules ? rules->nelts : 0);
    for (int i = 0; rules && i < rules->nelts; i++)
        print_rule(out, pool, APR_ARRAY_IDX(rules, i, struct door_rule *));
}

void door_register_table(void)
{
    ap_hook_test_config(dump, NULL, NULL, APR_HOOK_MIDDLE);
}
