/* Energy within every symmetric box, from one cumulative sum over the folded PSF. */
#include "kernels/psf/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct folded {
    int64_t size[3]; /* offsets 0 … size - 1 from the origin */
    double *sum;     /* energy of all voxels whose offsets are at most these */
} folded;

static double *at(const folded *f, int64_t z, int64_t y, int64_t x) {
    return f->sum + (z * f->size[TK_Y] + y) * f->size[TK_X] + x;
}

/* Adds each voxel to its offset; *total counts also those without a partner. */
static tk_status fold(tk_cview_f32 psf, const folded *f, double *total) {
    *total = 0;
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
            const float *row = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
            const int64_t dz = llabs(z - psf.size[TK_Z] / 2), dy = llabs(y - psf.size[TK_Y] / 2);
            for (int64_t x = 0; x < psf.size[TK_X]; x++) {
                const int64_t dx = llabs(x - psf.size[TK_X] / 2);
                if (!(row[x] >= 0) || !isfinite(row[x])) return TK_INVALID;
                *total += row[x];
                if (dz < f->size[TK_Z] && dy < f->size[TK_Y] && dx < f->size[TK_X]) *at(f, dz, dy, dx) += row[x];
            }
        }
    return *total > 0 ? TK_OK : TK_INVALID;
}

/* From energies at offsets to energies up to them. */
static void accumulate(const folded *f) {
    for (int64_t z = 0; z < f->size[TK_Z]; z++)
        for (int64_t y = 0; y < f->size[TK_Y]; y++)
            for (int64_t x = 1; x < f->size[TK_X]; x++) *at(f, z, y, x) += *at(f, z, y, x - 1);
    for (int64_t z = 0; z < f->size[TK_Z]; z++)
        for (int64_t y = 1; y < f->size[TK_Y]; y++)
            for (int64_t x = 0; x < f->size[TK_X]; x++) *at(f, z, y, x) += *at(f, z, y - 1, x);
    for (int64_t z = 1; z < f->size[TK_Z]; z++)
        for (int64_t y = 0; y < f->size[TK_Y]; y++)
            for (int64_t x = 0; x < f->size[TK_X]; x++) *at(f, z, y, x) += *at(f, z - 1, y, x);
}

/* The least x for which the box holds the energy; the greatest when none does. Round PSFs have x = y. */
static int64_t least_x(const folded *f, int64_t z, int64_t y, double energy) {
    int64_t low = 0, high = f->size[TK_X] - 1;
    while (low < high) {
        const int64_t x = (low + high) / 2;
        if (*at(f, z, y, x) >= energy)
            high = x;
        else
            low = x + 1;
    }
    return low;
}

static void search(const folded *f, bool square, double energy, int64_t half[3]) {
    double least = INFINITY;
    for (int axis = 0; axis < 3; axis++) half[axis] = f->size[axis] - 1;
    for (int64_t z = 0; z < f->size[TK_Z]; z++)
        for (int64_t y = 0; y < f->size[TK_Y]; y++) {
            const int64_t x = square ? y : least_x(f, z, y, energy);
            if (*at(f, z, y, x) < energy) continue;
            const double volume = (double)(2 * z + 1) * (double)(2 * y + 1) * (double)(2 * x + 1);
            if (volume >= least) continue;
            least = volume;
            half[TK_Z] = z;
            half[TK_Y] = y;
            half[TK_X] = x;
        }
}

tk_status tk_psf_support(tk_cview_f32 psf, double loss, tk_work *work, tk_box *box, double *lost) {
    if (!(loss >= 0 && loss < 1)) return TK_INVALID;
    const size_t mark = tk_scratch_mark(&work->scratch);
    folded f;
    for (int axis = 0; axis < 3; axis++) f.size[axis] = (psf.size[axis] + 1) / 2;
    const int64_t count = f.size[0] * f.size[1] * f.size[2];
    f.sum = tk_scratch_take(&work->scratch, count, sizeof *f.sum);
    if (!f.sum) return TK_NO_MEMORY;
    memset(f.sum, 0, (size_t)count * sizeof *f.sum);
    double total;
    const tk_status status = fold(psf, &f, &total);
    if (status == TK_OK) {
        int64_t half[3];
        accumulate(&f);
        /* Sums in another order: the whole box may miss its own total in the last digits. */
        search(&f, psf.size[TK_Y] == psf.size[TK_X], (1 - loss) * total * (1 - 1e-12), half);
        *lost = fmax(0, 1 - *at(&f, half[TK_Z], half[TK_Y], half[TK_X]) / total);
        for (int axis = 0; axis < 3; axis++) {
            box->lo[axis] = psf.size[axis] / 2 - half[axis];
            box->hi[axis] = psf.size[axis] / 2 + half[axis] + 1;
        }
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_psf_support_scratch(const int64_t size[3]) {
    return tk_scratch_cost(((size[0] + 1) / 2) * ((size[1] + 1) / 2) * ((size[2] + 1) / 2), sizeof(double));
}
