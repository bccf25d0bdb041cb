/* Beads: isolated local maxima of the smoothed image. */
#include <math.h>
#include <stdlib.h>

#include "kernels/filter/gaussian.h"
#include "kernels/psf/beads.h"
#include "kernels/render/project.h"

enum { RADIUS = 4 };
static const double lobe = 0.3, one_sigma_percent = 15.865525;

static tk_status smooth(tk_cview_f32 image, tk_work *work, tk_view_f32 out) {
    float taps[RADIUS + 1];
    const tk_gaussian gaussian = {.radius = {RADIUS, RADIUS, RADIUS}, .taps = {taps, taps, taps}};
    const tk_box box = tk_box_of_size(image.size);
    tk_gaussian_taps(1, RADIUS, taps);
    return tk_gaussian_apply(&gaussian, &box, &box, image, &box, out, work);
}

static tk_status level_of(tk_cview_f32 image, const tk_bead_rules *rules, tk_work *work, float *background,
                          float *level) {
    float low, top;
    TK_TRY(tk_percentile(image, 50, work, background));
    TK_TRY(tk_percentile(image, one_sigma_percent, work, &low));
    TK_TRY(tk_percentile(image, 100, work, &top));
    /* Without noise, a thousandth of the brightest voxel is taken for it. */
    const double noise = fmax((double)*background - low, 1e-3 * ((double)top - *background));
    *level = (float)(*background + rules->threshold * noise);
    return TK_OK;
}

/* Above its 26 neighbours; among equals the first voxel counts. Voxels beyond the border are no neighbours. */
static bool is_maximum(tk_cview_f32 v, int64_t z, int64_t y, int64_t x) {
    const float here = v.data[z * v.stride[TK_Z] + y * v.stride[TK_Y] + x];
    for (int n = 0; n < 27; n++) {
        const int64_t k = z + n / 9 - 1, j = y + n / 3 % 3 - 1, i = x + n % 3 - 1;
        if (n == 13 || k < 0 || j < 0 || i < 0 || k >= v.size[0] || j >= v.size[1] || i >= v.size[2]) continue;
        const float there = v.data[k * v.stride[TK_Z] + j * v.stride[TK_Y] + i];
        if (there > here || (n < 13 && there == here)) return false;
    }
    return true;
}

static tk_status collect(tk_cview_f32 v, float background, float level, tk_bead *beads, int64_t most, int64_t *found) {
    *found = 0;
    for (int64_t z = 0; z < v.size[TK_Z]; z++)
        for (int64_t y = 0; y < v.size[TK_Y]; y++)
            for (int64_t x = 0; x < v.size[TK_X]; x++) {
                const float here = v.data[z * v.stride[TK_Z] + y * v.stride[TK_Y] + x];
                if (!(here > level) || !is_maximum(v, z, y, x)) continue;
                if (*found == most) return TK_UNSOLVABLE;
                beads[(*found)++] = (tk_bead){.peak = {z, y, x}, .brightness = (double)here - background};
            }
    return TK_OK;
}

/* Are two peaks at most `boxes` half boxes apart on every axis? */
static bool is_near(const tk_bead *a, const tk_bead *b, const tk_bead_rules *rules, int64_t boxes) {
    for (int axis = 0; axis < 3; axis++)
        if (llabs(a->peak[axis] - b->peak[axis]) > boxes * rules->half[axis]) return false;
    return true;
}

/* Is there another peak near this one, brighter than `ratio` times it? Peaks are in order of z. */
static bool has_near(const tk_bead *beads, int64_t count, int64_t i, const tk_bead_rules *rules, int64_t boxes,
                     double ratio) {
    const int64_t reach = boxes * rules->half[TK_Z];
    for (int step = -1; step <= 1; step += 2)
        for (int64_t j = i + step; j >= 0 && j < count; j += step) {
            if (llabs(beads[j].peak[TK_Z] - beads[i].peak[TK_Z]) > reach) break;
            if (beads[j].brightness >= ratio * beads[i].brightness && is_near(&beads[i], &beads[j], rules, boxes))
                return true;
        }
    return false;
}

static bool leaves(const tk_bead *bead, const tk_bead_rules *rules, const int64_t size[3]) {
    for (int axis = 0; axis < 3; axis++)
        if (bead->peak[axis] < rules->half[axis] || bead->peak[axis] + rules->half[axis] >= size[axis]) return true;
    return false;
}

static bool is_saturated(tk_cview_f32 image, const tk_bead *bead, const tk_bead_rules *rules) {
    const int64_t *half = rules->half;
    for (int64_t z = -half[TK_Z]; z <= half[TK_Z]; z++)
        for (int64_t y = -half[TK_Y]; y <= half[TK_Y]; y++)
            for (int64_t x = -half[TK_X]; x <= half[TK_X]; x++)
                if (image.data[(bead->peak[TK_Z] + z) * image.stride[TK_Z] +
                               (bead->peak[TK_Y] + y) * image.stride[TK_Y] + bead->peak[TK_X] + x] >= rules->saturation)
                    return true;
    return false;
}

/* All are judged before lobes go: a lobe may crowd its neighbour. */
static void judge(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *beads, int64_t *found) {
    int64_t kept = 0;
    for (int64_t i = 0; i < *found; i++) {
        tk_bead *b = &beads[i];
        if (has_near(beads, *found, i, rules, 1, 1 / lobe))
            b->verdict = TK_BEAD_VERDICTS;
        else if (leaves(b, rules, image.size))
            b->verdict = TK_BEAD_BORDER;
        else if (is_saturated(image, b, rules))
            b->verdict = TK_BEAD_SATURATED;
        else if (has_near(beads, *found, i, rules, 2, lobe))
            b->verdict = TK_BEAD_CROWDED;
    }
    for (int64_t i = 0; i < *found; i++)
        if (beads[i].verdict != TK_BEAD_VERDICTS) beads[kept++] = beads[i];
    *found = kept;
}

tk_status tk_beads_find(tk_cview_f32 image, const tk_bead_rules *rules, tk_work *work, tk_bead *beads, int64_t most,
                        int64_t *found) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    float background, level;
    *found = 0;
    float *data = tk_scratch_take(&work->scratch, image.size[0] * image.size[1] * image.size[2], sizeof *data);
    if (!data) return TK_NO_MEMORY;
    const tk_view_f32 smoothed = tk_dense_f32(data, image.size);
    tk_status status = smooth(image, work, smoothed);
    if (status == TK_OK) status = level_of(tk_read_f32(smoothed), rules, work, &background, &level);
    if (status == TK_OK) status = collect(tk_read_f32(smoothed), background, level, beads, most, found);
    if (status == TK_OK) judge(image, rules, beads, found);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_beads_find_scratch(const int64_t size[3], int threads) {
    const tk_gaussian gaussian = {.radius = {RADIUS, RADIUS, RADIUS}};
    const size_t filter = tk_gaussian_scratch(&gaussian, size, threads), order = tk_percentile_scratch();
    return tk_size_add(tk_scratch_cost(size[0] * size[1] * size[2], sizeof(float)), filter > order ? filter : order);
}
