/* The commands for clusters. */
#ifndef TK_SLURM_COMMANDS_H
#define TK_SLURM_COMMANDS_H

#include "engine/command.h"

extern const tk_command tk_command_submit, tk_command_emit, tk_command_status, tk_command_stop;

#endif
