/* The average of beads, each shifted to the middle, and their centres refined against it. */
#include <math.h>
#include <string.h>

#include "kernels/psf/beads.h"
#include "kernels/psf/psf.h"
#include "kernels/psf/shift.h"
#include "kernels/psf/solve.h"

enum { ROUNDS = 2, TERMS = 5 };

typedef struct averager {
    tk_cview_f32 image;
    tk_bead *beads;
    int64_t count, size[3], voxels;
    float *shifted;
    double *mean;
    tk_work *work;
} averager;

static tk_status shift_one(const averager *a, const tk_bead *bead) {
    return tk_shift(a->image, bead->centre, a->work, tk_dense_f32(a->shifted, a->size));
}

/* mean = sum over beads of (bead - its background) / sum of amplitudes */
static tk_status average(const averager *a) {
    double light = 0;
    memset(a->mean, 0, (size_t)a->voxels * sizeof *a->mean);
    for (int64_t b = 0; b < a->count; b++) {
        const tk_bead *bead = &a->beads[b];
        if (bead->verdict != TK_BEAD_USED) continue;
        TK_TRY(shift_one(a, bead));
        light += bead->amplitude;
        for (int64_t i = 0; i < a->voxels; i++) a->mean[i] += a->shifted[i] - bead->background;
    }
    if (!(light > 0)) return TK_UNSOLVABLE;
    for (int64_t i = 0; i < a->voxels; i++) a->mean[i] /= light;
    return TK_OK;
}

/* The bead as amplitude * (mean - move . gradient of mean) + background, by least squares over the inner voxels. */
static bool compare(const averager *a, double fitted[TERMS]) {
    const int64_t *n = a->size, stride[3] = {n[1] * n[2], n[2], 1};
    double normal[TERMS * TERMS] = {0};
    memset(fitted, 0, TERMS * sizeof *fitted);
    for (int64_t z = 1; z < n[0] - 1; z++)
        for (int64_t y = 1; y < n[1] - 1; y++)
            for (int64_t x = 1; x < n[2] - 1; x++) {
                const double *m = a->mean + z * stride[0] + y * stride[1] + x;
                double term[TERMS] = {*m, 1};
                for (int axis = 0; axis < 3; axis++) term[2 + axis] = (m[stride[axis]] - m[-stride[axis]]) / 2;
                for (int i = 0; i < TERMS; i++) {
                    fitted[i] += term[i] * a->shifted[z * stride[0] + y * stride[1] + x];
                    for (int j = 0; j < TERMS; j++) normal[i * TERMS + j] += term[i] * term[j];
                }
            }
    return tk_solve(TERMS, normal, fitted) && fitted[0] > 0;
}

/* Moves the centres to where the beads lie on the average; the mean move, which would carry it away, is taken out. */
static tk_status refine(const averager *a) {
    double drift[3] = {0};
    int64_t used = 0;
    for (int64_t b = 0; b < a->count; b++) {
        tk_bead *bead = &a->beads[b];
        double fitted[TERMS];
        if (bead->verdict != TK_BEAD_USED) continue;
        TK_TRY(shift_one(a, bead));
        used++;
        if (!compare(a, fitted)) continue;
        bead->amplitude = fitted[0];
        bead->background = fitted[1];
        for (int axis = 0; axis < 3; axis++) {
            const double move = fmin(fmax(-fitted[2 + axis] / fitted[0], -1), 1);
            bead->centre[axis] += move;
            drift[axis] += move;
        }
    }
    for (int64_t b = 0; b < a->count; b++)
        for (int axis = 0; axis < 3; axis++)
            if (a->beads[b].verdict == TK_BEAD_USED) a->beads[b].centre[axis] -= drift[axis] / (double)used;
    return TK_OK;
}

/* The mean of the dimmest face of the box. */
static double dimmest_face(const averager *a) {
    double dimmest = INFINITY;
    for (int face = 0; face < 6; face++) {
        const int axis = face / 2;
        double sum = 0;
        int64_t voxels = 0;
        for (int64_t i = 0; i < a->voxels; i++) {
            const int64_t at[3] = {i / (a->size[1] * a->size[2]), i / a->size[2] % a->size[1], i % a->size[2]};
            if (at[axis] != (face % 2 ? a->size[axis] - 1 : 0)) continue;
            sum += a->mean[i];
            voxels++;
        }
        dimmest = fmin(dimmest, sum / (double)voxels);
    }
    return dimmest;
}

static tk_status run(const averager *a, tk_view_f32 psf) {
    TK_TRY(average(a));
    for (int round = 0; round < ROUNDS; round++) {
        TK_TRY(refine(a));
        TK_TRY(average(a));
    }
    const double background = dimmest_face(a);
    for (int64_t i = 0; i < a->voxels; i++) {
        const int64_t z = i / (a->size[1] * a->size[2]), y = i / a->size[2] % a->size[1], x = i % a->size[2];
        psf.data[z * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x] = (float)fmax(0, a->mean[i] - background);
    }
    return tk_psf_normalise(psf) == TK_PSF_GOOD ? TK_OK : TK_UNSOLVABLE;
}

tk_status tk_beads_average(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *beads, int64_t count, tk_work *work,
                           tk_view_f32 psf) {
    averager a = {.image = image, .beads = beads, .count = count, .voxels = 1, .work = work};
    const size_t mark = tk_scratch_mark(&work->scratch);
    for (int axis = 0; axis < 3; axis++) a.voxels *= a.size[axis] = 2 * rules->half[axis] + 1;
    a.shifted = tk_scratch_take(&work->scratch, a.voxels, sizeof *a.shifted);
    a.mean = tk_scratch_take(&work->scratch, a.voxels, sizeof *a.mean);
    const tk_status status = a.shifted && a.mean ? run(&a, psf) : TK_NO_MEMORY;
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_beads_average_scratch(const tk_bead_rules *rules) {
    int64_t size[3], voxels = 1;
    for (int axis = 0; axis < 3; axis++) voxels *= size[axis] = 2 * rules->half[axis] + 1;
    return tk_size_add(tk_shift_scratch(size),
                       tk_size_add(tk_scratch_cost(voxels, sizeof(float)), tk_scratch_cost(voxels, sizeof(double))));
}
