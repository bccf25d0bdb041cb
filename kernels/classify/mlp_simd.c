/* Inner loops of the perceptron (mlp_kernels.h).
 *
 * Prediction takes a piece of voxels at a time, whose standardised values stay in the first cache. TK_MLP_GROUP hidden
 * units by COLUMNS vectors of voxels are summed in registers, one weight broadcast to a vector; from there they go into
 * the logits, and are never stored. Vectors are the compiler's own (vector_size). */
#include "kernels/classify/mlp_kernels.h"

#include <math.h>
#include <string.h>

#include "kernels/classify/samples.h"

#if defined(__AVX512F__)
enum { LANES = 16, COLUMNS = 4 };
#elif defined(__AVX__)
enum { LANES = 8, COLUMNS = 2 };
#else
enum { LANES = 4, COLUMNS = 2 };
#endif
enum { BLOCK = COLUMNS * LANES, PIECE = TK_MLP_PIECE, GROUP = TK_MLP_GROUP, WIDE = LANES / 2 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t bits __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef double wide __attribute__((vector_size(WIDE * sizeof(double))));
typedef int64_t wide_bits __attribute__((vector_size(WIDE * sizeof(int64_t))));

static inline lanes load(const float *from) {
    lanes v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float *to, lanes v) { memcpy(to, &v, sizeof v); }

static inline lanes same(float x) { return x - (lanes){0}; }

static inline wide load_wide(const double *from) {
    wide v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store_wide(double *to, wide v) { memcpy(to, &v, sizeof v); }

/* yes where the lane of `which` is all ones, no where it is 0. */
static inline lanes choose(bits which, lanes yes, lanes no) {
    return (lanes)(((bits)yes & which) | ((bits)no & ~which));
}

/* ---- prediction ---- */

/* The standardised values of `here` voxels; those that fill up the piece are 0. */
static void standardise(const tk_mlp_layers *m, const float *const value[], int64_t at, int64_t here,
                        const tk_mlp_piece *p) {
    memset(p->odd, 0, PIECE * sizeof *p->odd);
    for (int f = 0; f < m->features; f++) {
        const float *restrict v = value[f] + at, mean = m->mean[f], scale = m->scale[f];
        float *restrict z = p->z + (int64_t)f * PIECE;
        if (here < PIECE) memset(z, 0, PIECE * sizeof *z);
#pragma omp simd
        for (int64_t x = 0; x < here; x++) z[x] = (v[x] - mean) * scale;
#pragma omp simd
        for (int64_t x = 0; x < PIECE; x++) p->odd[x] += z[x] * 0;
    }
}

/* The second layer's products with the hidden units of group g. */
static inline __attribute__((always_inline)) void add_to_logits(const tk_mlp_layers *m, int g, int64_t x,
                                                                lanes unit[GROUP][COLUMNS], const tk_mlp_piece *p) {
    const float *restrict w2 = m->weight2 + (int64_t)g * m->classes * GROUP;
    for (int c = 0; c < m->classes; c++, w2 += GROUP)
#pragma GCC unroll 16
        for (int v = 0; v < COLUMNS; v++) {
            float *to = (p->logit + c * PIECE) + x + v * LANES;
            lanes l = load(to);
#pragma GCC unroll 16
            for (int u = 0; u < GROUP; u++) l += w2[u] * unit[u][v];
            store(to, l);
        }
}

/* The hidden units of group g in BLOCK voxels from x on, added to the logits. */
static void add_group(const tk_mlp_layers *m, int g, int64_t x, const tk_mlp_piece *p) {
    const float *restrict w = m->weight1 + (int64_t)g * m->features * GROUP, *z = p->z + x;
    lanes sum[GROUP][COLUMNS];
#pragma GCC unroll 16
    for (int u = 0; u < GROUP; u++)
#pragma GCC unroll 16
        for (int v = 0; v < COLUMNS; v++) sum[u][v] = same(m->bias1[g * GROUP + u]);
    for (int f = 0; f < m->features; f++, w += GROUP, z += PIECE) {
        lanes in[COLUMNS];
#pragma GCC unroll 16
        for (int v = 0; v < COLUMNS; v++) in[v] = load(z + v * LANES);
#pragma GCC unroll 16
        for (int u = 0; u < GROUP; u++)
#pragma GCC unroll 16
            for (int v = 0; v < COLUMNS; v++) sum[u][v] += w[u] * in[v];
    }
#pragma GCC unroll 16
    for (int u = 0; u < GROUP; u++)
#pragma GCC unroll 16
        for (int v = 0; v < COLUMNS; v++) sum[u][v] = choose(sum[u][v] < 0, (lanes){0}, sum[u][v]); /* a NaN stays */
    add_to_logits(m, g, x, sum, p);
}

/* e^x for x <= 0, and 0 below -87, where normal floats end: x = n ln 2 + r, the Taylor series of e^r to r^7 / 7!, and n
 * added to the exponent. n is rounded by adding a number whose last bit is 1. */
static inline lanes exponential(lanes x) {
    const lanes shift = same(0x1.8p23F), in = choose(x > -87, x, same(-87)), shifted = in * 1.44269504F + shift;
    const lanes n = shifted - shift, r = (in - n * 0.693359375F) - n * -2.12194440e-4F;
    lanes e = r * (1.0F / 5040) + 1.0F / 720;
    e = e * r + 1.0F / 120;
    e = e * r + 1.0F / 24;
    e = e * r + 1.0F / 6;
    e = e * r + 0.5F;
    e = e * r + 1;
    e = e * r + 1;
    const bits exponent = (bits)shifted - (bits)shift;
    return choose(x < -87, (lanes){0}, (lanes)((bits)e + exponent * (1 << 23)));
}

/* From logits to probabilities, of LANES voxels from x on. */
static void softmax(int classes, int64_t x, const tk_mlp_piece *p) {
    lanes most = load((p->logit + 0 * PIECE) + x), sum = {0}, odd = load(p->odd + x);
    for (int c = 0; c < classes; c++) {
        const lanes l = load((p->logit + c * PIECE) + x);
        most = choose(l > most, l, most);
        odd += l * 0; /* infinite, too: sums that overflow */
    }
    for (int c = 0; c < classes; c++) {
        const lanes e = exponential(load((p->logit + c * PIECE) + x) - most);
        store((p->logit + c * PIECE) + x, e);
        sum += e;
    }
    for (int c = 0; c < classes; c++) {
        const lanes q = load((p->logit + c * PIECE) + x) / sum;
        store((p->logit + c * PIECE) + x, choose(odd == 0, q, same(NAN))); /* the one NaN, whatever its making */
    }
}

static void predict_piece(const tk_mlp_layers *m, const float *const value[], int64_t at, int64_t here,
                          float *const probability[], const tk_mlp_piece *p) {
    standardise(m, value, at, here, p);
    for (int64_t x = 0; x < here; x += BLOCK) {
        for (int c = 0; c < m->classes; c++)
            for (int v = 0; v < COLUMNS; v++) store((p->logit + c * PIECE) + x + v * LANES, same(m->bias2[c]));
        for (int g = 0; g < m->groups; g++) add_group(m, g, x, p);
        for (int v = 0; v < COLUMNS; v++) softmax(m->classes, x + v * LANES, p);
    }
    for (int c = 0; c < m->classes; c++)
        if (probability[c]) memcpy(probability[c] + at, (p->logit + c * PIECE), (size_t)here * sizeof(float));
}

static void predict(const tk_mlp_layers *layers, const float *const value[], int64_t at, int64_t count,
                    float *const probability[], float *memory) {
    const tk_mlp_piece p = tk_mlp_piece_in(layers, memory);
    for (int64_t x = 0; x < count; x += PIECE)
        predict_piece(layers, value, at + x, count - x < PIECE ? count - x : PIECE, probability, &p);
}

/* ---- training ---- */

static void hidden(const tk_mlp_shape *shape, const double *numbers, const double *z, double *restrict to) {
    const int64_t units = shape->units, features = shape->features;
    for (int64_t u = 0; u < units; u += WIDE) {
        const wide bias = load_wide(numbers + tk_mlp_at_bias1(shape) + u);
        wide s0 = bias, s1 = bias, s2 = bias, s3 = bias;
        for (int64_t f = 0; f < features; f++) {
            const wide w = load_wide(numbers + f * units + u);
            s0 += w * z[f];
            s1 += w * z[features + f];
            s2 += w * z[2 * features + f];
            s3 += w * z[3 * features + f];
        }
        store_wide(to + u, s0);
        store_wide(to + units + u, s1);
        store_wide(to + 2 * units + u, s2);
        store_wide(to + 3 * units + u, s3);
    }
#pragma omp simd
    for (int64_t i = 0; i < GROUP * units; i++) to[i] = to[i] < 0 ? 0 : to[i];
}

static void logits(const tk_mlp_shape *shape, const double *numbers, const double *restrict from,
                   double *restrict logit) {
    for (int c = 0; c < shape->classes; c++) {
        const double *restrict w = numbers + tk_mlp_at_weight2(shape) + c * shape->units;
        double part[TK_MLP_LANES] = {0};
        for (int64_t u = 0; u < shape->units; u += TK_MLP_LANES)
#pragma omp simd
            for (int i = 0; i < TK_MLP_LANES; i++) part[i] += w[u + i] * from[u + i];
        logit[c] = numbers[tk_mlp_at_bias2(shape) + c];
        for (int i = 0; i < TK_MLP_LANES; i++) logit[c] += part[i];
    }
}

/* The second layer's part of a sample: its gradient, and in place of the hidden units the derivatives by their sums. */
static void backward_second(const tk_mlp_shape *shape, const double *restrict numbers, const double *restrict slope,
                            double *restrict hidden, double *restrict gradient) {
    const int64_t units = shape->units, at = tk_mlp_at_weight2(shape), bias2 = tk_mlp_at_bias2(shape);
    for (int c = 0; c < shape->classes; c++) gradient[bias2 + c] += slope[c];
    for (int64_t u = 0; u < units; u += WIDE) {
        const wide h = load_wide(hidden + u);
        wide sum = {0};
        for (int c = 0; c < shape->classes; c++) {
            const int64_t i = at + c * units + u;
            sum += load_wide(numbers + i) * slope[c];
            store_wide(gradient + i, load_wide(gradient + i) + h * slope[c]);
        }
        store_wide(hidden + u, (wide)((wide_bits)sum & (h > 0)));
    }
}

static void backward(const tk_mlp_shape *shape, const double *numbers, const double *z, const double *slope,
                     double *restrict hidden, double *restrict gradient) {
    const int64_t units = shape->units, features = shape->features;
    for (int s = 0; s < GROUP; s++)
        backward_second(shape, numbers, slope + s * shape->classes, hidden + s * units, gradient);
    for (int64_t u = 0; u < units; u += WIDE) {
        const wide d0 = load_wide(hidden + u), d1 = load_wide(hidden + units + u);
        const wide d2 = load_wide(hidden + 2 * units + u), d3 = load_wide(hidden + 3 * units + u);
        double *bias = gradient + tk_mlp_at_bias1(shape) + u;
        store_wide(bias, load_wide(bias) + (((d0 + d1) + d2) + d3));
        for (int64_t f = 0; f < features; f++) {
            const wide part = d0 * z[f] + d1 * z[features + f] + d2 * z[2 * features + f] + d3 * z[3 * features + f];
            store_wide(gradient + f * units + u, load_wide(gradient + f * units + u) + part);
        }
    }
}

static void add(int64_t count, const double *restrict from, double *restrict to) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] += from[i];
}

static void adam(const tk_adam *how, int64_t count, const double *restrict gradient, double *restrict mean,
                 double *restrict square, double *restrict number) {
    const double by_mean = how->rate / (1 - how->mean_left), by_square = 1 / (1 - how->square_left);
    const double scale = how->scale, keep = how->keep;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const double g = scale * gradient[i];
        mean[i] = TK_ADAM_MEAN * mean[i] + (1 - TK_ADAM_MEAN) * g;
        square[i] = TK_ADAM_SQUARE * square[i] + (1 - TK_ADAM_SQUARE) * (g * g);
        number[i] = keep * number[i] - by_mean * mean[i] / (sqrt(by_square * square[i]) + TK_ADAM_SMALL);
    }
}

const tk_mlp_kernels TK_ISA_NAME(tk_mlp) = {predict, hidden, logits, backward, add, adam};
