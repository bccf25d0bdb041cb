/* The commands that need the engine alone. */
#ifndef TK_ENGINE_COMMANDS_H
#define TK_ENGINE_COMMANDS_H

#include "engine/comm.h"
#include "engine/command.h"
#include "engine/plan.h"
#include "engine/workflow.h"

extern const tk_command tk_command_run, tk_command_plan, tk_command_check, tk_command_steps, tk_command_info,
    tk_command_doctor, tk_command_tiling;

/* Options that name the job: shared by run, plan and check. */
#define TK_JOB_OPTIONS                                                                                                 \
    {"input", "FILE", "read this image instead of the workflow's"},                                                    \
        {"item", "N", "of a workflow for many images: the one of this number, from 0"},                                \
        {"output", "FILE", "write the result here instead of where the workflow says"}, {                              \
        "set", "STEP.PARAM=VALUE", "give a step's parameter another value; may be repeated"                            \
    }

/* Options that shape the plan: shared by run and plan. */
#define TK_PLAN_OPTIONS                                                                                                \
    {"memory", "SIZE", "memory a rank may use, as in 8GiB (default: 1792MiB, or less where less is given)"},           \
        {"tile", "whole|ZxYxX", "tile of this size instead of the planned one"}, {                                     \
        "halo", "ZxYxX", "halo of steps whose tiles are not exact, instead of their own"                               \
    }

/* The workflow a command line names. The caller frees it. */
tk_status tk_read_workflow(const tk_arguments *arguments, tk_workflow *workflow, tk_error *error);

/* --memory, or what each of `local_ranks` ranks on a machine like this may use. Errors: TK_USAGE. */
tk_status tk_read_memory(const tk_arguments *arguments, int local_ranks, int64_t *memory, tk_error *error);

/* What a command line asks of the plan. `size` is the image's, for --tile whole; `memory` as read before. Errors:
 * TK_USAGE. */
tk_status tk_read_plan_request(const tk_arguments *arguments, const int64_t size[3], int64_t memory,
                               tk_plan_request *request, tk_error *error);

/* Opens the workflow's job, plans and runs it, with what the command line asks of a run (an option that the command has
 * not got counts as not given); `tile` is the tile when the command line names none (NULL: the plan's). *tiles is how
 * many the plan had. The caller frees the workflow. Collective; an error that is noted already on some rank ends it on
 * all. */
tk_status tk_run_job(tk_comm *comm, const tk_arguments *arguments, const int64_t tile[3], tk_workflow *workflow,
                     int64_t *tiles, tk_error *error);

/* Listens for signals, starts the ranks, and has `use` do the command's work on them. Collective. */
tk_status tk_on_ranks(const tk_arguments *arguments,
                      tk_status (*use)(tk_comm *comm, const tk_arguments *arguments, tk_error *error), tk_error *error);

/* Prints a JSON value and frees it. Errors: TK_NO_MEMORY, TK_UNWRITABLE. */
tk_status tk_print_json(json_t *value, tk_error *error);

#endif
