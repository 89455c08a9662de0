/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "supervisor/cli/runtime_verbs.h"

#define DAYS_IN_400_YEARS 146097
#define DAYS_IN_100_YEARS 36524
#define DAYS_IN_4_YEARS   1461
/* From 0000-03-01 to 1970-01-01. */
#define DAYS_TO_1970 719468

/*
 * The Gregorian calendar repeats after 400 years. Years that begin in March have their leap day at
 * the end, where it moves no other.
 */
static void set_date(long days, long *year, int *month, int *day)
{
    days += DAYS_TO_1970;
    long era = days / DAYS_IN_400_YEARS;
    long rest = days % DAYS_IN_400_YEARS;
    long years = (rest - rest / (DAYS_IN_4_YEARS - 1) + rest / DAYS_IN_100_YEARS -
                  rest / (DAYS_IN_400_YEARS - 1)) /
                 365;
    long of_year = rest - (365 * years + years / 4 - years / 100);
    long from_march = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = years + era * 400 + (*month <= 2);
}

void runtime_time_format(const struct timespec *time, bool has_nanoseconds,
                         char text[RUNTIME_TIME_SIZE])
{
    long seconds = (long)(time->tv_sec % 86400), year;
    int month, day;
    char fraction[16] = "";

    set_date((long)(time->tv_sec / 86400), &year, &month, &day);
    if (has_nanoseconds)
        snprintf(fraction, sizeof(fraction), ".%09ld", time->tv_nsec % 1000000000);
    snprintf(text, RUNTIME_TIME_SIZE, "%04ld-%02d-%02dT%02ld:%02ld:%02ld%sZ", year % 10000, month,
             day, seconds / 3600, seconds / 60 % 60, seconds % 60, fraction);
}

void runtime_time_now(bool has_nanoseconds, char text[RUNTIME_TIME_SIZE])
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    runtime_time_format(&now, has_nanoseconds, text);
}
