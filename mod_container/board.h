/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_BOARD_H
#define MOD_CONTAINER_BOARD_H

/*
 * The scoreboard as one httpd child sees it: mapped once, shared by the child's threads, mapped
 * anew when its supervisor has ended or gives no sign of life. A view holds its mapping, so that
 * one thread may still read the old board while another has opened the new one.
 */

#include "common/board/view.h"
#include "common/cleanup.h"

struct board;

/* Makes a child's board of the file at path (copied). It ends with the pool, after all views. */
struct apr_pool_t;
struct board *board_create(struct apr_pool_t *child_pool, const char *path);

/* Takes a view; board_release() gives it back. Never fails: what is wrong is in the view. */
void board_acquire(struct board *board, struct board_view *view);
void board_release(struct board_view *view);

#define _cleanup_board_view_ _cleanup_(board_release)

#endif
