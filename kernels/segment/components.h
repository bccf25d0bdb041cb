/* Connected components of a block of a mask, or of labels, by runs and union-find.
 *
 * Voxels are connected when they share a face (connectivity 6), a face or an edge (18), or a face, an edge or a corner
 * (26); on a single plane these are 4, 8 and 8, and as connectivities 4 and 8 take each plane of a volume for itself.
 * Of labels, only voxels of equal label are connected, and those of label 0 to none. Components are numbered 1, 2, … in
 * the order of their first voxels in the raster order z, y, x, whatever the number of threads: the numbering of
 * scipy.ndimage.label.
 *
 * Run-based labelling: He, Chao, Suzuki, "A run-based two-scan labeling algorithm", IEEE Trans. Image Processing 17,
 * 2008; the sets are those of union_find.h. */
#ifndef TK_KERNELS_SEGMENT_COMPONENTS_H
#define TK_KERNELS_SEGMENT_COMPONENTS_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* Components of a block. All arrays are in the scratch that tk_components_find took them from. The runs of row
 * z * size[y] + y are begin[row] … end[row]-1; rows are in raster order and so are the runs, but not every number
 * between belongs to a run. */
typedef struct tk_components {
    int64_t size[3];
    int64_t row_runs;      /* the most runs that a row can have */
    uint32_t *begin, *end; /* of each row */
    uint32_t *edge;        /* run r covers edge[2r] <= x < edge[2r+1] */
    uint32_t *component;   /* of run r, 1 … count */
    int64_t count;
} tk_components;

/* What a block knows of one of its components, in 16 bytes: there can be very many. */
typedef struct tk_component {
    int64_t first;        /* the smallest index in the whole image */
    uint64_t voxels : 62; /* how many are in the block */
    uint64_t border : 1;  /* does it touch the image's border? */
    uint64_t strong : 1;  /* does it hold a strong voxel? 0 where none was asked for */
} tk_component;

static inline void tk_component_set_voxels(tk_component *c, uint64_t voxels) {
    c->voxels = voxels & ((UINT64_C(1) << 62) - 1); /* as compilers want to see it written */
}

/* A piece of a run on the outer shell of a block. */
typedef struct tk_shell_run {
    int64_t index;      /* of its first voxel in the whole image, (z * Y + y) * X + x */
    uint32_t length;    /* voxels, all in one row */
    uint32_t component; /* 1 … count of its block */
} tk_shell_run;

/* Scratch bytes that tk_components_find and tk_components_of_labels need for a block of this size; they hold the
 * result, too. SIZE_MAX when the block has 2^31 possible runs or more. */
size_t tk_components_scratch(const int64_t size[3]);
size_t tk_components_of_labels_scratch(const int64_t size[3]);

/* Finds the components of a mask that is not empty (non-zero is object); connectivity is 4, 6, 8, 18 or 26. The result
 * lives in the scratch: the caller marks before and rewinds when done with it. Errors: TK_NO_MEMORY when the scratch is
 * too small, TK_FAILED when the block has 2^31 possible runs or more. */
tk_status tk_components_find(tk_cview_u8 mask, int connectivity, tk_components *components, tk_work *work);

/* The same of labels: the connected parts of equal label other than 0. */
tk_status tk_components_of_labels(tk_cview_u32 labels, int connectivity, tk_components *components, tk_work *work);

/* list[c-1] := what is known of component c, for a block that covers `box`; ascending by `first`. An axis along which
 * the image has one voxel has no border, nor has z for connectivities that take each plane for itself (planes). */
void tk_components_describe(const tk_components *components, const tk_box *image, const tk_box *box, bool planes,
                            tk_component *list);

/* list[c-1].strong := 1 for each component c that holds a voxel above `level`; the others stay as they are. `image` has
 * the block's size; NaN is above nothing. */
void tk_components_mark(const tk_components *components, tk_cview_f32 image, float level, tk_component *list);

/* label[c-1] := number[i] where first[i] is the smallest index of component c, 0 where none is; `first` is ascending.
 */
void tk_components_number(const tk_components *components, const tk_box *image, const tk_box *box, const int64_t *first,
                          const uint32_t *number, int64_t count, uint32_t *label);

/* Writes labels, 0 in the background: component c becomes label[c-1], or c itself when label is NULL. `out` has
 * the block's size. */
void tk_components_paint(const tk_components *components, const uint32_t *label, tk_view_u32 out, const tk_work *work);

/* Writes a mask of the block's size: 1 where a component's number is not 0, 0 where it is, and `beyond` in what belongs
 * to no component. */
void tk_components_mask(const tk_components *components, const uint32_t *number, uint8_t beyond, tk_view_u8 out,
                        const tk_work *work);

/* The most shell runs that a block can have. */
int64_t tk_components_shell_most(const tk_components *components);

/* Writes the runs on those of the block's six faces that do not lie on the image's border: everything that can touch
 * another block. On faces across z and y whole runs, on faces across x single voxels. Each voxel occurs once; ascending
 * by index. Returns how many. */
int64_t tk_components_shell(const tk_components *components, const tk_box *image, const tk_box *box,
                            tk_shell_run *runs);

#endif
