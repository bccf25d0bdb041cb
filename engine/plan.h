/* The plan: stages, tiles, halos and memory, all decided before the first voxel is read.
 *
 * A stage is one sweep over all tiles: read a stored value, apply steps one after the other in memory, write what is to
 * be kept or read again, and survey the result for the step that follows. A new stage begins where a step needs to
 * know the whole image first. A step that is solved on the whole image begins a stage too: all ranks solve it together,
 * from a stored value to a stored value, and the sweep reads that. The plan follows from the workflow, the image and
 * the memory limit alone, never from the number of ranks or threads. */
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
    int solve;       /* the step that is solved before the sweep; the sweep reads what it made, and is the first to
                        write it to the result; −1: none */
} tk_stage;

/* Bytes that one rank needs at its peak, and the shares of it. */
typedef struct tk_memory {
    int64_t blocks;   /* tiles with their halos, between steps */
    int64_t ahead;    /* the next tile's block, read meanwhile */
    int64_t scratch;  /* working memory of the hungriest step */
    int64_t resident; /* what steps keep through the run */
    int64_t input;    /* decoded parts of the input that are kept for the next tile, and what is being converted */
    int64_t encode;   /* chunks being encoded, tiles being stored */
    int64_t queue;    /* encoded chunks that wait to be written */
    int64_t base;     /* the program and its libraries, and what it notes of each tile */
    int64_t total; /* of all, or when steps are bound, or at the end, when the result is read back, if that is more */
} tk_memory;

/* What the user asks of the plan. */
typedef struct tk_plan_request {
    int64_t tile[3]; /* 0: choose */
    int64_t halo[3]; /* for steps whose tiles are not exact; −1: as the step says */
    int64_t memory;  /* bytes per rank */
} tk_plan_request;

typedef struct tk_plan {
    int64_t size[3], tile[3], grid[3];
    int64_t times, places; /* time points, and tiles of each */
    int64_t tiles;         /* times x places */
    int64_t chunk[3];      /* of the result; tiles are multiples of it, so no chunk has two writers */
    int steps;
    int64_t (*halo)[3];        /* per step */
    int64_t (*survey_halo)[3]; /* per step */
    bool *stored; /* per value: later stages can read it, from the work store or (see passes.h) from the image */
    int stages;
    tk_stage *stage;
    int64_t largest[3]; /* the largest block that is read */
    tk_memory memory;
    int64_t memory_asked; /* bytes per rank that the plan was made for */
    int64_t store_bytes;  /* disk for the work store and saved states while running */
    int64_t result_bytes; /* of the result before compression */
    int64_t packed_bytes; /* of the result, estimated */
    double halo_overhead; /* voxels read and computed over voxels of the image, in the dearest stage */
    double core_seconds;  /* estimated, all stages, one core */
} tk_plan;

/* The memory a rank may use when nobody says: what clusters have per core. */
#define TK_DEFAULT_MEMORY ((int64_t)1792 << 20)

/* The program with its libraries, MPI among them, and what they allocate, all measured. */
#define TK_PROGRAM_BYTES ((int64_t)44 << 20)

/* How many chunks are encoded at a time: a constant, so that memory and with it the tile grid do not depend on threads.
 */
enum { TK_ENCODE_BATCH = 16 };

/* Bytes of encoded chunks that a rank keeps while they wait to be written or sent. */
enum { TK_QUEUE_BYTES = 32 << 20 };

/* A request with nothing asked for. */
tk_plan_request tk_plan_defaults(void);

/* Makes the plan. The caller frees it. Errors: TK_INVALID when nothing fits the memory (with the numbers), or the tile
 * cannot be cut into chunks. */
tk_status tk_plan_make(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error);

void tk_plan_free(tk_plan *plan);

/* The core of tile 0 … tiles − 1: time point by time point, each in raster order of the grid. */
tk_box tk_plan_tile(const tk_plan *plan, int64_t tile);

/* The channel that a stage works on. */
int64_t tk_plan_channel(const tk_workflow *workflow, const tk_stage *stage);

/* The time point of a tile, counted from 0 among those that the run works on. */
int64_t tk_plan_time(const tk_plan *plan, int64_t tile);

/* Halo that a stage needs around the core once its steps from `first` on are still to come: the sum of theirs, and what
 * the survey at its end is given. */
void tk_plan_halo(const tk_plan *plan, const tk_stage *stage, int first, int64_t halo[3]);

/* The largest block that a stage has, for tiles of this size, when its steps from `first` on follow. */
void tk_plan_block(const tk_plan *plan, const int64_t tile[3], const tk_stage *stage, int first, int64_t block[3]);

/* How many chunks of a tile are encoded at a time: TK_ENCODE_BATCH, or all there are. */
int tk_plan_batch(const tk_plan *plan);

/* What a rank needs with tiles of plan->tile. */
tk_memory tk_plan_memory(const tk_job *job, const tk_plan *plan);

/* The largest block that a step is given, z y x. */
void tk_plan_largest(const tk_plan *plan, int step, const int64_t tile[3], int64_t largest[3]);

/* What a rank needs at its peak when so many take part: plan->memory.total, or more where steps are solved. */
int64_t tk_plan_peak(const tk_job *job, const tk_plan *plan, int64_t ranks);

/* Disk for one saved state of a step that is solved. */
int64_t tk_plan_saved_bytes(const tk_job *job, const tk_plan *plan, int step);

/* Bytes that a solve moves from rank to rank, when there are so many. */
double tk_plan_moved_bytes(const tk_job *job, const tk_plan *plan, int step, int64_t ranks);

/* The fewest ranks that have room with so many bytes each; 1 for a plan that solves nothing; 0: no number of ranks. */
int64_t tk_plan_least_ranks(const tk_job *job, const tk_plan *plan, int64_t memory);

/* Does all that is solved fit into so many bytes a rank? Errors: TK_INVALID, with the numbers. */
tk_status tk_plan_check_ranks(const tk_job *job, const tk_plan *plan, int64_t ranks, int64_t memory, tk_error *error);

/* The plan as JSON: a new reference; NULL: no memory. */
json_t *tk_plan_to_json(const tk_plan *plan, const tk_workflow *workflow);

/* Prints the plan for people. */
void tk_plan_print(const tk_plan *plan, const tk_workflow *workflow);

/* Bytes of a voxel of this kind in memory. */
size_t tk_kind_bytes(tk_kind kind);

#endif
