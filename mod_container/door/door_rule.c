/* SPDX-License-Identifier: Apache-2.0 */
/* ContainerThrottleRule: from words to a struct door_rule. */
#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/cleanup.h"
#include "mod_container/door/door.h"
#include "mod_container/door/page.h"
#include "mod_container/door/rate.h"
#include "mod_container/module.h"

#define NAME_LONGEST 63

struct door_rule *door_rule_new(apr_pool_t *pool, const char *name)
{
    struct door_rule *rule = apr_pcalloc(pool, sizeof(*rule));

    rule->name = name;
    rule->limit.units = 1;
    rule->limit.interval_usec = 1000000;
    rule->cost = 1;
    rule->counts_requests = true;
    return rule;
}

/* ---- options: each returns a sentence, or NULL ---- */

static const char *sentence(cmd_parms *cmd, const struct error *error)
{
    return apr_pstrdup(cmd->pool, error->message);
}

static const char *set_per(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    rule->is_per_page = strcmp(value, "page") == 0;
    if (rule->is_per_page || strcmp(value, "client") == 0)
        return NULL;
    return apr_psprintf(cmd->pool, "per=\"%s\": write per=client or per=page", value);
}

static const char *set_burst(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    struct error error = ERROR_INIT;

    if (rate_parse_units(value, &rule->limit.burst, &error) < 0)
        return apr_pstrcat(cmd->pool, "burst=", error.message, NULL);
    return NULL;
}

static const char *set_cost(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    struct error error = ERROR_INIT;

    if (strcmp(value, "0") == 0)
        rule->counts_requests = false;
    else if (rate_parse_units(value, &rule->cost, &error) < 0)
        return apr_pstrcat(cmd->pool, "cost=", error.message,
                           ", nor 0 (only what status= says costs)", NULL);
    return NULL;
}

static const char *set_method(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    char *state;

    for (char *name = apr_strtok(apr_pstrdup(cmd->pool, value), ",", &state); name;
         name = apr_strtok(NULL, ",", &state)) {
        int number = ap_method_number_of(name);
        if (number == M_INVALID)
            return apr_psprintf(cmd->pool,
                                "method=\"%s\": httpd knows no method \"%s\"; write some such as "
                                "method=POST,PUT (GET means HEAD, too)",
                                value, name);
        rule->methods |= AP_METHOD_BIT << number;
    }
    return rule->methods ? NULL : "method= names no method; write some such as method=POST,PUT";
}

static const char *set_path(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    char *state;

    rule->paths = apr_array_make(cmd->pool, 2, sizeof(const char *));
    for (char *path = apr_strtok(apr_pstrdup(cmd->pool, value), ",", &state); path;
         path = apr_strtok(NULL, ",", &state)) {
        if (path[0] != '/' && (path[0] != '*' || !path[1]))
            return apr_psprintf(cmd->pool,
                                "path=\"%s\": \"%s\" is not /PAGE, /DIRECTORY/ or *END, such as "
                                "path=/wp-login.php,/api/,*.php",
                                value, path);
        if (path[0] == '/')
            page_normalise(path, path);
        APR_ARRAY_PUSH(rule->paths, const char *) = path;
    }
    return rule->paths->nelts ? NULL : "path= names no page; write some such as path=/login";
}

static const char *set_costs(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    struct error error = ERROR_INIT;
    char *state;

    for (char *text = apr_strtok(apr_pstrdup(cmd->pool, value), ",", &state); text;
         text = apr_strtok(NULL, ",", &state)) {
        struct door_cost *cost = &rule->costs[rule->cost_count];
        if (rule->cost_count == DOOR_COSTS)
            return apr_psprintf(cmd->pool, "status= has more than %d costs", DOOR_COSTS);
        if (rate_parse_cost(text, &cost->from, &cost->to, &cost->units, &error) < 0)
            return apr_pstrcat(cmd->pool, "status=", error.message, NULL);
        rule->cost_count++;
    }
    return NULL;
}

static const char *set_when(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    const char *problem = NULL;

    rule->when = ap_expr_parse_cmd(cmd, value, AP_EXPR_FLAG_DONT_VARY, &problem, NULL);
    return problem ? apr_psprintf(cmd->pool, "when=\"%s\": %s", value, problem) : NULL;
}

static const char *set_block(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    struct error error = ERROR_INIT;
    const char *comma = strchr(value, ',');

    if (comma && strcmp(comma, ",renew") != 0)
        return apr_psprintf(cmd->pool, "block=\"%s\": write block=DURATION or block=DURATION,renew",
                            value);
    rule->is_renewed = comma != NULL;
    const char *duration =
        comma ? apr_pstrndup(cmd->pool, value, (apr_size_t)(comma - value)) : value;
    if (rate_parse_duration(duration, THROTTLE_BLOCK_MAX, &rule->block_usec, &error) < 0)
        return apr_pstrcat(cmd->pool, "block=", error.message, NULL);
    return NULL;
}

static const char *set_rule_status(cmd_parms *cmd, struct door_rule *rule, const char *value)
{
    rule->status = door_status_of(value);
    return rule->status ? NULL
                        : apr_psprintf(cmd->pool,
                                       "status-code=\"%s\" is not an error that httpd knows, such "
                                       "as 429, 403 or 503",
                                       value);
}

static const struct {
    const char *key;
    const char *(*set)(cmd_parms *cmd, struct door_rule *rule, const char *value);
} options[] = {
    {"per", set_per},       {"burst", set_burst}, {"cost", set_cost},
    {"method", set_method}, {"path", set_path},   {"status", set_costs},
    {"when", set_when},     {"block", set_block}, {"status-code", set_rule_status},
};

static const char *set_option(cmd_parms *cmd, struct door_rule *rule, const char *text,
                              unsigned *seen)
{
    const char *value = strchr(text, '=');

    if (strcmp(text, "dry-run") == 0 || strcmp(text, "loopback") == 0) {
        *(text[0] == 'd' ? &rule->is_dry : &rule->is_loopback) = true;
        return NULL;
    }
    for (size_t i = 0; value && i < ARRAY_LENGTH(options); i++) {
        if (strlen(options[i].key) != (size_t)(value - text) ||
            strncmp(text, options[i].key, (size_t)(value - text)) != 0)
            continue;
        if (*seen & 1u << i)
            return apr_psprintf(cmd->pool, "%s= is given twice", options[i].key);
        *seen |= 1u << i;
        return options[i].set(cmd, rule, value + 1);
    }
    return apr_psprintf(cmd->pool,
                        "\"%s\" is not an option; there are per=, burst=, cost=, method=, path=, "
                        "status=, when=, block=, status-code=, dry-run and loopback",
                        text);
}

/* What only the whole rule shows. */
static const char *check_whole(cmd_parms *cmd, struct door_rule *rule, unsigned seen)
{
    bool is_only_costs = rule->cost_count && !(seen & 1u << 2); /* status= without cost= */

    if (is_only_costs)
        rule->counts_requests = false;
    if (!rule->counts_requests && !rule->cost_count)
        return "cost=0 counts nothing without status=, such as status=401:1";
    /* Answers are known too late to refuse them, so the next requests are. */
    if (!rule->counts_requests && !rule->block_usec)
        rule->block_usec = rule->limit.interval_usec;
    uint32_t most = rule->limit.burst ? rule->limit.burst : rule->limit.units;
    if (rule->counts_requests && rule->cost > most)
        return apr_psprintf(cmd->pool, "cost=%u is more than the rule ever allows (%u)", rule->cost,
                            most);
    return NULL;
}

static bool name_is_good(const char *name)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return good > 0 && name[good] == '\0' && good <= NAME_LONGEST;
}

const char *door_set_rule(cmd_parms *cmd, void *location, int argc, char *const argv[])
{
    struct error error = ERROR_INIT;
    const char *problem = NULL;
    unsigned seen = 0;

    if (argc < 2)
        return "ContainerThrottleRule needs NAME NUMBER/INTERVAL, such as ContainerThrottleRule "
               "site 50/1s, or NAME off";
    if (!name_is_good(argv[0]))
        return apr_psprintf(cmd->pool,
                            "ContainerThrottleRule \"%s\": a name is 1 to %d of letters, digits, "
                            "\"-\", \"_\" and \".\"",
                            argv[0], NAME_LONGEST);
    struct door_rule *rule = door_rule_new(cmd->pool, argv[0]);
    rule->is_off = argc == 2 && strcmp(argv[1], "off") == 0;
    if (!rule->is_off && rate_parse(argv[1], &rule->limit, &error) < 0)
        problem = sentence(cmd, &error);
    for (int i = 2; i < argc && !problem; i++)
        problem = set_option(cmd, rule, argv[i], &seen);
    if (!problem && !rule->is_off)
        problem = check_whole(cmd, rule, seen);
    if (!problem)
        problem = door_add_rule(cmd, door_config_of(cmd->pool, location), rule);
    return problem ? apr_psprintf(cmd->pool, "ContainerThrottleRule %s: %s", argv[0], problem)
                   : NULL;
}
