/* tarkka: exact image analysis of microscope volumes on clusters.
 *
 * The way of a voxel from file to result, in five files: main.c (which command?) → workflow.c (which steps, on what?) →
 * plan.c (which tiles, how much memory?) → run.c (every tile through every stage) → merge.c (the finished result). */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "build_info.h"
#include "engine/comm.h"
#include "engine/commands.h"
#include "engine/commands/arguments.h"
#include "engine/syntax/suggest.h"

static const tk_command *const engine_commands[] = {
    &tk_command_run,  &tk_command_plan,   &tk_command_check,  &tk_command_steps,
    &tk_command_info, &tk_command_doctor, &tk_command_tiling, NULL};
static const tk_command *const *const command_lists[] = {engine_commands, tk_kernel_commands, tk_slurm_commands, NULL};

static void print_help(void) {
    puts("tarkka COMMAND [OPTION]...\n\nExact image analysis of microscope volumes, on one core or a "
         "cluster.\n\nCommands:");
    for (int l = 0; command_lists[l]; l++)
        for (int i = 0; command_lists[l][i]; i++)
            printf("  %-10s %s\n", command_lists[l][i]->name, command_lists[l][i]->summary);
    puts("\nEach has its own help: tarkka COMMAND --help. Version: tarkka --version.");
}

static const tk_command *find_command(const char *name, tk_error *error) {
    const char *best = NULL;
    int apart = 0;
    for (int l = 0; command_lists[l]; l++)
        for (int i = 0; command_lists[l][i]; i++) {
            if (!strcmp(name, command_lists[l][i]->name)) return command_lists[l][i];
            tk_suggest(name, command_lists[l][i]->name, &best, &apart);
        }
    if (tk_suggest_is_near(name, best, apart))
        tk_fail(error, TK_USAGE, "there is no command '%s'; did you mean '%s'?", name, best);
    else
        tk_fail(error, TK_USAGE, "there is no command '%s' (see: tarkka --help)", name);
    return NULL;
}

static tk_status run_command(const tk_command *command, int argc, char **argv, tk_error *error) {
    tk_arguments *arguments = NULL;
    bool help = false;
    tk_status status = tk_arguments_parse(command, argc, argv, &arguments, &help, error);
    if (status == TK_OK && !help && !command->ranks && tk_comm_launched_size() > 1)
        status = tk_fail(error, TK_USAGE,
                         "%s runs alone, without mpirun; only 'run', 'tiling' and 'doctor' work on several ranks",
                         command->name);
    if (status == TK_OK && help)
        tk_arguments_help(command);
    else if (status == TK_OK)
        status = command->run(arguments, error);
    tk_arguments_free(arguments);
    return status;
}

static tk_status dispatch(int argc, char **argv, tk_error *error) {
    if (argc < 2) return print_help(), tk_fail(error, TK_USAGE, "no command given");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return print_help(), TK_OK;
    if (!strcmp(argv[1], "--version")) return puts("tarkka " TK_VERSION " (" TK_COMMIT ")"), TK_OK;
    const tk_command *command = find_command(argv[1], error);
    return command ? run_command(command, argc - 2, argv + 2, error) : error->status;
}

/* Blocks of images go back to the system as soon as they are freed: glibc would keep those below a limit that it raises
 * while the program runs. What one thread frees another may use: glibc would keep it for that thread, which is gone. Or
 * else the memory plan would not hold. */
static void return_memory(void) {
#ifdef M_ARENA_MAX
    (void)mallopt(M_ARENA_MAX, 1);
#endif
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

int main(int argc, char **argv) {
    tk_error error = TK_ERROR_NONE;
    return_memory();
    signal(SIGXFSZ, SIG_IGN); /* a file size limit shall be an error with a message */
    const tk_status status = dispatch(argc, argv, &error);
    if (fflush(stdout) != 0 && status == TK_OK)
        tk_fail_errno(&error, TK_UNWRITABLE, "standard output", "cannot be written");
    tk_comm_end(error.text, tk_status_exit_code(error.status));
    return tk_status_exit_code(error.status);
}
