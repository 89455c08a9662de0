/* SPDX-License-Identifier: Apache-2.0 */

/* container-supervisor: options in, engine run, exit status out. container-supervisor(8). */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/daemon/engine.h"
#include "supervisor/daemon/tenants.h"

static const char usage[] =
    "Usage: container-supervisor [OPTION]...\n"
    "Starts the containers of all tenants in tenants.d, keeps them running, and stops them\n"
    "when it gets SIGTERM. SIGHUP reads tenants.d again. Stays in the foreground.\n"
    "\n"
    "  --root DIR      keep everything below DIR: DIR/etc, DIR/run, DIR/lib\n"
    "                  (default: /etc, /run and /var/lib/container-supervisor)\n"
    "  --config FILE   read FILE instead of supervisor.json in the etc directory\n"
    "  --check-config  read supervisor.json and all tenants, say what is wrong, and end\n"
    "  --cleanup       remove what a supervisor that was killed left, and end\n"
    "  --debug         log more\n"
    "  --version       print the version\n"
    "  --help          print this\n"
    "\n"
    "Exit status: 0 ended in order, 1 failed, 2 wrong options.\n";

enum {
    OPTION_ROOT = 256,
    OPTION_CONFIG,
    OPTION_CHECK,
    OPTION_CLEANUP,
    OPTION_DEBUG,
    OPTION_VERSION,
    OPTION_FOREGROUND
};

static const struct option options[] = {
    {"root", required_argument, NULL, OPTION_ROOT},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"cleanup", no_argument, NULL, OPTION_CLEANUP},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {"foreground", no_argument, NULL, OPTION_FOREGROUND},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *root, *config;
    bool is_check, is_cleanup, is_debug;
};

/* Returns -1 to go on, or an exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case OPTION_ROOT:
            arguments->root = optarg;
            break;
        case OPTION_CONFIG:
            arguments->config = optarg;
            break;
        case OPTION_CHECK:
            arguments->is_check = true;
            break;
        case OPTION_CLEANUP:
            arguments->is_cleanup = true;
            break;
        case OPTION_DEBUG:
            arguments->is_debug = true;
            break;
        case OPTION_FOREGROUND:
            break;
        case OPTION_VERSION:
            puts("container-supervisor " MOD_CONTAINER_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("Try 'container-supervisor --help'.\n", stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "container-supervisor: %s: takes no arguments\n", argv[optind]);
        return 2;
    }
    return -1;
}

static int check_config(const struct settings *settings)
{
    int errors = tenants_check(settings);

    if (errors == 0)
        puts("no errors");
    return errors == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct engine engine;
    static struct settings settings;
    struct arguments arguments = {0};
    struct error error = ERROR_INIT;

    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    if (!arguments.is_check)
        engine_block_signals();
    log_open(arguments.is_debug);
    umask(022);
    if (settings_load(&settings, arguments.root, arguments.config, &error) < 0) {
        log_error("%s", error.message);
        return 1;
    }
    if (arguments.is_check)
        return check_config(&settings);
    if (geteuid() != 0) {
        log_error("container-supervisor must run as root: it makes namespaces, mounts and cgroups");
        return 1;
    }
    /* What we hold is not to be read or traced, by nobody (CVE-2016-9962 and kin). */
#ifndef __SANITIZE_ADDRESS__ /* the leak checker traces us */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    if (engine_open(&engine, &settings, &error) < 0) {
        log_error("%s", error.message);
        status = 1;
    } else {
        status = arguments.is_cleanup ? 0 : engine_run(&engine);
    }
    engine_close(&engine);
    return status;
}
