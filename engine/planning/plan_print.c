/* The plan in words and as JSON. */
#include <stdio.h>

#include "engine/plan.h"
#include "engine/syntax/json.h"

static const char *value_name(const tk_workflow *workflow, int value) {
    return value == 0 ? "input" : workflow->steps[value - 1].name;
}

/* Is it written out for several channels? */
static bool has_channels(const tk_workflow *workflow) {
    return tk_passes_channel(workflow, 0) != tk_passes_channel(workflow, workflow->count);
}

/* The halo of each step; with several channels a list of them, channel by channel. */
static json_t *halos_to_json(const tk_plan *plan, const tk_workflow *workflow) {
    json_t *all = json_array(), *halos = json_object();
    json_array_append_new(all, halos);
    for (int i = 0; i < plan->steps; i++) {
        if (tk_passes_is_input(workflow, i + 1))
            json_array_append_new(all, halos = json_object());
        else
            json_object_set_new(halos, workflow->steps[i].name, tk_json_triple(plan->halo[i]));
    }
    if (has_channels(workflow)) return all;
    json_incref(halos);
    json_decref(all);
    return halos;
}

static json_t *stage_to_json(const tk_plan *plan, const tk_workflow *workflow, const tk_stage *stage) {
    int64_t halo[3];
    json_t *apply = json_array();
    tk_plan_halo(plan, stage, stage->first, halo);
    for (int i = stage->first; i < stage->last; i++)
        if (workflow->steps[i].step->apply) json_array_append_new(apply, json_string(workflow->steps[i].name));
    json_t *object = json_pack("{s:s, s:o, s:o}", "read", value_name(workflow, stage->source), "apply", apply, "halo",
                               tk_json_triple(halo));
    if (stage->solve >= 0) json_object_set_new(object, "solve", json_string(workflow->steps[stage->solve].name));
    if (stage->survey >= 0) json_object_set_new(object, "survey", json_string(workflow->steps[stage->survey].name));
    if (has_channels(workflow)) json_object_set_new(object, "channel", json_integer(tk_plan_channel(workflow, stage)));
    return object;
}

static json_t *memory_to_json(const tk_memory *m) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)m->total, "blocks",
                     (json_int_t)m->blocks, "ahead", (json_int_t)m->ahead, "queue", (json_int_t)m->queue, "scratch",
                     (json_int_t)m->scratch, "resident", (json_int_t)m->resident, "input", (json_int_t)m->input,
                     "chunks", (json_int_t)m->encode, "program", (json_int_t)m->base);
}

json_t *tk_plan_to_json(const tk_plan *plan, const tk_workflow *workflow) {
    json_t *stages = json_array();
    for (int i = 0; i < plan->stages; i++)
        json_array_append_new(stages, stage_to_json(plan, workflow, &plan->stage[i]));
    return json_pack(
        "{s:o, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:f, s:I, s:I, s:I, s:f}", "size", tk_json_triple(plan->size),
        "times", (json_int_t)plan->times, "tile", tk_json_triple(plan->tile), "grid", tk_json_triple(plan->grid),
        "tiles", (json_int_t)plan->tiles, "chunk", tk_json_triple(plan->chunk), "halo", halos_to_json(plan, workflow),
        "stages", stages, "memory_per_rank", memory_to_json(&plan->memory), "halo_overhead", plan->halo_overhead,
        "work_store_bytes", (json_int_t)plan->store_bytes, "result_bytes_uncompressed", (json_int_t)plan->result_bytes,
        "result_bytes", (json_int_t)plan->packed_bytes, "core_seconds", plan->core_seconds);
}

static void print_stage(const tk_plan *plan, const tk_workflow *workflow, int k) {
    const tk_stage *stage = &plan->stage[k];
    const int64_t channel = tk_plan_channel(workflow, stage);
    int64_t halo[3];
    if (has_channels(workflow) && (k == 0 || channel != tk_plan_channel(workflow, &plan->stage[k - 1])))
        printf("  channel %lld\n", (long long)channel);
    tk_plan_halo(plan, stage, stage->first, halo);
    if (stage->solve >= 0) {
        const tk_workflow_step *s = &workflow->steps[stage->solve];
        printf("  %d  solve %s on the whole image, from %s; then read it%s", k + 1, s->name,
               value_name(workflow, s->input[0]), s->keep ? " (to result)" : "");
    } else {
        printf("  %d  read %s", k + 1, value_name(workflow, stage->source));
    }
    if (halo[0] || halo[1] || halo[2])
        printf(" + halo %lldx%lldx%lld", (long long)halo[0], (long long)halo[1], (long long)halo[2]);
    for (int i = stage->first; i < stage->last; i++) {
        if (!workflow->steps[i].step->apply) continue;
        const bool fresh = i >= stage->fresh;
        printf(" -> %s%s%s", workflow->steps[i].name, fresh && workflow->steps[i].keep ? " (to result)" : "",
               fresh && plan->stored[i + 1] ? " (to work store)" : "");
    }
    if (stage->survey >= 0) printf(" -> survey for %s", workflow->steps[stage->survey].name);
    putchar('\n');
}

void tk_plan_print(const tk_plan *plan, const tk_workflow *workflow) {
    const double mib = 1048576.0;
    const tk_memory *m = &plan->memory;
    printf("image   %lld x %lld x %lld voxels (z y x)", (long long)plan->size[0], (long long)plan->size[1],
           (long long)plan->size[2]);
    int64_t channels = 1;
    for (int value = 1; value <= plan->steps; value++) channels += tk_passes_is_input(workflow, value);
    if (channels > 1) printf(", %lld channels", (long long)channels);
    if (plan->times > 1) printf(", %lld time points", (long long)plan->times);
    putchar('\n');
    printf("tiles   %lld of %lldx%lldx%lld (grid %lldx%lldx%lld), chunks %lldx%lldx%lld\n", (long long)plan->tiles,
           (long long)plan->tile[0], (long long)plan->tile[1], (long long)plan->tile[2], (long long)plan->grid[0],
           (long long)plan->grid[1], (long long)plan->grid[2], (long long)plan->chunk[0], (long long)plan->chunk[1],
           (long long)plan->chunk[2]);
    printf("halos   %.2f voxels are read for each voxel of the image, in the dearest stage\n", plan->halo_overhead);
    printf("memory  %.0f MiB a rank (blocks %.0f, next block %.0f, scratch %.0f, steps %.0f, input %.0f, chunks %.0f, "
           "program %.0f)\n",
           (double)m->total / mib, (double)m->blocks / mib, (double)m->ahead / mib, (double)m->scratch / mib,
           (double)m->resident / mib, (double)m->input / mib, (double)(m->encode + m->queue) / mib,
           (double)m->base / mib);
    printf("disk    %.1f MiB result, about (%.1f before compression); %.1f MiB in the work folder at most\n",
           (double)plan->packed_bytes / mib, (double)plan->result_bytes / mib,
           (double)(plan->packed_bytes + plan->store_bytes) / mib);
    printf("stages\n");
    for (int k = 0; k < plan->stages; k++) print_stage(plan, workflow, k);
}
