/* The list of commands for clusters. */
#include "slurm/commands.h"

const tk_command *const tk_slurm_commands[] = {&tk_command_submit, &tk_command_emit, &tk_command_status,
                                               &tk_command_stop, 0};
