/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/seccomp_internal.h"

static int read_flags(const json_t *list, unsigned *flags, struct error *error)
{
    size_t i;
    json_t *entry;

    json_array_foreach ((json_t *)list, i, entry) {
        char path[48];
        unsigned bit;
        const char *name = json_string_value(entry);
        snprintf(path, sizeof(path), "linux.seccomp.flags[%zu]", i);
        if (!name)
            return error_set(error, EINVAL, "%s: must be a string", path);
        int r = seccomp_flag_find(name, path, &bit, error);
        if (r < 0)
            return r;
        if (!seccomp_flag_is_supported(bit))
            return error_set(error, EINVAL, "%s: this kernel does not know %s; remove it", path,
                             name);
        *flags |= bit;
    }
    return 0;
}

static int read_head(const json_t *profile, struct seccomp_head *head,
                     struct seccomp_program *program, struct error *error)
{
    const json_t *flags = NULL;
    const char *default_name = NULL;
    int64_t number = -1;
    const struct config_key keys[] = {
        {"defaultAction", CONFIG_STRING, &default_name, true},
        {"defaultErrnoRet", CONFIG_INTEGER, &number, false},
        {"architectures", CONFIG_ARRAY, &head->architectures, false},
        {"flags", CONFIG_ARRAY, &flags, false},
        {"listenerPath", CONFIG_STRING, &program->listener_path, false},
        {"listenerMetadata", CONFIG_STRING, &program->listener_metadata, false},
        {"syscalls", CONFIG_ARRAY, &head->rules, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(profile, "linux.seccomp", keys, error);
    if (r == 0 && number < 0 && config_has(profile, "defaultErrnoRet"))
        r = config_check_range("linux.seccomp.defaultErrnoRet", number, 0, INT64_MAX, error);
    if (r == 0)
        r = seccomp_action_find(default_name, number,
                                number >= 0 ? "linux.seccomp.defaultErrnoRet"
                                            : "linux.seccomp.defaultAction",
                                &head->default_action, error);
    /* The same reason as for write, see seccomp_rule.c: write is then one of the calls. */
    if (r == 0 && head->default_action == SCMP_ACT_NOTIFY)
        r = error_set(error, EINVAL,
                      "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not possible here: the "
                      "start itself has to write before the agent listens; name the calls");
    if (r == 0 && program->listener_metadata && !program->listener_path)
        r = error_set(error, EINVAL, "linux.seccomp.listenerMetadata: needs a listenerPath");
    return r < 0 ? r : read_flags(flags, &program->flags, error);
}

int seccomp_program_begin(const json_t *profile, struct seccomp_head *head,
                          struct seccomp_program **program, struct error *error)
{
    struct seccomp_program *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "linux.seccomp");
    *head = (struct seccomp_head){.rules = NULL};
    made->profile = json_incref((json_t *)profile);
    *program = made;
    return read_head(profile, head, made, error);
}

int seccomp_program_finish(struct seccomp_program *program, struct error *error)
{
    size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (!program->has_notify) {
        /* config-linux.md: ignored then. The kernel refuses the flag without a listener. */
        program->listener_path = program->listener_metadata = NULL;
        program->flags &= ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        return 0;
    }
    if (!program->listener_path || !*program->listener_path)
        return error_set(error, EINVAL,
                         "linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs the agent's socket");
    if (strlen(program->listener_path) > longest)
        return error_set(error, ENAMETOOLONG,
                         "linux.seccomp.listenerPath: %zu bytes; a socket's path has at most %zu",
                         strlen(program->listener_path), longest);
    return 0;
}

int seccomp_program_new(const json_t *profile, struct seccomp_program **program,
                        struct error *error)
{
    struct seccomp_program *made = NULL;
    struct seccomp_head head;

    int r = seccomp_program_begin(profile, &head, &made, error);
    if (r == 0)
        r = seccomp_program_compile(&head, made, error);
    if (r == 0)
        r = seccomp_program_finish(made, error);
    if (r < 0) {
        seccomp_program_free(made);
        return r;
    }
    *program = made;
    return 0;
}

void seccomp_program_free(struct seccomp_program *program)
{
    if (!program)
        return;
    json_decref(program->profile);
    free(program->program.filter);
    free(program);
}

bool seccomp_program_is_of(const struct seccomp_program *program, const json_t *profile)
{
    return program && (program->profile == profile || json_equal(program->profile, profile));
}
