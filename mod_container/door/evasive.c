/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_evasive's words. They come in any order, and some may be missing: the first one of a server
 * makes its two rules, and what they say is filled in when the configuration is read.
 */
#include "mod_container/door/evasive.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/door/door.h"
#include "mod_container/door/evasive_alias.h"
#include "mod_container/module.h"

#define SECOND      UINT64_C(1000000)
#define BLOCKED_URI "DOSBlocklistUri"

enum number {
    PAGE_COUNT,
    SITE_COUNT,
    PAGE_INTERVAL,
    SITE_INTERVAL,
    BLOCKING_PERIOD,
    TABLE_SIZE,
    NUMBERS
};

static const struct {
    const char *word;
    uint64_t usual, max;
} numbers[NUMBERS] = {
    [PAGE_COUNT] = {"DOSPageCount", 2, THROTTLE_UNITS_MAX},
    [SITE_COUNT] = {"DOSSiteCount", 50, THROTTLE_UNITS_MAX},
    [PAGE_INTERVAL] = {"DOSPageInterval", 1, THROTTLE_INTERVAL_MAX / SECOND},
    [SITE_INTERVAL] = {"DOSSiteInterval", 1, THROTTLE_INTERVAL_MAX / SECOND},
    [BLOCKING_PERIOD] = {"DOSBlockingPeriod", 10, THROTTLE_BLOCK_MAX / SECOND},
    [TABLE_SIZE] = {"DOSHashTableSize", THROTTLE_ENTRIES_DEFAULT, THROTTLE_ENTRIES_MAX},
};

/* What a server or virtual host says. */
struct words {
    cmd_parms cmd; /* of its first word, to parse an expression with */
    struct door_rule *page, *site;
    uint64_t numbers[NUMBERS];    /* 0: not said */
    int status;                   /* 0: not said */
    int enabled;                  /* -1: not said */
    const char *targets, *spared; /* alternatives of expressions, or NULL */
};

/* While the configuration is read. */
static apr_array_header_t *all;     /* of struct words *, or NULL */
static apr_array_header_t *notices; /* of const char *, or NULL */

static void add_notice(apr_pool_t *pool, const char *text)
{
    if (!notices)
        notices = apr_array_make(pool, 4, sizeof(const char *));
    APR_ARRAY_PUSH(notices, const char *) = text;
}

/* Whether a word is mod_evasive's own, which reads it, too. */
static bool is_ignored(cmd_parms *cmd)
{
    if (!evasive_peer_is_loaded())
        return false;
    if (!notices)
        add_notice(cmd->pool,
                   apr_psprintf(cmd->pool,
                                "%s at %s and all DOS... are left to mod_evasive, which is "
                                "loaded: take its LoadModule out to have them from mod_container",
                                cmd->cmd->name, config_where(cmd)));
    return true;
}

static struct words *find_words(const server_rec *server)
{
    for (int i = 0; all && i < all->nelts; i++) {
        struct words *words = APR_ARRAY_IDX(all, i, struct words *);
        if (words->cmd.server == server)
            return words;
    }
    return NULL;
}

static struct door_rule *add_rule(cmd_parms *cmd, void *location, const char *name,
                                  const char **problem)
{
    struct door_rule *rule = door_rule_new(cmd->pool, name);

    rule->is_renewed = true;
    rule->is_loopback = true;
    rule->is_per_page = strcmp(name, "evasive-page") == 0;
    if (!*problem)
        *problem = door_add_rule(cmd, door_config_of(cmd->pool, location), rule);
    return rule;
}

/* The words of this server, made with their rules when there are none; NULL with a problem. */
static struct words *words_of(cmd_parms *cmd, void *location, const char **problem)
{
    struct words *words = find_words(cmd->server);

    *problem = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    if (words || *problem)
        return *problem ? NULL : words;
    words = apr_pcalloc(cmd->pool, sizeof(*words));
    words->cmd = *cmd;
    words->enabled = -1;
    words->page = add_rule(cmd, location, "evasive-page", problem);
    words->site = add_rule(cmd, location, "evasive-site", problem);
    if (!all)
        all = apr_array_make(cmd->pool, 2, sizeof(struct words *));
    APR_ARRAY_PUSH(all, struct words *) = words;
    return words;
}

/* ---- words ---- */

const char *evasive_set_number(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem;
    uint64_t value;
    size_t i = 0;

    if (is_ignored(cmd))
        return NULL;
    while (i < NUMBERS - 1 && strcmp(numbers[i].word, cmd->cmd->name) != 0)
        i++;
    if (parse_u64(text, numbers[i].max, &value) < 0 || value == 0)
        return apr_psprintf(cmd->pool, "%s \"%s\" is not a number from 1 to %" APR_UINT64_T_FMT,
                            cmd->cmd->name, text, (apr_uint64_t)numbers[i].max);
    struct words *words = words_of(cmd, location, &problem);
    if (words)
        words->numbers[i] = value;
    return problem;
}

const char *evasive_set_status(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem;
    int status = door_status_of(text);

    if (is_ignored(cmd))
        return NULL;
    if (!status)
        return apr_psprintf(cmd->pool,
                            "%s \"%s\" is not an error that httpd knows, such as 403, 429 or 503",
                            cmd->cmd->name, text);
    struct words *words = words_of(cmd, location, &problem);
    if (words)
        words->status = status;
    return problem;
}

const char *evasive_set_enabled(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem;
    bool is_on = strcasecmp(text, "true") == 0 || strcasecmp(text, "on") == 0;

    if (is_ignored(cmd))
        return NULL;
    if (!is_on && strcasecmp(text, "false") != 0 && strcasecmp(text, "off") != 0)
        return apr_psprintf(cmd->pool, "DOSEnabled \"%s\": write true or false", text);
    struct words *words = words_of(cmd, location, &problem);
    if (words)
        words->enabled = is_on;
    return problem;
}

/* "192.0.*.*" is 192.0.0.0/16; anything else stays as it is. */
static const char *without_wildcards(apr_pool_t *pool, const char *text)
{
    const char *star = strchr(text, '*');
    unsigned parts = 0;

    if (!star || star == text || star[-1] != '.')
        return text;
    for (const char *at = text; at < star; at++)
        parts += *at == '.';
    static const char *const stars[] = {NULL, "*.*.*", "*.*", "*"};
    static const char *const zeros[] = {NULL, "0.0.0/8", "0.0/16", "0/24"};
    if (parts >= ARRAY_LENGTH(stars) || strcmp(star, stars[parts]) != 0)
        return text;
    return apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(star - text)), zeros[parts],
                       NULL);
}

const char *evasive_add_client(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);

    if (problem || is_ignored(cmd))
        return problem;
    return door_add_client(cmd, &door_config_of(cmd->pool, location)->allow,
                           without_wildcards(cmd->pool, text));
}

const char *evasive_add_uri(cmd_parms *cmd, void *location, const char *text)
{
    const char *problem;
    bool is_spared = strcasecmp(cmd->cmd->name, "DOSWhitelistUri") == 0;

    if (is_ignored(cmd))
        return NULL;
    const char *mark = "#|!,;_'";
    while (*mark && strchr(text, *mark))
        mark++;
    if (!*mark || !ap_pregcomp(cmd->temp_pool, text, 0))
        return apr_psprintf(cmd->pool, "%s \"%s\" is not a regular expression", cmd->cmd->name,
                            text);
    struct words *words = words_of(cmd, location, &problem);
    if (!words)
        return problem;
    const char **list = is_spared ? &words->spared : &words->targets;
    const char *one =
        apr_psprintf(cmd->pool, "%%{REQUEST_URI} =~ m%c^(?:%s)$%c", *mark, text, *mark);
    *list = *list ? apr_pstrcat(cmd->pool, *list, " || ", one, NULL) : one;
    return problem;
}

/* What is not done. Commands ran as httpd's user, through a shell, with the request waiting. */
const char *evasive_note(cmd_parms *cmd, void *location, const char *text)
{
    static const struct {
        const char *word, *instead;
    } cures[] = {
        {"DOSSystemCommand", "nothing is run for a block; let a program that follows the error log "
                             "act on its lines \"ContainerThrottle: client ... blocked\""},
        {"DOSEmailNotify", "no mail is sent for a block; let a program that follows the error log "
                           "mail its lines \"ContainerThrottle: client ... blocked\""},
        {"DOSLogDir", "no files are written for blocked clients; the error log has a line each"},
        {BLOCKED_URI, "write <LocationMatch> with \"Require all denied\" for these pages"},
    };

    (void)location;
    (void)text;
    if (is_ignored(cmd))
        return NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(cures); i++)
        if (strcmp(cures[i].word, cmd->cmd->name) == 0)
            add_notice(cmd->pool, apr_psprintf(cmd->pool, "%s at %s has no effect: %s",
                                               cures[i].word, config_where(cmd), cures[i].instead));
    return NULL;
}

/* ---- when all is read ---- */

static uint64_t number_of(const struct words *words, const struct words *main, enum number which)
{
    if (words->numbers[which])
        return words->numbers[which];
    return main && main->numbers[which] ? main->numbers[which] : numbers[which].usual;
}

/* Which pages count. */
static const char *set_pages(struct words *words, const struct words *main)
{
    const char *targets = words->targets || !main ? words->targets : main->targets;
    const char *spared = words->spared || !main ? words->spared : main->spared;
    const char *problem = NULL;

    if (!targets && !spared)
        return NULL;
    const char *text =
        apr_pstrcat(words->cmd.pool, targets ? "(" : "", targets ? targets : "", targets ? ")" : "",
                    targets && spared ? " && " : "", spared ? "!(" : "", spared ? spared : "",
                    spared ? ")" : "", NULL);
    words->page->when =
        ap_expr_parse_cmd(&words->cmd, text, AP_EXPR_FLAG_DONT_VARY, &problem, NULL);
    words->site->when = words->page->when;
    return problem;
}

static const char *resolve(struct words *words, const struct words *main)
{
    struct door_rule *const rules[] = {words->page, words->site};

    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        struct door_rule *rule = rules[i];
        rule->limit.units =
            (uint32_t)number_of(words, main, rule->is_per_page ? PAGE_COUNT : SITE_COUNT);
        rule->limit.interval_usec =
            number_of(words, main, rule->is_per_page ? PAGE_INTERVAL : SITE_INTERVAL) * SECOND;
        rule->block_usec = number_of(words, main, BLOCKING_PERIOD) * SECOND;
        rule->status = words->status          ? words->status
                       : main && main->status ? main->status
                                              : HTTP_FORBIDDEN;
        int enabled = words->enabled >= 0 || !main ? words->enabled : main->enabled;
        rule->is_off = enabled == 0;
    }
    return set_pages(words, main);
}

/* Before "apache2 -t" shows the rules, and before the table is made. */
static int resolve_all(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool,
                       server_rec *server)
{
    const struct words *main = find_words(server);

    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    for (int i = 0; all && i < all->nelts; i++) {
        struct words *words = APR_ARRAY_IDX(all, i, struct words *);
        const char *problem = resolve(words, words == main ? NULL : main);
        if (problem) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server,
                         "DOSWhitelistUri or DOSTargetlistUri of %s: %s", words->page->where,
                         problem);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        /* mod_evasive's figure is no bound; it never makes less room than there is. */
        struct door_settings *settings = door_settings();
        if (words->numbers[TABLE_SIZE] > THROTTLE_ENTRIES_DEFAULT &&
            settings->entries == THROTTLE_ENTRIES_DEFAULT)
            settings->entries = (unsigned)words->numbers[TABLE_SIZE];
    }
    return OK;
}

static void tell_all(server_rec *server, int flags)
{
    for (int i = 0; notices && i < notices->nelts; i++)
        ap_log_error(APLOG_MARK, APLOG_NOTICE | flags, 0, server, "%s",
                     APR_ARRAY_IDX(notices, i, const char *));
}

static int tell_at_start(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool,
                         server_rec *server)
{
    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG)
        tell_all(server, 0);
    return OK;
}

static void tell_at_test(apr_pool_t *pool, server_rec *server)
{
    (void)pool;
    tell_all(server, APLOG_STARTUP);
}

static int forget(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool)
{
    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    all = NULL;
    notices = NULL;
    return OK;
}

void evasive_register(apr_pool_t *pool)
{
    evasive_alias_add(pool);
    ap_hook_pre_config(forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(resolve_all, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(tell_at_start, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(tell_at_test, NULL, NULL, APR_HOOK_MIDDLE);
}
