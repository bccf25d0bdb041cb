/* A solve: what an earlier attempt has left of it is checked, or the step computes on all ranks; its planes are noted
 * in the journal with their checksums. {"solved": [step, time point], "crc": [of each plane]}. */
#include "engine/running/solve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/planning/stages.h"
#include "engine/running/values.h"
#include "io/checksum.h"

/* --- Between ranks ------------------------------------------------------------------------------------------------ */

static tk_status append(void *user, const tk_bytes *bytes) { return tk_bytes_append(user, bytes->data, bytes->size); }

/* On rank 0. */
static tk_status put_in_order(const char *what, int64_t planes, const tk_bytes *all, json_t **array, tk_error *error) {
    const int64_t count = (int64_t)(all->size / sizeof(tk_plane_crc));
    *array = json_array();
    for (int64_t i = 0; i < planes; i++) json_array_append_new(*array, json_null());
    if (json_array_size(*array) != (size_t)planes) return tk_fail_memory(error, what);
    for (int64_t i = 0; i < count; i++) {
        tk_plane_crc c;
        memcpy(&c, all->data + i * (int64_t)sizeof c, sizeof c);
        if (c.plane < 0 || c.plane >= planes || !json_is_null(json_array_get(*array, (size_t)c.plane)))
            return tk_fail(error, TK_FAILED, "%s: plane %lld was written twice, or is none", what, (long long)c.plane);
        json_array_set_new(*array, (size_t)c.plane, json_integer(c.crc));
    }
    if (count < planes)
        return tk_fail(error, TK_FAILED, "%s: only %lld of %lld planes were written", what, (long long)count,
                       (long long)planes);
    return TK_OK;
}

tk_status tk_solve_collect_crcs(tk_run *run, const char *what, int64_t planes, const tk_bytes *mine, json_t **array,
                                tk_error *error) {
    tk_bytes all = {0};
    *array = NULL;
    if (append(&all, mine) != TK_OK) tk_fail_memory(error, what);
    if (tk_comm_agree(run->comm, error) == TK_OK) {
        if (tk_comm_collect(run->comm, mine, append, &all) != TK_OK) tk_fail_memory(error, what);
        if (error->status == TK_OK && tk_comm_rank(run->comm) == 0) put_in_order(what, planes, &all, array, error);
    }
    tk_bytes_free(&all);
    if (tk_comm_agree(run->comm, error) == TK_OK) return TK_OK;
    json_decref(*array);
    *array = NULL;
    return error->status;
}

tk_status tk_solve_spread(tk_run *run, const json_t *record, json_t **everywhere, tk_error *error) {
    tk_bytes bytes = {0};
    char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
    *everywhere = NULL;
    if (record && (!text || tk_bytes_append(&bytes, text, strlen(text)) != TK_OK)) tk_fail_memory(error, "the journal");
    free(text);
    if (tk_comm_agree(run->comm, error) == TK_OK && tk_comm_broadcast(run->comm, &bytes) != TK_OK)
        tk_fail_memory(error, "the journal");
    if (error->status == TK_OK && bytes.size > 0) {
        *everywhere = json_loadb((const char *)bytes.data, bytes.size, 0, NULL);
        if (!*everywhere) tk_fail_memory(error, "the journal");
    }
    tk_bytes_free(&bytes);
    return tk_comm_agree(run->comm, error);
}

/* --- What an earlier attempt has solved --------------------------------------------------------------------------- */

/* On rank 0: the record that this step is solved at a time point; NULL: there is none. Borrowed. */
static const json_t *find_record(const tk_run *run, int step, int64_t time) {
    const json_t *note = NULL;
    size_t i = 0;
    json_array_foreach(run->past.notes, i, note) {
        const json_t *of = json_object_get(note, "solved");
        if (of && json_integer_value(json_array_get(of, 0)) == step &&
            json_integer_value(json_array_get(of, 1)) == time)
            return note;
    }
    return NULL;
}

static tk_status plane_crc(tk_run *run, int value, int64_t time, int64_t z, tk_bytes *voxels, int64_t *crc,
                           tk_error *error) {
    const int64_t *size = run->plan->size, stride[3] = {size[1] * size[2], size[2], 1};
    const tk_box box = {{z, 0, 0}, {z + 1, size[1], size[2]}};
    const size_t bytes = (size_t)stride[0] * tk_kind_bytes(tk_workflow_value_kind(run->job->workflow, value));
    if (tk_bytes_resize(voxels, bytes) != TK_OK) return tk_fail_memory(error, "a plane");
    TK_TRY(tk_rawstore_read(run->store[value], time, &box, voxels->data, stride, error));
    *crc = tk_crc32(0, voxels->data, bytes);
    return TK_OK;
}

/* Are this rank's share of the planes what the record says? */
static bool is_share_sound(tk_run *run, int value, int64_t time, const json_t *crcs) {
    const int64_t planes = run->plan->size[0], ranks = tk_comm_size(run->comm);
    bool sound = json_array_size(crcs) == (size_t)planes;
    tk_bytes voxels = {0};
    for (int64_t z = tk_comm_rank(run->comm); z < planes && sound; z += ranks) {
        tk_error ignored = TK_ERROR_NONE;
        int64_t crc = -1;
        tk_keeper_turn(run->keeper);
        sound = plane_crc(run, value, time, z, &voxels, &crc, &ignored) == TK_OK &&
                crc == json_integer_value(json_array_get(crcs, (size_t)z));
    }
    tk_keeper_wait(run->keeper);
    tk_bytes_free(&voxels);
    return sound;
}

/* Collective. */
static tk_status is_solved(tk_run *run, int step, int64_t time, bool *solved, tk_error *error) {
    json_t *record = NULL;
    *solved = false;
    const bool first = tk_comm_rank(run->comm) == 0 && run->past.header;
    TK_TRY(tk_solve_spread(run, first ? find_record(run, step, time) : NULL, &record, error));
    if (!record) return TK_OK;
    double damaged = !is_share_sound(run, step + 1, time, json_object_get(record, "crc"));
    json_decref(record);
    tk_comm_sum(run->comm, &damaged, 1);
    *solved = damaged == 0;
    return TK_OK;
}

/* --- Solving ------------------------------------------------------------------------------------------------------ */

/* The step's own word on what went wrong, or one in its place. */
static tk_status explain(const tk_run *run, int step, tk_status status, tk_error *error) {
    const char *name = run->job->workflow->steps[step].name;
    char reason[256] = "";
    if (status == TK_STOPPED) tk_keeper_stop_reason(run->keeper, reason, sizeof reason);
    if (status == TK_STOPPED) return tk_fail(error, status, "%s", *reason ? reason : "stopped");
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, name);
    return tk_fail(error, status, "%s: failed on the whole image: %s", name, tk_status_text(status));
}

static void compute(tk_field *field, tk_error *error) {
    tk_run *run = field->run;
    const tk_step *s = run->job->workflow->steps[field->step].step;
    const tk_solve_need need = s->solve_bytes(run->job->state[field->step], run->plan->size, tk_comm_size(run->comm));
    const double start = tk_progress_now(), other = run->times.exchange + run->times.read + run->times.store;
    tk_status status = tk_scratch_reserve(&run->work.scratch, need.scratch);
    if (status == TK_OK) status = s->solve(run->job->state[field->step], field, &run->work, error);
    run->times.compute +=
        tk_progress_now() - start - (run->times.exchange + run->times.read + run->times.store - other);
    tk_scratch_release(&run->work.scratch);
    if (status == TK_OK) return;
    explain(run, field->step, status, error);
    if (status != TK_STOPPED) tk_keeper_failed(run->keeper, error); /* the others may wait for this rank */
}

static void forget_saved(const tk_field *field) {
    for (int generation = 0; generation < 2; generation++) {
        char *file = tk_saved_file(field, generation);
        if (file) (void)unlink(file);
        free(file);
    }
}

/* Notes that all planes are there. Collective. */
static tk_status note_solved(tk_field *field, tk_error *error) {
    tk_run *run = field->run;
    json_t *crcs = NULL;
    tk_rawstore_sync(run->store[field->step + 1], error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(tk_solve_collect_crcs(run, run->job->workflow->steps[field->step].name, run->plan->size[0], &field->written,
                                 &crcs, error));
    if (tk_comm_rank(run->comm) == 0) {
        run->saved = true;
        tk_journal_add(run->journal,
                       json_pack("{s:[i, I], s:o}", "solved", field->step, (json_int_t)field->time, "crc", crcs),
                       error);
        if (error->status == TK_OK) tk_journal_sync(run->journal, error);
        if (error->status == TK_OK) forget_saved(field);
    }
    return tk_comm_agree(run->comm, error);
}

/* Collective. */
static tk_status solve(tk_run *run, int step, int64_t time, double work, tk_error *error) {
    const double now = tk_progress_now();
    tk_field field = {.run = run, .step = step, .time = time, .work = work, .turned = now, .saved = now};
    tk_keeper_turn(run->keeper);
    compute(&field, error);
    tk_keeper_wait(run->keeper);
    if (error->status == TK_OK) tk_keeper_iterated(run->keeper, field.all, field.all, 0, work - field.counted);
    tk_status status = tk_comm_agree(run->comm, error);
    if (status != TK_OK) tk_keeper_agreed(run->keeper);
    if (status == TK_OK) status = note_solved(&field, error);
    tk_bytes_free(&field.written);
    return status;
}

/* One time point. `work`: of this rank. Collective. */
static tk_status solve_time(tk_run *run, int step, int64_t time, double work, tk_error *error) {
    const char *name = run->job->workflow->steps[step].name;
    bool solved = false;
    TK_TRY(is_solved(run, step, time, &solved, error));
    if (!solved) return solve(run, step, time, work, error);
    if (tk_comm_rank(run->comm) == 0) tk_keeper_done_before(run->keeper, work * tk_comm_size(run->comm));
    if (run->plan->times > 1)
        tk_progress_say(&run->progress, "%s: time point %lld is solved already", name,
                        (long long)tk_job_time(run->job, time));
    else
        tk_progress_say(&run->progress, "%s: solved already", name);
    return TK_OK;
}

tk_status tk_solve_run(tk_run *run, int stage, tk_error *error) {
    const int step = run->plan->stage[stage].solve;
    const double work = tk_stages_solve_cost(run->job, step, run->plan->size) / tk_comm_size(run->comm);
    const double start = tk_progress_now();
    tk_scratch_release(&run->work.scratch); /* the memory is the solve's now */
    tk_keeper_solve(run->keeper, stage, 0, 1e-9 * work);
    tk_status status = TK_OK;
    for (int64_t time = 0; time < run->plan->times && status == TK_OK; time++)
        status = solve_time(run, step, time, work, error);
    if (status == TK_OK) status = tk_values_share(run, step + 1, step + 1, error);
    run->times.sweeps += tk_progress_now() - start;
    if (status == TK_OK) tk_keeper_solve(run->keeper, -1, 0, 0);
    return status;
}
