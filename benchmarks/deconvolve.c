/* Deconvolution: one SHB iteration against four FFTW transforms of the same padded size, on blocks of 64x512x512 with a
 * compact and a widefield PSF; and whether padded sizes are well chosen, by measured times.
 *
 * The time of an iteration is the difference of two runs, long less short, over the difference in iterations. */
#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/psf.h"
#include "kernels/fft/size.h"
#include "kernels/fft/sweep.h"

enum { SHORT = 1, LONG = 4 };

typedef struct scene {
    tk_deconvolver deconvolver;
    tk_view_f32 image, out;
    tk_deconvolve_options options;
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

static void make_deconvolver(scene *s, const int64_t psf_size[3]) {
    const size_t count = (size_t)(psf_size[0] * psf_size[1] * psf_size[2]);
    const double sigma[3] = {(double)psf_size[0] / 9, (double)psf_size[1] / 9, (double)psf_size[2] / 9};
    const tk_view_f32 psf = tk_dense_f32(bench_memory(count * sizeof(float)), psf_size);
    char *wisdom = NULL;
    tk_fft fft;
    tk_psf_gaussian(sigma, psf);
    if (tk_psf_normalise(psf) != TK_PSF_GOOD || tk_deconvolve_layout(psf_size, s->image.size, &fft) != TK_OK ||
        tk_fft_measure(&fft, 5, &wisdom) != TK_OK ||
        tk_deconvolver_make(tk_read_f32(psf), s->image.size, wisdom, bench_cpus(), &s->deconvolver) != TK_OK ||
        tk_scratch_reserve(&s->work.scratch, tk_deconvolve_scratch(&fft)) != TK_OK)
        fail("deconvolve: cannot be set up");
    free(wisdom);
    free(psf.data);
}

static void deconvolve(scene *s, int iterations) {
    s->options.iterations = iterations;
    const tk_box all = tk_box_of_size(s->image.size);
    if (tk_deconvolve(&s->deconvolver, tk_read_f32(s->image), &all, s->out, &s->options, &s->work) != TK_OK)
        fail("deconvolve: failed");
}

static void run_short(void *context) { deconvolve(context, SHORT); }
static void run_long(void *context) { deconvolve(context, LONG); }

/* Light is kept, and nothing is below zero or NaN. */
static bool verify_flux(void *context) {
    const scene *s = context;
    double in = 0, out = 0;
    for (int64_t i = 0; i < s->image.size[0] * s->image.stride[0]; i++) {
        if (!(s->out.data[i] > 0)) return false;
        in += s->image.data[i];
        out += s->out.data[i];
    }
    return fabs(out / in - 1) < 0.05;
}

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

static void measure_threads(bench *b, const char *name, scene *s, int threads) {
    const tk_fft *fft = &s->deconvolver.fft;
    const double voxels = (double)fft->size[0] * (double)fft->size[1] * (double)fft->size[2];
    const size_t bytes = 40000000 * sizeof(float);
    four f = make_four(fft, threads);
    triad t = {bench_memory(bytes), bench_memory(bytes), bench_memory(bytes), 40000000, threads};
    s->work.threads = threads;
    const bench_case cases[] = {
        {"four FFTW transforms (2 r2c, 2 c2r)", threads, run_four, verify_four, &f, 0, 10 * voxels * log2(voxels)},
        {"one iteration, with set-up", threads, run_short, verify_flux, s, 0, 0},
        {"four iterations, with set-up", threads, run_long, verify_flux, s, 0, 0},
        {"stream triad (float)", threads, run_triad, NULL, &t, 3.0 * (double)bytes, 0}};
    bench_time times[4];
    bench_run_together(b, cases, 4, times);
    const double iteration = (times[2].least - times[1].least) / (LONG - SHORT);
    const double moved = iteration_bytes(fft, (double)s->image.size[0] / (double)fft->size[0]);
    char text[120];
    (void)snprintf(text, sizeof text, "%s: iteration, %d threads", name, threads);
    bench_figure(b, text, 1e3 * iteration, "ms");
    bench_figure(b, "  over four FFTW transforms", iteration / times[0].least, "");
    bench_figure(b, "  fraction of stream triad", moved / iteration * times[3].least / (3.0 * (double)bytes), "");
    free(t.a), free(t.b), free(t.c);
    free_four(&f);
}

static void measure_block(bench *b, const char *name, const int64_t size[3], const int64_t psf[3]) {
    const size_t bytes = (size_t)(size[0] * size[1] * size[2]) * sizeof(float);
    scene s = {.image = tk_dense_f32(bench_memory(bytes), size),
               .out = tk_dense_f32(bench_memory(bytes), size),
               .options = {TK_DECONVOLVE_SHB, SHORT, 0, 1.5, 30},
               .work = {.isa = tk_isa_detect()}};
    fill_image(s.image);
    make_deconvolver(&s, psf);
    const tk_fft *fft = &s.deconvolver.fft;
    printf("%s: padded %lldx%lldx%lld, %.3g GB\n", name, (long long)fft->size[0], (long long)fft->size[1],
           (long long)fft->size[2], 1e-9 * (double)(tk_deconvolve_scratch(fft) + tk_deconvolver_bytes(fft)));
    for (int threads = 1; threads <= bench_cpus() && threads <= 2; threads++) measure_threads(b, name, &s, threads);
    tk_scratch_release(&s.work.scratch);
    tk_deconvolver_free(&s.deconvolver);
    free(s.image.data), free(s.out.data);
}

/* --- Padded sizes ------------------------------------------------------------------------------------------------ */

typedef struct volume {
    tk_fft fft;
    float *data, *buffer;
} volume;

/* Forward and inverse of all planes, and of all columns along z with a filter of ones. */
static void transform(const volume *v) {
    const tk_fft *fft = &v->fft;
    const tk_fft_filter filter = {v->data + tk_fft_volume_count(fft), false, fft->size[0], fft->size[0]};
    for (int64_t z = 0; z < fft->size[0]; z++)
        tk_fft_plane_forward(fft, v->data + z * fft->plane_stride, fft->size[1], v->buffer);
    tk_fft_filter_volume(fft, v->data, &filter, v->buffer, 1, tk_isa_detect());
    for (int64_t z = 0; z < fft->size[0]; z++)
        tk_fft_plane_inverse(fft, v->data + z * fft->plane_stride, fft->size[1], v->buffer);
}

static volume open_volume(const int64_t size[3]) {
    volume v = {0};
    char *wisdom = NULL;
    if (tk_fft_layout(size, &v.fft) != TK_OK || tk_fft_measure(&v.fft, 2, &wisdom) != TK_OK ||
        tk_fft_plan(&v.fft, wisdom) != TK_OK)
        fail("fft: no plan");
    free(wisdom);
    v.data = bench_memory((size_t)(tk_fft_volume_count(&v.fft) + tk_fft_filter_count(&v.fft)) * sizeof(float));
    v.buffer = bench_memory((size_t)tk_fft_buffer_count(&v.fft) * sizeof(float));
    transform(&v);
    return v;
}

static void close_volume(volume *v) {
    free(v->data), free(v->buffer);
    tk_fft_free(&v->fft);
}

static double time_once(const volume *v) {
    const double start = bench_now();
    transform(v);
    return bench_now() - start;
}

static bool has_small_factors(int64_t n) {
    static const int64_t primes[] = {2, 3, 5, 7, 11, 13};
    for (int i = 0; i < 6; i++)
        while (n % primes[i] == 0) n /= primes[i];
    return n == 1;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over pairs, run in turn, of the chosen volume's time over another's: what disturbs one disturbs both. */
static double paired_ratio(const volume *chosen, const int64_t size[3]) {
    enum { PAIRS = 15 };
    double ratio[PAIRS];
    volume other = open_volume(size);
    for (int i = 0; i < PAIRS; i++) ratio[i] = time_once(chosen) / time_once(&other);
    close_volume(&other);
    qsort(ratio, PAIRS, sizeof *ratio, ascending);
    return ratio[PAIRS / 2];
}

/* The chosen size's time over the best in [n, 1.15 n] along one axis, the others staying as chosen. */
static double choice_ratio(const int64_t least[3], int axis) {
    int64_t size[3];
    tk_fft_padded_size(least, size);
    volume chosen = open_volume(size);
    double worst = 1;
    for (int64_t n = least[axis]; n <= least[axis] * 115 / 100; n++) {
        if (n == chosen.fft.size[axis] || !has_small_factors(n) || (axis == TK_X && n % 2 != 0)) continue;
        size[axis] = n;
        const double ratio = paired_ratio(&chosen, size);
        if (ratio > worst) worst = ratio;
    }
    close_volume(&chosen);
    return worst;
}

static void measure_choices(bench *b) {
    static const int64_t requests[][3] = {
        {94, 200, 200}, {20, 552, 552}, {12, 692, 692}, {190, 135, 160}, {8, 1204, 300}};
    const size_t count = b->quick ? 1 : sizeof requests / sizeof requests[0];
    double worst = 0;
    for (size_t i = 0; i < count; i++)
        for (int axis = 0; axis < 3; axis++) {
            char name[120];
            const double ratio = choice_ratio(requests[i], axis);
            (void)snprintf(name, sizeof name, "padded size, at least %lldx%lldx%lld, axis %c",
                           (long long)requests[i][0], (long long)requests[i][1], (long long)requests[i][2],
                           "zyx"[axis]);
            bench_figure(b, name, ratio, "x best");
            if (ratio > worst) worst = ratio;
        }
    bench_figure(b, "padded size, worst", worst, "x best");
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "deconvolve", argc, argv);
    if (!fftwf_init_threads()) fail("fftw: no threads");
    const int64_t full[3] = {64, 512, 512}, small[3] = {32, 128, 128};
    const int64_t compact[3] = {31, 41, 41}, widefield[3] = {127, 181, 181};
    measure_block(&b, "compact PSF", b.quick ? small : full, compact);
    if (!b.quick) measure_block(&b, "widefield PSF", full, widefield);
    measure_choices(&b);
    return bench_end(&b);
}
