/* Where stages begin and end, and which values are stored between them.
 *
 * A step that must know the whole image ends the stage before it: its input is made once to be surveyed, and again to
 * be worked on. The second time it is read from the work store, unless making it again costs less than reading. */
#include "engine/planning/stages.h"

#include <stdlib.h>

/* Making a voxel again is cheaper than storing and reading it below this many nanoseconds. */
static const double CHEAP_NS = 2.0;

int tk_stages_rounds(const tk_job *job, int step) {
    const tk_step *s = job->workflow->steps[step].step;
    if (s->rounds) return s->rounds(job->state[step]);
    return s->agree || s->tabulate ? 1 : 0;
}

/* What a copy costs. */
static double copy_cost(const int64_t in[3]) { return 0.5 * (double)in[0] * (double)in[1] * (double)in[2]; }

double tk_stages_cost(const tk_job *job, int step, const int64_t in[3], const int64_t largest[3]) {
    const tk_step *s = job->workflow->steps[step].step;
    return s->cost ? s->cost(job->state[step], in, largest) : copy_cost(in);
}

double tk_stages_survey_cost(const tk_job *job, int step, int round, const int64_t in[3]) {
    const tk_step *s = job->workflow->steps[step].step;
    return s->survey_cost ? s->survey_cost(job->state[step], round, in) : copy_cost(in);
}

bool tk_stages_is_solved(const tk_job *job, int step) {
    const tk_step *s = job->workflow->steps[step].step;
    return s->whole && s->whole(job->state[step]);
}

double tk_stages_solve_cost(const tk_job *job, int step, const int64_t image[3]) {
    return job->workflow->steps[step].step->solve_cost(job->state[step], image);
}

static bool is_table(const tk_job *job, int step) { return job->workflow->steps[step].step->output == TK_KIND_TABLE; }

/* Is the value that ends the chain first … last − 1 dearer to make again than to read? */
static bool is_dear(const tk_job *job, const tk_plan *plan, int first, int last) {
    static const int64_t sample[3] = {64, 128, 128};
    double cost = 0;
    for (int i = first; i < last; i++) {
        if (is_table(job, i)) continue;
        if (plan->halo[i][0] || plan->halo[i][1] || plan->halo[i][2]) return true;
        cost += tk_stages_cost(job, i, sample, sample);
    }
    return cost > CHEAP_NS * (double)sample[0] * (double)sample[1] * (double)sample[2];
}

/* The latest value up to `value` that can be read. Every pass begins with one. */
static int latest_stored(const tk_plan *plan, int value) {
    while (value > 0 && !plan->stored[value]) value--;
    return value;
}

/* The value that step i works on. */
static int input_of(const tk_job *job, int i) { return job->workflow->steps[i].input[0]; }

static void store_references(const tk_job *job, tk_plan *plan) {
    for (int i = 0; i < job->workflow->count; i++) {
        for (int k = 1; k < job->workflow->steps[i].inputs; k++) plan->stored[job->workflow->steps[i].input[k]] = true;
        if (tk_stages_is_solved(job, i)) plan->stored[input_of(job, i)] = plan->stored[i + 1] = true;
    }
}

typedef struct builder {
    const tk_job *job;
    tk_plan *plan;
    int source, fresh, solve; /* of the stage being built */
} builder;

/* Does step i read, beside its input, a value that this chain makes? */
static bool reads_own_chain(const builder *b, int i) {
    const int made = b->solve >= 0 ? b->solve + 1 : b->fresh;
    for (int k = 1; k < b->job->workflow->steps[i].inputs; k++)
        if (b->job->workflow->steps[i].input[k] > made) return true;
    return false;
}

static bool is_any(const int64_t halo[3]) { return halo[0] || halo[1] || halo[2]; }

/* Does step i want a halo around what a step of this chain makes for cores alone? */
static bool wants_more_than_cores(const tk_job *job, const tk_plan *plan, int i, int first) {
    if (!is_any(plan->halo[i]) && !is_any(plan->survey_halo[i])) return false;
    for (int k = first; k < i; k++)
        if (job->workflow->steps[k].step->core_only) return true;
    return false;
}

/* Ends the stage before step `last`; the next one reads what is stored by then. */
static void end_stage(builder *b, int last, int survey) {
    const int made = input_of(b->job, last);
    const bool needed_again = survey < 0 || !is_table(b->job, survey) || tk_stages_rounds(b->job, survey) > 1;
    if (made > 0 && needed_again && is_dear(b->job, b->plan, b->source, last)) b->plan->stored[made] = true;
    if (survey < 0 && made > 0) b->plan->stored[made] = true;
    const int again = latest_stored(b->plan, made);
    b->plan->stage[b->plan->stages++] = (tk_stage){b->source, b->source, last, b->fresh, survey, again, b->solve};
    b->source = again;
    b->fresh = last;
    b->solve = -1;
}

/* Is there anything before step `last` that has been neither written nor surveyed? */
static bool is_open(const builder *b, int last) {
    for (int i = b->fresh; i < last; i++)
        if (!is_table(b->job, i)) return true;
    return false;
}

/* Ends a channel's pass with its step `last` − 1, and begins the next one. */
static void end_pass(builder *b, int last) {
    if (is_open(b, last))
        b->plan->stage[b->plan->stages++] = (tk_stage){b->source, b->source, last, b->fresh, -1, b->source, b->solve};
    b->source = b->fresh = last + 1;
    b->solve = -1;
}

/* The next stage begins with what step i makes of the whole image. */
static void begin_with_solve(builder *b, int i) {
    if (is_open(b, i)) end_stage(b, i, -1);
    b->source = i + 1;
    b->fresh = b->solve = i;
}

tk_status tk_stages_build(const tk_job *job, tk_plan *plan, tk_error *error) {
    const int count = job->workflow->count;
    plan->stored = calloc((size_t)count + 1, sizeof *plan->stored);
    plan->stage = calloc(3 * (size_t)count + 1, sizeof *plan->stage);
    if (!plan->stored || !plan->stage) return tk_fail_memory(error, "the plan");
    store_references(job, plan);
    for (int value = 0; value <= count; value++) /* readable, though not in the work store */
        if (tk_passes_is_input(job->workflow, value)) plan->stored[value] = true;
    builder b = {job, plan, 0, 0, -1};
    for (int i = 0; i < count; i++) {
        if (tk_passes_is_input(job->workflow, i + 1)) {
            end_pass(&b, i);
            continue;
        }
        if (reads_own_chain(&b, i) || wants_more_than_cores(job, plan, i, b.source)) end_stage(&b, i, -1);
        if (job->workflow->steps[i].step->survey && tk_stages_rounds(job, i) > 0) end_stage(&b, i, i);
        if (tk_stages_is_solved(job, i)) begin_with_solve(&b, i);
    }
    end_pass(&b, count);
    return TK_OK;
}
