/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_CHART_SCALE_H
#define MOD_CONTAINER_CHART_SCALE_H

/* The arithmetic of pictures: shares of limits, and scales that end at round numbers. Knows no
 * httpd; any thread. */

#include <stdbool.h>
#include <stdint.h>

/* From these shares of a limit, in percent, a figure is shown as warm and as hot. */
#define CHART_WARM_PERCENT 70
#define CHART_HOT_PERCENT  90

/* value in percent of limit, at most 999; 0 without a limit. */
unsigned chart_percent(uint64_t value, uint64_t limit);

/* " warm", " hot" or "": a class to add. */
const char *chart_heat(unsigned percent);

/* The top of a scale that ends at a round number and holds value, and the step of its ticks. */
uint64_t chart_round_top(uint64_t value, bool is_binary, uint64_t *tick);

#endif
