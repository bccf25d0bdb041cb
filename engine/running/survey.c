/* Survey rounds across ranks. Folding is exact, so the order in which partials come does not matter. */
#include "engine/running/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/running/deal.h"
#include "engine/running/facts.h"
#include "engine/running/names.h"
#include "io/checksum.h"
#include "io/publish.h"

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

static tk_status not_together(const tk_workflow_step *s, tk_status status, tk_error *error) {
    return tk_fail(error, status, "%s: what the tiles know could not be put together: %s", s->name,
                   tk_status_text(status));
}

/* Each rank gets, put together, the part of all ranks' partials that is its own. Collective. */
static tk_status deal_out(tk_run *run, int step, int round, tk_bytes *partial, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    const int ranks = tk_comm_size(run->comm);
    tk_bytes *part = calloc((size_t)ranks, sizeof *part);
    tk_status status = part ? TK_OK : TK_NO_MEMORY;
    if (status == TK_OK && partial->size > 0)
        status = s->step->split(run->job->state[step], round, partial, ranks, part);
    tk_bytes_free(partial);
    if (status != TK_OK) not_together(s, status, error);
    if (tk_comm_agree(run->comm, error) == TK_OK) {
        collection c = {s->step, run->job->state[step], round, partial};
        status = tk_deal(run->comm, part, take, &c);
        if (status != TK_OK) not_together(s, status, error);
    }
    for (int i = 0; part && i < ranks; i++) tk_bytes_free(&part[i]);
    free(part);
    return tk_comm_agree(run->comm, error);
}

/* One rank has all, without dealing it out. Collective. */
static tk_status reduce(tk_run *run, int step, int round, tk_bytes *partial, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    if (tk_comm_size(run->comm) > 1) TK_TRY(deal_out(run, step, round, partial, error));
    const tk_status status = partial->size > 0 ? s->step->reduce(run->job->state[step], round, partial) : TK_OK;
    if (status != TK_OK) not_together(s, status, error);
    return tk_comm_agree(run->comm, error);
}

/* Collective. */
static tk_status gather(tk_run *run, int step, int round, tk_bytes *partial, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    if (s->step->split) TK_TRY(reduce(run, step, round, partial, error));
    collection c = {s->step, run->job->state[step], round, partial};
    const tk_status status = tk_comm_collect(run->comm, partial, take, &c);
    if (status != TK_OK) not_together(s, status, error);
    return tk_comm_agree(run->comm, error);
}

/* --- Keeping what was settled ------------------------------------------------------------------------------------- */

static char *name_file(const tk_run *run, const char *kind, int step, int round) {
    char *file = NULL, *name = tk_name_of_work(run->job, step);
    const bool made = name && asprintf(&file, "%s/%s-%s-%d.bin", run->folder, kind, name, round) >= 0;
    free(name);
    return made ? file : NULL;
}

static tk_status write_file(const char *file, const tk_bytes *bytes, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, bytes->data, bytes->size, error);
    if (status == TK_OK) return tk_part_publish(&part, error);
    tk_part_discard(&part);
    return status;
}

/* Writes bytes beside the journal, and the note about them into it. */
static tk_status keep(tk_run *run, const char *kind, int step, int round, const tk_bytes *bytes, json_t *note,
                      tk_error *error) {
    char sha256[65] = "", *file = name_file(run, kind, step, round);
    tk_status status = file ? tk_bytes_sha256(bytes->data, bytes->size, sha256, error) : TK_NO_MEMORY;
    if (status == TK_OK) status = write_file(file, bytes, error);
    free(file);
    if (status != TK_OK) {
        json_decref(note);
        return status == TK_NO_MEMORY ? tk_fail_memory(error, "the journal") : status;
    }
    json_object_set_new(note, kind, json_pack("[i, i]", step, round));
    json_object_set_new(note, "sha256", json_string(sha256));
    return tk_journal_add(run->journal, note, error);
}

/* Reads what `keep` wrote in an earlier attempt; false: it is not there, or not sound. */
static bool recall(const tk_run *run, const char *kind, int step, int round, tk_bytes *bytes) {
    const json_t *note = tk_past_note(&run->past, kind, step, round);
    char sha256[65] = "", *file = note ? name_file(run, kind, step, round) : NULL;
    tk_error ignored = TK_ERROR_NONE;
    const char *was = json_string_value(json_object_get(note, "sha256"));
    const bool sound = file && was && tk_file_read(file, bytes, &ignored) == TK_OK &&
                       tk_bytes_sha256(bytes->data, bytes->size, sha256, &ignored) == TK_OK && !strcmp(sha256, was);
    free(file);
    return sound;
}

/* Is all that this round settles kept from an earlier attempt? On rank 0. */
static bool is_kept(const tk_run *run, int step, int round) {
    const tk_step *s = run->job->workflow->steps[step].step;
    tk_bytes bytes = {0};
    bool kept = true, more = false;
    if (s->agree) {
        kept = recall(run, "decision", step, round, &bytes);
        more = json_is_true(json_object_get(tk_past_note(&run->past, "decision", step, round), "more"));
    }
    if (kept && s->tabulate && !more) kept = recall(run, "partial", step, round, &bytes);
    tk_bytes_free(&bytes);
    return kept;
}

tk_status tk_survey_known(tk_run *run, int step, int round, bool *known, tk_error *error) {
    unsigned char flag = tk_comm_rank(run->comm) == 0 && run->past.header && is_kept(run, step, round);
    tk_bytes bytes = {0};
    if (tk_bytes_append(&bytes, &flag, 1) != TK_OK) tk_fail_memory(error, "a decision");
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK && tk_comm_broadcast(run->comm, &bytes) != TK_OK) status = tk_fail_memory(error, "a decision");
    *known = status == TK_OK && bytes.data[0] != 0;
    tk_bytes_free(&bytes);
    return tk_comm_agree(run->comm, error);
}

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

/* Says what was decided, and notes it for the provenance. */
static tk_status note_decision(tk_run *run, int step, int round, json_t *facts, const tk_bytes *decision,
                               tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    char line[512], sha256[65] = "", of[48] = "";
    TK_TRY(tk_bytes_sha256(decision->data, decision->size, sha256, error));
    tk_facts_line(facts, line, sizeof line);
    if (run->job->channels > 1) snprintf(of, sizeof of, " of channel %lld", (long long)s->channel);
    if (*line) tk_progress_say(&run->progress, "%s%s: %s", s->name, of, line);
    json_t *note = json_pack("{s:s, s:i, s:O, s:I, s:s}", "step", s->name, "round", round, "facts", facts, "bytes",
                             (json_int_t)decision->size, "sha256", sha256);
    if (run->job->channels > 1) json_object_set_new(note, "channel", json_integer(s->channel));
    json_array_append_new(run->decisions, note);
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
    if (status == TK_OK)
        status = keep(run, "decision", step, round, decision,
                      json_pack("{s:O, s:b}", "facts", facts.object, "more", *more), error);
    json_decref(facts.object);
    return status;
}

/* On rank 0: what an earlier attempt has decided. */
static tk_status decide_again(tk_run *run, int step, int round, tk_bytes *decision, bool *more, tk_error *error) {
    const json_t *note = tk_past_note(&run->past, "decision", step, round);
    if (!recall(run, "decision", step, round, decision))
        return tk_fail(error, TK_UNREADABLE, "%s: a decision of the earlier run cannot be read any more", run->folder);
    *more = json_is_true(json_object_get(note, "more"));
    return note_decision(run, step, round, json_object_get(note, "facts"), decision, error);
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

/* On rank 0. */
static tk_status tabulate(tk_run *run, int step, int round, bool known, tk_bytes *combined, tk_error *error) {
    const tk_step *s = run->job->workflow->steps[step].step;
    if (known && !recall(run, "partial", step, round, combined))
        return tk_fail(error, TK_UNREADABLE, "%s: what the earlier run measured cannot be read any more", run->folder);
    if (!known) TK_TRY(keep(run, "partial", step, round, combined, json_object(), error));
    return s->tabulate(run->job->state[step], combined, &run->table[step], error);
}

tk_status tk_survey_settle(tk_run *run, int step, int round, bool known, tk_bytes *partial, bool *more,
                           tk_error *error) {
    const tk_step *s = run->job->workflow->steps[step].step;
    const bool first = tk_comm_rank(run->comm) == 0;
    *more = false;
    if (!known) TK_TRY(gather(run, step, round, partial, error));
    if (s->agree) {
        tk_bytes decision = {0};
        if (first && known) decide_again(run, step, round, &decision, more, error);
        if (first && !known) decide(run, step, round, partial, &decision, more, error);
        tk_status status = tk_comm_agree(run->comm, error);
        if (status == TK_OK) status = spread(run, step, round, &decision, more, error);
        tk_bytes_free(&decision);
        TK_TRY(status);
    }
    if (s->tabulate && !*more && first) tabulate(run, step, round, known, partial, error);
    return tk_comm_agree(run->comm, error);
}
