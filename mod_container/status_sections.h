/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_SECTIONS_H
#define MOD_CONTAINER_STATUS_SECTIONS_H

/* The parts of the board that stand around its table; each writes one section, or nothing. */

#include "mod_container/page.h"

/* The machine: load, processors, memory, pressure, what the supervisor started. */
void section_host(struct page *page);

/* What needs a look: containers in trouble, or with a fault in the last minutes, with the reason.
 */
void section_faults(struct page *page);

/* Sums of each tenant. */
void section_tenants(struct page *page);

#endif
