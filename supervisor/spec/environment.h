/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_ENVIRONMENT_H
#define SPEC_ENVIRONMENT_H

#include "supervisor/spec/string_list.h"

/*
 * Sets a variable in a list of KEY=VALUE, in its first place if it is there already. The assignment
 * is taken over, also on failure; NULL is -ENOMEM. Returns 0 or -ENOMEM.
 */
int environment_set(struct string_list *list, char *assignment);

#endif
