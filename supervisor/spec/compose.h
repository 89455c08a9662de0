/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_COMPOSE_H
#define SPEC_COMPOSE_H

/* Reader of Compose files (compose-spec.io) into the container spec. docs/compose.md lists the
 * keys. */

#include "supervisor/spec/spec.h"

/*
 * Reads the Compose file `name` beneath the directory handle dir_fd (openat2 beneath it; env_file
 * and relative bind sources too must stay beneath the file's directory unless written as absolute
 * paths). display is what messages call the file ("tenants.d/blog/compose.yaml"); host_dir is the
 * absolute path of dir_fd, in front of relative bind sources. tenant is the tenant's (Compose
 * project's) name and must equal the file's `name:` if that is given.
 * Returns 0 and a spec that the caller frees, or a negative errno with a message that reads
 * FILE:LINE: KEY: what is wrong; what would be right.
 */
int compose_read(int dir_fd, const char *host_dir, const char *name, const char *display,
                 const char *tenant, struct tenant_spec **spec, struct error *error);

#endif
