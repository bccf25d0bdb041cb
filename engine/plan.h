/* The plan: stages, tiles, halos and memory, all decided before the first voxel is read.
 *
 * A stage is one sweep over all tiles: read a stored value, apply steps one after the other in memory, write what is to
 * be kept or read again, and survey the result for the step that follows. A new stage begins where a step needs to
 * know the whole image first. The plan follows from the workflow, the image and the memory limit alone, never from the
 * number of ranks or threads. */
#ifndef TK_ENGINE_PLAN_H
#define TK_ENGINE_PLAN_H

#include <jansson.h>

#include "engine/job.h"

typedef struct tk_stage {
    int source;      /* the value that is read: 0 = the input, i + 1 = what step i made */
    int first, last; /* the steps first … last − 1 are applied (tables among them are passed over) */
    int fresh;       /* steps from here on run for the first time: their values are written */
    int survey;      /* the step that is surveyed with the outcome; −1: none */
    int again;       /* the value from which further survey rounds start */
} tk_stage;

/* Bytes that one rank needs at its peak, and the shares of it. */
typedef struct tk_memory {
    int64_t blocks;   /* tiles with their halos, between steps */
    int64_t scratch;  /* working memory of the hungriest step */
    int64_t resident; /* what steps keep through the run */
    int64_t input;    /* decoded parts of the input that are kept for the next tile */
    int64_t encode;   /* chunks on their way to the result */
    int64_t base;     /* the program and its libraries */
    int64_t total;
} tk_memory;

/* What the user asks of the plan. */
typedef struct tk_plan_request {
    int64_t tile[3]; /* 0: choose */
    int64_t halo[3]; /* for steps whose tiles are not exact; −1: as the step says */
    int64_t memory;  /* bytes per rank */
} tk_plan_request;

typedef struct tk_plan {
    int64_t size[3], tile[3], grid[3], tiles;
    int64_t chunk[3]; /* of the result; tiles are multiples of it, so no chunk has two writers */
    int steps;
    int64_t (*halo)[3]; /* per step */
    bool *stored;       /* per value: kept in the work store for later stages */
    int stages;
    tk_stage *stage;
    int64_t largest[3]; /* the largest block that is read */
    tk_memory memory;
    int64_t store_bytes;  /* disk for the work store while running */
    int64_t result_bytes; /* of the result before compression */
    double halo_overhead; /* voxels read and computed over voxels of the image, in the dearest stage */
    double core_seconds;  /* estimated, all stages, one core */
} tk_plan;

/* The memory a rank may use when nobody says: what clusters have per core. */
#define TK_DEFAULT_MEMORY ((int64_t)1792 << 20)

/* How many chunks are encoded at a time: a constant, so that memory and with it the tile grid do not depend on threads.
 */
enum { TK_ENCODE_BATCH = 16 };

/* A request with nothing asked for. */
tk_plan_request tk_plan_defaults(void);

/* Makes the plan. The caller frees it. Errors: TK_INVALID when nothing fits the memory (with the numbers), or the tile
 * cannot be cut into chunks. */
tk_status tk_plan_make(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error);

void tk_plan_free(tk_plan *plan);

/* The core of tile 0 … tiles − 1, in raster order of the grid. */
tk_box tk_plan_tile(const tk_plan *plan, int64_t tile);

/* Halo that a stage needs around the core once steps first … are still to come: the sum over first … last − 1. */
void tk_plan_halo(const tk_plan *plan, int first, int last, int64_t halo[3]);

/* The largest block that a step is given, z y x. */
void tk_plan_largest(const tk_plan *plan, int step, const int64_t tile[3], int64_t largest[3]);

/* The plan as JSON: a new reference; NULL: no memory. */
json_t *tk_plan_to_json(const tk_plan *plan, const tk_workflow *workflow);

/* Prints the plan for people. */
void tk_plan_print(const tk_plan *plan, const tk_workflow *workflow);

/* Bytes of a voxel of this kind in memory. */
size_t tk_kind_bytes(tk_kind kind);

#endif
