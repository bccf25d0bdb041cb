/* The plan in words and as JSON. */
#include <stdio.h>

#include "engine/plan.h"

static const char *value_name(const tk_workflow *workflow, int value) {
    return value == 0 ? "input" : workflow->steps[value - 1].name;
}

static json_t *triple(const int64_t v[3]) {
    return json_pack("[I, I, I]", (json_int_t)v[0], (json_int_t)v[1], (json_int_t)v[2]);
}

static json_t *stage_to_json(const tk_plan *plan, const tk_workflow *workflow, const tk_stage *stage) {
    int64_t halo[3];
    json_t *apply = json_array();
    tk_plan_halo(plan, stage->first, stage->last, halo);
    for (int i = stage->first; i < stage->last; i++)
        if (workflow->steps[i].step->apply) json_array_append_new(apply, json_string(workflow->steps[i].name));
    json_t *object =
        json_pack("{s:s, s:o, s:o}", "read", value_name(workflow, stage->source), "apply", apply, "halo", triple(halo));
    if (stage->survey >= 0) json_object_set_new(object, "survey", json_string(workflow->steps[stage->survey].name));
    return object;
}

static json_t *memory_to_json(const tk_memory *m) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)m->total, "blocks",
                     (json_int_t)m->blocks, "scratch", (json_int_t)m->scratch, "resident", (json_int_t)m->resident,
                     "input", (json_int_t)m->input, "chunks", (json_int_t)m->encode, "program", (json_int_t)m->base);
}

json_t *tk_plan_to_json(const tk_plan *plan, const tk_workflow *workflow) {
    json_t *stages = json_array(), *halos = json_object();
    for (int i = 0; i < plan->stages; i++)
        json_array_append_new(stages, stage_to_json(plan, workflow, &plan->stage[i]));
    for (int i = 0; i < plan->steps; i++) json_object_set_new(halos, workflow->steps[i].name, triple(plan->halo[i]));
    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:f, s:I, s:I, s:f}", "size", triple(plan->size), "tile",
                     triple(plan->tile), "grid", triple(plan->grid), "tiles", (json_int_t)plan->tiles, "chunk",
                     triple(plan->chunk), "halo", halos, "stages", stages, "memory_per_rank",
                     memory_to_json(&plan->memory), "halo_overhead", plan->halo_overhead, "work_store_bytes",
                     (json_int_t)plan->store_bytes, "result_bytes_uncompressed", (json_int_t)plan->result_bytes,
                     "core_seconds", plan->core_seconds);
}

static void print_stage(const tk_plan *plan, const tk_workflow *workflow, int k) {
    const tk_stage *stage = &plan->stage[k];
    int64_t halo[3];
    tk_plan_halo(plan, stage->first, stage->last, halo);
    printf("  %d  read %s", k + 1, value_name(workflow, stage->source));
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
    printf("image   %lld x %lld x %lld voxels (z y x)\n", (long long)plan->size[0], (long long)plan->size[1],
           (long long)plan->size[2]);
    printf("tiles   %lld of %lldx%lldx%lld (grid %lldx%lldx%lld), chunks %lldx%lldx%lld\n", (long long)plan->tiles,
           (long long)plan->tile[0], (long long)plan->tile[1], (long long)plan->tile[2], (long long)plan->grid[0],
           (long long)plan->grid[1], (long long)plan->grid[2], (long long)plan->chunk[0], (long long)plan->chunk[1],
           (long long)plan->chunk[2]);
    printf("halos   %.2f voxels are read for each voxel of the image, in the dearest stage\n", plan->halo_overhead);
    printf("memory  %.0f MiB a rank (blocks %.0f, scratch %.0f, steps %.0f, input %.0f, chunks %.0f, program %.0f)\n",
           (double)m->total / mib, (double)m->blocks / mib, (double)m->scratch / mib, (double)m->resident / mib,
           (double)m->input / mib, (double)m->encode / mib, (double)m->base / mib);
    printf("disk    %.1f MiB result before compression, %.1f MiB work store while running\n",
           (double)plan->result_bytes / mib, (double)plan->store_bytes / mib);
    printf("time    about %.3g s of one core\nstages\n", plan->core_seconds);
    for (int k = 0; k < plan->stages; k++) print_stage(plan, workflow, k);
}
