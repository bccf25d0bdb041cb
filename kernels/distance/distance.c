/* Passes over a volume: along x and y plane by plane, along z column by column; most columns are done by a short search
 * (axis.h), the rest by their envelope. */
#include "kernels/distance/distance.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/distance/axis.h"

enum { COLUMNS = TK_DISTANCE_COLUMNS, SCALES = 64 };

/* Squared ratios of voxel edges count as whole numbers when they are this near: what edges are known to. */
static const double NEAR = 1e-6;

/* --- Weights ------------------------------------------------------------------------------------------------------ */

static bool fits_int32(const double weight[3], const int64_t image[3]) {
    double most = 0;
    for (int a = 0; a < 3; a++) most += weight[a] * ((double)image[a] + 1) * ((double)image[a] + 1);
    return most < (double)TK_DISTANCE_ENDLESS;
}

/* The squared edges as multiples of a `scale`-th of the smallest one; false when they are none. */
static bool whole_weights(const double spacing[3], int scale, double least, double weight[3]) {
    for (int a = 0; a < 3; a++) {
        const double ratio = scale * (spacing[a] / least) * (spacing[a] / least);
        weight[a] = round(ratio);
        if (fabs(ratio - weight[a]) > NEAR * ratio) return false;
    }
    return true;
}

/* The squared edges rounded to a quantum of which no squared distance has more than 2^52: sums of them are exact. */
static tk_distance real_weights(const double spacing[3], const int64_t image[3]) {
    enum { DIGITS = 52 };
    tk_distance d = {.element = sizeof(double)};
    double most = 0;
    int exponent = 0;
    for (int a = 0; a < 3; a++) most += spacing[a] * spacing[a] * ((double)image[a] + 2) * ((double)image[a] + 2);
    (void)frexp(most, &exponent);
    for (int a = 0; a < 3; a++) d.weight[a] = fmax(round(ldexp(spacing[a] * spacing[a], DIGITS - exponent)), 1);
    d.unit = sqrt(ldexp(1, exponent - DIGITS));
    return d;
}

tk_distance tk_distance_of(const double spacing[3], const int64_t image[3]) {
    const double least = fmin(spacing[TK_Z], fmin(spacing[TK_Y], spacing[TK_X]));
    tk_distance d = {.whole = true, .element = sizeof(int32_t)};
    for (int scale = 1; scale <= SCALES; scale++) {
        if (!whole_weights(spacing, scale, least, d.weight)) continue;
        if (!fits_int32(d.weight, image)) break;
        d.unit = least / sqrt(scale);
        return d;
    }
    return real_weights(spacing, image);
}

/* --- Along x ------------------------------------------------------------------------------------------------------ */

/* Steps to the nearest background voxel of a row; INT32_MAX / 2 and more: there is none. */
static void count_steps(const uint8_t *mask, int64_t width, const bool outside[2], int32_t *steps) {
    int32_t since = outside[0] ? 0 : INT32_MAX / 2;
    for (int64_t x = 0; x < width; x++) {
        since = mask[x] ? since + 1 : 0;
        steps[x] = since;
    }
    since = outside[1] ? 0 : INT32_MAX / 2;
    for (int64_t x = width - 1; x >= 0; x--) {
        since = mask[x] ? since + 1 : 0;
        steps[x] = since < steps[x] ? since : steps[x];
    }
}

static void square_i32(const int32_t *steps, int64_t width, int32_t weight, int32_t *squared) {
    for (int64_t x = 0; x < width; x++) {
        const int32_t s = steps[x] < INT32_MAX / 2 ? steps[x] : 0;
        squared[x] = steps[x] < INT32_MAX / 2 ? weight * s * s : TK_DISTANCE_ENDLESS;
    }
}

static void square_f64(const int32_t *steps, int64_t width, double weight, double *squared) {
    for (int64_t x = 0; x < width; x++)
        squared[x] = steps[x] < INT32_MAX / 2 ? weight * ((double)steps[x] * steps[x]) : INFINITY;
}

static void row_pass(const tk_distance *d, const uint8_t *mask, int64_t width, int32_t *steps, void *squared) {
    count_steps(mask, width, d->outside[TK_X], steps);
    if (d->whole)
        square_i32(steps, width, (int32_t)d->weight[TK_X], squared);
    else
        square_f64(steps, width, d->weight[TK_X], squared);
}

/* --- Along y and z ------------------------------------------------------------------------------------------------ */

/* What one thread works in. */
typedef struct lane {
    void *source;           /* n rows of COLUMNS columns, and one before and behind them for what is outside */
    int32_t *steps;         /* a row; the planes' pass alone */
    int64_t *vertex, *from; /* the envelope: parabolas, and where each begins */
} lane;

static size_t lane_cost(const tk_distance *d, int64_t n, int64_t width) {
    const size_t source = tk_scratch_cost((n + 2) * COLUMNS, d->element),
                 list = tk_scratch_cost(n + 3, sizeof(int64_t));
    return tk_size_add(tk_size_add(source, tk_scratch_cost(width, sizeof(int32_t))), tk_size_add(list, list));
}

static tk_status take_lane(const tk_distance *d, int64_t n, int64_t width, tk_scratch *scratch, lane *l) {
    l->source = tk_scratch_take(scratch, (n + 2) * COLUMNS, d->element);
    l->steps = tk_scratch_take(scratch, width, sizeof *l->steps);
    l->vertex = tk_scratch_take(scratch, n + 3, sizeof *l->vertex);
    l->from = tk_scratch_take(scratch, n + 3, sizeof *l->from);
    return l->source && l->steps && l->vertex && l->from ? TK_OK : TK_NO_MEMORY;
}

/* The lower envelope of the parabolas source[j] + weight (i − j)^2 of one column: j is the lowest from from[q] on. The
 * place where the parabola of u begins to be lower than that of i < u is rounded up, and the earlier one keeps a tie:
 * the value is the same. */
#define DEFINE_ENVELOPE(NAME, T, W, ENDLESS, BEGINS)                                                                   \
    static void envelope_##NAME(const T *source, tk_distance_span span, W weight, const lane *l, T *data,              \
                                int64_t step) {                                                                        \
        const int64_t n = span.n;                                                                                      \
        int64_t last = -1, q = 0;                                                                                      \
        for (int64_t u = 0; u < n; u++) {                                                                              \
            if (source[u * COLUMNS] >= ENDLESS) continue;                                                              \
            int64_t begins = 0;                                                                                        \
            for (; last >= 0; last--) {                                                                                \
                const int64_t i = l->vertex[last];                                                                     \
                const W rise = weight * (W)(u - i) * (W)(u + i) + (W)source[u * COLUMNS] - (W)source[i * COLUMNS];     \
                begins = BEGINS(rise, 2 * weight * (W)(u - i), n);                                                     \
                if (begins > l->from[last]) break;                                                                     \
            }                                                                                                          \
            if (last < 0) begins = 0;                                                                                  \
            if (begins >= n) continue;                                                                                 \
            l->vertex[++last] = u;                                                                                     \
            l->from[last] = begins;                                                                                    \
        }                                                                                                              \
        for (int64_t i = span.from; i < span.to; i++) {                                                                \
            while (q < last && l->from[q + 1] <= i) q++;                                                               \
            const W away = (W)(i - (last < 0 ? 0 : l->vertex[q]));                                                     \
            data[(i - span.from) * step] =                                                                             \
                last < 0 ? ENDLESS : (T)((W)source[l->vertex[q] * COLUMNS] + weight * away * away);                    \
        }                                                                                                              \
    }

/* The first whole i >= rise / run, within 0 … n. */
static int64_t begins_whole(int64_t rise, int64_t run, int64_t n) {
    if (rise <= 0) return 0;
    const int64_t at = (rise + run - 1) / run;
    return at < n ? at : n;
}

static int64_t begins_real(double rise, double run, int64_t n) {
    if (!(rise > 0)) return 0;
    const double at = ceil(rise / run);
    return at < (double)n ? (int64_t)at : n;
}

DEFINE_ENVELOPE(i32, int32_t, int64_t, TK_DISTANCE_ENDLESS, begins_whole)
DEFINE_ENVELOPE(f64, double, double, INFINITY, begins_real)

/* Copies a few columns, and pads them with zeros: columns, which end every search at once, and what is outside. */
static void gather(const tk_distance *d, const char *data, tk_distance_span span, int64_t step, int64_t width,
                   char *source) {
    const size_t row = (size_t)width * d->element, all = COLUMNS * d->element;
    for (int64_t i = 0; i < span.n; i++) {
        const size_t used = i >= span.from && i < span.to ? row : 0;
        if (used) memcpy(source + (size_t)i * all, data + (size_t)((i - span.from) * step) * d->element, used);
        memset(source + (size_t)i * all + used, 0, all - used);
    }
}

static void pass_i32(const tk_distance_kernels *k, tk_distance_span span, double weight, const lane *l, int32_t *data,
                     int64_t step, int64_t width) {
    if (k->search_i32(l->source, span, (int32_t)weight, data, step, width)) return;
    for (int64_t c = 0; c < width; c++)
        envelope_i32((const int32_t *)l->source + c, span, (int64_t)weight, l, data + c, step);
}

static void pass_f64(const tk_distance_kernels *k, tk_distance_span span, double weight, const lane *l, double *data,
                     int64_t step, int64_t width) {
    if (k->search_f64(l->source, span, weight, data, step, width)) return;
    for (int64_t c = 0; c < width; c++) envelope_f64((const double *)l->source + c, span, weight, l, data + c, step);
}

/* A row of columns of length n that lie `step` elements apart along their axis, in place. */
static void axis_pass(const tk_distance *d, tk_isa isa, int axis, int64_t n, int64_t step, int64_t width, const lane *l,
                      void *data) {
    const tk_distance_kernels *k = TK_ISA_SELECT(tk_distance_axis, isa);
    const bool *outside = d->outside[axis];
    const tk_distance_span span = {outside[0] + n + outside[1], outside[0], outside[0] + n};
    for (int64_t x = 0; x < width; x += COLUMNS) {
        const int64_t some = width - x < COLUMNS ? width - x : COLUMNS;
        char *at = (char *)data + (size_t)x * d->element;
        gather(d, at, span, step, some, l->source);
        if (d->whole)
            pass_i32(k, span, d->weight[axis], l, (int32_t *)(void *)at, step, some);
        else
            pass_f64(k, span, d->weight[axis], l, (double *)(void *)at, step, some);
    }
}

/* --- The passes --------------------------------------------------------------------------------------------------- */

size_t tk_distance_planes_scratch(const tk_distance *d, const int64_t size[3], int threads) {
    const size_t each = lane_cost(d, size[TK_Y], size[TK_X]);
    if (each > SIZE_MAX / (size_t)threads) return SIZE_MAX;
    return tk_size_add(each * (size_t)threads, tk_scratch_cost(threads, sizeof(lane)));
}

size_t tk_distance_columns_scratch(const tk_distance *d, int64_t planes, int threads) {
    const size_t each = lane_cost(d, planes, 1);
    if (each > SIZE_MAX / (size_t)threads) return SIZE_MAX;
    return tk_size_add(each * (size_t)threads, tk_scratch_cost(threads, sizeof(lane)));
}

/* Takes lanes for columns of length n and rows of this width; *threads is how many. */
static tk_status take_lanes(const tk_distance *d, int64_t n, int64_t width, tk_work *work, lane **lanes, int *threads) {
    *lanes = tk_scratch_take(&work->scratch, work->threads, sizeof **lanes);
    if (!*lanes) return TK_NO_MEMORY;
    *threads = tk_work_lanes(work, lane_cost(d, n, width));
    if (*threads < 1) return TK_NO_MEMORY;
    for (int t = 0; t < *threads; t++) TK_TRY(take_lane(d, n, width, &work->scratch, &(*lanes)[t]));
    return TK_OK;
}

static void plane_pass(const tk_distance *d, tk_isa isa, tk_cview_u8 mask, int64_t z, const lane *l, char *plane) {
    const int64_t rows = mask.size[TK_Y], width = mask.size[TK_X];
    for (int64_t y = 0; y < rows; y++)
        row_pass(d, mask.data + z * mask.stride[TK_Z] + y * mask.stride[TK_Y], width, l->steps,
                 plane + (size_t)(y * width) * d->element);
    axis_pass(d, isa, TK_Y, rows, width, width, l, plane);
}

tk_status tk_distance_planes(const tk_distance *d, tk_cview_u8 mask, void *squared, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch),
                 plane = (size_t)(mask.size[TK_Y] * mask.size[TK_X]) * d->element;
    lane *lanes = NULL;
    int threads = 0;
    const tk_status status = take_lanes(d, mask.size[TK_Y], mask.size[TK_X], work, &lanes, &threads);
    if (status == TK_OK) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t z = 0; z < mask.size[TK_Z]; z++)
            plane_pass(d, work->isa, mask, z, &lanes[omp_get_thread_num()], (char *)squared + (size_t)z * plane);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

tk_status tk_distance_columns(const tk_distance *d, int64_t planes, int64_t rows, int64_t width, void *squared,
                              tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    lane *lanes = NULL;
    int threads = 0;
    const bool some = planes > 1 || d->outside[TK_Z][0] || d->outside[TK_Z][1]; /* else there is nothing along z */
    const tk_status status = some ? take_lanes(d, planes, 1, work, &lanes, &threads) : TK_OK;
    if (status == TK_OK && some) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t y = 0; y < rows; y++)
            axis_pass(d, work->isa, TK_Z, planes, rows * width, width, &lanes[omp_get_thread_num()],
                      (char *)squared + (size_t)(y * width) * d->element);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

void tk_distance_root(const tk_distance *d, const void *squared, int64_t count, float limit, float *out,
                      const tk_work *work) {
    const int32_t *whole = squared;
    const double *real = squared;
#pragma omp parallel for simd schedule(static) num_threads(work->threads)
    for (int64_t i = 0; i < count; i++) {
        const double square = d->whole ? (double)whole[i] : real[i];
        const float root = (float)(d->unit * sqrt(square));
        out[i] = square < (d->whole ? (double)TK_DISTANCE_ENDLESS : INFINITY) && root < limit ? root : limit;
    }
}
