/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <apr_strings.h>
#include <http_core.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/door/door.h"
#include "mod_container/door/evasive.h"
#include "mod_container/gate.h"
#include "mod_container/limit_page.h"
#include "mod_container/module.h"
#include "mod_container/path.h"
#include "mod_container/scope.h"

#define DOCROOT_DEFAULT "/var/www"

struct server_config {
    const char *root;           /* ContainerRoot, or NULL */
    const char *control_socket; /* ContainerSupervisor, or NULL for "auto" */
};

/* Set while the configuration is read, in the parent, one thread. */
static const char *first_route;

const char *config_first_route(void)
{
    return first_route;
}

void config_reset(void)
{
    first_route = NULL;
    door_reset();
}

void *config_create_server(apr_pool_t *pool, server_rec *server)
{
    (void)server;
    return apr_pcalloc(pool, sizeof(struct server_config));
}

void *config_create_location(apr_pool_t *pool, char *path)
{
    struct location_config *config = apr_pcalloc(pool, sizeof(*config));

    (void)path;
    config->status_on = -1;
    config->admin_on = -1;
    config->admin_limit = -1;
    config->traffic_query = -1;
    config->status_logs = -1;
    return config;
}

void *config_merge_location(apr_pool_t *pool, void *base, void *added)
{
    const struct location_config *outer = base, *inner = added;
    struct location_config *merged = apr_palloc(pool, sizeof(*merged));

    merged->route = inner->route ? inner->route : outer->route;
    merged->status_on = inner->status_on >= 0 ? inner->status_on : outer->status_on;
    merged->admin_on = inner->admin_on >= 0 ? inner->admin_on : outer->admin_on;
    merged->admin_limit = inner->admin_limit >= 0 ? inner->admin_limit : outer->admin_limit;
    merged->traffic_query = inner->traffic_query >= 0 ? inner->traffic_query : outer->traffic_query;
    merged->status_logs = inner->status_logs >= 0 ? inner->status_logs : outer->status_logs;
    /* A section inside, or later, says anew which tenants; it does not add to those outside. */
    merged->status_scope = inner->status_scope ? inner->status_scope : outer->status_scope;
    merged->gate = inner->gate ? inner->gate : outer->gate;
    merged->limit_page = inner->limit_page ? inner->limit_page : outer->limit_page;
    merged->door = door_merge(pool, outer->door, inner->door);
    merged->base = inner->base ? inner->base : outer->base;
    return merged;
}

const struct location_config *config_of_request(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &container_module);
}

int config_resolve(const server_rec *main_server, struct module_state *state, struct error *error)
{
    const struct server_config *config =
        ap_get_module_config(main_server->module_config, &container_module);
    struct paths paths;

    int r = paths_init(&paths, config->root, error);
    if (r == 0)
        r = path_scoreboard(&paths, state->scoreboard_path, error);
    if (r == 0)
        r = path_traffic(&paths, state->traffic_path, error);
    if (r == 0)
        r = path_limit_key(&paths, state->limit_key_path, error);
    if (r == 0)
        r = path_throttle(&paths, state->throttle_path, error);
    if (r == 0 && !config->control_socket)
        return path_control_socket(&paths, state->control_path, error);
    if (r == 0)
        apr_cpystrn(state->control_path, config->control_socket, sizeof(state->control_path));
    return r;
}

/* ---- directives of the server ---- */

/*
 * mod_proxy reads a socket's path as part of a URL and cuts it at these characters, and a socket's
 * path ends at 107 bytes (unix(7)): say so at the start, not at the first request.
 */
static const char *check_socket_path(const cmd_parms *cmd, const char *path, size_t reserve)
{
    const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (path[0] != '/')
        return apr_psprintf(cmd->pool, "%s \"%s\" is not an absolute path", cmd->cmd->name, path);
    if (strpbrk(path, "|?#%"))
        return apr_psprintf(cmd->pool, "%s \"%s\" must not contain any of | ? # %%", cmd->cmd->name,
                            path);
    if (strlen(path) + reserve > longest)
        return apr_psprintf(
            cmd->pool,
            "%s \"%s\" is too long: the path of a socket has at most %" APR_SIZE_T_FMT
            " bytes; choose a shorter one",
            cmd->cmd->name, path, longest);
    return NULL;
}

static struct server_config *config_of_server(const cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &container_module);
}

static const char *set_root(cmd_parms *cmd, void *unused, const char *directory)
{
    const char *problem = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)unused;
    if (!problem)
        problem = check_socket_path(cmd, directory, strlen("/run/control.sock"));
    if (!problem)
        config_of_server(cmd)->root = directory;
    return problem;
}

static const char *set_supervisor(cmd_parms *cmd, void *unused, const char *socket)
{
    const char *problem = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    bool is_auto = strcmp(socket, "auto") == 0;

    (void)unused;
    if (!problem && !is_auto)
        problem = check_socket_path(cmd, socket, 0);
    if (!problem)
        config_of_server(cmd)->control_socket = is_auto ? NULL : socket;
    return problem;
}

/* ---- ContainerRoute ---- */

static const char *set_docroot(cmd_parms *cmd, struct route *route, const char *value)
{
    if (value[0] != '/' || !path_is_acceptable(value))
        return apr_psprintf(cmd->pool,
                            "docroot=\"%s\" is not an absolute path inside the container, such as "
                            "docroot=" DOCROOT_DEFAULT,
                            value);
    size_t length = strlen(value);
    while (length > 0 && value[length - 1] == '/')
        length--;
    route->docroot = apr_pstrndup(cmd->pool, value, length);
    return NULL;
}

/*
 * The directory may appear after httpd's start, made by the supervisor. One that is there is
 * checked now: a symbolic link on the way would be refused at each request (static.c).
 */
static const char *set_static(cmd_parms *cmd, struct route *route, const char *value)
{
    struct stat st;

    if (value[0] != '/')
        return apr_psprintf(cmd->pool, "static=\"%s\" is not an absolute path on this machine",
                            value);
    if (stat(value, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return apr_psprintf(cmd->pool, "static=\"%s\" is not a directory", value);
        _cleanup_free_ char *real = realpath(value, NULL);
        size_t length = strlen(value);
        while (length > 1 && value[length - 1] == '/')
            length--;
        if (real && (strlen(real) != length || strncmp(real, value, length) != 0))
            return apr_psprintf(cmd->pool,
                                "static=\"%s\" leads through a symbolic link or \"..\"; "
                                "write static=%s",
                                value, real);
    }
    route->static_dir = value;
    return NULL;
}

static const char *set_fallback(cmd_parms *cmd, struct route *route, const char *value)
{
    size_t script = path_script_length(value);

    if (!path_is_acceptable(value) || script == 0 || value[script] != '\0')
        return apr_psprintf(cmd->pool,
                            "fallback=\"%s\" is not the path of a PHP script, such as "
                            "fallback=/index.php",
                            value);
    route->fallback = value;
    return NULL;
}

static const struct {
    const char *key;
    const char *(*set)(cmd_parms *cmd, struct route *route, const char *value);
} route_options[] = {
    {"docroot", set_docroot},
    {"static", set_static},
    {"fallback", set_fallback},
};

static const char *set_route_option(cmd_parms *cmd, struct route *route, const char *option,
                                    unsigned *seen)
{
    const char *value = strchr(option, '=');

    for (size_t i = 0; value && i < ARRAY_LENGTH(route_options); i++) {
        size_t length = strlen(route_options[i].key);
        if ((size_t)(value - option) != length ||
            strncmp(option, route_options[i].key, length) != 0)
            continue;
        if (*seen & 1u << i)
            return apr_psprintf(cmd->pool, "%s= is given twice", route_options[i].key);
        *seen |= 1u << i;
        return route_options[i].set(cmd, route, value + 1);
    }
    return apr_psprintf(cmd->pool,
                        "\"%s\" is not an option of ContainerRoute; there are docroot=PATH, "
                        "static=DIRECTORY and fallback=URI",
                        option);
}

const char *config_where(const cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
}

/* httpd counts <If> with <Files>. */
const char *config_check_section(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_LIMIT | NOT_IN_PROXY);
}

static const char *set_route(cmd_parms *cmd, void *data, int argc, char *const argv[])
{
    struct location_config *config = data;
    struct route *route = apr_pcalloc(cmd->pool, sizeof(*route));
    struct error error = ERROR_INIT;
    unsigned seen = 0;

    const char *problem = config_check_section(cmd);
    if (problem)
        return problem;
    if (argc < 1)
        return "ContainerRoute needs TENANT/SERVICE, such as ContainerRoute blog/web";
    if (argc == 1 && strcmp(argv[0], "off") == 0) {
        route->is_off = 1;
        config->route = route;
        return NULL;
    }
    if (name_split(argv[0], route->tenant, route->service, &error) < 0)
        return apr_psprintf(cmd->pool, "ContainerRoute: %s", error.message);
    route->docroot = DOCROOT_DEFAULT;
    route->where = config_where(cmd);
    for (int i = 1; i < argc && !problem; i++)
        problem = set_route_option(cmd, route, argv[i], &seen);
    if (problem)
        return apr_psprintf(cmd->pool, "ContainerRoute %s: %s", argv[0], problem);
    config->route = route;
    if (!first_route)
        first_route = route->where;
    return NULL;
}

static const char *set_traffic_query(cmd_parms *cmd, void *data, int value)
{
    struct location_config *config = data;
    const char *problem = config_check_section(cmd);

    if (!problem)
        config->traffic_query = value;
    return problem;
}

/* ---- ContainerLimitPage ---- */

static apr_status_t free_template(void *template)
{
    limit_template_free(template);
    return APR_SUCCESS;
}

static const char *set_limit_page(cmd_parms *cmd, void *data, const char *file)
{
    struct location_config *config = data;
    struct limit_setting *setting = apr_pcalloc(cmd->pool, sizeof(*setting));
    struct error error = ERROR_INIT;
    const char *problem = config_check_section(cmd);

    if (problem)
        return problem;
    setting->is_off = strcmp(file, "off") == 0;
    if (!setting->is_off) {
        const char *path = ap_server_root_relative(cmd->pool, file);
        if (!path || limit_template_load(path, &setting->template, &error) < 0)
            return apr_psprintf(cmd->pool, "ContainerLimitPage: %s",
                                path ? error.message : "this is no path");
        apr_pool_cleanup_register(cmd->pool, setting->template, free_template,
                                  apr_pool_cleanup_null);
    }
    config->limit_page = setting;
    return NULL;
}

/* ---- ContainerStatus and ContainerAdmin ---- */

/* The section around a directive that is a <Location> by name, whatever <IfModule> is in between.
 */
static bool is_in_plain_location(const cmd_parms *cmd)
{
    const ap_directive_t *at = cmd->directive->parent;

    while (at && strncasecmp(at->directive, "<Location", strlen("<Location")) != 0)
        at = at->parent;
    return at && strcasecmp(at->directive, "<Location") == 0 && at->args[0] != '~';
}

/*
 * Only a <Location> may enable a handler: a flag for a whole server or directory would reach the
 * SetHandler of a tenant's .htaccess there.
 */
static const char *check_place(cmd_parms *cmd)
{
    const char *problem = config_check_section(cmd);

    if (!problem && !cmd->path)
        problem =
            apr_psprintf(cmd->pool, "%s belongs into a section <Location PATH>", cmd->cmd->name);
    return problem;
}

static const char *enable(cmd_parms *cmd, struct location_config *config, int *flag, int value)
{
    const char *problem = check_place(cmd);

    if (problem)
        return problem;
    *flag = value;
    if (is_in_plain_location(cmd))
        config->base = cmd->path;
    return NULL;
}

static const char *set_status(cmd_parms *cmd, void *data, int value)
{
    struct location_config *config = data;

    return enable(cmd, config, &config->status_on, value);
}

static const char *set_admin(cmd_parms *cmd, void *data, int value)
{
    struct location_config *config = data;

    return enable(cmd, config, &config->admin_on, value);
}

static const char *set_logs(cmd_parms *cmd, void *data, int value)
{
    struct location_config *config = data;
    const char *problem = check_place(cmd);

    if (!problem)
        config->status_logs = value;
    return problem;
}

static const char *set_limit(cmd_parms *cmd, void *data, const char *text)
{
    struct location_config *config = data;
    const char *problem = check_place(cmd);
    uint64_t calls = 0;

    if (problem)
        return problem;
    if (strcmp(text, "off") != 0 && (parse_u64(text, ADMIN_LIMIT_MAX, &calls) < 0 || calls == 0))
        return apr_psprintf(cmd->pool,
                            "ContainerAdminLimit \"%s\": write how many calls a minute one client "
                            "may make, from 1 to %d, or off",
                            text, ADMIN_LIMIT_MAX);
    config->admin_limit = (int)calls;
    return NULL;
}

static const char *add_scope(cmd_parms *cmd, void *data, const char *tenant)
{
    struct location_config *config = data;
    struct error error = ERROR_INIT;
    const char *problem = check_place(cmd);

    if (problem)
        return problem;
    struct status_scope *scope = status_scope_add(cmd->pool, config->status_scope, tenant, &error);
    if (!scope)
        return apr_psprintf(cmd->pool, "ContainerStatusScope: %s", error.message);
    config->status_scope = scope;
    return NULL;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
const command_rec config_directives[] = {
    AP_INIT_TAKE1("ContainerRoot", set_root, NULL, RSRC_CONF,
                  "the directory the supervisor was given as --root; without it the places of "
                  "the file system hierarchy"),
    AP_INIT_TAKE1("ContainerSupervisor", set_supervisor, NULL, RSRC_CONF,
                  "the path of the supervisor's control socket, or auto"),
    AP_INIT_TAKE_ARGV("ContainerRoute", set_route, NULL, RSRC_CONF | ACCESS_CONF,
                      "TENANT/SERVICE [docroot=PATH] [static=DIRECTORY] [fallback=URI], or off"),
    AP_INIT_TAKE_ARGV("ContainerMaxRequests", gate_set_limit, NULL, RSRC_CONF | ACCESS_CONF,
                      "N [queue=Q] [deadline=DURATION] [per-client=M], or off: how many requests "
                      "of a service may be in flight at once"),
    AP_INIT_FLAG("ContainerTrafficQuery", set_traffic_query, NULL, RSRC_CONF | ACCESS_CONF,
                 "On: the traffic board remembers the last requests with their query strings"),
    AP_INIT_TAKE1("ContainerLimitPage", set_limit_page, NULL, RSRC_CONF | ACCESS_CONF,
                  "an HTML file with places %{status}, %{message} ... for visitors whom a service "
                  "cannot serve, or off"),
    AP_INIT_FLAG("ContainerStatus", set_status, NULL, ACCESS_CONF | RSRC_CONF,
                 "On: SetHandler container-status shows the containers in this Location"),
    AP_INIT_FLAG("ContainerAdmin", set_admin, NULL, ACCESS_CONF | RSRC_CONF,
                 "On: POST to TENANT/SERVICE below this Location starts and stops containers"),
    AP_INIT_TAKE1("ContainerAdminLimit", set_limit, NULL, ACCESS_CONF | RSRC_CONF,
                  "how many admin calls a minute one client may make, or off"),
    AP_INIT_ITERATE("ContainerStatusScope", add_scope, NULL, ACCESS_CONF | RSRC_CONF,
                    "TENANT...: this Location shows and steers these tenants only"),
    AP_INIT_FLAG("ContainerStatusLogs", set_logs, NULL, ACCESS_CONF | RSRC_CONF,
                 "On: the page of a service shows the last lines of its log"),
    AP_INIT_TAKE1("ContainerThrottle", door_set_mode, NULL, ACCESS_CONF | RSRC_CONF,
                  "On, Off, or DryRun: counts and logs, but refuses nobody"),
    AP_INIT_TAKE_ARGV("ContainerThrottleRule", door_set_rule, NULL, ACCESS_CONF | RSRC_CONF,
                      "NAME NUMBER/INTERVAL [OPTION...], or NAME off"),
    AP_INIT_ITERATE("ContainerThrottleAllow", door_set_allow, NULL, ACCESS_CONF | RSRC_CONF,
                    "NETWORK or expr=EXPRESSION...: clients who are never counted nor refused"),
    AP_INIT_ITERATE("ContainerThrottleDeny", door_set_deny, NULL, ACCESS_CONF | RSRC_CONF,
                    "NETWORK or expr=EXPRESSION...: clients who are always refused"),
    AP_INIT_TAKE2("ContainerThrottlePrefix", door_set_prefix, NULL, RSRC_CONF,
                  "the bits of an address that make a client, of IPv4 and of IPv6"),
    AP_INIT_TAKE1("ContainerThrottleTable", door_set_entries, NULL, RSRC_CONF,
                  "how many clients there is room for"),
    AP_INIT_TAKE1("ContainerThrottleStatus", door_set_status, NULL, ACCESS_CONF | RSRC_CONF,
                  "the status of refusals"),
    AP_INIT_TAKE1("ContainerThrottlePage", door_set_page, NULL, ACCESS_CONF | RSRC_CONF,
                  "a file of HTML that refused people get"),
    AP_INIT_FLAG("ContainerThrottleLoopback", door_set_loopback, NULL, ACCESS_CONF | RSRC_CONF,
                 "On: clients from loopback are counted like any other"),
    AP_INIT_TAKE1("DOSHashTableSize", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSPageCount", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSSiteCount", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSPageInterval", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSSiteInterval", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSBlockingPeriod", evasive_set_number, NULL, RSRC_CONF, "as in mod_evasive"),
    AP_INIT_TAKE1("DOSHTTPStatus", evasive_set_status, NULL, RSRC_CONF, "the status of refusals"),
    AP_INIT_TAKE1("DOSHTTPResponseCode", evasive_set_status, NULL, RSRC_CONF,
                  "the status of refusals"),
    AP_INIT_TAKE1("DOSBlockingHttpResponse", evasive_set_status, NULL, RSRC_CONF,
                  "the status of refusals"),
    AP_INIT_TAKE1("DOSEnabled", evasive_set_enabled, NULL, RSRC_CONF, "true or false"),
    AP_INIT_ITERATE("DOSWhitelist", evasive_add_client, NULL, RSRC_CONF,
                    "ADDRESS, NETWORK or 192.0.2.*...: clients who are never counted"),
    AP_INIT_ITERATE("DOSWhitelistUri", evasive_add_uri, NULL, RSRC_CONF, "regular expressions"),
    AP_INIT_ITERATE("DOSTargetlistUri", evasive_add_uri, NULL, RSRC_CONF, "regular expressions"),
    AP_INIT_RAW_ARGS("DOSBlocklistUri", evasive_note, NULL, RSRC_CONF, "not done; the log says so"),
    AP_INIT_RAW_ARGS("DOSSystemCommand", evasive_note, NULL, RSRC_CONF,
                     "not done; the log says so"),
    AP_INIT_RAW_ARGS("DOSEmailNotify", evasive_note, NULL, RSRC_CONF, "not done; the log says so"),
    AP_INIT_RAW_ARGS("DOSLogDir", evasive_note, NULL, RSRC_CONF, "not done; the log says so"),
    {.name = NULL},
};
#pragma GCC diagnostic pop
