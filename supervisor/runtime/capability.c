/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/capability.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config.h"

int capability_number(const char *name)
{
    cap_value_t value;

    return cap_from_name(name, &value) < 0 || value > 63 ? -EINVAL : value;
}

int capability_last(void)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/cap_last_cap", "re");
    int last = CAP_LAST_CAP;

    if (file && fscanf(file, "%d", &last) != 1)
        last = CAP_LAST_CAP;
    return last > 63 ? 63 : last;
}
