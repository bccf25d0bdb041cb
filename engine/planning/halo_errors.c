/* Tables of error against halo. */
#include "engine/planning/halo_errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/syntax/json.h"

/* What a step tells. Of a step that is bound as in a channel before, it is not asked again. */
typedef struct table {
    int like; /* the first step that is bound as this one is: its own number, or that of a channel before */
    int count;
    tk_halo_error rows[TK_HALO_ERRORS];
} table;

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool same_params(const tk_workflow_step *a, const tk_workflow_step *b) {
    for (const tk_param *p = a->step->params; p && p->type != TK_PARAM_NONE; p++)
        if (!same_text(tk_params_get(a->params, p->name)->text, tk_params_get(b->params, p->name)->text)) return false;
    return true;
}

/* Does the image say the same of both channels? */
static bool same_channel(const tk_job *job, int64_t a, int64_t b) {
    const tk_image_info *info = tk_image_info_of(job->image);
    return !info->channel || (info->channel[a].emission_nm == info->channel[b].emission_nm &&
                              info->channel[a].excitation_nm == info->channel[b].excitation_nm);
}

/* Is this step, in one channel, bound to what it is bound to in another? */
static bool is_bound_alike(const tk_job *job, int one, int other) {
    const tk_workflow_step *a = &job->workflow->steps[one], *b = &job->workflow->steps[other];
    return a->step == b->step && same_text(a->name, b->name) && same_channel(job, a->channel, b->channel) &&
           same_params(a, b);
}

static tk_status find_table(const tk_job *job, int step, table *all, tk_error *error) {
    const tk_step *s = job->workflow->steps[step].step;
    table *found = &all[step];
    found->like = step;
    if (!s->halo_errors) return TK_OK;
    for (int before = 0; before < step; before++)
        if (is_bound_alike(job, before, step)) {
            *found = all[before];
            return TK_OK;
        }
    return s->halo_errors(job->state[step], found->rows, &found->count, error);
}

/* One for each step. The caller frees them. */
static tk_status find_tables(const tk_job *job, table **all, tk_error *error) {
    tk_status status = TK_OK;
    *all = calloc((size_t)job->workflow->count, sizeof **all);
    if (!*all) return tk_fail_memory(error, "tables of halos");
    for (int i = 0; i < job->workflow->count && status == TK_OK; i++) status = find_table(job, i, *all, error);
    if (status != TK_OK) free(*all);
    return status;
}

static json_t *table_to_json(const table *t) {
    const tk_halo_error *rows = t->rows;
    json_t *list = json_array();
    for (int k = 0; k < t->count; k++)
        json_array_append_new(list, json_pack("{s:f, s:o, s:f, s:f}", "radii", rows[k].radii, "halo",
                                              tk_json_triple(rows[k].halo), "tile", rows[k].tile, "rim", rows[k].rim));
    return list;
}

/* A map of what a channel's steps know; with its number where there are several. */
static json_t *add_channel(const tk_job *job, int64_t channel, json_t *all) {
    json_t *steps = json_object();
    json_array_append_new(
        all, job->channels > 1 ? json_pack("{s:I, s:o}", "channel", (json_int_t)channel, "steps", steps) : steps);
    return steps;
}

static void channels_to_json(const tk_job *job, const table *tables, json_t *all) {
    const tk_workflow *w = job->workflow;
    json_t *steps = add_channel(job, tk_passes_channel(w, 0), all);
    for (int i = 0; i < w->count; i++)
        if (tk_passes_is_input(w, i + 1))
            steps = add_channel(job, tk_passes_channel(w, i + 1), all);
        else
            json_object_set_new(steps, w->steps[i].name, table_to_json(&tables[i]));
}

tk_status tk_halo_errors_to_json(const tk_job *job, json_t **found, tk_error *error) {
    table *tables;
    *found = NULL;
    TK_TRY(find_tables(job, &tables, error));
    json_t *all = json_array();
    channels_to_json(job, tables, all);
    *found = job->channels > 1 ? json_incref(all) : json_incref(json_array_get(all, 0));
    json_decref(all);
    free(tables);
    return TK_OK;
}

static void print_table(const tk_job *job, int step, const table *t) {
    const tk_halo_error *rows = t->rows;
    const tk_workflow_step *s = &job->workflow->steps[step];
    char of[32] = "";
    if (t->like != step) {
        printf("tiles of %s of channel %lld: as of channel %lld\n", s->name, (long long)s->channel,
               (long long)job->workflow->steps[t->like].channel);
        return;
    }
    if (job->channels > 1) snprintf(of, sizeof of, " of channel %lld", (long long)s->channel);
    printf("tiles of %s%s against the un-tiled result, estimated for tiles of %d (relative RMS)\n"
           "  halo              in the tile   in its outer 16 voxels\n",
           s->name, of, TK_HALO_ERROR_TILE);
    for (int k = 0; k < t->count; k++) {
        char halo[64];
        snprintf(halo, sizeof halo, "%lldx%lldx%lld", (long long)rows[k].halo[0], (long long)rows[k].halo[1],
                 (long long)rows[k].halo[2]);
        printf("  %-16s %8.3f %%   %8.3f %%%s\n", halo, 100 * rows[k].tile, 100 * rows[k].rim,
               rows[k].radii == 1 ? "   reach of the step" : "");
    }
}

tk_status tk_halo_errors_print(const tk_job *job, tk_error *error) {
    table *tables;
    TK_TRY(find_tables(job, &tables, error));
    for (int i = 0; i < job->workflow->count; i++)
        if (tables[i].count > 0) print_table(job, i, &tables[i]);
    free(tables);
    return TK_OK;
}
