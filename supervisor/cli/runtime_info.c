/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs without a container: what the runtime can do, and a config to begin with. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/cli/runtime_criu.h"
#include "supervisor/cli/runtime_spec.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/features.h"

int runtime_features_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    json_t *features =
        features_json(config_mount_option_names(), runtime_criu_is_possible(runtime));

    (void)count, (void)args;
    if (!features)
        return error_sys(error, ENOMEM, "features");
    int failed = json_dumpf(features, stdout, JSON_INDENT(4)) < 0 || putchar('\n') == EOF ||
                 fflush(stdout) == EOF;
    json_decref(features);
    return failed ? error_sys(error, EIO, "write to the standard output") : 0;
}

/* Only --file may be there already: it was named. */
static int write_spec(const char *path, bool is_replaced, const char *text, struct error *error)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (is_replaced ? O_TRUNC : O_EXCL);
    size_t length = strlen(text);
    _cleanup_close_ int fd = open(path, flags, 0666);

    if (fd < 0 && errno == EEXIST)
        return error_set(error, EEXIST,
                         "%s already exists; remove it first, or name another --file", path);
    if (fd < 0)
        return error_sys(error, errno, "create %s", path);
    if (write(fd, text, length) != (ssize_t)length || write(fd, "\n", 1) != 1)
        return error_sys(error, errno, "write %s", path);
    return 0;
}

int runtime_spec_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    const struct runtime_options *options = &runtime->options;
    const char *bundle = options->bundle ? options->bundle : ".";
    const char *file = options->spec_file;
    char path[PATH_MAX];

    (void)count, (void)args;
    int r = path_join(path, bundle, file ? file : "config.json", error);
    if (file && *file == '/' && strlen(file) < sizeof(path))
        strcpy(path, file);
    if (r < 0)
        return r;
    json_t *spec = runtime_spec_default(options->is_rootless_spec);
    _cleanup_free_ char *text = spec ? json_dumps(spec, JSON_INDENT(4)) : NULL;
    json_decref(spec);
    return text ? write_spec(path, file != NULL, text, error) : error_sys(error, ENOMEM, "spec");
}
