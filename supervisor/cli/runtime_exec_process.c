/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that `exec` runs. It is made as JSON and read by the one reader there is: that of the
 * container's config with what the options change, or that of a file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/user.h"

static int set_text(json_t *process, const char *key, const char *value)
{
    return value && *value ? json_object_set_new(process, key, json_string(value)) : 0;
}

/* The array of that name in object, made if it is not there. */
static json_t *array_of(json_t *object, const char *key)
{
    json_t *array = json_object_get(object, key);

    if (json_is_array(array))
        return array;
    array = json_array();
    return json_object_set_new(object, key, array) < 0 ? NULL : array;
}

static json_t *object_of(json_t *object, const char *key)
{
    json_t *inner = json_object_get(object, key);

    if (json_is_object(inner))
        return inner;
    inner = json_object();
    return json_object_set_new(object, key, inner) < 0 ? NULL : inner;
}

static int append_list(json_t *array, const struct option_list *list)
{
    int failed = array ? 0 : -1;

    for (size_t i = 0; failed == 0 && i < list->count; i++)
        failed = json_array_append_new(array, json_string(list->items[i]));
    return failed;
}

/*
 * runc's: into the bounding, effective and permitted sets, and into the ambient one if there are
 * inheritable ones, without which the kernel takes none.
 */
static int add_capabilities(json_t *process, const struct option_list *list)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    json_t *capabilities = list->count ? object_of(process, "capabilities") : NULL;
    int failed = list->count && !capabilities ? -1 : 0;

    for (size_t i = 0; failed == 0 && capabilities && i < ARRAY_LENGTH(sets); i++)
        failed = append_list(array_of(capabilities, sets[i]), list);
    if (failed == 0 && json_array_size(json_object_get(capabilities, "inheritable")) > 0) {
        failed = append_list(array_of(capabilities, "inheritable"), list);
        if (failed == 0)
            failed = append_list(array_of(capabilities, "ambient"), list);
    }
    return failed;
}

static int set_user(json_t *process, const struct runtime_options *options, struct error *error)
{
    struct user_ids ids = {0};
    json_t *user = object_of(process, "user");
    uint32_t gid;

    if (!user)
        return error_sys(error, ENOMEM, "process.user");
    if (options->user && *options->user) {
        int r = user_parse(options->user, &ids, error);
        if (r < 0)
            return r;
        json_object_set_new(user, "uid", json_integer(ids.uid));
        if (ids.has_gid)
            json_object_set_new(user, "gid", json_integer(ids.gid));
    }
    for (size_t i = 0; i < options->additional_gids.count; i++) {
        int r = user_parse_id("--additional-gids", options->additional_gids.items[i], &gid, error);
        if (r < 0)
            return r;
        if (json_array_append_new(array_of(user, "additionalGids"), json_integer(gid)) < 0)
            return error_sys(error, ENOMEM, "process.user");
    }
    return 0;
}

static int set_args(json_t *process, int count, char **args)
{
    json_t *array = json_array();

    for (int i = 0; i < count; i++)
        if (json_array_append_new(array, json_string(args[i])) < 0) {
            json_decref(array);
            return -1;
        }
    return json_object_set_new(process, "args", array);
}

/* The container's process with what the options say. */
static json_t *from_options(const struct runtime_options *options, json_t *config, int count,
                            char **args, struct error *error)
{
    json_t *process = json_deep_copy(json_object_get(config, "process"));

    if (count == 0) {
        error_set(error, EINVAL, "exec args cannot be empty: which program shall run?");
        json_decref(process);
        return NULL;
    }
    if (!process)
        process = json_pack("{s:s}", "cwd", "/");
    /* A lone process's affinity and the terminal's size are not for this one. */
    json_object_del(process, "consoleSize");
    int failed = set_args(process, count, args) < 0 || set_text(process, "cwd", options->cwd) < 0 ||
                 set_text(process, "apparmorProfile", options->apparmor) < 0 ||
                 set_text(process, "selinuxLabel", options->process_label) < 0 ||
                 (options->env.count && append_list(array_of(process, "env"), &options->env)) ||
                 add_capabilities(process, &options->capabilities) < 0 ||
                 json_object_set_new(process, "terminal", json_boolean(options->has_terminal));
    if (!failed && options->has_no_new_privileges)
        failed = json_object_set_new(process, "noNewPrivileges", json_true());
    if (failed)
        error_set(error, EINVAL, "exec: the arguments are not UTF-8, or there is no memory");
    if (failed || set_user(process, options, error) < 0) {
        json_decref(process);
        return NULL;
    }
    return process;
}

static json_t *from_file(const struct runtime_options *options, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    size_t length;

    if (runtime_file_read(options->process, CONFIG_FILE_MAX, &text, &length, error) < 0)
        return NULL;
    json_t *process = config_parse(text, length, options->process, error);
    if (process && options->has_terminal && json_is_object(process))
        json_object_set_new(process, "terminal", json_true());
    return process;
}

int runtime_exec_process(const struct runtime *runtime, json_t *config, int count, char **args,
                         struct config_process **process, struct error *error)
{
    const struct runtime_options *options = &runtime->options;
    json_t *json = options->process && *options->process
                       ? from_file(options, error)
                       : from_options(options, config, count, args, error);

    if (!json)
        return error->code ? -error->code : -EINVAL;
    int r = config_process_read(json, process, error);
    json_decref(json);
    return r;
}
