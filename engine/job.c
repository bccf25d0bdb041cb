/* Opening the input and binding the steps to it. */
#include "engine/job.h"

#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"

static tk_status open_image(const tk_workflow *w, tk_job *job, tk_error *error) {
    if (!w->image && w->images)
        return tk_fail(error, TK_INVALID,
                       "%s: is for many images: choose one with --item N or --input FILE, or submit them all "
                       "(tarkka submit)",
                       w->file);
    if (!w->image)
        return tk_fail(error, TK_INVALID, "%s: no image: give input: {image: FILE}, or --input FILE", w->file);
    TK_TRY(tk_inputs_note(w, &job->inputs, error));
    TK_TRY(tk_image_open(w->image, w->axes, &job->image, error));
    const tk_image_info *info = tk_image_info_of(job->image);
    TK_TRY(tk_selection_check(&w->channel, info->channels, w->image, "channel", error));
    TK_TRY(tk_selection_check(&w->time, info->times, w->image, "time", error));
    job->channels = tk_selection_count(&w->channel, info->channels);
    job->times = tk_selection_count(&w->time, info->times);
    memcpy(job->geometry.size, info->size, sizeof info->size);
    memcpy(job->geometry.voxel_um, info->voxel_um, sizeof info->voxel_um);
    return TK_OK;
}

static tk_acquisition acquisition_of(const tk_job *job, int64_t channel) {
    const tk_image_info *info = tk_image_info_of(job->image);
    tk_acquisition a = {.na = info->na, .refractive_index = info->refractive_index, .channel = channel};
    if (info->channel) {
        a.emission_nm = info->channel[a.channel].emission_nm;
        a.excitation_nm = info->channel[a.channel].excitation_nm;
    }
    return a;
}

/* What a step that is bound keeps. */
static int64_t bound_bytes(const tk_job *job, int step) {
    const int64_t voxel[3] = {1, 1, 1};
    const tk_step *s = job->workflow->steps[step].step;
    return s->bytes ? (int64_t)s->bytes(job->state[step], voxel).bound : 0;
}

static tk_status bind_steps(tk_job *job, int64_t memory, tk_error *error) {
    const tk_workflow *w = job->workflow;
    job->state = calloc((size_t)w->count, sizeof *job->state);
    if (!job->state) return tk_fail_memory(error, "steps");
    int64_t left = memory - TK_PROGRAM_BYTES;
    for (int i = 0; i < w->count; i++) {
        const tk_workflow_step *s = &w->steps[i];
        const int64_t least = memory > 0 ? 1 : 0; /* 0 would be no limit */
        const tk_binding binding = {s->params,
                                    job->geometry,
                                    s->inputs,
                                    job->times,
                                    acquisition_of(job, s->channel),
                                    left > least ? left : least};
        if (s->step->bind) TK_TRY(s->step->bind(&binding, &job->state[i], error));
        left -= bound_bytes(job, i);
    }
    return TK_OK;
}

static tk_status open_job(const tk_workflow *given, int64_t memory, tk_job *job, tk_error *error) {
    TK_TRY(open_image(given, job, error));
    TK_TRY(tk_passes_make(given, job->channels, &job->workflow, error));
    TK_TRY(tk_inputs_note_files(job->workflow, &job->inputs, error));
    return bind_steps(job, memory, error);
}

tk_status tk_job_open(const tk_workflow *workflow, int64_t memory, tk_job *job, tk_error *error) {
    *job = (tk_job){.given = workflow};
    const tk_status status = open_job(workflow, memory, job, error);
    if (status != TK_OK) tk_job_close(job);
    return status;
}

bool tk_job_is_series(const tk_job *job) { return job->channels > 1 || job->times > 1; }

int64_t tk_job_time(const tk_job *job, int64_t i) { return tk_selection_at(&job->given->time, i); }

void tk_job_release(const tk_job *job, int first, int last) {
    for (int i = first; job->state && i < last; i++) {
        if (job->state[i] && job->workflow->steps[i].step->release)
            job->workflow->steps[i].step->release(job->state[i]);
        job->state[i] = NULL;
    }
}

void tk_job_close(tk_job *job) {
    if (job->workflow) tk_job_release(job, 0, job->workflow->count);
    tk_passes_free(job->workflow);
    free(job->state);
    tk_image_close(job->image);
    tk_inputs_free(&job->inputs);
    *job = (tk_job){0};
}
