/* Stored values: opened, shared between machines, read. */
#include "engine/running/values.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planning/stages.h"
#include "engine/running/names.h"

/* --- The work store ----------------------------------------------------------------------------------------------- */

static tk_status open_store(tk_run *run, int value, tk_error *error) {
    const tk_plan *plan = run->plan;
    const tk_workflow_step *s = &run->job->workflow->steps[value - 1];
    const int64_t plane[3] = {1, plan->size[1], plan->size[2]};
    const int64_t *tile = tk_stages_is_solved(run->job, value - 1) ? plane : plan->tile;
    char *file = NULL, *name = tk_name_of_work(run->job, value - 1);
    const bool named = name && asprintf(&file, "%s/%s.raw", run->folder, name) >= 0;
    free(name);
    if (!named) return tk_fail_memory(error, "the work store");
    const tk_status status = tk_rawstore_open(file, tk_kind_bytes(s->step->output), plan->size, tile, plan->times, true,
                                              &run->store[value], error);
    free(file);
    return status;
}

tk_status tk_values_open(tk_run *run, tk_error *error) {
    for (int value = 1; value <= run->plan->steps && error->status == TK_OK; value++)
        if (run->plan->stored[value] && !tk_passes_is_input(run->job->workflow, value)) open_store(run, value, error);
    return tk_comm_agree(run->comm, error);
}

tk_status tk_values_share(tk_run *run, int first, int last, tk_error *error) {
    if (tk_comm_local_size(run->comm) == tk_comm_size(run->comm)) return TK_OK;
    for (int value = first; value <= last; value++)
        if (run->store[value]) tk_rawstore_sync(run->store[value], error);
    TK_TRY(tk_comm_agree(run->comm, error));
    for (int value = first; value <= last; value++) {
        if (!run->store[value]) continue;
        tk_rawstore_close(run->store[value], error); /* a network file system looks anew when a file is opened */
        run->store[value] = NULL;
        open_store(run, value, error);
    }
    return tk_comm_agree(run->comm, error);
}

void tk_values_close(tk_run *run) {
    tk_error ignored = TK_ERROR_NONE;
    for (int value = 0; run->store && value <= run->plan->steps; value++)
        tk_rawstore_close(run->store[value], &ignored);
    tk_comm_barrier(run->comm);
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* Are all of them numbers? Their bits are compared, which the compiler does many at a time. */
static bool all_finite(const float *data, int64_t count) {
    const uint32_t exponent = 0x7f800000; /* all ones in NaN and infinity */
    uint32_t any = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        any |= (bits & exponent) == exponent;
    }
    return any == 0;
}

/* What is read of the image: a box of one time point and channel, as it numbers them. */
typedef struct source {
    int64_t time, channel;
    const tk_box *box;
} source;

static tk_status fail_at(const tk_run *run, const source *from, const int64_t voxel[3], float value, tk_error *error) {
    char place[TK_PLACE_ROOM];
    tk_name_place(run->job, from->channel, from->time, voxel, place);
    return tk_fail(error, TK_UNREADABLE, "%s: the voxel at %s is %s; replace such voxels before the run",
                   run->job->workflow->image, place, isnan(value) ? "not a number (NaN)" : "infinite");
}

/* Steps compute with numbers: the input may not hold anything else. */
static tk_status check_finite(const tk_run *run, const source *from, const tk_view_f32 *v, tk_error *error) {
    if (tk_dtype_is_integer(tk_image_info_of(run->job->image)->type)) return TK_OK;
    for (int64_t z = 0; z < v->size[0]; z++)
        for (int64_t y = 0; y < v->size[1]; y++) {
            const float *row = v->data + z * v->stride[0] + y * v->stride[1];
            int64_t x = 0;
            if (all_finite(row, v->size[2])) continue;
            while (isfinite(row[x])) x++;
            const int64_t *lo = from->box->lo, voxel[3] = {lo[0] + z, lo[1] + y, lo[2] + x};
            return fail_at(run, from, voxel, row[x], error);
        }
    return TK_OK;
}

static tk_status read_input(tk_run *run, const source *from, const tk_view_f32 *out, tk_error *error) {
    pthread_mutex_lock(&run->input_lock);
    const tk_status status = tk_image_read(run->job->image, from->time, from->channel, from->box, *out, error);
    pthread_mutex_unlock(&run->input_lock);
    return status == TK_OK ? check_finite(run, from, out, error) : status;
}

tk_status tk_value_read(tk_run *run, int value, int64_t time, const tk_box *box, void *out, const int64_t stride[3],
                        tk_error *error) {
    const tk_workflow *w = run->job->workflow;
    if (!tk_passes_is_input(w, value)) return tk_rawstore_read(run->store[value], time, box, out, stride, error);
    const tk_view_f32 view = {
        out, {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)}, {stride[0], stride[1], stride[2]}};
    const source from = {tk_job_time(run->job, time), tk_passes_channel(w, value), box};
    return read_input(run, &from, &view, error);
}
