/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_OCI_PARTS_H
#define SPEC_OCI_PARTS_H

/*
 * The parts of the OCI compiler, each a file; others include oci.h. A part returns a new reference,
 * or NULL when there is no memory; one that can fail otherwise returns a negative errno.
 */

#include "supervisor/spec/oci.h"

/* The limit in force: the service's, or the supervisor's default. */
uint64_t oci_memory_bytes(const struct service_spec *service, const struct oci_facts *facts);

/* oci_process.c: config.process */
int oci_process(const struct service_spec *service, const struct oci_facts *facts,
                const char *hostname, json_t **process, struct error *error);

/* oci_mounts.c: config.mounts */
int oci_mounts(const struct service_spec *service, const struct oci_facts *facts, json_t **mounts,
               struct error *error);

/* oci_resources.c: config.linux.resources */
int oci_resources(const struct service_spec *service, const struct oci_facts *facts,
                  json_t **resources, struct error *error);

/*
 * seccomp_profile.c: config.linux.seccomp. capabilities: those of cap_add, NULL-terminated, NULL:
 * none. A few calls come with a capability.
 */
json_t *seccomp_profile(char *const *capabilities);

#endif
