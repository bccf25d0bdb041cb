/* Survey rounds across ranks. Folding is exact, so the order in which partials come does not matter. */
#include "engine/survey.h"

#include <string.h>

#include "engine/facts.h"
#include "io/checksum.h"

/* into := into + from; an empty one counts as nothing. */
static tk_status combine(const tk_step *step, const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    if (from->size == 0) return TK_OK;
    if (into->size == 0) return tk_bytes_append(into, from->data, from->size);
    return step->combine(state, round, into, from);
}

tk_status tk_fold_add(tk_fold *fold, const tk_step *step, const void *state, int round, tk_bytes *mine) {
    tk_bytes carry = *mine;
    *mine = (tk_bytes){0};
    for (int k = 0; carry.size > 0; k++) {
        if (fold->level[k].size == 0) {
            tk_bytes_free(&fold->level[k]);
            fold->level[k] = carry;
            return TK_OK;
        }
        const tk_status status = step->combine(state, round, &fold->level[k], &carry);
        tk_bytes_free(&carry);
        TK_TRY(status);
        carry = fold->level[k];
        fold->level[k] = (tk_bytes){0};
    }
    tk_bytes_free(&carry);
    return TK_OK;
}

tk_status tk_fold_finish(tk_fold *fold, const tk_step *step, const void *state, int round, tk_bytes *partial,
                         tk_error *error) {
    enum { LEVELS = sizeof fold->level / sizeof fold->level[0] };
    for (int k = 0; k < LEVELS; k++) {
        const tk_status status = combine(step, state, round, partial, &fold->level[k]);
        if (status != TK_OK)
            return tk_fail(error, status, "%s: what the tiles know could not be put together: %s", step->name,
                           tk_status_text(status));
        tk_bytes_free(&fold->level[k]);
    }
    return TK_OK;
}

void tk_fold_free(tk_fold *fold) {
    for (size_t k = 0; k < sizeof fold->level / sizeof fold->level[0]; k++) tk_bytes_free(&fold->level[k]);
}

/* What collecting from the other ranks needs to know. */
typedef struct collection {
    const tk_step *step;
    const void *state;
    int round;
    tk_bytes *into;
} collection;

static tk_status take(void *user, const tk_bytes *bytes) {
    const collection *c = user;
    return combine(c->step, c->state, c->round, c->into, bytes);
}

static tk_status gather(tk_run *run, int step, int round, tk_bytes *partial, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    collection c = {s->step, run->job->state[step], round, partial};
    const tk_status status = tk_comm_collect(run->comm, partial, take, &c);
    if (status != TK_OK)
        tk_fail(error, status, "%s: what the tiles know could not be put together: %s", s->name,
                tk_status_text(status));
    return tk_comm_agree(run->comm, error);
}

/* Notes the facts and the decision's checksum for the provenance, and says them. */
static tk_status note_decision(tk_run *run, int step, int round, json_t *facts, const tk_bytes *decision,
                               tk_error *error) {
    const char *name = run->job->workflow->steps[step].name;
    char line[512], sha256[65] = "";
    TK_TRY(tk_bytes_sha256(decision->data, decision->size, sha256, error));
    tk_facts_line(facts, line, sizeof line);
    if (*line) tk_progress_say(&run->progress, "%s: %s", name, line);
    json_array_append_new(run->decisions, json_pack("{s:s, s:i, s:O, s:I, s:s}", "step", name, "round", round, "facts",
                                                    facts, "bytes", (json_int_t)decision->size, "sha256", sha256));
    return TK_OK;
}

/* On rank 0. */
static tk_status decide(tk_run *run, int step, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                        tk_error *error) {
    const tk_step *s = run->job->workflow->steps[step].step;
    tk_facts facts = {json_object()};
    if (!facts.object) return tk_fail_memory(error, "facts");
    tk_status status = s->agree(run->job->state[step], round, combined, decision, more, &facts, error);
    if (status != TK_OK)
        tk_fail(error, status, "%s: %s", run->job->workflow->steps[step].name, tk_status_text(status));
    else
        status = note_decision(run, step, round, facts.object, decision, error);
    json_decref(facts.object);
    return status;
}

static tk_status spread(tk_run *run, int step, int round, tk_bytes *decision, bool *more, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    unsigned char flag = *more;
    if (tk_bytes_append(decision, &flag, 1) != TK_OK) tk_fail_memory(error, "a decision");
    TK_TRY(tk_comm_agree(run->comm, error));
    if (tk_comm_broadcast(run->comm, decision) != TK_OK) return tk_fail_memory(error, "a decision");
    *more = decision->data[decision->size - 1] != 0;
    decision->size--;
    tk_status status = TK_OK;
    if (s->step->adopt) status = s->step->adopt(run->job->state[step], round, decision, &run->work, error);
    if (status != TK_OK) tk_fail(error, status, "%s: %s", s->name, tk_status_text(status));
    return tk_comm_agree(run->comm, error);
}

static tk_status make_table(tk_run *run, int step, const tk_bytes *combined, tk_error *error) {
    const tk_step *s = run->job->workflow->steps[step].step;
    if (tk_comm_rank(run->comm) == 0) s->tabulate(run->job->state[step], combined, &run->table[step], error);
    return tk_comm_agree(run->comm, error);
}

tk_status tk_survey_settle(tk_run *run, int step, int round, tk_bytes *partial, bool *more, tk_error *error) {
    const tk_step *s = run->job->workflow->steps[step].step;
    *more = false;
    TK_TRY(gather(run, step, round, partial, error));
    if (s->agree) {
        tk_bytes decision = {0};
        if (tk_comm_rank(run->comm) == 0) decide(run, step, round, partial, &decision, more, error);
        tk_status status = tk_comm_agree(run->comm, error);
        if (status == TK_OK) status = spread(run, step, round, &decision, more, error);
        tk_bytes_free(&decision);
        TK_TRY(status);
    }
    return s->tabulate && !*more ? make_table(run, step, partial, error) : TK_OK;
}
