/* Components of a whole image from those of its blocks, exactly: no knowledge of the grid of blocks is needed.
 *
 * Each block's component is known by its smallest index in the whole image, which belongs to it alone. The shell runs
 * of all blocks, sorted, are swept like the rows of an image in which all else is missing; runs that touch join their
 * components. A whole component's number is the rank of its smallest index: the numbering of the un-tiled image. */
#ifndef TK_KERNELS_SEGMENT_RECONCILE_H
#define TK_KERNELS_SEGMENT_RECONCILE_H

#include "kernels/common/view.h"
#include "kernels/segment/components.h"

/* Scratch bytes for that many components and shell runs, of all blocks together. */
size_t tk_reconcile_scratch(int64_t components, int64_t runs);

/* Joins what touches and, of labels, is equal.
 *   first    smallest index of each component, in any order of blocks; sorted on return
 *   value    the label of each component, in the order of `first` as given; NULL for components of masks
 *   number   filled: number[i] is the whole component, 1 … *count, of the block's component first[i]
 *   run      shell runs of all blocks; run[i].component is the position + 1 of its component in `first` as given;
 *            changed on return
 *   size     of the whole image; connectivity 4, 6, 8, 18 or 26
 * Errors: TK_NO_MEMORY when the scratch is too small; TK_UNSOLVABLE from 2^32 - 1 components on. */
tk_status tk_reconcile(int64_t *first, const uint32_t *value, uint32_t *number, int64_t components, tk_shell_run *run,
                       int64_t runs, const int64_t size[3], int connectivity, int64_t *count, tk_scratch *scratch);

/* Two components that are one: known by their smallest indices. */
typedef struct tk_component_pair {
    int64_t a, b;
} tk_component_pair;

/* Joins what pairs say is one, and adds up. `list` holds the components of all blocks, ascending by `first`; number[i]
 * is the whole component, 1 … *count in the order of smallest indices, of list[i]. On return list[n - 1] describes
 * whole component n. Errors: TK_FAILED when a pair names a component that is not there; TK_UNSOLVABLE from 2^32 - 1
 * components on. */
tk_status tk_reconcile_pairs(tk_component *list, int64_t components, const tk_component_pair *pairs, int64_t pair_count,
                             uint32_t *number, int64_t *count);

#endif
