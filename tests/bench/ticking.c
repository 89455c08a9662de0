/* SPDX-License-Identifier: Apache-2.0 */
/* A program as servers are when nobody visits them: once a second it wakes and looks around, for
 * some tens of microseconds. Linked statically. */
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile char pages[16][4096];

int main(void)
{
    const struct timespec second = {.tv_sec = 1};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (sigtimedwait(&set, NULL, &second) < 0)
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
            for (size_t j = 0; j < sizeof(pages[0]); j += 8)
                pages[i][j]++;
    return 0;
}
