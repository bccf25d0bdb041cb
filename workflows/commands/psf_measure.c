/* tarkka psf measure: the PSF of a microscope from an image of beads. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/tiff_write.h"
#include "kernels/psf/beads.h"
#include "workflows/commands/psf.h"

static const int64_t MOST_BEADS = 100000;
static const double TO_FWHM = 2.3548200450309493; /* of a Gaussian's sigma: 2 sqrt(2 ln 2) */
static const char *const words[TK_BEAD_VERDICTS] = {[TK_BEAD_USED] = "used",
                                                    [TK_BEAD_BORDER] = "border",
                                                    [TK_BEAD_SATURATED] = "saturated",
                                                    [TK_BEAD_CROWDED] = "crowded",
                                                    [TK_BEAD_MISFIT] = "misfit"};

typedef struct measuring {
    tk_psf_image image, psf;
    tk_bead_rules rules;
    tk_bead *beads; /* owned */
    int64_t found, count[TK_BEAD_VERDICTS];
    double fwhm_um[3], half_um[3]; /* of the average: by a Gaussian, and at half its height */
    bool measured;
} measuring;

/* The largest value of the file's integers; also 2^k - 1 when that is the brightest voxel (a camera of k bits). */
static float default_saturation(const tk_psf_image *image) {
    float top = 0;
    for (int64_t i = 0; i < image->size[0] * image->size[1] * image->size[2]; i++) top = fmaxf(top, image->voxels[i]);
    for (int bits = 8; bits <= 16; bits++)
        if (top == (float)((1 << bits) - 1)) return top;
    return INFINITY;
}

static tk_status read_rules(const tk_arguments *arguments, measuring *m, tk_error *error) {
    double box_um[3] = {3, 1.5, 1.5}, saturation = default_saturation(&m->image);
    TK_TRY(tk_option_triple(arguments, "voxel", m->image.voxel_um, error));
    TK_TRY(tk_option_triple(arguments, "diameter", box_um, error));
    TK_TRY(tk_option_number(arguments, "threshold", 1, 1e6, 10, &m->rules.threshold, error));
    TK_TRY(tk_option_number(arguments, "saturation", -1e30, 1e30, saturation, &saturation, error));
    m->rules.saturation = (float)saturation;
    for (int axis = 0; axis < 3; axis++) {
        if (!(m->image.voxel_um[axis] > 0))
            return tk_fail(error, TK_USAGE, "psf measure: the voxel size is not known: --voxel ZxYxX in um");
        const double half = ceil(box_um[axis] / m->image.voxel_um[axis] / 2);
        m->rules.half[axis] = (int64_t)fmin(fmax(half, 2), 500);
        m->psf.size[axis] = 2 * m->rules.half[axis] + 1;
        m->psf.voxel_um[axis] = m->image.voxel_um[axis];
    }
    return TK_OK;
}

static tk_status find(measuring *m, tk_error *error) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(m->image.voxels, m->image.size));
    tk_work work = tk_work_here();
    m->beads = malloc((size_t)MOST_BEADS * sizeof *m->beads);
    if (!m->beads) return tk_fail_memory(error, "the beads");
    TK_TRY(tk_work_reserve(&work, tk_beads_find_scratch(m->image.size, work.threads), error));
    const tk_status status = tk_beads_find(view, &m->rules, &work, m->beads, MOST_BEADS, &m->found);
    tk_scratch_release(&work.scratch);
    if (status == TK_UNSOLVABLE && m->found == 0)
        return tk_fail(error, status, "psf measure: the image holds no number at all, only NaN");
    if (status == TK_UNSOLVABLE)
        return tk_fail(error, status, "psf measure: more than %" PRId64 " maxima: a higher --threshold", MOST_BEADS);
    if (status != TK_OK) return tk_fail_memory(error, "finding beads");
    tk_beads_fit(view, &m->rules, m->beads, m->found, work.threads);
    return TK_OK;
}

static tk_status average(measuring *m, tk_error *error) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(m->image.voxels, m->image.size));
    const int64_t *size = m->psf.size;
    tk_work work = tk_work_here();
    m->psf.voxels = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *m->psf.voxels);
    if (!m->psf.voxels) return tk_fail_memory(error, "the PSF");
    TK_TRY(tk_work_reserve(&work, tk_beads_average_scratch(&m->rules), error));
    const tk_view_f32 psf = tk_dense_f32(m->psf.voxels, size);
    const tk_status status = tk_beads_average(view, &m->rules, m->beads, m->found, &work, psf);
    tk_scratch_release(&work.scratch);
    if (status == TK_UNSOLVABLE) return TK_OK; /* nothing measured: the report says why */
    if (status != TK_OK) return tk_fail_memory(error, "the average");
    tk_bead whole = {.peak = {size[0] / 2, size[1] / 2, size[2] / 2}};
    tk_bead_fit_one(tk_read_f32(psf), &m->rules, &whole);
    for (int axis = 0; axis < 3; axis++)
        m->fwhm_um[axis] =
            whole.verdict == TK_BEAD_USED ? TO_FWHM * whole.sigma[axis] * m->psf.voxel_um[axis] : (double)NAN;
    tk_psf_widths(&m->psf, m->half_um);
    m->measured = true;
    return TK_OK;
}

static void bead_fwhm(const measuring *m, const tk_bead *bead, double fwhm_um[3]) {
    const bool fitted = bead->verdict == TK_BEAD_USED;
    for (int axis = 0; axis < 3; axis++)
        fwhm_um[axis] = fitted ? TO_FWHM * bead->sigma[axis] * m->image.voxel_um[axis] : (double)NAN;
}

static json_t *json_of_beads(const measuring *m) {
    json_t *all = json_array();
    for (int64_t i = 0; i < m->found; i++) {
        const tk_bead *b = &m->beads[i];
        const double peak[3] = {(double)b->peak[0], (double)b->peak[1], (double)b->peak[2]};
        double fwhm[3];
        bead_fwhm(m, b, fwhm);
        json_array_append_new(all, json_pack("{s:s, s:o, s:f, s:o}", "verdict", words[b->verdict], "centre",
                                             tk_psf_triple(b->verdict == TK_BEAD_USED ? b->centre : peak), "brightness",
                                             b->brightness, "fwhm_um", tk_psf_triple(fwhm)));
    }
    return all;
}

static tk_status print_json(const measuring *m, const char *file, tk_error *error) {
    json_t *counts = json_object();
    for (int v = 0; v < TK_BEAD_VERDICTS; v++) json_object_set_new(counts, words[v], json_integer(m->count[v]));
    json_t *all = json_pack("{s:I, s:o, s:o, s:o}", "found", (json_int_t)m->found, "counts", counts, "voxel_um",
                            tk_psf_triple(m->image.voxel_um), "beads", json_of_beads(m));
    if (all && m->measured) {
        json_object_set_new(all, "fwhm_um", tk_psf_triple(m->fwhm_um));
        json_object_set_new(all, "half_height_um", tk_psf_triple(m->half_um));
    }
    if (all && m->measured && file) json_object_set_new(all, "file", json_string(file));
    return tk_psf_print_json(all, error);
}

static void print_text(const measuring *m, const char *file) {
    printf("%" PRId64 " beads found", m->found);
    for (int v = 0; v < TK_BEAD_VERDICTS; v++)
        if (m->count[v] > 0) printf(", %" PRId64 " %s", m->count[v], words[v]);
    printf("\n");
    for (int64_t i = 0; i < m->found; i++) {
        double fwhm[3];
        if (m->beads[i].verdict != TK_BEAD_USED) continue;
        bead_fwhm(m, &m->beads[i], fwhm);
        const double *c = m->beads[i].centre;
        printf("  bead at %8.2f %8.2f %8.2f   width %.3f x %.3f x %.3f um\n", c[0], c[1], c[2], fwhm[0], fwhm[1],
               fwhm[2]);
    }
    if (!m->measured) return;
    printf("  average                             width %.3f x %.3f x %.3f um (FWHM of a Gaussian, z y x)\n",
           m->fwhm_um[0], m->fwhm_um[1], m->fwhm_um[2]);
    printf("                                      width %.3f x %.3f x %.3f um (at half its height)\n", m->half_um[0],
           m->half_um[1], m->half_um[2]);
    if (file) printf("  written to %s\n", file);
}

static tk_status measure(const tk_arguments *arguments, measuring *m, const char *file, tk_error *error) {
    TK_TRY(tk_psf_read(arguments, tk_positional(arguments, 1), &m->image, error));
    TK_TRY(read_rules(arguments, m, error));
    TK_TRY(find(m, error));
    TK_TRY(average(m, error));
    for (int64_t i = 0; i < m->found; i++) m->count[m->beads[i].verdict]++;
    if (m->measured && file)
        TK_TRY(tk_ome_tiff_write(file, TK_F32, m->psf.size, m->psf.voxels, m->psf.voxel_um, "measured PSF", error));
    if (tk_option_value(arguments, "json"))
        TK_TRY(print_json(m, file, error));
    else
        print_text(m, file);
    if (m->measured) return TK_OK;
    return tk_fail(error, TK_UNSOLVABLE,
                   "%s: no bead can be used: a lower --threshold, or a smaller --diameter so that its box fits between "
                   "its neighbours and the border",
                   tk_positional(arguments, 1));
}

tk_status tk_psf_command_measure(const tk_arguments *arguments, tk_error *error) {
    const char *file = tk_positional(arguments, 2);
    if (tk_positional(arguments, 3))
        return tk_fail(error, TK_USAGE, "psf measure: an image and an output, not also %s",
                       tk_positional(arguments, 3));
    if (file) TK_TRY(tk_may_write(arguments, file, error));
    measuring m = {0};
    const tk_status status = measure(arguments, &m, file, error);
    free(m.image.voxels);
    free(m.psf.voxels);
    free(m.beads);
    return status;
}
