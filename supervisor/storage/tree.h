/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_TREE_H
#define STORAGE_TREE_H

/*
 * Removes the directory `name` of an open directory with all that it holds. What a container wrote
 * may be of any depth and shape: no link is followed, and neither stack nor descriptors grow with
 * the depth. It must not be changed meanwhile. 0, also when it is not there, or a negative errno.
 */
int tree_remove(int parent, const char *name);

#endif
