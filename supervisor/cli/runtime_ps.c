/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"

struct pids {
    pid_t *list; /* owned */
    size_t count;
};

/* Grows until all fit: the list is longer than what there was room for. */
static int find_pids(const struct runtime_container *container, struct pids *pids,
                     struct error *error)
{
    _cleanup_runtime_cgroup_ struct runtime_cgroup group;
    int r = runtime_cgroup_find(&container->state, &group, error);
    size_t size = 256;

    if (r < 0)
        return r;
    for (;; size *= 2) {
        free(pids->list);
        pids->list = calloc(size, sizeof(*pids->list));
        if (!pids->list)
            return error_sys(error, ENOMEM, "list the processes");
        ssize_t count = cgroup_pids(group.cgroup, pids->list, size);
        if (count < 0)
            return error_sys(error, (int)-count, "list the processes of \"%s\"",
                             container->state.id);
        pids->count = (size_t)count;
        if (pids->count <= size)
            return 0;
    }
}

static void print_json(const struct pids *pids)
{
    putchar('[');
    for (size_t i = 0; i < pids->count; i++)
        printf("%s%d", i ? "," : "", (int)pids->list[i]);
    puts("]");
}

/* ---- ps(1) ---- */

/* Starts ps with its output in *out. Returns its pid. */
static pid_t start_ps(int count, char **args, FILE **out)
{
    static char *all[] = {"ps", "-ef", NULL};
    char **arguments = count ? args : all;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execvp("ps", arguments);
        _exit(127);
    }
    close(ends[1]);
    *out = pid < 0 ? NULL : fdopen(ends[0], "r");
    if (!*out)
        close(ends[0]);
    return pid < 0 ? -errno : pid;
}

/* The number of the column PID in the title, from 0; -1: there is none. */
static int find_column(char *title)
{
    char *rest = NULL;
    int column = 0;

    for (char *word = strtok_r(title, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (strcmp(word, "PID") == 0)
            return column;
        column++;
    }
    return -1;
}

static bool has_pid(const struct pids *pids, const char *line, int column)
{
    for (; column > 0; column--) {
        line += strspn(line, " ");
        line += strcspn(line, " ");
    }
    long pid = strtol(line, NULL, 10);
    for (size_t i = 0; i < pids->count; i++)
        if (pids->list[i] == pid)
            return true;
    return false;
}

/* The lines of ps that are of the container. -ESRCH: its title names no PID. */
static int filter(FILE *output, const struct pids *pids)
{
    _cleanup_free_ char *line = NULL;
    _cleanup_free_ char *title = NULL;
    size_t size = 0;

    if (getline(&line, &size, output) < 0)
        return -ENODATA;
    title = strdup(line);
    int column = title ? find_column(title) : -1;
    if (column < 0)
        return -ESRCH;
    fputs(line, stdout);
    while (getline(&line, &size, output) >= 0)
        if (has_pid(pids, line, column))
            fputs(line, stdout);
    return 0;
}

static int print_table(const struct pids *pids, int count, char **args, struct error *error)
{
    FILE *output = NULL;
    int status = 0;
    pid_t pid = start_ps(count, args, &output);

    if (pid < 0)
        return error_sys(error, -pid, "start ps");
    int r = output ? filter(output, pids) : -ENOMEM;
    if (output)
        fclose(output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == -ENODATA && WIFEXITED(status) && WEXITSTATUS(status) == 127 && !count) {
        /* A machine without ps still has the numbers. */
        puts("PID");
        for (size_t i = 0; i < pids->count; i++)
            printf("%d\n", (int)pids->list[i]);
        return 0;
    }
    if (r == -ESRCH)
        return error_set(error, EINVAL, "couldn't find PID field in ps output");
    return r < 0 ? error_set(error, EINVAL, "ps failed with status %d", WEXITSTATUS(status)) : 0;
}

int runtime_ps_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container = {.entry.fd = -1};
    const char *format = runtime->options.format ? runtime->options.format : "table";
    struct pids pids = {0};
    bool is_json = strcmp(format, "json") == 0;

    if (!is_json && strcmp(format, "table") != 0)
        return error_set(error, EINVAL, "invalid format option: \"%s\" is not table or json",
                         format);
    int r = runtime_find(runtime, args[0], false, &container, error);
    if (r < 0)
        return r;
    r = find_pids(&container, &pids, error);
    if (r == 0 && is_json)
        print_json(&pids);
    else if (r == 0) {
        char *id = args[0];
        args[0] = "ps"; /* what stands behind the id are options of ps */
        r = print_table(&pids, count - 1, args, error);
        args[0] = id;
    }
    free(pids.list);
    if (r == 0 && fflush(stdout) == EOF)
        r = error_sys(error, EIO, "write to the standard output");
    return r;
}
