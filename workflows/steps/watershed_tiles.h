/* The watershed of tiles, for the steps watershed (seeds from extrema) and grow_labels (seeds are labelled objects).
 * Both have the same functions but for bind. */
#ifndef TK_WORKFLOWS_STEPS_WATERSHED_TILES_H
#define TK_WORKFLOWS_STEPS_WATERSHED_TILES_H

#include "engine/step.h"
#include "kernels/segment/basin_links.h"
#include "kernels/segment/plateau.h"

typedef struct tk_watershed_state {
    int landscape, mask, markers; /* which input of the step; −1: none */
    bool from_maxima;
    double h;
    int plateau;       /* how deep plateaus are gone into; 0: not at all */
    tk_bytes decision; /* as agreed */
} tk_watershed_state;

/* A partial is one such record for each tile: header, tk_basin basins[], tk_basin_pass passes[], tk_basin_run runs[]. A
 * decision is one record for each time point, without passes; basins ascend by index, runs by their first voxel. */
typedef struct tk_watershed_header {
    int64_t version, time;
    int64_t basins, passes, runs;
} tk_watershed_header;

enum { TK_WATERSHED_RECORD = 2 };

/* The record at `at`, checked against what is left; *end is where the next one begins. Errors: TK_FAILED. */
tk_status tk_watershed_header_read(const tk_bytes *records, size_t at, tk_watershed_header *header, size_t *end);

/* Parameters of both. */
#define TK_WATERSHED_PARAMS(what_from_says)                                                                            \
    {.name = "mask", .type = TK_PARAM_MASK, .help = "only these voxels are flooded; without it, all"},                 \
        {.name = "from",                                                                                               \
         .type = TK_PARAM_CHOICE,                                                                                      \
         .fallback = "maxima",                                                                                         \
         .choices = "maxima|minima",                                                                                   \
         .help = what_from_says},                                                                                      \
    {                                                                                                                  \
        .name = "plateau", .type = TK_PARAM_INTEGER, .fallback = "0", .least = 0, .most = TK_PLATEAU_MOST,             \
        .help =                                                                                                        \
            "stretches of equal voxels are divided halfway, up to so many voxels from where they fall off; beyond, "   \
            "and with 0, in the order of the image"                                                                    \
    }

tk_status tk_watershed_bind(const tk_binding *binding, void **state, tk_error *error);
tk_status tk_grow_bind(const tk_binding *binding, void **state, tk_error *error);

/* Functions of both: see engine/step.h. */
void tk_watershed_release(void *state);
void tk_watershed_halo(const void *state, int64_t halo[3]);
tk_need tk_watershed_bytes(const void *state, const int64_t in[3]);
double tk_watershed_cost(const void *state, const int64_t in[3], const int64_t largest[3]);
double tk_watershed_survey_cost(const void *state, int round, const int64_t in[3]);
tk_status tk_watershed_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                              tk_bytes *partial);
tk_status tk_watershed_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

/* watershed_agree.c */
tk_status tk_watershed_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from);
tk_status tk_watershed_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                             tk_facts *facts, tk_error *error);
tk_status tk_watershed_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);

/* What those functions fill in of a step. */
#define TK_WATERSHED_STEP                                                                                              \
    .citation = "F. Meyer, Topographic distance and watershed lines, Signal Processing 38, 1994", .exact = true,       \
    .core_only = true, .wide_sides = true, .output = TK_KIND_LABELS, .release = tk_watershed_release,                  \
    .halo = tk_watershed_halo, .survey_halo = tk_watershed_halo, .bytes = tk_watershed_bytes,                          \
    .cost = tk_watershed_cost, .survey_cost = tk_watershed_survey_cost, .survey = tk_watershed_survey,                 \
    .combine = tk_watershed_combine, .agree = tk_watershed_agree, .adopt = tk_watershed_adopt,                         \
    .apply = tk_watershed_apply

#endif
