/* Fixed-point sums of float32 voxels: exact, hence associative and commutative. */
#include "kernels/deconvolve/total.h"

#include <math.h>

__extension__ typedef __int128 wide;

static const float limit = 0x1p40F, limit_of_squares = 0x1p24F;
static const double quanta = 0x1p20;

static wide to_wide(const tk_total *total) { return (wide)total->high * ((wide)1 << 64) + (wide)total->low; }

static void from_wide(wide sum, tk_total *total) {
    total->low = (uint64_t)sum;
    total->high = (int64_t)(sum >> 64);
}

void tk_total_add(tk_total *into, const tk_total *from) {
    from_wide(to_wide(into) + to_wide(from), into);
    into->voxels += from->voxels;
    into->refused += from->refused;
}

double tk_total_mean(const tk_total *total) {
    return total->voxels == 0 ? 0 : (double)to_wide(total) / quanta / (double)total->voxels;
}

static tk_total total_of_plane(tk_cview_f32 image, int64_t z, bool squares) {
    const float most = squares ? limit_of_squares : limit;
    tk_total total = {0};
    wide sum = 0;
    for (int64_t y = 0; y < image.size[TK_Y]; y++) {
        const float *row = image.data + z * image.stride[TK_Z] + y * image.stride[TK_Y];
        for (int64_t x = 0; x < image.size[TK_X]; x++) {
            const bool good = fabsf(row[x]) < most;
            const double value = squares ? (double)row[x] * (double)row[x] : (double)row[x];
            if (good) sum += squares ? (wide)rint(value * quanta) : (wide)llrint(value * quanta); /* up to 2^68, 2^60 */
            total.voxels += good;
        }
    }
    from_wide(sum, &total);
    total.refused = image.size[TK_Y] * image.size[TK_X] - total.voxels;
    return total;
}

static tk_total total_of(tk_cview_f32 image, bool squares, int threads) {
    tk_total total = {0};
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t z = 0; z < image.size[TK_Z]; z++) {
        const tk_total plane = total_of_plane(image, z, squares);
#pragma omp critical(tk_total)
        tk_total_add(&total, &plane);
    }
    return total;
}

tk_total tk_total_of(tk_cview_f32 image, int threads) { return total_of(image, false, threads); }

tk_total tk_total_of_squares(tk_cview_f32 image, int threads) { return total_of(image, true, threads); }
