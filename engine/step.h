/* The step contract: what a step of a workflow is, to the engine and to those who write one.
 *
 * A step is one constant tk_step. workflows/steps/steps.def names them all; help, validation, the JSON Schema,
 * provenance, the invariance tests and the benchmarks are made from that list, and the engine knows no step by name.
 *
 * The life of a step in a run, on every rank alike:
 *   bind      parameters and the geometry of its input are known; read auxiliary files, check, make the state
 *   halo, bytes, cost     asked by the plan for blocks of any size
 *   prepare   the plan stands; reserve what lives through the whole run
 *   rounds    what must be known of the whole image before any voxel changes:
 *               survey each tile -> combine -> (on one rank) agree -> (on every rank) adopt, as many rounds as needed
 *   apply     block in, block out; any tile, in any order, on any rank      (steps that make images, masks or labels)
 *   tabulate  the combined surveys become a table, on one rank              (steps that make a table)
 *   release   free the state
 *
 * What makes results the same for any ranks, threads and tile order: survey and combine are exact (integers,
 * fixed point, minima, sorted sets), so that combining is associative and commutative bit for bit; apply is a
 * function of the block, the parameters and the adopted decisions alone; no tile decides for itself. */
#ifndef TK_ENGINE_STEP_H
#define TK_ENGINE_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "engine/params.h"
#include "io/bytes.h"
#include "io/error.h"
#include "io/table.h"
#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* What flows between steps. */
typedef enum tk_kind {
    TK_KIND_IMAGE,  /* float32 */
    TK_KIND_MASK,   /* uint8: 1 in an object, 0 elsewhere */
    TK_KIND_LABELS, /* uint32: the object's number from 1 on, 0 elsewhere */
    TK_KIND_TABLE,
    TK_KIND_COUNT
} tk_kind;

/* A box of an image in memory. The buffer covers `box`, in voxels of the whole image: the tile's core and as much halo
 * as the steps still need, clipped at the image's border. Where the box ends at the border of `image` there is nothing
 * beyond; elsewhere the halo has real data. */
typedef struct tk_block {
    tk_kind kind;
    tk_box image; /* the whole image, origin 0 */
    tk_box box;   /* what the view covers */
    tk_box core;  /* what this tile owns: inside box */
    union {
        tk_view_f32 f32; /* TK_KIND_IMAGE */
        tk_view_u8 u8;   /* TK_KIND_MASK */
        tk_view_u32 u32; /* TK_KIND_LABELS */
    };
} tk_block;

/* Geometry of an image. */
typedef struct tk_geometry {
    int64_t size[3];    /* z y x */
    double voxel_um[3]; /* micrometres, z y x; 0 = unknown */
} tk_geometry;

/* Bytes that a step needs beside its input and output blocks. */
typedef struct tk_need {
    size_t resident; /* from prepare to release */
    size_t scratch;  /* of tk_work.scratch during one apply or survey */
} tk_need;

/* Named facts about what was decided, for the log and the provenance. */
typedef struct tk_facts tk_facts;
tk_status tk_facts_number(tk_facts *facts, const char *name, double value, const char *unit);
tk_status tk_facts_text(tk_facts *facts, const char *name, const char *value);

/* What bind is given; valid during the call only, `params` for the whole run. */
typedef struct tk_binding {
    const tk_params *params;
    tk_geometry input;
    int inputs; /* 1, plus one per image parameter that is set */
} tk_binding;

enum { TK_MAX_INPUTS = 4 };

typedef struct tk_step {
    const char *name;     /* a verb or noun of the field, lower case */
    int version;          /* raised whenever its output may change */
    const char *summary;  /* one line */
    const char *citation; /* the paper, or "" */
    bool exact;           /* the tiled result equals the un-tiled one bit for bit, whatever the tile grid */
    bool core_only;       /* apply works on cores alone (box == core): a step with a halo after it starts a new stage */
    const char *example;  /* parameters of a small, quick use, as a workflow writes them: "{sigma: 1.5 px}"; for help,
                             and for the tests and benchmarks that go over all steps */
    tk_kind input, output;
    const tk_param *params; /* ends with TK_PARAM_END */

    /* Checks parameters against each other; NULL when there is nothing to check. Reads no file. Errors: by
     * tk_params_fail. */
    tk_status (*check)(const tk_params *params, tk_error *error);

    /* Makes the state. NULL: a step without state (state is then NULL in all calls). */
    tk_status (*bind)(const tk_binding *binding, void **state, tk_error *error);
    void (*release)(void *state);

    /* Voxels of input needed around an output voxel, z y x. NULL: none. */
    void (*halo)(const void *state, int64_t halo[3]);

    /* Memory for an input block of `in` voxels (z y x). NULL: none. */
    tk_need (*bytes)(const void *state, const int64_t in[3]);

    /* Estimated nanoseconds of one core for one apply (or survey) of an input block of `in` voxels. NULL: as much as a
     * copy. */
    double (*cost)(const void *state, const int64_t in[3]);

    /* The plan stands: no input block will be larger than `largest`. Reserves what `bytes` calls resident. NULL:
     * nothing. */
    tk_status (*prepare)(void *state, const int64_t largest[3], tk_work *work, tk_error *error);

    /* Survey rounds to run at least. NULL: 1 when agree is set, else 0. 0: neither survey nor agree is called. */
    int (*rounds)(const void *state);

    /* One tile's part of the whole-image knowledge of round 0, 1, …: appends to `partial`, which is empty. in[0] is
     * the step's input (core only: box == core), in[1] … its image parameters in the order of the table. NULL with a
     * non-NULL agree: the decision needs no voxels. */
    tk_status (*survey)(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial);

    /* into := into + from; exact, associative and commutative. Both have been made by survey or combine. */
    tk_status (*combine)(const void *state, int round, tk_bytes *into, const tk_bytes *from);

    /* On one rank: the decision of this round from the combined partials (empty when survey is NULL). *more asks for
     * another round. TK_UNSOLVABLE when the data allow none. NULL: no decision (tables: the combined partials are
     * all). */
    tk_status (*agree)(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error);

    /* On every rank: takes the decision over into the state. */
    tk_status (*adopt)(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);

    /* The work: fills out (out->box is inside in[0]->box, by the halo smaller except at the image's border). in[1] … as
     * for survey, over out->box. NULL for steps that make a table. */
    tk_status (*apply)(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

    /* On one rank, for steps that make a table: the table from the combined partials of the last round. */
    tk_status (*tabulate)(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error);
} tk_step;

/* All steps, in the order of steps.def, ended by NULL. Defined by workflows/steps/registry.c. */
extern const tk_step *const tk_steps[];

/* The step of that name, or NULL. */
const tk_step *tk_step_find(const char *name);

/* "image", "mask", "labels" or "table". */
const char *tk_kind_text(tk_kind kind);

#endif
