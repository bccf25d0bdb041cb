/* Opening the input and binding the steps to it. */
#include "engine/job.h"

#include <stdlib.h>
#include <string.h>

static tk_status check_index(const tk_workflow *workflow, const char *what, int64_t index, bool given, int64_t count,
                             tk_error *error) {
    if (index < count && (given || count == 1)) return TK_OK;
    if (!given)
        return tk_fail(error, TK_INVALID, "%s: has %lld %ss, and the workflow chooses none: input: {image: …, %s: 0}",
                       workflow->image, (long long)count, what, what);
    return tk_fail(error, TK_INVALID, "%s: has %lld %s%s, numbered from 0; there is no %s %lld", workflow->image,
                   (long long)count, what, count == 1 ? "" : "s", what, (long long)index);
}

static tk_status open_image(const tk_workflow *w, tk_job *job, tk_error *error) {
    if (!w->image)
        return tk_fail(error, TK_INVALID, "%s: no image: give input: {image: FILE}, or --input FILE", w->file);
    TK_TRY(tk_inputs_note(w, &job->inputs, error));
    TK_TRY(tk_image_open(w->image, w->axes, &job->image, error));
    const tk_image_info *info = tk_image_info_of(job->image);
    TK_TRY(check_index(w, "channel", w->channel, w->channel_given, info->channels, error));
    TK_TRY(check_index(w, "time", w->time, w->time_given, info->times, error));
    memcpy(job->geometry.size, info->size, sizeof info->size);
    memcpy(job->geometry.voxel_um, info->voxel_um, sizeof info->voxel_um);
    return TK_OK;
}

static tk_status bind_steps(tk_job *job, tk_error *error) {
    const tk_workflow *w = job->workflow;
    job->state = calloc((size_t)w->count, sizeof *job->state);
    if (!job->state) return tk_fail_memory(error, "steps");
    for (int i = 0; i < w->count; i++) {
        const tk_workflow_step *s = &w->steps[i];
        const tk_binding binding = {s->params, job->geometry, s->inputs};
        if (s->step->bind) TK_TRY(s->step->bind(&binding, &job->state[i], error));
    }
    return TK_OK;
}

tk_status tk_job_open(const tk_workflow *workflow, tk_job *job, tk_error *error) {
    *job = (tk_job){.workflow = workflow};
    tk_status status = open_image(workflow, job, error);
    if (status == TK_OK) status = bind_steps(job, error);
    if (status != TK_OK) tk_job_close(job);
    return status;
}

void tk_job_close(tk_job *job) {
    for (int i = 0; job->state && i < job->workflow->count; i++)
        if (job->state[i] && job->workflow->steps[i].step->release)
            job->workflow->steps[i].step->release(job->state[i]);
    free(job->state);
    tk_image_close(job->image);
    tk_inputs_free(&job->inputs);
    *job = (tk_job){0};
}
