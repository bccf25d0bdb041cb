/* Writing out, step by step. */
#include "engine/passes.h"

#include <stdlib.h>
#include <string.h>

#include "engine/params_read.h"

static const tk_param no_params[] = {TK_PARAM_END};

const tk_step tk_step_reads = {.name = "input",
                               .summary = "the image as it is read",
                               .citation = "",
                               .example = "{}",
                               .exact = true,
                               .input = TK_KIND_IMAGE,
                               .output = TK_KIND_IMAGE,
                               .params = no_params};

/* The image, as a value of its own. */
static tk_status add_reading(tk_workflow *to, int64_t channel) {
    tk_workflow_step *step = &to->steps[to->count++];
    *step = (tk_workflow_step){.step = &tk_step_reads, .name = strdup("input"), .channel = channel};
    return step->name ? TK_OK : TK_NO_MEMORY;
}

/* A step of the pass whose image is the value `base`. */
static tk_status add_step(const tk_workflow_step *from, int base, int64_t channel, tk_workflow *to) {
    tk_workflow_step *step = &to->steps[to->count++];
    *step = *from;
    step->channel = channel;
    for (int k = 0; k < step->inputs; k++) step->input[k] += base;
    step->name = strdup(from->name);
    step->params = NULL;
    if (!step->name) return TK_NO_MEMORY;
    return tk_params_of_channel(from->params, channel, &step->params);
}

static tk_status add_pass(const tk_workflow *given, int64_t number, tk_workflow *to) {
    const int64_t channel = tk_selection_at(&given->channel, number);
    if (number > 0) TK_TRY(add_reading(to, channel));
    const int base = to->count;
    for (int i = 0; i < given->count; i++) TK_TRY(add_step(&given->steps[i], base, channel, to));
    return TK_OK;
}

tk_status tk_passes_make(const tk_workflow *given, int64_t channels, tk_workflow **made, tk_error *error) {
    tk_workflow *to = malloc(sizeof *to);
    *made = NULL;
    if (!to) return tk_fail_memory(error, "the workflow");
    *to = *given;
    to->count = 0;
    to->steps = calloc((size_t)channels * ((size_t)given->count + 1), sizeof *to->steps);
    tk_status status = to->steps ? TK_OK : TK_NO_MEMORY;
    for (int64_t c = 0; c < channels && status == TK_OK; c++) status = add_pass(given, c, to);
    if (status == TK_OK) return *made = to, TK_OK;
    tk_passes_free(to);
    return tk_fail_memory(error, "the workflow");
}

void tk_passes_free(tk_workflow *made) {
    if (!made) return;
    for (int i = 0; made->steps && i < made->count; i++) {
        free(made->steps[i].name);
        tk_params_free(made->steps[i].params);
    }
    free(made->steps);
    free(made);
}

int tk_passes_step(const tk_workflow *given, int step, int64_t pass) {
    return step + (int)pass * (given->count + 1); /* the one more: tk_step_reads */
}

bool tk_passes_is_input(const tk_workflow *workflow, int value) {
    return value == 0 || workflow->steps[value - 1].step == &tk_step_reads;
}

int64_t tk_passes_channel(const tk_workflow *workflow, int value) {
    return workflow->steps[value < workflow->count ? value : value - 1].channel;
}
