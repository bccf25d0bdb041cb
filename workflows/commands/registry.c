/* The list of commands that need kernels, made from commands.def. */
#include "engine/command.h"

#define TK_COMMAND(name) extern const tk_command tk_command_##name;
#include "workflows/commands/commands.def"
#undef TK_COMMAND

const tk_command *const tk_kernel_commands[] = {
#define TK_COMMAND(name) &tk_command_##name,
#include "workflows/commands/commands.def"
#undef TK_COMMAND
    0};
