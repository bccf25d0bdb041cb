/* What a step sees of the whole image: reading and writing it, moving bytes between ranks, going on or not. */
#include "engine/field.h"

#include <math.h>
#include <string.h>

#include "engine/running/solve.h"
#include "engine/running/values.h"
#include "io/checksum.h"

/* Saving may take this share of the time. */
static const double SAVING_SHARE = 0.1;

int tk_field_rank(const tk_field *field) { return tk_comm_rank(field->run->comm); }
int tk_field_ranks(const tk_field *field) { return tk_comm_size(field->run->comm); }

void tk_field_size(const tk_field *field, int64_t size[3]) {
    memcpy(size, field->run->plan->size, sizeof field->run->plan->size);
}

tk_status tk_field_read_input(tk_field *field, int input, const tk_box *box, void *out, const int64_t stride[3],
                              tk_error *error) {
    const double start = tk_progress_now();
    tk_keeper_turn(field->run->keeper);
    const tk_status status = tk_value_read(field->run, field->run->job->workflow->steps[field->step].input[input],
                                           field->time, box, out, stride, error);
    field->run->times.read += tk_progress_now() - start;
    tk_keeper_turn(field->run->keeper);
    return status;
}

tk_status tk_field_read(tk_field *field, const tk_box *box, void *out, const int64_t stride[3], tk_error *error) {
    return tk_field_read_input(field, 0, box, out, stride, error);
}

/* The CRC-32 of a plane's voxels, densely packed. */
static uint32_t crc_of(const unsigned char *plane, int64_t rows, int64_t row_stride, size_t row_bytes) {
    uint32_t crc = 0;
    for (int64_t y = 0; y < rows; y++) crc = tk_crc32(crc, plane + y * row_stride, row_bytes);
    return crc;
}

tk_status tk_field_write(tk_field *field, const tk_box *planes, const void *data, const int64_t stride[3],
                         tk_error *error) {
    const tk_run *run = field->run;
    const int64_t *size = run->plan->size;
    const int64_t element = (int64_t)tk_kind_bytes(run->job->workflow->steps[field->step].step->output);
    const double start = tk_progress_now();
    if (planes->lo[1] != 0 || planes->lo[2] != 0 || planes->hi[1] != size[1] || planes->hi[2] != size[2])
        return tk_fail(error, TK_FAILED, "the outcome of a solve is written in whole planes");
    for (int64_t z = planes->lo[0]; z < planes->hi[0]; z++) {
        const unsigned char *plane = (const unsigned char *)data + (z - planes->lo[0]) * stride[0] * element;
        const tk_box box = {{z, 0, 0}, {z + 1, size[1], size[2]}};
        const tk_plane_crc c = {z, crc_of(plane, size[1], stride[1] * element, (size_t)(size[2] * element))};
        tk_keeper_turn(run->keeper);
        TK_TRY(tk_rawstore_write(run->store[field->step + 1], field->time, &box, plane, stride, error));
        if (tk_bytes_append(&field->written, &c, sizeof c) != TK_OK) return tk_fail_memory(error, "the outcome");
    }
    field->run->times.store += tk_progress_now() - start;
    return TK_OK;
}

void tk_field_exchange(tk_field *field, const void *out, const int64_t out_bytes[], void *in,
                       const int64_t in_bytes[]) {
    const double start = tk_progress_now();
    tk_keeper_wait(field->run->keeper);
    tk_comm_exchange(field->run->comm, out, out_bytes, in, in_bytes);
    field->run->times.exchange += tk_progress_now() - start;
    tk_keeper_turn(field->run->keeper);
}

void tk_field_sum(tk_field *field, double *values, int64_t count) {
    const double start = tk_progress_now();
    tk_keeper_wait(field->run->keeper);
    tk_comm_sum(field->run->comm, values, count);
    field->run->times.exchange += tk_progress_now() - start;
    tk_keeper_turn(field->run->keeper);
}

/* On rank 0: is it time to save? */
static bool is_due(const tk_field *field, double now) {
    const double interval = fmax(field->run->request->checkpoint, field->save_time / SAVING_SHARE);
    return tk_comm_rank(field->run->comm) == 0 && now - field->saved >= interval;
}

tk_field_order tk_field_continue(tk_field *field, int64_t done, int64_t all) {
    tk_run *run = field->run;
    char reason[256];
    const double now = tk_progress_now(), each = field->work / (double)(all > 0 ? all : 1);
    const double work = each * (double)(done - field->done), before = each * (double)field->restored;
    if (tk_comm_rank(run->comm) == 0) tk_keeper_done_before(run->keeper, before * tk_comm_size(run->comm));
    field->counted += work + before;
    field->restored = 0;
    tk_keeper_iterated(run->keeper, done, all, now - field->turned, work);
    run->times.work += work;
    field->done = done;
    field->all = all;
    field->turned = now;
    tk_progress_tile(&run->progress, run->keeper);
    tk_keeper_stop_reason(run->keeper, reason, sizeof reason);
    double wishes[2] = {*reason != 0, is_due(field, now)};
    tk_field_sum(field, wishes, 2);
    if (wishes[0] > 0) return TK_FIELD_STOP;
    return wishes[1] > 0 ? TK_FIELD_SAVE : TK_FIELD_GO_ON;
}
