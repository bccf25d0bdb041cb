/* Error against halo, from trials in two dimensions: sections z by x (or y) of a made-up specimen that goes on beyond
 * the tile. Tiles are cut along the section's row alone; what is cut along two axes has sqrt 2 of that error. Most of
 * the error comes from the few bright objects that happen to lie near a cut, so that one section may tell ten times as
 * much as another: they are pooled, as many as may be in a second or so. */
#include "workflows/steps/deconvolve_halo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/rng.h"

static const double radii[] = {0, 0.25, 0.5, 1, 1.5, 2};
enum { ROWS = sizeof radii / sizeof *radii, MOST_ITERATIONS = 100, MOST_PLANES = 96, RIM = 16, OBJECTS = 160 };
enum { LEAST_SECTIONS = 2, MOST_SECTIONS = 12 };
static const double sky = 2, brightness = 60; /* photons a voxel */
static const double most_ns = 1e9;            /* of one core, by the cost model, for all sections */

void tk_deconvolve_halo_of(tk_cview_f32 psf, double factor, int64_t halo[3]) {
    for (int a = 0; a < 3; a++) {
        const int64_t radius = psf.size[a] / 2;
        halo[a] = (int64_t)ceil(factor * (double)radius);
    }
}

/* What is compared of one width of halo, over all sections: of the tile, and of its rim. */
typedef struct sums {
    double difference[2], square[2]; /* squared */
} sums;

/* The trial: a section of `planes` by `width`, of which the tile covers the middle. */
typedef struct trial {
    uint64_t section;    /* its number, from 1 on: the seed */
    int64_t taps, reach; /* size of the PSF along the section, and where its origin is */
    int64_t planes, tile, width;
    float *psf, *scene, *whole, *part; /* owned; planes x 1 x width */
    int64_t psf_planes;
    tk_deconvolve_options options;
} trial;

static void free_trial(trial *t) {
    free(t->psf);
    free(t->scene);
    free(t->whole);
    free(t->part);
}

/* The PSF summed along the axis that the section leaves out. */
static void project(tk_cview_f32 psf, bool along_x, int64_t planes, float *to) {
    const int64_t width = along_x ? psf.size[TK_X] : psf.size[TK_Y], skip = psf.size[TK_Z] / 2 - planes / 2;
    double sum = 0;
    for (int64_t z = 0; z < planes; z++)
        for (int64_t i = 0; i < width; i++) {
            double light = 0;
            for (int64_t k = 0; k < (along_x ? psf.size[TK_Y] : psf.size[TK_X]); k++) {
                const int64_t y = along_x ? k : i, x = along_x ? i : k;
                light += psf.data[(z + skip) * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x];
            }
            to[z * width + i] = (float)light;
            sum += light;
        }
    for (int64_t i = 0; i < planes * width; i++) to[i] = (float)(to[i] / sum);
}

/* Points, short lines and discs over the sky. */
static void draw(const trial *t, float *truth) {
    for (int64_t i = 0; i < t->planes * t->width; i++) truth[i] = (float)sky;
    const int64_t count = OBJECTS * t->width / 1000 + 8;
    for (int64_t n = 0; n < count; n++) {
        tk_rng rng = tk_rng_stream(t->section, 1, (uint64_t)n);
        const double z = tk_rng_uniform(&rng) * (double)t->planes, x = tk_rng_uniform(&rng) * (double)t->width;
        const double rz = n % 3 ? 0.5 : 1 + 3 * tk_rng_uniform(&rng);
        const double rx = n % 3 == 2 ? 20 * tk_rng_uniform(&rng) : 2 * rz;
        const double light = brightness * (n % 3 ? 20 : 1) * (0.3 + tk_rng_uniform(&rng)) / (n % 3 == 2 ? 4 : 1);
        for (int64_t k = (int64_t)fmax(0, z - rz); (double)k <= z + rz && k < t->planes; k++)
            for (int64_t i = (int64_t)fmax(0, x - rx); (double)i <= x + rx && i < t->width; i++)
                truth[k * t->width + i] += (float)light;
    }
}

/* Deconvolves the columns from … to of `image`, `stride` wide, into the columns first … last of `out`. */
static tk_status deconvolve(const trial *t, const float *image, int64_t from, int64_t to, int64_t first, int64_t last,
                            float *out) {
    const int64_t size[3] = {t->planes, 1, to - from}, psf_size[3] = {t->psf_planes, 1, t->taps};
    const tk_cview_f32 psf = tk_read_f32(tk_dense_f32(t->psf, psf_size));
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    tk_deconvolver_shape shape;
    tk_deconvolver deconvolver;
    TK_TRY(tk_deconvolver_layout(psf_size, size, 1, false, &shape));
    TK_TRY(tk_deconvolver_make(&shape, &psf, NULL, "", 1, &deconvolver));
    tk_status status = tk_scratch_reserve(&work.scratch, tk_deconvolve_scratch(&shape, &t->options));
    if (status == TK_OK) {
        const tk_cview_f32 view = {image + from, {size[0], 1, size[2]}, {t->width, t->width, 1}};
        const tk_view_f32 to_view = {out, {t->planes, 1, last - first}, {last - first, last - first, 1}};
        const tk_box part = {{0, 0, first - from}, {t->planes, 1, last - from}};
        const tk_deconvolve_data data = tk_deconvolve_photons(view);
        status = tk_deconvolve(&deconvolver, &data, &part, to_view, &t->options, &work);
    }
    tk_scratch_release(&work.scratch);
    tk_deconvolver_free(&deconvolver);
    return status;
}

/* The specimen through the PSF, with photon noise; borders are of no account. */
static tk_status expose(trial *t) {
    draw(t, t->part);
    const int64_t centre = t->psf_planes / 2, taps = t->taps;
    double *row = malloc((size_t)t->width * sizeof *row);
    if (!row) return TK_NO_MEMORY;
    double total = 0;
    for (int64_t z = 0; z < t->planes; z++) {
        memset(row, 0, (size_t)t->width * sizeof *row);
        for (int64_t k = 0; k < t->planes; k++) {
            const int64_t dz = z - k + centre;
            if (dz < 0 || dz >= t->psf_planes) continue;
            const float *taps_z = t->psf + dz * taps, *from = t->part + k * t->width;
            for (int64_t i = 0; i < t->width; i++) {
                if (from[i] == (float)sky) continue;
                const int64_t low = i < t->reach ? t->reach - i : 0;
                const int64_t room = t->width - i + t->reach, high = room < taps ? room : taps;
                for (int64_t n = low; n < high; n++)
                    row[i + n - t->reach] += (double)(from[i] - (float)sky) * (double)taps_z[n];
            }
        }
        for (int64_t i = 0; i < t->width; i++) {
            tk_rng rng = tk_rng_stream(t->section, 2, (uint64_t)(z * t->width + i));
            t->scene[z * t->width + i] = (float)tk_rng_poisson(&rng, sky + row[i]);
            total += (double)t->scene[z * t->width + i];
        }
    }
    free(row);
    t->options.start = total / (double)(t->planes * t->width);
    return TK_OK;
}

/* Squared differences of part and whole over the tile, and over its rim. */
static void compare(const trial *t, sums *to) {
    for (int64_t z = 0; z < t->planes; z++)
        for (int64_t x = 0; x < t->tile; x++) {
            const double a = (double)t->part[z * t->tile + x], b = (double)t->whole[z * t->tile + x];
            const bool rim = x < RIM || x >= t->tile - RIM;
            for (int k = 0; k <= rim; k++) {
                to->difference[k] += (a - b) * (a - b);
                to->square[k] += b * b;
            }
        }
}

static int64_t halo_of(const trial *t, int row) { return (int64_t)ceil(radii[row] * (double)t->reach); }

/* One section: whole, and in tiles with each halo. */
static tk_status run_section(trial *t, sums *found) {
    const int64_t low = (t->width - t->tile) / 2, high = low + t->tile;
    TK_TRY(expose(t));
    TK_TRY(deconvolve(t, t->scene, 0, t->width, low, high, t->whole));
    for (int k = 0; k < ROWS; k++) {
        const int64_t halo = halo_of(t, k);
        TK_TRY(deconvolve(t, t->scene, low - halo, high + halo, low, high, t->part));
        compare(t, &found[k]);
    }
    return TK_OK;
}

static double cost_of(const trial *t, int64_t width) {
    const int64_t size[3] = {t->planes, 1, width}, psf_size[3] = {t->psf_planes, 1, t->taps};
    tk_deconvolver_shape shape;
    if (tk_deconvolver_layout(psf_size, size, 1, false, &shape) != TK_OK) return most_ns;
    return tk_deconvolve_cost(&shape, t->planes, &t->options);
}

/* By the cost model, so that it is the same everywhere. */
static uint64_t sections_of(const trial *t) {
    double ns = cost_of(t, t->width);
    for (int k = 0; k < ROWS; k++) ns += cost_of(t, t->tile + 2 * halo_of(t, k));
    return (uint64_t)fmin(fmax(most_ns / ns, LEAST_SECTIONS), MOST_SECTIONS);
}

static tk_status run(trial *t, tk_cview_f32 psf, tk_halo_error *rows, int *count) {
    sums found[ROWS] = {{{0, 0}, {0, 0}}};
    const uint64_t sections = sections_of(t);
    for (t->section = 1; t->section <= sections; t->section++) TK_TRY(run_section(t, found));
    for (int k = 0; k < ROWS; k++) {
        rows[k].radii = radii[k];
        tk_deconvolve_halo_of(psf, radii[k], rows[k].halo);
        rows[k].tile = sqrt(2 * found[k].difference[0] / found[k].square[0]); /* two axes are cut */
        rows[k].rim = sqrt(found[k].difference[1] / found[k].square[1]);
    }
    *count = ROWS;
    return TK_OK;
}

tk_status tk_deconvolve_halo_errors(tk_cview_f32 psf, const int64_t image[3], const tk_deconvolve_options *options,
                                    tk_halo_error *rows, int *count, tk_error *error) {
    const bool along_x = psf.size[TK_X] >= psf.size[TK_Y];
    trial t = {.options = *options,
               .tile = TK_HALO_ERROR_TILE,
               .planes = image[TK_Z] < MOST_PLANES ? image[TK_Z] : MOST_PLANES};
    *count = 0;
    t.taps = psf.size[along_x ? TK_X : TK_Y];
    t.reach = t.taps / 2;
    if (t.reach == 0) return TK_OK;
    t.width = t.tile + 6 * t.reach;
    t.psf_planes = psf.size[TK_Z] < 2 * t.planes - 1 ? psf.size[TK_Z] : 2 * t.planes - 1;
    if (t.options.iterations > MOST_ITERATIONS) t.options.iterations = MOST_ITERATIONS;
    const size_t section = (size_t)(t.planes * t.width);
    t.psf = calloc((size_t)(t.psf_planes * t.taps), sizeof *t.psf);
    t.scene = malloc(section * sizeof *t.scene);
    t.whole = malloc(section * sizeof *t.whole);
    t.part = calloc(section, sizeof *t.part);
    tk_status status = TK_NO_MEMORY;
    if (t.psf && t.scene && t.whole && t.part) {
        project(psf, along_x, t.psf_planes, t.psf);
        status = run(&t, psf, rows, count);
    }
    free_trial(&t);
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "the trial of halos");
}
