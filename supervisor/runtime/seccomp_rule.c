/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of linux.seccomp.syscalls. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/config_uint64.h"
#include "supervisor/runtime/seccomp_internal.h"

#define ARGUMENTS 6 /* of a system call */
#define PATH_SIZE 48

static void make_path(char path[PATH_SIZE], size_t index)
{
    snprintf(path, PATH_SIZE, "linux.seccomp.syscalls[%zu]", index);
}

static int read_condition(const json_t *object, const char *rule_path, size_t position,
                          struct scmp_arg_cmp *condition, struct error *error)
{
    char path[80], part[96];
    int64_t index = 0;
    uint64_t value = 0, value_two = 0;
    enum scmp_compare compare = SCMP_CMP_EQ;
    const char *op = NULL;
    const struct config_key keys[] = {
        {"index", CONFIG_INTEGER, &index, true},
        {"value", CONFIG_IGNORED, NULL, true}, /* read below: unsigned, all 64 bits */
        {"valueTwo", CONFIG_IGNORED, NULL, false},
        {"op", CONFIG_STRING, &op, true},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "%s.args[%zu]", rule_path, position);
    int r = config_read_object(object, path, keys, error);
    snprintf(part, sizeof(part), "%s.index", path);
    if (r == 0)
        r = config_check_range(part, index, 0, ARGUMENTS - 1, error);
    snprintf(part, sizeof(part), "%s.value", path);
    if (r == 0)
        r = config_read_uint64(json_object_get(object, "value"), part, &value, error);
    snprintf(part, sizeof(part), "%s.valueTwo", path);
    if (r == 0 && config_has(object, "valueTwo"))
        r = config_read_uint64(json_object_get(object, "valueTwo"), part, &value_two, error);
    snprintf(part, sizeof(part), "%s.op", path);
    if (r == 0)
        r = seccomp_operator_find(op, part, &compare, error);
    *condition = (struct scmp_arg_cmp){(unsigned)index, compare, value, value_two};
    return r;
}

/* libseccomp takes one condition on an argument a rule: more of them are rules of their own. */
static int read_conditions(const json_t *args, const char *path, struct seccomp_rule *rule,
                           struct error *error)
{
    size_t count = json_array_size(args);
    unsigned seen = 0;

    if (count > SECCOMP_CONDITIONS_MAX)
        return error_set(error, E2BIG,
                         "%s.args: %zu conditions; at most %d are possible, make it several "
                         "entries",
                         path, count, SECCOMP_CONDITIONS_MAX);
    rule->conditions = calloc(count ? count : 1, sizeof(*rule->conditions));
    if (!rule->conditions)
        return error_sys(error, ENOMEM, "%s", path);
    for (size_t i = 0; i < count; i++) {
        int r = read_condition(json_array_get(args, i), path, i, &rule->conditions[i], error);
        if (r < 0)
            return r;
        unsigned bit = 1U << rule->conditions[i].arg;
        rule->are_alternatives |= (seen & bit) != 0;
        seen |= bit;
    }
    rule->condition_count = (unsigned)count;
    return 0;
}

/*
 * Also: not SCMP_ACT_NOTIFY for sendmsg. The descriptor that it makes exists only once the filter
 * is loaded, and then our init still has to hand it to the agent, by sendmsg(2). Where sendmsg
 * itself waits for the agent, both wait for ever. Nor for write, which other runtimes need there
 * and refuse: a profile that works here is to work with them.
 */
static int check_names(const struct seccomp_rule *rule, const char *path, struct error *error)
{
    size_t i;
    json_t *entry;

    if (json_array_size(rule->names) == 0)
        return error_set(error, EINVAL, "%s.names: is empty; name the calls or remove the entry",
                         path);
    json_array_foreach ((json_t *)rule->names, i, entry) {
        const char *name = json_string_value(entry);
        if (!name || !*name)
            return error_set(error, EINVAL, "%s.names[%zu]: must be the name of a system call",
                             path, i);
        if (rule->action == SCMP_ACT_NOTIFY &&
            (strcmp(name, "write") == 0 || strcmp(name, "sendmsg") == 0))
            return error_set(error, EINVAL,
                             "%s: SCMP_ACT_NOTIFY is not possible for %s: the start itself needs "
                             "it before the agent listens",
                             path, name);
    }
    return 0;
}

int seccomp_rule_read(const json_t *object, size_t index, struct seccomp_rule *rule,
                      struct error *error)
{
    const json_t *args = NULL;
    int64_t number = -1;
    char path[PATH_SIZE], part[PATH_SIZE + 16];
    const struct config_key keys[] = {
        {"names", CONFIG_ARRAY, &rule->names, true},
        {"action", CONFIG_STRING, &rule->action_name, true},
        {"errnoRet", CONFIG_INTEGER, &number, false},
        {"args", CONFIG_ARRAY, &args, false},
        {NULL, 0, NULL, false},
    };

    *rule = (struct seccomp_rule){.index = index};
    make_path(path, index);
    int r = config_read_object(object, path, keys, error);
    snprintf(part, sizeof(part), "%s.errnoRet", path);
    if (r == 0 && number < 0 && config_has(object, "errnoRet"))
        r = config_check_range(part, number, 0, INT64_MAX, error);
    snprintf(part, sizeof(part), "%s.%s", path, number >= 0 ? "errnoRet" : "action");
    if (r == 0)
        r = seccomp_action_find(rule->action_name, number, part, &rule->action, error);
    if (r == 0)
        r = check_names(rule, path, error);
    return r < 0 ? r : read_conditions(args, path, rule, error);
}

void seccomp_rule_release(struct seccomp_rule *rule)
{
    free(rule->conditions);
    rule->conditions = NULL;
}

static int add(scmp_filter_ctx context, const struct seccomp_rule *rule, int number)
{
    if (!rule->are_alternatives)
        return seccomp_rule_add_array(context, rule->action, number, rule->condition_count,
                                      rule->conditions);
    for (unsigned i = 0; i < rule->condition_count; i++) {
        int r = seccomp_rule_add_array(context, rule->action, number, 1, &rule->conditions[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int seccomp_rule_apply(scmp_filter_ctx context, const struct seccomp_rule *rule, const char *name,
                       int number, struct error *error)
{
    char path[PATH_SIZE];

    int r = add(context, rule, number);
    if (r >= 0)
        return 0;
    make_path(path, rule->index);
    if (r == -EEXIST)
        return error_set(error, EEXIST,
                         "%s: %s for %.64s contradicts an entry before it with the same "
                         "conditions; remove one",
                         path, rule->action_name, name);
    return error_sys(error, -r, "%s: %.64s", path, name);
}
