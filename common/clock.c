/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"

#include <time.h>

static uint64_t clock_usec(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_boottime_usec(void)
{
    return clock_usec(CLOCK_BOOTTIME);
}

uint64_t clock_realtime_usec(void)
{
    return clock_usec(CLOCK_REALTIME);
}

uint64_t clock_monotonic_usec(void)
{
    return clock_usec(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return (int64_t)(clock_monotonic_usec() / 1000);
}

uint64_t clock_process_cpu_usec(void)
{
    return clock_usec(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_thread_cpu_usec(void)
{
    return clock_usec(CLOCK_THREAD_CPUTIME_ID);
}
