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
 *   solve     in place of apply: all ranks together on the whole image      (for what no tile can do alone)
 *   tabulate  the combined surveys become a table, on one rank              (steps that make a table)
 *   release   free the state
 *
 * A step is bound once for each channel that a run works on. All time points of a channel share one state and one
 * decision: surveys of all of them are combined. What must be kept apart by time point (objects) says so in its
 * partials.
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
    int64_t time; /* the time point, as the image numbers it; all blocks of one call are of one */
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

/* How an image was taken, as far as its metadata say; 0 = unknown. */
typedef struct tk_acquisition {
    double na, refractive_index;       /* of the objective and of its immersion */
    double emission_nm, excitation_nm; /* of the channel, in vacuum */
    int64_t channel;                   /* its number in the image, from 0 */
} tk_acquisition;

/* Bytes that a step needs beside its input and output blocks. */
typedef struct tk_need {
    size_t resident; /* from prepare to release, beside what is bound */
    size_t scratch;  /* of tk_work.scratch during one apply or survey */
    size_t bound;    /* from bind to release, whatever the block; all channels are bound at once */
    size_t binding;  /* during bind, at most, that and all else */
} tk_need;

/* What a solve needs. */
typedef struct tk_solve_need {
    size_t resident; /* bytes of each rank, while it lasts: what it allocates by itself … */
    size_t scratch;  /* … and of tk_work.scratch */
    size_t saved;    /* bytes of a saved state, of all ranks together; 0: it saves none */
    double moved;    /* bytes that are exchanged in all, as if every rank kept nothing for itself */
} tk_solve_need;

/* The whole image, spread over all ranks (engine/field.h). */
typedef struct tk_field tk_field;

/* By how much tiles with a halo of this width differ from the un-tiled result: relative RMS differences. */
typedef struct tk_halo_error {
    double radii;    /* the width, in units of the step's own reach */
    int64_t halo[3]; /* voxels, z y x */
    double tile;     /* over a tile of TK_HALO_ERROR_TILE voxels along each axis that is cut */
    double rim;      /* over its outermost 16 voxels */
} tk_halo_error;

enum { TK_HALO_ERRORS = 8, TK_HALO_ERROR_TILE = 256 };

/* Named facts about what was decided, for the log and the provenance. */
typedef struct tk_facts tk_facts;
tk_status tk_facts_number(tk_facts *facts, const char *name, double value, const char *unit);
tk_status tk_facts_text(tk_facts *facts, const char *name, const char *value);

/* What bind is given; valid during the call only, `params` for the whole run. */
typedef struct tk_binding {
    const tk_params *params;
    tk_geometry input;
    int inputs;    /* 1, plus one per side input: image, mask and labels parameters that are set */
    int64_t times; /* how many time points the run works on */
    tk_acquisition acquisition;
    int64_t memory; /* bytes that this rank has left for what bind takes; 0: not known */
} tk_binding;

enum { TK_MAX_INPUTS = 10 };

typedef struct tk_step {
    const char *name;     /* a verb or noun of the field, lower case */
    int version;          /* raised whenever its output may change */
    const char *summary;  /* one line */
    const char *citation; /* the paper, or "" */
    bool exact;           /* the tiled result equals the un-tiled one bit for bit, whatever the tile grid */
    bool core_only;       /* apply works on cores alone (box == core): a step with a halo after it starts a new stage */
    const char *example;  /* parameters of a small, quick use, as a workflow writes them: "{sigma: 1.5 px}"; for help,
                             and for the tests and benchmarks that go over all steps */
    bool wide_sides;      /* side inputs (image, mask and labels parameters) come over the box of in[0] */
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

    /* Voxels around a tile's core that survey is given, z y x. NULL: none. */
    void (*survey_halo)(const void *state, int64_t halo[3]);

    /* For steps whose tiles are not exact: an estimate, from a quick trial without the image, of how tiles differ from
     * the un-tiled result. Fills at most TK_HALO_ERRORS rows, from narrow to wide, and tells how many; 0 when there is
     * nothing to tell. For tarkka plan: a second or two. Errors: TK_NO_MEMORY. NULL: not known. */
    tk_status (*halo_errors)(const void *state, tk_halo_error *rows, int *count, tk_error *error);

    /* Memory for an input block of `in` voxels (z y x). NULL: none. */
    tk_need (*bytes)(const void *state, const int64_t in[3]);

    /* Estimated nanoseconds of one core for one apply of an input block of `in` voxels, when no block will be larger
     * than `largest`. NULL: as much as a copy. */
    double (*cost)(const void *state, const int64_t in[3], const int64_t largest[3]);

    /* The same for the survey of a core of `in` voxels. NULL: as much as a copy. */
    double (*survey_cost)(const void *state, int round, const int64_t in[3]);

    /* The plan stands: no input block will be larger than `largest`. Reserves what `bytes` calls resident. Not called
     * when the step is given no blocks, since it solves and has no survey. NULL: nothing. */
    tk_status (*prepare)(void *state, const int64_t largest[3], tk_work *work, tk_error *error);

    /* Survey rounds to run at least. NULL: 1 when agree is set, else 0. 0: neither survey nor agree is called. */
    int (*rounds)(const void *state);

    /* One tile's part of the whole-image knowledge of round 0, 1, …: appends to `partial`, which is empty. in[0] is
     * the step's input (core and survey_halo), in[1] … its side inputs in the order of the table: over the core, or
     * (see wide_sides) over the box of in[0]. NULL with a non-NULL agree: the decision needs no voxels. */
    tk_status (*survey)(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial);

    /* into := into + from; exact, associative and commutative. Both have been made by survey or combine. */
    tk_status (*combine)(const void *state, int round, tk_bytes *into, const tk_bytes *from);

    /* Where partials grow with the image's surface, so that one rank should not hold all of them: `split` deals a
     * partial out, appending to part[0 … parts − 1] (empty before) so that all that must meet, of all tiles, is in the
     * same one. Each rank combines what all ranks have for one part, and `reduce` makes of it what agree needs to know
     * of it: a partial again. A single rank has all in one part, and does not split. agree is given the combined parts;
     * its decision must not depend on how many there were. Both NULL: partials are combined as they are. */
    tk_status (*split)(const void *state, int round, const tk_bytes *combined, int parts, tk_bytes part[]);
    tk_status (*reduce)(const void *state, int round, tk_bytes *part);

    /* On one rank: the decision of this round from the combined (and reduced) partials (empty when survey is NULL).
     * *more asks for another round. TK_UNSOLVABLE when the data allow none. NULL: no decision (tables: the combined
     * partials are all). */
    tk_status (*agree)(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error);

    /* On every rank: takes the decision over into the state. */
    tk_status (*adopt)(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);

    /* The work: fills out (out->box is inside in[0]->box, by the halo smaller except at the image's border). in[1] … as
     * for survey, over out->box or (see wide_sides) that of in[0]. NULL for steps that make a table. */
    tk_status (*apply)(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

    /* Does this binding want its whole image at once? Then solve is called in place of apply, once, after its decisions
     * have been adopted. NULL: never. */
    bool (*whole)(const void *state);

    /* What a solve of an image of this size needs on each of `ranks` ranks; never more on more of them. */
    tk_solve_need (*solve_bytes)(const void *state, const int64_t image[3], int ranks);

    /* Estimated nanoseconds of one core for all of it. */
    double (*solve_cost)(const void *state, const int64_t image[3]);

    /* Reads the input, computes, writes the outcome; on all ranks at the same time. The outcome must not depend on the
     * number of ranks. TK_STOPPED when tk_field_continue said so. Collective. */
    tk_status (*solve)(const void *state, tk_field *field, tk_work *work, tk_error *error);

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
