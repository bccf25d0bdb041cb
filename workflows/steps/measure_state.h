/* What the step measure knows while it runs, and its partials. */
#ifndef TK_WORKFLOWS_STEPS_MEASURE_STATE_H
#define TK_WORKFLOWS_STEPS_MEASURE_STATE_H

#include "engine/step.h"
#include "kernels/measure/objects.h"

enum { TK_MEASURE_NAMES = 8 }; /* columns of an intensity image at most */

/* Groups of columns beside the basic ones. */
typedef struct tk_measure_groups {
    bool shape, surface, feret, neighbours, distribution;
} tk_measure_groups;

typedef struct tk_measure_state {
    tk_objects_spec spec; /* its exponents are agreed */
    tk_measure_groups groups;
    bool planar;        /* one plane: measures of the plane */
    bool several;       /* time points */
    double voxel_um[3]; /* as the image says; 0: unknown */
    double voxel[3];    /* the unit of lengths: micrometres where `physical`, else voxels; planar: z is 0 */
    bool physical;
    char *name[TK_OBJECTS_CHANNELS][TK_MEASURE_NAMES]; /* of columns, where there are several images */
} tk_measure_state;

/* A combined partial of the last round: `objects` records behind it, then `pairs` pairs. */
typedef struct tk_measure_head {
    int64_t objects, pairs;
} tk_measure_head;

/* Is this the round that finds the largest magnitudes? */
static inline bool tk_measure_is_range_round(const tk_measure_state *s, int round) {
    return s->spec.layout.channels > 0 && round == 0;
}

/* What a partial holds; false: it is damaged. */
bool tk_measure_open(const tk_measure_state *s, const tk_bytes *partial, tk_measure_head *head, const void **records,
                     const tk_object_pair **pairs);

/* The functions of tk_step of these names. */
tk_status tk_measure_survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial);
tk_status tk_measure_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from);
tk_status tk_measure_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                           tk_facts *facts, tk_error *error);
tk_status tk_measure_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);
tk_status tk_measure_tabulate(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error);

/* Makes the names of the intensity images' columns. Errors: TK_NO_MEMORY. */
tk_status tk_measure_name_columns(tk_measure_state *s, const tk_params *params, tk_error *error);

#endif
