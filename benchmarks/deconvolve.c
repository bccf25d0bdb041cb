/* Deconvolution: one iteration against four FFTW transforms (2 r2c, 2 c2r) of the same padded size, on blocks of
 * several shapes; what variants of it take; its memory.
 *
 * The time of an iteration is the difference of two runs, long less short, over the difference in iterations. */
#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/deconvolve/linear.h"
#include "kernels/psf/psf.h"

enum { SHORT = 1, LONG = 4, MOST_TERMS = 4 };

/* A block to deconvolve. */
typedef struct shape {
    const char *name;
    int64_t size[3], psf[3];
    double deconwolf[2]; /* iterations of deconwolf 0.4.7 over four transforms, 1 and 2 threads, as it was measured in
                          * November 2026 beside transforms of 192x700x700; 0: was not measured */
} shape;

static const shape shapes[] = {
    {"widefield, 64x512x512, PSF 127x181x181", {64, 512, 512}, {127, 181, 181}, {3.8, 4.0}},
    {"compact, 64x512x512, PSF 31x41x41", {64, 512, 512}, {31, 41, 41}, {0, 0}},
    {"plane, 2048x2048, PSF 41x41", {1, 2048, 2048}, {1, 41, 41}, {0, 0}},
    {"cube, 256x256x256, PSF 31x31x31", {256, 256, 256}, {31, 31, 31}, {0, 0}},
    {"few planes, 8x1024x1024, PSF 9x41x41", {8, 1024, 1024}, {9, 41, 41}, {0, 0}},
};
static const shape small = {"small, 32x128x128, PSF 31x41x41", {32, 128, 128}, {31, 41, 41}, {0, 0}};

typedef struct scene {
    tk_deconvolver deconvolver;
    tk_view_f32 image, out;
    tk_deconvolve_options options;
    tk_linear_options linear;
    const float *weight[MOST_TERMS]; /* of terms: 1 / K */
    tk_work work;
} scene;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* Filaments of light on a dim ground: something that is neither smooth nor constant. */
static void fill_image(tk_view_f32 image) {
    for (int64_t z = 0; z < image.size[0]; z++)
        for (int64_t y = 0; y < image.size[1]; y++)
            for (int64_t x = 0; x < image.size[2]; x++) {
                const double wave = sin(0.11 * (double)x + 0.05 * (double)y) * cos(0.07 * (double)y + 0.3 * (double)z);
                const int64_t at = z * image.stride[0] + y * image.stride[1] + x;
                image.data[at] = (float)(10 + 200 * wave * wave * wave * wave + (double)(at * 7919 % 13));
            }
}

/* Plans for a block of this shape, as text that the caller frees. */
static char *measure_plans(const shape *block) {
    tk_deconvolver_shape layout;
    char *wisdom = NULL;
    if (tk_deconvolver_layout(block->psf, block->size, 1, false, &layout) != TK_OK ||
        tk_fft_measure(&layout.fft, 5, &wisdom) != TK_OK)
        fail("deconvolve: no plans");
    return wisdom;
}

static size_t max_of(size_t a, size_t b) { return a > b ? a : b; }

static void make_deconvolver(scene *s, const shape *block, int terms, bool lean, const char *wisdom) {
    const size_t count = (size_t)(block->psf[0] * block->psf[1] * block->psf[2]);
    const double sigma[3] = {(double)(block->psf[0] - 1) / 8, (double)block->psf[1] / 9, (double)block->psf[2] / 9};
    const tk_view_f32 psf = tk_dense_f32(bench_memory(count * sizeof(float)), block->psf);
    const tk_cview_f32 one = tk_read_f32(psf), psfs[MOST_TERMS] = {one, one, one, one};
    tk_deconvolver_shape layout;
    tk_psf_gaussian(sigma, psf);
    if (tk_psf_normalise(psf) != TK_PSF_GOOD ||
        tk_deconvolver_layout(block->psf, block->size, terms, lean, &layout) != TK_OK ||
        tk_deconvolver_make(&layout, psfs, NULL, wisdom, bench_cpus(), &s->deconvolver) != TK_OK)
        fail("deconvolve: cannot be set up");
    free(psf.data);
    float *weight = bench_memory((size_t)layout.fft.size[TK_Z] * sizeof(float));
    for (int64_t z = 0; z < layout.fft.size[TK_Z]; z++) weight[z] = 1.0F / (float)terms;
    for (int k = 0; k < MOST_TERMS; k++) s->weight[k] = weight;
}

static scene make_scene(const shape *block, int terms, bool lean, const char *wisdom) {
    const size_t bytes = (size_t)(block->size[0] * block->size[1] * block->size[2]) * sizeof(float);
    scene s = {.image = tk_dense_f32(bench_memory(bytes), block->size),
               .out = tk_dense_f32(bench_memory(bytes), block->size),
               .options = {.method = TK_DECONVOLVE_SHB, .iterations = SHORT, .read_noise = 1.5, .start = 30},
               .linear = {.regularisation = 0.01, .level = 30},
               .work = {.threads = 1, .isa = tk_isa_detect()}};
    fill_image(s.image);
    make_deconvolver(&s, block, terms, lean, wisdom);
    return s;
}

static void free_scene(scene *s) {
    tk_deconvolver_free(&s->deconvolver);
    free(s->image.data), free(s->out.data), free((void *)(uintptr_t)s->weight[0]);
}

static void reserve(scene *s) {
    const tk_deconvolver_shape *layout = &s->deconvolver.shape;
    const size_t bytes = max_of(tk_deconvolve_scratch(layout, &s->options), tk_deconvolve_linear_scratch(layout));
    if (tk_scratch_reserve(&s->work.scratch, bytes) != TK_OK) fail("deconvolve: no memory");
}

/* Bytes for each padded voxel, beside the block itself. */
static double bytes_per_voxel(const scene *s) {
    const tk_deconvolver_shape *layout = &s->deconvolver.shape;
    const double voxels = (double)layout->fft.size[0] * (double)layout->fft.size[1] * (double)layout->fft.size[2];
    return (double)(tk_deconvolver_bytes(layout, NULL) + tk_deconvolve_scratch(layout, &s->options)) / voxels;
}

static tk_deconvolve_data data_of(const scene *s) {
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(s->image));
    if (s->deconvolver.shape.terms > 1) data.weight = s->weight;
    return data;
}

static void deconvolve(scene *s, int iterations) {
    s->options.iterations = iterations;
    const tk_box all = tk_box_of_size(s->image.size);
    const tk_deconvolve_data data = data_of(s);
    if (tk_deconvolve(&s->deconvolver, &data, &all, s->out, &s->options, &s->work) != TK_OK) fail("deconvolve: failed");
}

static void run_short(void *context) { deconvolve(context, SHORT); }
static void run_long(void *context) { deconvolve(context, LONG); }

static void run_linear(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->image.size);
    const tk_deconvolve_data data = data_of(s);
    if (tk_deconvolve_linear(&s->deconvolver, &data, &all, s->out, &s->linear, &s->work) != TK_OK)
        fail("deconvolve: failed");
}

/* Light is kept up to a part of it, and nothing is NaN, nor below zero where that is promised. */
static bool is_sound(const scene *s, bool positive, double part) {
    double in = 0, out = 0;
    for (int64_t i = 0; i < s->image.size[0] * s->image.stride[0]; i++) {
        if (!isfinite(s->out.data[i]) || (positive && !(s->out.data[i] > 0))) return false;
        in += (double)s->image.data[i];
        out += (double)s->out.data[i];
    }
    return fabs(out / in - 1) < part;
}

static bool verify(void *context) { return is_sound(context, true, 0.05); }
static bool verify_linear(void *context) { return is_sound(context, false, 0.05); }
static bool verify_loosely(void *context) { return is_sound(context, true, 0.5); } /* few unmatched iterations */

/* --- Four FFTW transforms ---------------------------------------------------------------------------------------- */

typedef struct four {
    fftwf_plan forward, inverse;
    float *data;
    int64_t row; /* floats from row to row */
} four;

static void run_four(void *context) {
    const four *f = context;
    for (int i = 0; i < 2; i++) {
        fftwf_execute(f->forward);
        fftwf_execute(f->inverse);
    }
}

/* An impulse comes back times the square of the size; then zeros, so that repeats do not overflow. */
static bool verify_four(void *context) {
    const four *f = context;
    f->data[f->row + 3] = 1;
    fftwf_execute(f->forward);
    fftwf_execute(f->inverse);
    const bool good = f->data[f->row + 3] > 1e5F && fabsf(f->data[2]) < 1e-3F * f->data[f->row + 3];
    f->data[f->row + 3] = 0;
    fftwf_execute(f->forward);
    fftwf_execute(f->inverse);
    return good;
}

static four make_four(const tk_fft *fft, int threads) {
    const int size[3] = {(int)fft->size[0], (int)fft->size[1], (int)fft->size[2]};
    const size_t bytes = (size_t)(fft->size[0] * fft->size[1] * 2 * fft->spectrum) * sizeof(float);
    four f = {.data = bench_memory(bytes), .row = 2 * fft->spectrum};
    fftwf_plan_with_nthreads(threads);
    fftwf_set_timelimit(20);
    f.forward = fftwf_plan_dft_r2c_3d(size[0], size[1], size[2], f.data, (fftwf_complex *)f.data, FFTW_MEASURE);
    f.inverse = fftwf_plan_dft_c2r_3d(size[0], size[1], size[2], (fftwf_complex *)f.data, f.data, FFTW_MEASURE);
    fftwf_set_timelimit(FFTW_NO_TIMELIMIT);
    fftwf_plan_with_nthreads(1);
    if (!f.forward || !f.inverse) fail("fftw: no plan");
    memset(f.data, 0, bytes);
    return f;
}

static void free_four(four *f) {
    fftwf_destroy_plan(f->forward);
    fftwf_destroy_plan(f->inverse);
    free(f->data);
}

/* --- An iteration ------------------------------------------------------------------------------------------------ */

typedef struct triad {
    float *a, *b, *c;
    int64_t count;
    int threads;
} triad;

static void run_triad(void *context) {
    const triad *t = context;
    const float *restrict b = t->b, *restrict c = t->c;
    float *restrict a = t->a;
#pragma omp parallel for simd num_threads(t->threads) schedule(static)
    for (int64_t i = 0; i < t->count; i++) a[i] = b[i] + 3.0F * c[i];
}

/* Memory that the four sweeps must move, for a padded volume of `volume` bytes of which `part` has data. */
static double iteration_bytes(const tk_fft *fft, double part) {
    const double volume = 4.0 * (double)tk_fft_volume_count(fft), filter = 4.0 * (double)tk_fft_filter_count(fft);
    const double columns = 2 * ((1 + part) * volume + filter); /* H: all in, part out; H^T the other way */
    const double compare = part * volume * 2.5;                /* in, out; the image */
    const double update = volume * 6;                          /* work in and out, x, weight, previous in and out */
    return columns + compare + update;
}

/* --- Shapes ------------------------------------------------------------------------------------------------------ */

/* Milliseconds of an iteration. */
static double measure_iteration(bench *b, const shape *block, scene *s, int threads) {
    const tk_fft *fft = &s->deconvolver.shape.fft;
    const double voxels = (double)fft->size[0] * (double)fft->size[1] * (double)fft->size[2];
    const size_t bytes = 40000000 * sizeof(float);
    four f = make_four(fft, threads);
    triad t = {bench_memory(bytes), bench_memory(bytes), bench_memory(bytes), 40000000, threads};
    s->work.threads = threads;
    const bench_case cases[] = {
        {"four FFTW transforms (2 r2c, 2 c2r)", threads, run_four, verify_four, &f, 0, 10 * voxels * log2(voxels)},
        {"one iteration, with set-up", threads, run_short, verify, s, 0, 0},
        {"four iterations, with set-up", threads, run_long, verify, s, 0, 0},
        {"stream triad (float)", threads, run_triad, NULL, &t, 3.0 * (double)bytes, 0}};
    bench_time times[4];
    bench_run_together(b, cases, 4, times);
    const int64_t with_data = fft->size[TK_Z] - s->deconvolver.shape.psf[TK_Z] + 1;
    const double iteration = (times[2].least - times[1].least) / (LONG - SHORT);
    const double moved = iteration_bytes(fft, (double)with_data / (double)fft->size[TK_Z]);
    char text[120];
    (void)snprintf(text, sizeof text, "%s: iteration, %d threads", block->name, threads);
    bench_figure(b, text, 1e3 * iteration, "ms");
    bench_figure(b, "  over four FFTW transforms", iteration / times[0].least, "");
    bench_figure(b, "  fraction of stream triad", moved / iteration * times[3].least / (3.0 * (double)bytes), "");
    const double deconwolf = threads <= 2 ? block->deconwolf[threads - 1] : 0;
    if (deconwolf > 0) {
        bench_figure(b, "  deconwolf 0.4.7 over four transforms", deconwolf, "(recorded)");
        bench_figure(b, "  faster than deconwolf 0.4.7", deconwolf * times[0].least / iteration, "x");
    }
    free(t.a), free(t.b), free(t.c);
    free_four(&f);
    return 1e3 * iteration;
}

static void measure_shape(bench *b, const shape *block) {
    char *wisdom = measure_plans(block);
    scene s = make_scene(block, 1, false, wisdom);
    reserve(&s);
    int64_t padded[3];
    tk_deconvolver_padded(&s.deconvolver.shape, padded);
    printf("%s: padded %lldx%lldx%lld\n", block->name, (long long)padded[0], (long long)padded[1],
           (long long)padded[2]);
    bench_figure(b, "  memory", bytes_per_voxel(&s), "bytes a padded voxel");
    double one = 0;
    for (int threads = 1; threads <= bench_cpus() && threads <= 2; threads++) {
        const double ms = measure_iteration(b, block, &s, threads);
        if (threads == 1)
            one = ms;
        else
            bench_figure(b, "  two threads over one", one / ms, "x");
    }
    tk_scratch_release(&s.work.scratch);
    free_scene(&s);
    free(wisdom);
}

/* --- Variants ---------------------------------------------------------------------------------------------------- */

typedef struct variant {
    const char *name;
    int terms;
    bool lean;
    tk_deconvolve_options options; /* iterations come later */
} variant;

static const variant variants[] = {
    {"rl", 1, false, {.method = TK_DECONVOLVE_RL}},
    {"biggs", 1, false, {.method = TK_DECONVOLVE_BIGGS}},
    {"shb, Wiener-Butterworth projector", 1, false, {.method = TK_DECONVOLVE_SHB, .warm = LONG}},
    {"shb, total variation", 1, false, {.method = TK_DECONVOLVE_SHB, .tv = 0.002}},
    {"shb, lean", 1, true, {.method = TK_DECONVOLVE_SHB}},
    {"shb, four terms", MOST_TERMS, false, {.method = TK_DECONVOLVE_SHB}},
};

static void run_short_warm(void *context) {
    scene *s = context;
    const int warm = s->options.warm;
    s->options.warm = warm < SHORT ? warm : SHORT;
    deconvolve(s, SHORT);
    s->options.warm = warm;
}

/* A variant's iteration, measured in turns with plain shb's on the same block. */
static void measure_variant(bench *b, const shape *block, const char *wisdom, const variant *v) {
    const double sigma[3] = {(double)(block->psf[0] - 1) / 8, (double)block->psf[1] / 9, (double)block->psf[2] / 9};
    scene plain = make_scene(block, 1, false, wisdom), s = make_scene(block, v->terms, v->lean, wisdom);
    s.options.method = v->options.method;
    s.options.warm = v->options.warm;
    s.options.tv = v->options.tv;
    s.options.back_projector = (tk_wiener_butterworth){.alpha = 0.01, .beta = 0.01, .order = 8, .at_cutoff = 0.2};
    for (int axis = 0; axis < 3; axis++) s.options.back_projector.cutoff[axis] = 1 / (2.3548 * sigma[axis]);
    reserve(&plain);
    reserve(&s);
    const bench_case cases[] = {{"plain, one iteration", 1, run_short, verify, &plain, 0, 0},
                                {"plain, four iterations", 1, run_long, verify, &plain, 0, 0},
                                {"variant, one iteration", 1, run_short_warm, verify_loosely, &s, 0, 0},
                                {"variant, four iterations", 1, run_long, verify_loosely, &s, 0, 0}};
    bench_time times[4];
    printf("%s: %s\n", block->name, v->name);
    bench_run_together(b, cases, 4, times);
    char text[160];
    (void)snprintf(text, sizeof text, "%s, over plain shb", v->name);
    bench_figure(b, text, (times[3].least - times[2].least) / (times[1].least - times[0].least), "");
    (void)snprintf(text, sizeof text, "%s, memory", v->name);
    bench_figure(b, text, bytes_per_voxel(&s), "bytes a padded voxel");
    tk_scratch_release(&plain.work.scratch);
    tk_scratch_release(&s.work.scratch);
    free_scene(&plain);
    free_scene(&s);
}

static void measure_linear(bench *b, const shape *block, const char *wisdom) {
    scene wiener = make_scene(block, 1, false, wisdom), tikhonov = make_scene(block, 1, false, wisdom);
    tikhonov.linear.method = TK_LINEAR_TIKHONOV;
    reserve(&wiener);
    reserve(&tikhonov);
    const bench_case cases[] = {{"wiener", 1, run_linear, verify_linear, &wiener, 0, 0},
                                {"tikhonov", 1, run_linear, verify_linear, &tikhonov, 0, 0},
                                {"one iteration of shb, with set-up", 1, run_short, verify, &wiener, 0, 0}};
    bench_time times[3];
    bench_run_together(b, cases, 3, times);
    bench_figure(b, "wiener, over shb's first iteration", times[0].least / times[2].least, "");
    bench_figure(b, "tikhonov, over shb's first iteration", times[1].least / times[2].least, "");
    tk_scratch_release(&wiener.work.scratch);
    tk_scratch_release(&tikhonov.work.scratch);
    free_scene(&wiener);
    free_scene(&tikhonov);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "deconvolve", argc, argv);
    if (!fftwf_init_threads()) fail("fftw: no threads");
    const int count = b.quick ? 1 : (int)(sizeof shapes / sizeof shapes[0]);
    for (int i = 0; i < count; i++) measure_shape(&b, b.quick ? &small : &shapes[i]);
    const shape *block = b.quick ? &small : &shapes[1];
    char *wisdom = measure_plans(block);
    for (int i = 0; i < (int)(sizeof variants / sizeof variants[0]); i++)
        measure_variant(&b, block, wisdom, &variants[i]);
    measure_linear(&b, block, wisdom);
    free(wisdom);
    return bench_end(&b);
}
