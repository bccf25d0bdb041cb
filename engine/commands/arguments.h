/* Parsing of command lines by the tables of command.h, and --help made from them. */
#ifndef TK_ENGINE_ARGUMENTS_H
#define TK_ENGINE_ARGUMENTS_H

#include "engine/command.h"

/* Parses what follows "tarkka NAME". The caller frees the arguments. *help says that --help was asked for (the rest is
 * then not checked). Errors: TK_USAGE, with the nearest option for a misspelt one. */
tk_status tk_arguments_parse(const tk_command *command, int argc, char **argv, tk_arguments **arguments, bool *help,
                             tk_error *error);

void tk_arguments_free(tk_arguments *arguments);

/* Prints a command's help to standard output. */
void tk_arguments_help(const tk_command *command);

/* The values of an option that may be repeated, ended by NULL; valid as long as the arguments. */
const char *const *tk_option_all(const tk_arguments *arguments, const char *name);

#endif
