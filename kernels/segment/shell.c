/* What other blocks need to know of a block's components: their first voxels, and the runs on the outer shell. */
#include "kernels/segment/components.h"

/* The index in the whole image of voxel x of a block's row. */
static int64_t index_of(const tk_components *c, const tk_box *image, const tk_box *box, int64_t row, int64_t x) {
    const int64_t z = box->lo[TK_Z] + row / c->size[TK_Y], y = box->lo[TK_Y] + row % c->size[TK_Y];
    return (z * image->hi[TK_Y] + y) * image->hi[TK_X] + box->lo[TK_X] + x;
}

/* Which rows of an axis lie on the image's border, as far as the axis has one. */
static bool on_border(const tk_box *image, int axis, int64_t at) {
    return image->hi[axis] > 1 && (at == 0 || at == image->hi[axis] - 1);
}

void tk_components_describe(const tk_components *c, const tk_box *image, const tk_box *box, bool planes,
                            tk_component *list) {
    int64_t known = 0;
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++) {
        const int64_t z = box->lo[TK_Z] + row / c->size[TK_Y], y = box->lo[TK_Y] + row % c->size[TK_Y];
        const bool outer = (!planes && on_border(image, TK_Z, z)) || on_border(image, TK_Y, y);
        for (int64_t r = c->begin[row]; r < c->end[row]; r++) {
            const int64_t lo = c->edge[2 * r], hi = c->edge[2 * r + 1];
            tk_component *of = &list[c->component[r] - 1];
            if (c->component[r] > known) list[known++] = (tk_component){.first = index_of(c, image, box, row, lo)};
            tk_component_set_voxels(of, of->voxels + (uint64_t)(hi - lo));
            if (outer || on_border(image, TK_X, box->lo[TK_X] + lo) || on_border(image, TK_X, box->lo[TK_X] + hi - 1))
                of->border = 1;
        }
    }
}

void tk_components_mark(const tk_components *c, tk_cview_f32 image, float level, tk_component *list) {
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++) {
        const float *v =
            image.data + row / c->size[TK_Y] * image.stride[TK_Z] + row % c->size[TK_Y] * image.stride[TK_Y];
        for (int64_t r = c->begin[row]; r < c->end[row]; r++) {
            uint32_t strong = 0;
            for (uint32_t x = c->edge[2 * r]; x < c->edge[2 * r + 1]; x++) strong |= v[x] > level;
            if (strong) list[c->component[r] - 1].strong = 1;
        }
    }
}

/* The position of the first that is not less than `index` in an ascending list, at `from` or behind. */
static int64_t search(const int64_t *first, int64_t from, int64_t count, int64_t index) {
    int64_t lo = from, hi = count;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (first[middle] < index)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* Components are numbered by their first runs, so each new number is met in order. */
void tk_components_number(const tk_components *c, const tk_box *image, const tk_box *box, const int64_t *first,
                          const uint32_t *number, int64_t count, uint32_t *label) {
    int64_t known = 0, at = 0;
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++)
        for (int64_t r = c->begin[row]; r < c->end[row]; r++) {
            if (c->component[r] <= known) continue;
            const int64_t index = index_of(c, image, box, row, c->edge[2 * r]);
            at = search(first, at, count, index);
            label[known++] = at < count && first[at] == index ? number[at] : 0;
        }
}

int64_t tk_components_shell_most(const tk_components *c) {
    const int64_t rows = c->size[TK_Z] * c->size[TK_Y];
    const int64_t inner_z = c->size[TK_Z] > 2 ? c->size[TK_Z] - 2 : 0;
    const int64_t inner_y = c->size[TK_Y] > 2 ? c->size[TK_Y] - 2 : 0;
    const int64_t inner = inner_z * inner_y;
    return (rows - inner) * (c->row_runs > 2 ? c->row_runs : 2) + inner * 2;
}

/* Is the row on a face across z or y that another block lies behind? */
static bool row_is_outer(const tk_components *c, const tk_box *image, const tk_box *box, int64_t row) {
    const int64_t at[2] = {box->lo[TK_Z] + row / c->size[TK_Y], box->lo[TK_Y] + row % c->size[TK_Y]};
    for (int a = 0; a < 2; a++) {
        if (at[a] == box->lo[a] && box->lo[a] > image->lo[a]) return true;
        if (at[a] == box->hi[a] - 1 && box->hi[a] < image->hi[a]) return true;
    }
    return false;
}

/* The ends of an inner row that lie on faces across x. */
static int64_t shell_of_ends(const tk_components *c, const tk_box *image, const tk_box *box, int64_t row,
                             tk_shell_run *runs) {
    int64_t n = 0;
    const int64_t begin = c->begin[row], last = (int64_t)c->end[row] - 1, width = c->size[TK_X];
    if (begin > last) return 0;
    if (box->lo[TK_X] > image->lo[TK_X] && c->edge[2 * begin] == 0)
        runs[n++] = (tk_shell_run){index_of(c, image, box, row, 0), 1, c->component[begin]};
    if (box->hi[TK_X] < image->hi[TK_X] && c->edge[2 * last + 1] == width && (n == 0 || width > 1))
        runs[n++] = (tk_shell_run){index_of(c, image, box, row, width - 1), 1, c->component[last]};
    return n;
}

int64_t tk_components_shell(const tk_components *c, const tk_box *image, const tk_box *box, tk_shell_run *runs) {
    int64_t n = 0;
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++) {
        if (!row_is_outer(c, image, box, row)) {
            n += shell_of_ends(c, image, box, row, runs + n);
            continue;
        }
        for (int64_t r = c->begin[row]; r < c->end[row]; r++)
            runs[n++] = (tk_shell_run){index_of(c, image, box, row, c->edge[2 * r]),
                                       c->edge[2 * r + 1] - c->edge[2 * r], c->component[r]};
    }
    return n;
}
