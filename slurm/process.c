/* posix_spawnp with one pipe for all that the child says. */
#include "slurm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_OUTPUT = 65536 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int spawn(const char *const command[], int to, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    char *arguments[64];
    size_t count = 0;
    if (!command[0]) return EINVAL;
    bool copied = true;
    for (; count < 63 && command[count]; count++) {
        arguments[count] = strdup(command[count]);
        copied = copied && arguments[count];
    }
    arguments[count] = NULL;
    int failed = copied ? posix_spawn_file_actions_init(&actions) : ENOMEM;
    if (!failed) {
        failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, to, 1);
        if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, to, 2);
        if (!failed) failed = posix_spawnp(pid, command[0], &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    for (size_t i = 0; i < count; i++) free(arguments[i]);
    return failed;
}

/* Reads until the child closes its end or the time is over. */
static void read_all(int from, double deadline, char *text) {
    size_t size = 0;
    for (double left; (left = deadline - now()) > 0;) {
        char lost[4096];
        struct pollfd poller = {from, POLLIN, 0};
        if (poll(&poller, 1, (int)(left * 1000) + 1) <= 0) continue;
        const bool room = size < MOST_OUTPUT;
        const ssize_t got = room ? read(from, text + size, MOST_OUTPUT - size) : read(from, lost, sizeof lost);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (room) size += (size_t)got;
    }
    text[size] = 0;
}

/* Waits until the child is gone; kills it when its time is over. */
static int reap(pid_t pid, double deadline) {
    int status = 0;
    for (;;) {
        const pid_t gone = waitpid(pid, &status, WNOHANG);
        if (gone == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (gone < 0 && errno != EINTR) return 127;
        if (now() > deadline) kill(pid, SIGKILL);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

tk_status tk_process_run(const char *const command[], double seconds, tk_process *process, tk_error *error) {
    int ends[2];
    pid_t pid = 0;
    *process = (tk_process){.output = calloc(1, MOST_OUTPUT + 1)};
    if (!process->output) return tk_fail_memory(error, command[0]);
    if (pipe2(ends, O_CLOEXEC) != 0) return tk_fail_errno(error, TK_FAILED, command[0], "cannot be started");
    const int failed = spawn(command, ends[1], &pid);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        errno = failed;
        process->exit_code = 127;
        return failed == ENOENT ? TK_OK : tk_fail_errno(error, TK_FAILED, command[0], "cannot be started");
    }
    const double deadline = now() + seconds;
    read_all(ends[0], deadline, process->output);
    close(ends[0]);
    process->exit_code = reap(pid, deadline);
    return TK_OK;
}

char *tk_process_line(tk_process *process, const char *first) {
    char *rest = NULL;
    for (char *line = strtok_r(process->output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strchr(first, *line)) return line;
    return NULL;
}
