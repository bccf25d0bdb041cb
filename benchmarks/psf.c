/* PSFs of 181 x 181 x 127 voxels: the time of each model and mode, and how much slower the integral over the pupil is
 * when it is done anew for every voxel (at its centre, with 200 nodes; timed on a sample of voxels). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/psf/eigen.h"
#include "kernels/psf/model.h"

enum { NZ = 127, NY = 181, NX = 181, SAMPLES = 2000, NODES = 200 };
static const int64_t size[3] = {NZ, NY, NX};

typedef struct made {
    tk_psf_optics optics;
    tk_work work;
    float *voxels;
    double naive[SAMPLES];
    tk_psf_eigen *eigen;
} made;

static void stop(const char *what) {
    fprintf(stderr, "psf: %s\n", what);
    exit(1);
}

static int64_t sample_voxel(int i) { return (int64_t)i * 7919 % ((int64_t)NZ * NY * NX); }

static void run_make(void *context) {
    made *m = context;
    if (tk_psf_make(&m->optics, &m->work, tk_dense_f32(m->voxels, size), NULL) != TK_OK) stop("no PSF was made");
}

static void run_naive(void *context) {
    made *m = context;
    const tk_psf_optics *o = &m->optics;
    const double k = 2e3 * M_PI / o->emission_nm, h = o->na / NODES;
    for (int i = 0; i < SAMPLES; i++) {
        const int64_t v = sample_voxel(i), y = v / NX % NY - NY / 2, x = v % NX - NX / 2;
        const double z = (double)(v / (NY * NX) - NZ / 2) * o->voxel_um[0],
                     r = hypot((double)y, (double)x) * o->voxel_um[2];
        double real = 0, imaginary = 0;
        for (int q = 0; q < NODES; q++) {
            const double s = h * (q + 0.5), phase = -k * z * tk_psf_axial(o->n_immersion, s), part = s * j0(k * r * s);
            real += part * cos(phase);
            imaginary += part * sin(phase);
        }
        m->naive[i] = real * real + imaginary * imaginary;
    }
}

/* Sampled at voxels' centres the PSF is what the naive sum gives, up to one factor. */
static bool same_as_naive(void *context) {
    made *m = context;
    double both = 0, own = 0, worst = 0, peak = 0;
    m->optics.sampled = true;
    run_make(m);
    m->optics.sampled = false;
    run_naive(m);
    for (int i = 0; i < SAMPLES; i++) {
        both += m->naive[i] * m->voxels[sample_voxel(i)];
        own += m->naive[i] * m->naive[i];
    }
    for (int64_t i = 0; i < (int64_t)NZ * NY * NX; i++) peak = fmax(peak, m->voxels[i]);
    for (int i = 0; i < SAMPLES; i++) worst = fmax(worst, fabs(m->naive[i] * both / own - m->voxels[sample_voxel(i)]));
    return worst < 1e-4 * peak;
}

static bool sums_to_one(void *context) {
    const made *m = context;
    double sum = 0;
    for (int64_t i = 0; i < (int64_t)NZ * NY * NX; i++) sum += m->voxels[i];
    return fabs(sum - 1) < 1e-4;
}

static void run_eigen(void *context) {
    made *m = context;
    if (tk_psf_eigen_make(&m->optics, 0, 50, 61, (const int64_t[3]){61, 65, 65}, 0.02, 8, &m->work, m->eigen) != TK_OK)
        stop("no eigen-PSFs were made");
}
static bool four_modes(void *context) {
    const made *m = context;
    return m->eigen->modes <= 4 && m->eigen->worst <= 0.02;
}

static void reserve(made *m, size_t bytes, int threads) {
    tk_scratch_release(&m->work.scratch);
    m->work = (tk_work){.threads = threads, .isa = tk_isa_detect()};
    if (bytes == SIZE_MAX || tk_scratch_reserve(&m->work.scratch, bytes) != TK_OK) stop("no memory");
}

static void bench_modes(bench *b, made *m, int threads) {
    static const struct {
        const char *name;
        tk_psf_mode mode;
        bool vectorial;
    } kinds[] = {{"Born-Wolf, widefield", TK_PSF_WIDEFIELD, false},
                 {"Richards-Wolf, widefield", TK_PSF_WIDEFIELD, true},
                 {"confocal, scalar", TK_PSF_CONFOCAL, false},
                 {"spinning disk, vectorial", TK_PSF_SPINNING_DISK, true}};
    double first = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        m->optics.mode = kinds[i].mode;
        m->optics.vectorial = kinds[i].vectorial;
        reserve(m, tk_psf_make_scratch(&m->optics, size, threads), threads);
        const bench_case c = {.name = kinds[i].name,
                              .threads = threads,
                              .run = run_make,
                              .verify = i == 0 ? same_as_naive : sums_to_one,
                              .context = m};
        const bench_time time = bench_run(b, &c);
        if (i == 0) first = time.least;
    }
    m->optics.mode = TK_PSF_WIDEFIELD;
    m->optics.vectorial = false;
    if (threads > 1) return;
    const bench_case naive = {.name = "2000 voxels, each by itself", .threads = 1, .run = run_naive, .context = m};
    const bench_time slow = bench_run(b, &naive);
    if (first > 0) bench_figure(b, "voxel by voxel / Born-Wolf", slow.least * NZ * NY * NX / SAMPLES / first, "times");
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "psf", argc, argv);
    made m = {.optics = tk_psf_optics_default(1.4, 525, 1.515, (const double[3]){0.15, 0.065, 0.065}),
              .voxels = bench_memory(sizeof(float) * NZ * NY * NX),
              .eigen = bench_memory(sizeof(tk_psf_eigen))};
    m.optics.excitation_nm = 488;
    for (int threads = 1; threads <= bench_cpus() && threads <= 2; threads++) bench_modes(&b, &m, threads);
    m.optics = tk_psf_optics_default(1.2, 525, 1.333, (const double[3]){0.3, 0.11, 0.11});
    m.optics.n_sample = 1.38;
    const int threads = bench_cpus();
    reserve(&m, tk_psf_eigen_scratch(&m.optics, 0, 50, 61, (const int64_t[3]){61, 65, 65}, threads), threads);
    const bench_case eigen = {.name = "eigen-PSFs, 61 depths of 61 x 65 x 65",
                              .threads = threads,
                              .run = run_eigen,
                              .verify = four_modes,
                              .context = &m};
    bench_run(&b, &eigen);
    tk_scratch_release(&m.work.scratch);
    free(m.voxels);
    free(m.eigen);
    return bench_end(&b);
}
