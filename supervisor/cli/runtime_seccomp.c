/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/seccomp_cache.h"

/* A hidden name: it is no container. */
#define CACHE_NAME ".seccomp"

int runtime_seccomp(const struct runtime *runtime, const struct config *config,
                    struct seccomp_program **program, struct error *error)
{
    *program = NULL;
    if (!config->seccomp)
        return 0;
    if (mkdirat(runtime->store.fd, CACHE_NAME, 0700) < 0 && errno != EEXIST)
        return seccomp_program_new(config->seccomp, program, error);
    _cleanup_close_ int cache =
        openat(runtime->store.fd, CACHE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return seccomp_program_cached(config->seccomp, cache, program, error);
}
