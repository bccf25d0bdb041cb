/* Options of the command line. */
#include "engine/commands/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/syntax/suggest.h"

struct tk_arguments {
    const tk_command *command;
    int positionals, options; /* how many of each */
    const char **positional;
    const char **value; /* of option i … */
    int *option;        /* … which is this row of the command's table */
    const char **all;   /* room for tk_option_all */
};

const char *tk_positional(const tk_arguments *arguments, int i) {
    return i < arguments->positionals ? arguments->positional[i] : NULL;
}

static bool names(const tk_arguments *arguments, int i, const char *name) {
    return !strcmp(arguments->command->options[arguments->option[i]].name, name);
}

const char *tk_option_value(const tk_arguments *arguments, const char *name) {
    for (int i = arguments->options - 1; i >= 0; i--)
        if (names(arguments, i, name)) return arguments->value[i];
    return NULL;
}

const char *tk_option_repeated(const tk_arguments *arguments, const char *name, int i) {
    for (int k = 0; k < arguments->options; k++)
        if (names(arguments, k, name) && i-- == 0) return arguments->value[k];
    return NULL;
}

const char *const *tk_option_all(const tk_arguments *arguments, const char *name) {
    int count = 0;
    for (const char *value; (value = tk_option_repeated(arguments, name, count)); count++)
        arguments->all[count] = value;
    arguments->all[count] = NULL;
    return arguments->all;
}

tk_status tk_option_number(const tk_arguments *arguments, const char *name, double least, double most, double fallback,
                           double *value, tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    *value = fallback;
    if (!text) return TK_OK;
    char *end = NULL;
    *value = strtod(text, &end);
    if (end == text || *end) return tk_fail(error, TK_USAGE, "--%s %s: expected a number", name, text);
    if (!(*value >= least && *value <= most))
        return tk_fail(error, TK_USAGE, "--%s %s: out of range (%g to %g)", name, text, least, most);
    return TK_OK;
}

tk_status tk_option_integer(const tk_arguments *arguments, const char *name, int64_t least, int64_t most,
                            int64_t fallback, int64_t *value, tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    *value = fallback;
    if (!text) return TK_OK;
    char *end = NULL;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end == text || *end || errno) return tk_fail(error, TK_USAGE, "--%s %s: expected a whole number", name, text);
    if (*value < least || *value > most)
        return tk_fail(error, TK_USAGE, "--%s %s: out of range (%lld to %lld)", name, text, (long long)least,
                       (long long)most);
    return TK_OK;
}

tk_status tk_option_size(const tk_arguments *arguments, const char *name, int64_t value[3], tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    if (!text) return TK_OK;
    const char *at = text;
    for (int a = 0; a < 3; a++) {
        char *end = NULL;
        errno = 0;
        value[a] = strtoll(at, &end, 10);
        if (end == at || errno || value[a] < 0 || *end != (a < 2 ? 'x' : '\0'))
            return tk_fail(error, TK_USAGE, "--%s %s: expected three whole numbers ZxYxX, as in 64x512x512", name,
                           text);
        at = end + 1;
    }
    return TK_OK;
}

static tk_status find_option(const tk_command *command, const char *name, size_t length, int *row, tk_error *error) {
    char wanted[64];
    const char *best = NULL;
    int apart = 0;
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    for (int i = 0; command->options[i].name; i++) {
        if (!strcmp(command->options[i].name, wanted)) return *row = i, TK_OK;
        tk_suggest(wanted, command->options[i].name, &best, &apart);
    }
    if (tk_suggest_is_near(wanted, best, apart))
        return tk_fail(error, TK_USAGE, "%s has no option --%s; did you mean --%s?", command->name, wanted, best);
    return tk_fail(error, TK_USAGE, "%s has no option --%s (see: tarkka %s --help)", command->name, wanted,
                   command->name);
}

/* Takes one option and, when it stands apart, its value: *at moves over both. */
static tk_status take_option(tk_arguments *arguments, int argc, char **argv, int *at, tk_error *error) {
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    int row = 0;
    TK_TRY(find_option(arguments->command, name, equals ? (size_t)(equals - name) : strlen(name), &row, error));
    const tk_option *option = &arguments->command->options[row];
    const char *value = "";
    if (!option->argument && equals) return tk_fail(error, TK_USAGE, "--%s takes no value", option->name);
    if (option->argument) {
        if (!equals && *at + 1 >= argc)
            return tk_fail(error, TK_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
                           option->argument);
        value = equals ? equals + 1 : argv[++*at];
    }
    arguments->option[arguments->options] = row;
    arguments->value[arguments->options++] = value;
    return TK_OK;
}

static tk_status check_count(const tk_arguments *arguments, tk_error *error) {
    const tk_command *command = arguments->command;
    if (arguments->positionals >= command->least && arguments->positionals <= command->most) return TK_OK;
    return tk_fail(error, TK_USAGE, "%s (usage: tarkka %s %s)",
                   arguments->positionals < command->least ? "an argument is missing" : "too many arguments",
                   command->name, command->synopsis);
}

tk_status tk_arguments_parse(const tk_command *command, int argc, char **argv, tk_arguments **arguments, bool *help,
                             tk_error *error) {
    const size_t room = (size_t)argc + 1;
    tk_arguments *made = calloc(1, sizeof *made);
    if (!made) return tk_fail_memory(error, "arguments");
    *arguments = made;
    made->command = command;
    made->positional = calloc(room, sizeof *made->positional);
    made->value = calloc(room, sizeof *made->value);
    made->option = calloc(room, sizeof *made->option);
    made->all = calloc(room, sizeof *made->all);
    if (!made->positional || !made->value || !made->option || !made->all) return tk_fail_memory(error, "arguments");
    bool ended = false;
    *help = false;
    for (int i = 0; i < argc; i++) {
        if (!ended && !strcmp(argv[i], "--"))
            ended = true;
        else if (!ended && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")))
            return *help = true, TK_OK;
        else if (!ended && !strncmp(argv[i], "--", 2))
            TK_TRY(take_option(made, argc, argv, &i, error));
        else
            made->positional[made->positionals++] = argv[i];
    }
    return check_count(made, error);
}

void tk_arguments_free(tk_arguments *arguments) {
    if (!arguments) return;
    free(arguments->positional);
    free(arguments->value);
    free(arguments->option);
    free(arguments->all);
    free(arguments);
}

void tk_arguments_help(const tk_command *command) {
    printf("tarkka %s %s\n\n%s\n\nOptions:\n", command->name, command->synopsis, command->summary);
    for (const tk_option *option = command->options; option->name; option++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        printf("  %-26s %s\n", left, option->help);
    }
    printf("  %-26s %s\n", "--help", "this text");
    if (*command->details) printf("\n%s\n", command->details);
}
