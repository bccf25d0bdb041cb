/* Connected components of a mask, of what it leaves out, or of labels, over all tiles: which are kept, and what they
 * are called. The steps label, relabel, clean_mask, fill_holes and hysteresis are this with different rules.
 *
 * survey   each tile tells of its components (first voxel, size, border) and of the runs on its shell; not of what lies
 *          wholly inside it and is not kept
 * split    runs are dealt out by rows, components by their first voxels
 * reduce   runs become pairs of components that are one
 * agree    adds up, chooses and numbers; the decision lists, for every component told of, its number (0: not kept)
 * apply    finds the tile's components again, and their numbers; what is not listed is not kept */
#ifndef TK_WORKFLOWS_STEPS_COMPONENTS_RULE_H
#define TK_WORKFLOWS_STEPS_COMPONENTS_RULE_H

#include "engine/step.h"
#include "kernels/segment/components.h"

typedef struct tk_components_rule {
    int connectivity;        /* 4, 6, 8, 18 or 26 */
    bool labels;             /* the input is labels: the connected parts of equal label */
    bool outside;            /* components of the background */
    bool hysteresis;         /* the input is an image: of its voxels above `low`, those that hold one above `high` */
    float low, high;         /* low <= high */
    int64_t least, most;     /* voxels of a component that is kept */
    bool border;             /* are those that touch the image's border kept? */
    const char *step, *fact; /* for messages; what is counted, for the log */
} tk_components_rule;

typedef struct tk_components_state tk_components_state;

/* Parameters of such steps, and what they say: which voxels are connected, and which sizes are kept, at the border too.
 */
#define TK_COMPONENTS_CONNECTIVITY(default_one)                                                                        \
    {                                                                                                                  \
        .name = "connectivity", .type = TK_PARAM_CHOICE, .fallback = default_one, .choices = "4|6|8|18|26",            \
        .help = "voxels are connected by faces (6), also edges (18), also corners (26); 4, 8: each plane for itself"   \
    }
#define TK_COMPONENTS_SIZES                                                                                            \
    {.name = "min_size",                                                                                               \
     .type = TK_PARAM_INTEGER,                                                                                         \
     .fallback = "0",                                                                                                  \
     .least = 0,                                                                                                       \
     .most = 1e15,                                                                                                     \
     .help = "voxels that an object has at least; smaller ones are left out"},                                         \
        {.name = "max_size",                                                                                           \
         .type = TK_PARAM_INTEGER,                                                                                     \
         .fallback = "0",                                                                                              \
         .least = 0,                                                                                                   \
         .most = 1e15,                                                                                                 \
         .help = "voxels that an object has at most; 0: any number"},                                                  \
    {                                                                                                                  \
        .name = "exclude_border", .type = TK_PARAM_BOOL, .fallback = "false",                                          \
        .help = "leave out objects that touch the image's border"                                                      \
    }
int tk_components_connectivity(const tk_params *params);
tk_components_rule tk_components_rule_of_sizes(const tk_params *params, const char *step);

/* Does connectivity take each plane for itself? */
bool tk_components_by_planes(const tk_components_rule *rule);

/* Is this whole component kept? */
bool tk_components_is_kept(const tk_components_rule *rule, const tk_component *whole);

/* TK_UNSOLVABLE, with what helps, when tiles have more components in all than 32-bit labels can name. */
tk_status tk_components_check_count(const tk_components_rule *rule, int64_t components, tk_error *error);

/* The state for an image of this size; the caller releases it. Errors: TK_NO_MEMORY. */
tk_status tk_components_state_make(const tk_components_rule *rule, const int64_t image[3], void **state,
                                   tk_error *error);

/* Functions of a step whose state this is: see engine/step.h. */
void tk_components_release(void *state);
tk_need tk_components_bytes(const void *state, const int64_t in[3]);
double tk_components_cost(const void *state, const int64_t in[3], const int64_t largest[3]);
double tk_components_survey_cost(const void *state, int round, const int64_t in[3]);
tk_status tk_components_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                               tk_bytes *partial);
tk_status tk_components_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from);
tk_status tk_components_split(const void *state, int round, const tk_bytes *combined, int parts, tk_bytes part[]);
tk_status tk_components_reduce(const void *state, int round, tk_bytes *part);
tk_status tk_components_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                              tk_facts *facts, tk_error *error);
tk_status tk_components_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);

/* Finds the components of a tile again, and number[c − 1] of each as agreed. Both live in the scratch, which the caller
 * rewinds. */
tk_status tk_components_again(const tk_components_state *state, const tk_block *in, const tk_block *out, tk_work *work,
                              tk_components *found, uint32_t **number);

/* The function of steps that make labels: what is kept has its number, all else 0. */
tk_status tk_components_apply_labels(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

/* The function of steps that make a mask: what is kept is object; where components are those of the background, all
 * else is object, too. */
tk_status tk_components_apply_mask(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

/* What those functions fill in of a step. */
#define TK_COMPONENTS_STEP                                                                                             \
    .core_only = true, .release = tk_components_release, .bytes = tk_components_bytes, .cost = tk_components_cost,     \
    .survey_cost = tk_components_survey_cost, .survey = tk_components_survey, .combine = tk_components_combine,        \
    .split = tk_components_split, .reduce = tk_components_reduce, .agree = tk_components_agree,                        \
    .adopt = tk_components_adopt

#endif
