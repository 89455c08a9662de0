/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/chart_scale.h"

#define TICKS_MAX 5

unsigned chart_percent(uint64_t value, uint64_t limit)
{
    if (limit == 0)
        return 0;
    if (value / 10 >= limit)
        return 999;
    uint64_t percent = limit > UINT64_MAX / 1000 ? value / (limit / 100) : value * 100 / limit;
    return percent > 999 ? 999 : (unsigned)percent;
}

const char *chart_heat(unsigned percent)
{
    return percent >= CHART_HOT_PERCENT ? " hot" : percent >= CHART_WARM_PERCENT ? " warm" : "";
}

uint64_t chart_round_top(uint64_t value, bool is_binary, uint64_t *tick)
{
    static const unsigned decimal[] = {2, 5, 10};
    uint64_t step = 1, power = 1;

    for (unsigned i = 0; (value + step - 1) / step > TICKS_MAX - 1 && step < UINT64_MAX / 32;) {
        if (is_binary) {
            step *= 2;
            continue;
        }
        step = power * decimal[i];
        if (++i == sizeof(decimal) / sizeof(decimal[0])) {
            i = 0;
            power *= 10;
        }
    }
    *tick = step;
    uint64_t steps = (value + step - 1) / step;
    return steps == 0 ? step : steps * step;
}
