/* Where stages begin and end, and which values are stored between them.
 *
 * A step that must know the whole image ends the stage before it: its input is made once to be surveyed, and again to
 * be worked on. The second time it is read from the work store, unless making it again costs less than reading. */
#include "engine/stages.h"

#include <stdlib.h>

/* Making a voxel again is cheaper than storing and reading it below this many nanoseconds. */
static const double CHEAP_NS = 2.0;

int tk_stages_rounds(const tk_job *job, int step) {
    const tk_step *s = job->workflow->steps[step].step;
    if (s->rounds) return s->rounds(job->state[step]);
    return s->agree || s->tabulate ? 1 : 0;
}

double tk_stages_cost(const tk_job *job, int step, const int64_t in[3]) {
    const tk_step *s = job->workflow->steps[step].step;
    if (s->cost) return s->cost(job->state[step], in);
    return 0.5 * (double)in[0] * (double)in[1] * (double)in[2];
}

static bool is_table(const tk_job *job, int step) { return job->workflow->steps[step].step->output == TK_KIND_TABLE; }

/* Is the value that ends the chain first … last − 1 dearer to make again than to read? */
static bool is_dear(const tk_job *job, const tk_plan *plan, int first, int last) {
    static const int64_t sample[3] = {64, 128, 128};
    double cost = 0;
    for (int i = first; i < last; i++) {
        if (is_table(job, i)) continue;
        if (plan->halo[i][0] || plan->halo[i][1] || plan->halo[i][2]) return true;
        cost += tk_stages_cost(job, i, sample);
    }
    return cost > CHEAP_NS * (double)sample[0] * (double)sample[1] * (double)sample[2];
}

/* The latest value up to `value` that can be read. */
static int latest_stored(const tk_plan *plan, int value) {
    while (value > 0 && !plan->stored[value]) value--;
    return value;
}

/* The value that step i works on. */
static int input_of(const tk_job *job, int i) { return job->workflow->steps[i].input[0]; }

static void store_references(const tk_job *job, tk_plan *plan) {
    for (int i = 0; i < job->workflow->count; i++)
        for (int k = 1; k < job->workflow->steps[i].inputs; k++) plan->stored[job->workflow->steps[i].input[k]] = true;
}

/* Does step i read, beside its input, a value that this chain makes? */
static bool reads_own_chain(const tk_job *job, int i, int fresh) {
    for (int k = 1; k < job->workflow->steps[i].inputs; k++)
        if (job->workflow->steps[i].input[k] > fresh) return true;
    return false;
}

/* Does step i want a halo around what a step of this chain makes for cores alone? */
static bool wants_more_than_cores(const tk_job *job, const tk_plan *plan, int i, int first) {
    if (!plan->halo[i][0] && !plan->halo[i][1] && !plan->halo[i][2]) return false;
    for (int k = first; k < i; k++)
        if (job->workflow->steps[k].step->core_only) return true;
    return false;
}

typedef struct builder {
    const tk_job *job;
    tk_plan *plan;
    int source, fresh; /* of the stage being built */
} builder;

/* Ends the stage before step `last`; the next one reads what is stored by then. */
static void end_stage(builder *b, int last, int survey) {
    const int made = last < b->job->workflow->count ? input_of(b->job, last) : last;
    const bool needed_again = survey < 0 || !is_table(b->job, survey) || tk_stages_rounds(b->job, survey) > 1;
    if (made > 0 && needed_again && is_dear(b->job, b->plan, b->source, last)) b->plan->stored[made] = true;
    if (survey < 0 && made > 0) b->plan->stored[made] = true;
    const int again = latest_stored(b->plan, made);
    b->plan->stage[b->plan->stages++] = (tk_stage){b->source, b->source, last, b->fresh, survey, again};
    b->source = again;
    b->fresh = last;
}

/* Is anything left that has been neither written nor surveyed? */
static bool is_open(const builder *b) {
    for (int i = b->fresh; i < b->job->workflow->count; i++)
        if (!is_table(b->job, i)) return true;
    return false;
}

tk_status tk_stages_build(const tk_job *job, tk_plan *plan, tk_error *error) {
    const int count = job->workflow->count;
    plan->stored = calloc((size_t)count + 1, sizeof *plan->stored);
    plan->stage = calloc(2 * (size_t)count + 1, sizeof *plan->stage);
    if (!plan->stored || !plan->stage) return tk_fail_memory(error, "the plan");
    store_references(job, plan);
    plan->stored[0] = true;
    builder b = {job, plan, 0, 0};
    for (int i = 0; i < count; i++) {
        if (reads_own_chain(job, i, b.fresh) || wants_more_than_cores(job, plan, i, b.source)) end_stage(&b, i, -1);
        if (job->workflow->steps[i].step->survey && tk_stages_rounds(job, i) > 0) end_stage(&b, i, i);
    }
    if (is_open(&b)) {
        plan->stage[plan->stages++] = (tk_stage){b.source, b.source, count, b.fresh, -1, b.source};
    }
    return TK_OK;
}
