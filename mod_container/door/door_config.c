/* SPDX-License-Identifier: Apache-2.0 */
/* ContainerThrottle..., but for its rules, and how sections add up. */
#include <string.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/door/door.h"
#include "mod_container/module.h"

#define PAGE_MAX (256 * 1024)

/* While the configuration is read and in the children after it, who only read. */
static struct door_settings settings;

struct door_settings *door_settings(void)
{
    return &settings;
}

void door_reset(void)
{
    settings =
        (struct door_settings){.bits4 = 32, .bits6 = 64, .entries = THROTTLE_ENTRIES_DEFAULT};
}

/* ---- sections ---- */

struct door_config *door_config_of(apr_pool_t *pool, struct location_config *location)
{
    if (!location->door) {
        location->door = apr_pcalloc(pool, sizeof(*location->door));
        location->door->mode = DOOR_UNSET;
        location->door->loopback = -1;
    }
    return location->door;
}

static int find_rule(const apr_array_header_t *rules, const char *name)
{
    for (int i = 0; i < rules->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(rules, i, struct door_rule *)->name, name) == 0)
            return i;
    return -1;
}

/*
 * "off" stays in the list: httpd merges sections with each other before it merges them with the
 * server, and the name is to be taken out there, too.
 */
static apr_array_header_t *merge_rules(apr_pool_t *pool, apr_array_header_t *outer,
                                       apr_array_header_t *inner)
{
    if (!outer || !inner)
        return inner ? inner : outer;
    apr_array_header_t *merged =
        apr_array_make(pool, outer->nelts + inner->nelts, sizeof(struct door_rule *));
    for (int i = 0; i < outer->nelts; i++) {
        struct door_rule *rule = APR_ARRAY_IDX(outer, i, struct door_rule *);
        if (find_rule(inner, rule->name) < 0)
            APR_ARRAY_PUSH(merged, struct door_rule *) = rule;
    }
    apr_array_cat(merged, inner);
    return merged;
}

static apr_array_header_t *merge_clients(apr_pool_t *pool, apr_array_header_t *outer,
                                         apr_array_header_t *inner)
{
    if (!outer || !inner)
        return inner ? inner : outer;
    return apr_array_append(pool, outer, inner);
}

struct door_config *door_merge(apr_pool_t *pool, const struct door_config *outer,
                               const struct door_config *inner)
{
    if (!outer || !inner)
        return (struct door_config *)(inner ? inner : outer);
    struct door_config *merged = apr_palloc(pool, sizeof(*merged));
    merged->mode = inner->mode != DOOR_UNSET ? inner->mode : outer->mode;
    merged->rules = merge_rules(pool, outer->rules, inner->rules);
    merged->allow = merge_clients(pool, outer->allow, inner->allow);
    merged->deny = merge_clients(pool, outer->deny, inner->deny);
    merged->status = inner->status ? inner->status : outer->status;
    merged->loopback = inner->loopback >= 0 ? inner->loopback : outer->loopback;
    merged->body = inner->body ? inner->body : outer->body;
    return merged;
}

/* <Limit> and <Proxy> are no places of a request's own. */
static const char *check_section(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_LIMIT | NOT_IN_PROXY);
}

/* ---- rules ---- */

/* The section around a directive, as it stands in the file; NULL: the server or virtual host. */
static const char *find_section(cmd_parms *cmd)
{
    static const char *const sections[] = {"<Location", "<Directory", "<Files", "<If", "<Else"};
    const char *text = NULL;

    for (const ap_directive_t *at = cmd->directive->parent; at; at = at->parent) {
        if (strncasecmp(at->directive, "<IfModule", 9) == 0 ||
            strncasecmp(at->directive, "<IfDefine", 9) == 0 ||
            strncasecmp(at->directive, "<IfVersion", 10) == 0 ||
            strncasecmp(at->directive, "<IfFile", 7) == 0 ||
            strncasecmp(at->directive, "<IfDirective", 12) == 0 ||
            strncasecmp(at->directive, "<IfSection", 10) == 0)
            continue;
        for (size_t i = 0; i < ARRAY_LENGTH(sections); i++) {
            if (strncasecmp(at->directive, sections[i], strlen(sections[i])) != 0)
                continue;
            size_t length = strlen(at->args);
            const char *end = length && at->args[length - 1] == '>' ? "" : ">";
            const char *one =
                apr_pstrcat(cmd->pool, at->directive, *at->args ? " " : "", at->args, end, NULL);
            text = text ? apr_pstrcat(cmd->pool, one, " ", text, NULL) : one;
            break;
        }
    }
    return text;
}

const char *door_add_rule(cmd_parms *cmd, struct door_config *config, struct door_rule *rule)
{
    const char *problem = check_section(cmd);

    if (problem)
        return problem;
    rule->where = config_where(cmd);
    rule->server = cmd->server;
    rule->section = find_section(cmd);
    if (!rule->is_off) {
        if (!settings.rules)
            settings.rules = apr_array_make(cmd->pool, 8, sizeof(struct door_rule *));
        rule->index = (unsigned)settings.rules->nelts;
        APR_ARRAY_PUSH(settings.rules, struct door_rule *) = rule;
    }
    if (!config->rules)
        config->rules = apr_array_make(cmd->pool, 4, sizeof(struct door_rule *));
    int before = find_rule(config->rules, rule->name);
    if (before >= 0)
        APR_ARRAY_IDX(config->rules, before, struct door_rule *) = rule;
    else
        APR_ARRAY_PUSH(config->rules, struct door_rule *) = rule;
    return NULL;
}

/* ---- clients ---- */

const char *door_add_client(cmd_parms *cmd, apr_array_header_t **list, const char *text)
{
    struct error error = ERROR_INIT;
    struct door_pass pass = {.where = config_where(cmd)};
    const char *problem = check_section(cmd);

    if (problem)
        return problem;
    if (strncmp(text, "expr=", 5) == 0) {
        pass.when = ap_expr_parse_cmd(cmd, text + 5, AP_EXPR_FLAG_DONT_VARY, &problem, NULL);
        if (problem)
            return apr_psprintf(cmd->pool, "%s \"%s\": %s", cmd->cmd->name, text, problem);
    } else if (network_parse(text, &pass.network, &error) < 0) {
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, error.message);
    }
    if (!*list)
        *list = apr_array_make(cmd->pool, 4, sizeof(struct door_pass));
    APR_ARRAY_PUSH(*list, struct door_pass) = pass;
    return NULL;
}

const char *door_set_allow(cmd_parms *cmd, void *location, const char *text)
{
    return door_add_client(cmd, &door_config_of(cmd->pool, location)->allow, text);
}

const char *door_set_deny(cmd_parms *cmd, void *location, const char *text)
{
    return door_add_client(cmd, &door_config_of(cmd->pool, location)->deny, text);
}

/* ---- the rest ---- */

const char *door_set_mode(cmd_parms *cmd, void *location, const char *text)
{
    static const struct {
        const char *word;
        enum door_mode mode;
    } modes[] = {{"On", DOOR_ON}, {"Off", DOOR_OFF}, {"DryRun", DOOR_DRY}};
    const char *problem = check_section(cmd);

    for (size_t i = 0; !problem && i < ARRAY_LENGTH(modes); i++)
        if (strcasecmp(text, modes[i].word) == 0) {
            door_config_of(cmd->pool, location)->mode = modes[i].mode;
            return NULL;
        }
    return problem
               ? problem
               : apr_psprintf(cmd->pool, "ContainerThrottle \"%s\": write On, Off or DryRun", text);
}

const char *door_set_prefix(cmd_parms *cmd, void *unused, const char *four, const char *six)
{
    uint64_t bits4, bits6;
    const char *problem = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)unused;
    if (problem)
        return problem;
    if (parse_u64(four, 32, &bits4) < 0 || bits4 < 8 || parse_u64(six, 128, &bits6) < 0 ||
        bits6 < 16)
        return apr_psprintf(cmd->pool,
                            "ContainerThrottlePrefix \"%s\" \"%s\": write the bits of an IPv4 "
                            "client, 8 to 32, and of an IPv6 client, 16 to 128, such as 32 64",
                            four, six);
    settings.bits4 = (unsigned)bits4;
    settings.bits6 = (unsigned)bits6;
    return NULL;
}

const char *door_set_entries(cmd_parms *cmd, void *unused, const char *text)
{
    uint64_t entries;
    const char *problem = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)unused;
    if (problem)
        return problem;
    if (parse_u64(text, THROTTLE_ENTRIES_MAX, &entries) < 0 || entries < THROTTLE_ENTRIES_MIN)
        return apr_psprintf(cmd->pool,
                            "%s \"%s\": write how many clients there is room for, %u to %u",
                            cmd->cmd->name, text, THROTTLE_ENTRIES_MIN, THROTTLE_ENTRIES_MAX);
    settings.entries = (unsigned)entries;
    return NULL;
}

int door_status_of(const char *text)
{
    uint64_t status;

    if (parse_u64(text, 599, &status) < 0 || status < 400)
        return 0;
    /* httpd answers 500 for a number that it has no line for. */
    return strncmp(ap_get_status_line((int)status), text, 3) == 0 ? (int)status : 0;
}

const char *door_set_status(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem = check_section(cmd);
    int status = door_status_of(text);

    if (!problem && !status)
        problem = apr_psprintf(cmd->pool,
                               "ContainerThrottleStatus \"%s\" is not an error that httpd knows, "
                               "such as 429, 403 or 503",
                               text);
    if (!problem)
        door_config_of(cmd->pool, location)->status = status;
    return problem;
}

const char *door_set_page(cmd_parms *cmd, void *location, const char *file)
{
    const char *problem = check_section(cmd);
    const char *path = ap_server_root_relative(cmd->pool, file);
    apr_file_t *opened;
    apr_finfo_t info;

    if (problem)
        return problem;
    apr_status_t status =
        path ? apr_file_open(&opened, path, APR_READ, APR_OS_DEFAULT, cmd->temp_pool)
             : APR_EBADPATH;
    if (status == APR_SUCCESS)
        status = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, opened);
    if (status == APR_SUCCESS && (info.filetype != APR_REG || info.size > PAGE_MAX))
        return apr_psprintf(cmd->pool,
                            "ContainerThrottlePage \"%s\" is not a file of at most %d "
                            "bytes",
                            file, PAGE_MAX);
    char *body = status == APR_SUCCESS ? apr_pcalloc(cmd->pool, (apr_size_t)info.size + 1) : NULL;
    if (body)
        status = apr_file_read_full(opened, body, (apr_size_t)info.size, NULL);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status))
        return apr_psprintf(cmd->pool, "ContainerThrottlePage \"%s\" cannot be read: %pm", file,
                            &status);
    apr_file_close(opened);
    door_config_of(cmd->pool, location)->body = body;
    return NULL;
}

const char *door_set_loopback(cmd_parms *cmd, void *location, int value)
{
    const char *problem = check_section(cmd);

    if (!problem)
        door_config_of(cmd->pool, location)->loopback = value;
    return problem;
}
