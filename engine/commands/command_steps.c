/* tarkka steps */
#include <stdio.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/step.h"
#include "engine/syntax/schema.h"
#include "engine/syntax/suggest.h"

static const tk_option options[] = {{"json", NULL, "print the JSON Schema: of workflows, or of one step's parameters"},
                                    TK_OPTION_END};

static void print_list(void) {
    for (int i = 0; tk_steps[i]; i++) {
        const tk_step *s = tk_steps[i];
        printf("%-12s %-6s -> %-6s  %s\n", s->name, tk_kind_text(s->input), tk_kind_text(s->output), s->summary);
    }
    puts("\nA step's parameters: tarkka steps NAME");
}

static void print_step(const tk_step *s) {
    printf("%s (version %d): %s -> %s\n%s\n", s->name, s->version, tk_kind_text(s->input), tk_kind_text(s->output),
           s->summary);
    if (*s->citation) printf("%s\n", s->citation);
    printf("Tiles: %s\n", s->exact ? "the result is the un-tiled one, bit for bit"
                                   : "the result differs a little from the un-tiled one, less with a larger halo");
    printf("Example: - %s: %s\n", s->name, s->example);
    if (s->params[0].type != TK_PARAM_NONE) puts("\nParameters:");
    for (const tk_param *p = s->params; p->type != TK_PARAM_NONE; p++)
        printf("  %-14s %-20s %-10s %s\n", p->name, tk_schema_type_text(p),
               p->required   ? "required"
               : p->fallback ? p->fallback
                             : "-",
               p->help);
    puts("  name           word                 -          results are called after it instead of the step");
    puts("  keep           true|false           -          write the outcome to the result");
}

static tk_status unknown(const char *name, tk_error *error) {
    const char *best = NULL;
    int apart = 0;
    for (int i = 0; tk_steps[i]; i++) tk_suggest(name, tk_steps[i]->name, &best, &apart);
    if (tk_suggest_is_near(name, best, apart))
        return tk_fail(error, TK_USAGE, "there is no step '%s'; did you mean '%s'?", name, best);
    return tk_fail(error, TK_USAGE, "there is no step '%s' (see: tarkka steps)", name);
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *name = tk_positional(arguments, 0);
    const bool json = tk_option_value(arguments, "json") != NULL;
    const tk_step *step = name ? tk_step_find(name) : NULL;
    if (name && !step) return unknown(name, error);
    if (json) return tk_print_json(step ? tk_schema_step(step) : tk_schema_workflow(), error);
    if (step)
        print_step(step);
    else
        print_list();
    return TK_OK;
}

const tk_command tk_command_steps = {
    .name = "steps",
    .summary = "Lists the steps there are, or one step's parameters.",
    .synopsis = "[NAME] [OPTION]...",
    .details = "",
    .options = options,
    .least = 0,
    .most = 1,
    .run = run,
};
