/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container-runtime: an OCI runtime for podman, containerd and everybody else who calls one. This
 * file is its table of verbs, its help, and the way from argv to a verb.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"

#define OCI_SPEC_VERSION "1.3.0"
#define MANY             65536

static const struct verb {
    const char *name;
    const char *args; /* as help shows them, options apart */
    const char *help;
    int least, most; /* how many arguments */
    int failure;     /* exit status when the verb itself fails */
    bool is_ordered; /* options end at the first argument */
    bool is_sealed;  /* starts something in a container */
    runtime_verb *run;
} verbs[] = {
    {"create", "CONTAINER", "make a container that waits to be started", 1, 1, 1, false, true,
     runtime_create_verb},
    {"start", "CONTAINER", "start the program of a created container", 1, 1, 1, false, false,
     runtime_start_verb},
    {"run", "CONTAINER", "create and start a container, wait for its end, and delete it", 1, 1, 1,
     false, true, runtime_run_verb},
    {"state", "CONTAINER", "show what a container is doing, as JSON", 1, 1, 1, false, false,
     runtime_state_verb},
    {"kill", "CONTAINER [SIGNAL]", "send a signal to a container's first process (SIGTERM)", 1, 2,
     1, true, false, runtime_kill_verb},
    {"delete", "CONTAINER", "remove a stopped container", 1, 1, 1, false, false,
     runtime_delete_verb},
    {"exec", "CONTAINER COMMAND [ARG...]", "run one more program in a running container", 1, MANY,
     255, true, true, runtime_exec_verb},
    {"list", "", "list the containers", 0, 0, 1, false, false, runtime_list_verb},
    {"ps", "CONTAINER [PS-OPTION...]", "list the processes of a container", 1, MANY, 1, true, false,
     runtime_ps_verb},
    {"pause", "CONTAINER", "freeze all processes of a container", 1, 1, 1, false, false,
     runtime_pause_verb},
    {"resume", "CONTAINER", "let a paused container go on", 1, 1, 1, false, false,
     runtime_resume_verb},
    {"update", "CONTAINER", "change the limits of a container", 1, 1, 1, false, false,
     runtime_update_verb},
    {"events", "CONTAINER", "tell what a container uses and when it runs out of memory, as JSON", 1,
     1, 1, false, false, runtime_events_verb},
    {"checkpoint", "CONTAINER", "save a running container (needs criu)", 1, 1, 1, false, false,
     runtime_checkpoint_verb},
    {"restore", "CONTAINER", "start a container from what was saved (needs criu)", 1, 1, 1, false,
     true, runtime_restore_verb},
    {"spec", "", "write a config.json to begin with", 0, 0, 1, false, false, runtime_spec_verb},
    {"features", "", "show what this runtime can do, as JSON", 0, 0, 1, false, false,
     runtime_features_verb},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* ---- help ---- */

static int print_version(void)
{
    const struct scmp_version *seccomp = seccomp_version();

    printf("container-runtime version %s\ncommit: v%s\nspec: %s\n", MOD_CONTAINER_VERSION,
           MOD_CONTAINER_VERSION, OCI_SPEC_VERSION);
    if (seccomp)
        printf("libseccomp: %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
    return fflush(stdout) == EOF;
}

static int print_help(void)
{
    puts(
        "Usage: container-runtime [OPTION...] VERB [OPTION...] [ARG...]\n\n"
        "Runs containers as the OCI runtime specification describes them. A container is made of\n"
        "a bundle: a directory with a config.json (\"container-runtime spec\" writes one to begin\n"
        "with) and the root file system that it names. For example:\n\n"
        "    mkdir -p hello/rootfs/bin && cd hello\n"
        "    cp /bin/busybox rootfs/bin/sh\n"
        "    container-runtime spec\n"
        "    container-runtime run hello\n\n"
        "Verbs (each has a --help of its own):");
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        printf("  %-12s %s\n", verbs[i].name, verbs[i].help);
    puts("\nOptions that stand before the verb:");
    runtime_options_help(NULL);
    return fflush(stdout) == EOF;
}

static int print_verb_help(const struct verb *verb)
{
    printf("Usage: container-runtime [OPTION...] %s [OPTION...]%s%s\n\n%s.\n\nOptions:\n",
           verb->name, *verb->args ? " " : "", verb->args, verb->help);
    runtime_options_help(verb->name);
    if (verb->is_ordered)
        printf("\nOptions stand before %.9s; what follows it is not read as one.\n", verb->args);
    puts("\n\"container-runtime --help\" lists the options that stand before the verb.");
    return fflush(stdout) == EOF;
}

/* ---- the way to a verb ---- */

static int check_count(const struct verb *verb, int count, struct error *error)
{
    if (count < verb->least)
        return error_set(error, EINVAL, "\"%s\" requires a minimum of %d argument(s): %s",
                         verb->name, verb->least, verb->args);
    if (count > verb->most)
        return error_set(error, EINVAL, "\"%s\" requires a maximum of %d argument(s), not %d: %s",
                         verb->name, verb->most, count, verb->args);
    return 0;
}

/* What is called with the whole argv. Returns an exit status or a negative errno. */
static int run_verb(struct runtime *runtime, const struct verb *verb, int at, int argc, char **argv,
                    struct error *error)
{
    struct error log_error = ERROR_INIT;

    runtime->verb = verb->name;
    int first = runtime_options_verb(&runtime->options, verb->name, verb->is_ordered, argc - at,
                                     argv + at, error);
    if (first >= 0 && runtime->options.is_help)
        return print_verb_help(verb);
    int r = first < 0 ? first : check_count(verb, argc - at - first, error);
    if (r == 0 && verb->is_sealed)
        r = runtime_seal_check(error);
    runtime_close_up();
    runtime_seal_close();
    int log_result = runtime_log_open(&runtime->options, &log_error);
    if (r < 0)
        return r;
    if (log_result < 0) {
        *error = log_error;
        return log_result;
    }
    runtime_log(RUNTIME_LOG_DEBUG, "%s %s", verb->name, argc > at + first ? argv[at + first] : "");
    return verb->run(runtime, argc - at - first, argv + at + first, error);
}

static int dispatch(struct runtime *runtime, int argc, char **argv, int *failure,
                    struct error *error)
{
    int at = runtime_options_global(&runtime->options, argc, argv, error);

    if (at < 0)
        return at;
    if (runtime->options.is_version)
        return print_version();
    bool is_help = at < argc && strcmp(argv[at], "help") == 0;
    if (is_help)
        at++;
    if (at >= argc) {
        bool was_asked = is_help || runtime->options.is_help;
        return was_asked ? print_help()
                         : error_set(error, EINVAL,
                                     "please specify a command; \"container-runtime "
                                     "--help\" lists them");
    }
    const struct verb *verb = find_verb(argv[at]);
    if (!verb && runtime->options.is_help)
        return print_help();
    if (!verb)
        return error_set(error, EINVAL,
                         "unknown command \"%s\"; \"container-runtime --help\" lists them",
                         argv[at]);
    if (is_help || runtime->options.is_help)
        return print_verb_help(verb);
    *failure = verb->failure;
    return run_verb(runtime, verb, at, argc, argv, error);
}

int main(int argc, char **argv)
{
    struct runtime runtime = {.store.fd = -1};
    struct error error = ERROR_INIT;
    int failure = 1;
    size_t seed;

    /* Of jansson's hashes, which would read /dev/urandom: what the kernel gave us anyway. */
    memcpy(&seed, (const void *)getauxval(AT_RANDOM), sizeof(seed));
    json_object_seed(seed ? seed : 1);
    /* Where the caller ignores it, nobody's end could be waited for (wait(2)). */
    signal(SIGCHLD, SIG_DFL);
    int status = dispatch(&runtime, argc, argv, &failure, &error);

    if (status < 0) {
        runtime_log(RUNTIME_LOG_ERROR, "%s", error.message);
        status = failure;
    }
    store_close(&runtime.store);
    runtime_options_free(&runtime.options);
    return status;
}
