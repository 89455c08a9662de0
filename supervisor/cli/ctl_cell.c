/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/ctl_cell.h"

#include <stdint.h>
#include <stdio.h>

#include "common/units.h"

void cell_number(double number, enum cell_look look, char *cell, size_t size)
{
    cell[0] = '\0';
    if (!(number >= 0 && number < 1e18))
        return;
    switch (look) {
    case CELL_NUMBER:
        snprintf(cell, size, "%.0f", number);
        break;
    case CELL_DECIMAL:
        snprintf(cell, size, "%.1f", number);
        break;
    case CELL_BYTES:
        format_size((uint64_t)number, cell, size);
        break;
    case CELL_MSEC:
        if (number < 1) {
            snprintf(cell, size, number < 0.01 ? "%.1fms" : "%.0fms", number * 1000);
            break;
        }
        /* fallthrough */
    case CELL_SECONDS:
        if (number < 60)
            snprintf(cell, size, number < 10 && number != (double)(int)number ? "%.1fs" : "%.0fs",
                     number);
        else
            format_duration((uint64_t)(number * 1e6), cell, size);
        break;
    case CELL_TEXT:
        break;
    }
}
