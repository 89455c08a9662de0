/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOME_H
#define RUNTIME_HOME_H

/* The home directory of a user, as the image's /etc/passwd has it. */

#include <stddef.h>
#include <stdint.h>

#define HOME_MAX 256

/*
 * Finds the home directory of a user id in etc/passwd below root_fd, a directory whose content is
 * hostile: at most its first 256 KiB are read, and nothing but a regular file. home, of HOME_MAX
 * bytes, is "/" when there is none.
 */
void home_find(int root_fd, uint32_t uid, char *home);

#endif
