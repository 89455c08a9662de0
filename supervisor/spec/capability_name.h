/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_CAPABILITY_NAME_H
#define SPEC_CAPABILITY_NAME_H

#include <stddef.h>

/*
 * The full name ("CAP_CHOWN") of a capability written with or without CAP_, in any case; NULL when
 * there is none of that name (capabilities(7), Linux 6.1). The text is static.
 */
const char *capability_full_name(const char *text);

/* The nearest name without CAP_, for a message. */
const char *capability_nearest(const char *text);

#endif
