/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_NETDEV_H
#define RUNTIME_NETDEV_H

/* linux.netDevices: links of the host that move into a container (config-linux.md, "Network
 * Devices"). */

#include <sys/types.h>

#include "common/error.h"
#include "supervisor/runtime/config.h"

/*
 * Moves every link of config->net_devices into the network namespace of the process, with its
 * global permanent addresses, under its new name, and sets it up. A failure leaves the links that
 * were moved where they are: the namespace, which the caller gives up, returns physical ones.
 */
int netdev_move_all(const struct config *config, pid_t pid, struct error *error);

#endif
