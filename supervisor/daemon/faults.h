/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_FAULTS_H
#define DAEMON_FAULTS_H

/*
 * Faults: reasons why a visitor of a service may have waited. The board counts them; the journal of
 * events gets the first of a kind at once and then at most one line every ten minutes, which says
 * how often it happened.
 */

#include "supervisor/daemon/service.h"

/*
 * Counts one fault. With is_told the caller writes its own line into the journal, as for a crash,
 * which has a story to it.
 */
void fault_count(struct service *service, enum slot_fault fault, bool is_told);

/* Looks at two readings of the same run, one after the other, and counts what moved. */
void faults_compare(struct service *service, const struct cgroup_sample *before,
                    const struct cgroup_sample *now);

#endif
