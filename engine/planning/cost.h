/* What a tile costs: reading, steps, encoding and storing, in nanoseconds of one core of the machine that the constants
 * here and the steps' own cost models were fitted on (tk_probe.speed says how much faster another one is). Costs follow
 * from sizes alone, never from what the image holds. */
#ifndef TK_ENGINE_COST_H
#define TK_ENGINE_COST_H

#include "engine/plan.h"

/* One tile in one sweep of a stage. */
typedef struct tk_tile_cost {
    double read_ns;       /* decoding and converting the blocks that are read */
    double steps_ns;      /* apply and survey */
    double encode_ns;     /* voxels to chunks */
    double store_ns;      /* copying to the work store */
    double encoded_bytes; /* of the chunks, estimated */
    double stored_bytes;
} tk_tile_cost;

/* Many tiles that cost the same. */
typedef struct tk_cost_class {
    tk_tile_cost cost;
    int64_t tiles;
} tk_cost_class;

/* The cost of a tile with this core, in a plan whose tiles are plan->tile. Further rounds of a survey start from what
 * is stored and write nothing. */
tk_tile_cost tk_cost_tile(const tk_job *job, const tk_plan *plan, int stage, int round, const tk_box *core);

/* All parts of it, one after the other on one core. */
double tk_cost_ns(const tk_tile_cost *cost);

/* How many sweeps a stage makes. */
int tk_cost_rounds(const tk_job *job, const tk_stage *stage);

/* All tiles of a sweep, those of one shape and place relative to the border together, the dearest first. The caller
 * frees *classes with free(). Errors: TK_NO_MEMORY. */
tk_status tk_cost_classes(const tk_job *job, const tk_plan *plan, int stage, int round, tk_cost_class **classes,
                          int64_t *count, tk_error *error);

/* tk_cost_ns of each tile of a sweep, in raster order of the grid, to `ns`. Errors: TK_NO_MEMORY. */
tk_status tk_cost_all(const tk_job *job, const tk_plan *plan, int stage, int round, double *ns, tk_error *error);

/* Bytes of an image of this kind in the result per byte in memory, estimated. */
double tk_cost_packed(tk_kind kind);

/* Nanoseconds for rank 0 to read all outputs back, and to take the checksums of outputs and input, at the end. */
double tk_cost_seal_ns(const tk_job *job, const tk_plan *plan);

/* The speeds of the machine that the constants were fitted on: float32 voxels to chunks on one core, and back with
 * their checksum, in bytes a second. */
extern const double tk_cost_encode_bytes_s, tk_cost_decode_bytes_s;

#endif
