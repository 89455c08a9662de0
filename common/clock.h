/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

/* The clocks of clock_gettime(2) in the units that are used here. */

#include <stdint.h>

/* CLOCK_BOOTTIME: one clock for all processes of the machine, going on in suspend. Microseconds. */
uint64_t clock_boottime_usec(void);

/* CLOCK_REALTIME: for people. Microseconds since 1970. */
uint64_t clock_realtime_usec(void);

/* CLOCK_MONOTONIC: the throttle table's clock, which nobody can set. Microseconds. */
uint64_t clock_monotonic_usec(void);

/* CLOCK_MONOTONIC: for deadlines. Milliseconds, signed for the sake of differences. */
int64_t clock_monotonic_ms(void);

/* Processor time of this process, and of the calling thread. Microseconds. */
uint64_t clock_process_cpu_usec(void);
uint64_t clock_thread_cpu_usec(void);

#endif
