/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timed PARALLEL COUNT FIRST LOG COMMAND [ARGUMENT...] [";" COMMAND [ARGUMENT...]]...
 *
 * Runs the commands of a round one after the other, COUNT rounds, PARALLEL rounds at a time, and
 * prints the nanoseconds of all, then a line "NANOSECONDS MAXRSS_KB CPU_MICROSECONDS" for each
 * round (what its commands and their reaped children used). In arguments
 * "@id" stands for a number that counts rounds from FIRST, "@slot" for one below PARALLEL that no
 * other running round has. What commands print goes to LOG; the first that fails ends it with 1.
 * Small and static: what it spawns inherits its high-water mark of memory (getrusage(2),
 * ru_maxrss), and spawning costs by the size of the parent.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PARALLEL_MAX  64
#define ARGUMENTS_MAX 128
#define TEXT_MAX      256
#define SECONDS_MAX   30

extern char **environ;

struct slot {
    pid_t pid; /* 0: free */
    unsigned id;
    char **command; /* of the step that runs */
    int64_t began_ns;
    long rss_kb, cpu_us;
};

static struct slot slots[PARALLEL_MAX];
static posix_spawn_file_actions_t actions;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *object)
{
    fprintf(stderr, "timed: %s: %s\n", object, what);
    exit(1);
}

static bool is_end(const char *word)
{
    return !word || strcmp(word, ";") == 0;
}

static const char *with_number(const char *word, const char *mark, unsigned number, char *text)
{
    const char *at = strstr(word, mark);

    if (!at)
        return word;
    snprintf(text, TEXT_MAX, "%.*s%u%s", (int)(at - word), word, number, at + strlen(mark));
    return text;
}

static void spawn(struct slot *slot)
{
    static char texts[ARGUMENTS_MAX][2][TEXT_MAX];
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};

    for (size_t i = 0; i < ARGUMENTS_MAX && !is_end(slot->command[i]); i++) {
        const char *word = with_number(slot->command[i], "@id", slot->id, texts[i][0]);
        arguments[i] = (char *)with_number(word, "@slot", (unsigned)(slot - slots), texts[i][1]);
    }
    if (posix_spawn(&slot->pid, arguments[0], &actions, NULL, arguments, environ) != 0)
        fail("cannot be executed", arguments[0]);
}

static long microseconds(const struct timeval *time)
{
    return time->tv_sec * 1000000L + time->tv_usec;
}

/* Whether the slot's round is over; the next of its commands runs if not. */
static bool step(struct slot *slot, int status, const struct rusage *usage)
{
    if (status != 0)
        fail(WIFSIGNALED(status) ? "was killed" : "failed", slot->command[0]);
    slot->cpu_us += microseconds(&usage->ru_utime) + microseconds(&usage->ru_stime);
    if (usage->ru_maxrss > slot->rss_kb)
        slot->rss_kb = usage->ru_maxrss;
    while (!is_end(*slot->command))
        slot->command++;
    if (!*slot->command) {
        slot->pid = 0;
        return true;
    }
    slot->command++;
    spawn(slot);
    return false;
}

static struct slot *find(pid_t pid)
{
    for (size_t i = 0; i < PARALLEL_MAX; i++)
        if (slots[i].pid == pid)
            return &slots[i];
    return NULL;
}

/* What hangs is killed, and is a failure. */
static void give_up(int signal_number)
{
    for (size_t i = 0; i < PARALLEL_MAX; i++)
        if (slots[i].pid > 0)
            kill(slots[i].pid, SIGKILL);
    _exit(128 + signal_number);
}

static void prepare(const char *log)
{
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* containers that were left are reaped, as an init would */
    signal(SIGALRM, give_up);
    signal(SIGTERM, give_up);
    alarm(SECONDS_MAX);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        fail("PARALLEL COUNT FIRST LOG COMMAND...", "usage");
    unsigned parallel = (unsigned)atoi(argv[1]), count = (unsigned)atoi(argv[2]);
    unsigned first = (unsigned)atoi(argv[3]), begun = 0, done = 0;
    struct result {
        int64_t ns;
        long rss_kb, cpu_us;
    } *results = calloc(count + 1, sizeof(*results));

    if (!results || parallel < 1 || parallel > PARALLEL_MAX)
        fail("is not possible", argv[1]);
    prepare(argv[4]);
    int64_t start = now_ns();
    while (done < count) {
        struct slot *slot;
        while (begun < count && begun - done < parallel) {
            slot = find(0);
            *slot = (struct slot){.id = first + begun++, .command = &argv[5], .began_ns = now_ns()};
            spawn(slot);
        }
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, 0, &usage);
        slot = pid > 0 ? find(pid) : NULL;
        if (slot && step(slot, status, &usage))
            results[done++] =
                (struct result){now_ns() - slot->began_ns, slot->rss_kb, slot->cpu_us};
    }
    printf("%lld\n", (long long)(now_ns() - start));
    for (unsigned i = 0; i < count; i++)
        printf("%lld %ld %ld\n", (long long)results[i].ns, results[i].rss_kb, results[i].cpu_us);
    return 0;
}
