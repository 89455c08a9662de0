/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest program worth a container: it waits until it is told to end. Linked statically. */
#include <signal.h>
#include <stddef.h>

int main(void)
{
    sigset_t set;
    int signal_number;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigwait(&set, &signal_number);
}
