/* Eigen-PSFs of the step deconvolve. Weights are scaled so that the PSF of each depth has sum 1; a single eigen-PSF is
 * then the same at all depths. */
#include "workflows/steps/deconvolve_depth.h"

#include <math.h>
#include <stdlib.h>

#include "io/checksum.h"

static const size_t most_table = (size_t)1 << 28; /* bytes for the PSFs of all depths: else fewer depths */
static const double depths_per_wave = 8;          /* of the aberration that is added from the first to the last plane */
enum { LEAST_DEPTHS = 5 };

static tk_status fail(const tk_binding *binding, tk_status status, tk_error *error) {
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "eigen-PSFs");
    return tk_params_fail(binding->params, "psf.varying", error, "eigen-PSFs: %s", tk_status_text(status));
}

/* How many depths: enough for the aberration between the first plane and the last, no more than there are planes. */
static int64_t choose_depths(const tk_deconvolve_psf *psf, int64_t planes) {
    tk_psf_optics added = psf->optics;
    added.n_immersion_design = added.n_immersion;
    added.n_coverslip_design = added.n_coverslip;
    added.coverslip_design_um = added.coverslip_um;
    added.immersion_design_um = added.immersion_um;
    added.depth_um = psf->last_um - psf->first_um;
    int64_t depths = (int64_t)ceil(depths_per_wave * tk_optics_waves(&added)) + 1;
    if (depths < LEAST_DEPTHS) depths = LEAST_DEPTHS;
    if (depths > planes) depths = planes;
    if (depths > TK_EIGEN_MOST_DEPTHS) depths = TK_EIGEN_MOST_DEPTHS;
    while (depths > LEAST_DEPTHS &&
           tk_psf_eigen_scratch(&psf->optics, psf->first_um, psf->last_um, depths, psf->view.size, 1) > most_table)
        depths = depths * 3 / 4 > LEAST_DEPTHS ? depths * 3 / 4 : LEAST_DEPTHS;
    return depths;
}

static tk_status make_eigen(const tk_binding *binding, tk_deconvolve_psf *psf, int64_t depths, tk_psf_eigen *eigen,
                            tk_error *error) {
    const double target = tk_params_number(binding->params, "psf.error") / 100;
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    const size_t bytes = tk_psf_eigen_scratch(&psf->optics, psf->first_um, psf->last_um, depths, psf->view.size, 1);
    TK_TRY(tk_deconvolve_psf_take(binding, psf, bytes, error));
    tk_status status = bytes == SIZE_MAX ? TK_INVALID : tk_scratch_reserve(&work.scratch, bytes);
    if (status == TK_OK)
        status = tk_psf_eigen_make(&psf->optics, psf->first_um, psf->last_um, depths, psf->view.size, target,
                                   TK_EIGEN_MOST, &work, eigen);
    tk_scratch_release(&work.scratch);
    if (status != TK_OK) return fail(binding, status, error);
    if (eigen->worst <= target) return TK_OK;
    return tk_params_fail(binding->params, "psf.error", error,
                          "%d eigen-PSFs still have an error of %.3g %%: give a larger one", (int)eigen->modes,
                          100 * eigen->worst);
}

static tk_view_f32 mode_of(const tk_deconvolve_depth *d, const tk_deconvolve_psf *psf, int64_t k) {
    const tk_box box = tk_box_of_size(psf->view.size);
    return tk_dense_f32(d->modes + k * tk_box_count(&box), psf->view.size);
}

static tk_status draw(const tk_psf_eigen *eigen, const tk_deconvolve_psf *psf, tk_deconvolve_depth *d) {
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    tk_view_f32 modes[TK_EIGEN_MOST];
    for (int k = 0; k < d->terms; k++) modes[k] = mode_of(d, psf, k);
    tk_status status =
        tk_scratch_reserve(&work.scratch, tk_psf_eigen_modes_scratch(eigen, psf->view.size, d->terms, 1));
    if (status == TK_OK) status = tk_psf_eigen_modes(eigen, 0, d->terms, &work, modes);
    tk_scratch_release(&work.scratch);
    return status;
}

/* The weights of each plane, so that its PSF has sum 1. Errors: TK_UNSOLVABLE when it has no light. */
static tk_status weigh(const tk_psf_eigen *eigen, const tk_deconvolve_psf *psf, tk_deconvolve_depth *d) {
    const tk_box box = tk_box_of_size(psf->view.size);
    const int64_t voxels = tk_box_count(&box);
    double sum[TK_EIGEN_MOST] = {0}, a[TK_EIGEN_MOST] = {0};
    for (int k = 0; k < d->terms; k++)
        for (int64_t i = 0; i < voxels; i++) sum[k] += (double)d->modes[k * voxels + i];
    for (int64_t z = 0; z < d->planes; z++) {
        double light = 0;
        tk_psf_eigen_coefficients(eigen, psf->first_um + (double)z * psf->optics.voxel_um[TK_Z], a);
        for (int k = 0; k < d->terms; k++) light += a[k] * sum[k];
        if (!(light > 0)) return TK_UNSOLVABLE;
        for (int k = 0; k < d->terms; k++) d->weight[k * d->planes + z] = (float)(a[k] / light);
    }
    for (int64_t i = 0; d->terms == 1 && i < voxels; i++) d->modes[i] = (float)((double)d->modes[i] / sum[0]);
    return TK_OK;
}

static tk_status make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_psf_eigen *eigen, tk_deconvolve_depth *d,
                      tk_error *error) {
    const tk_box box = tk_box_of_size(psf->view.size);
    d->planes = binding->input.size[TK_Z];
    d->depths = choose_depths(psf, d->planes);
    TK_TRY(make_eigen(binding, psf, d->depths, eigen, error));
    if (eigen->modes < 1) return fail(binding, TK_UNSOLVABLE, error);
    d->terms = (int)eigen->modes;
    d->worst = eigen->worst;
    const size_t values = (size_t)d->terms * (size_t)tk_box_count(&box);
    const size_t drawing = tk_psf_eigen_modes_scratch(eigen, psf->view.size, d->terms, 1);
    const size_t held = (values + (size_t)d->terms * (size_t)d->planes) * sizeof(float);
    TK_TRY(tk_deconvolve_psf_take(binding, psf, tk_size_add(drawing, held), error));
    d->modes = malloc(values * sizeof *d->modes);
    d->weight = malloc((size_t)d->terms * (size_t)d->planes * sizeof *d->weight);
    tk_status status = d->modes && d->weight ? draw(eigen, psf, d) : TK_NO_MEMORY;
    if (status == TK_OK) status = weigh(eigen, psf, d);
    if (status != TK_OK) return fail(binding, status, error);
    return tk_bytes_sha256(d->modes, values * sizeof *d->modes, psf->sha256, error);
}

tk_status tk_deconvolve_depth_make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_deconvolve_depth *depth,
                                   tk_error *error) {
    *depth = (tk_deconvolve_depth){.varying = psf->varying, .terms = 1};
    if (depth->varying == TK_PSF_VARYING_NONE) return TK_OK;
    tk_psf_eigen *eigen = calloc(1, sizeof *eigen);
    const tk_status status = eigen ? make(binding, psf, eigen, depth, error) : tk_fail_memory(error, "eigen-PSFs");
    free(eigen);
    if (status != TK_OK) tk_deconvolve_depth_free(depth);
    return status;
}

void tk_deconvolve_depth_free(tk_deconvolve_depth *depth) {
    free(depth->modes);
    free(depth->weight);
    *depth = (tk_deconvolve_depth){.terms = 1};
}

size_t tk_deconvolve_depth_bytes(const tk_deconvolve_depth *d, const tk_deconvolve_psf *psf) {
    const tk_box box = tk_box_of_size(psf->view.size);
    return d->modes ? (size_t)d->terms * (size_t)(tk_box_count(&box) + d->planes) * sizeof(float) : 0;
}

void tk_deconvolve_depth_terms(const tk_deconvolve_depth *d, const tk_deconvolve_psf *psf,
                               tk_cview_f32 terms[TK_EIGEN_MOST]) {
    terms[0] = tk_read_f32(psf->view);
    for (int k = 0; d->modes && k < d->terms; k++) terms[k] = tk_read_f32(mode_of(d, psf, k));
}

/* --- Of a block --------------------------------------------------------------------------------------------------- */

tk_status tk_deconvolve_depth_weigh(const tk_deconvolve_depth *d, const tk_deconvolver_shape *shape,
                                    const tk_block *block, tk_scratch *scratch, tk_deconvolve_data *data) {
    const int64_t padded = shape->fft.size[TK_Z], first = block->box.lo[TK_Z], planes = block->box.hi[TK_Z] - first;
    const int64_t middle = (block->core.lo[TK_Z] + block->core.hi[TK_Z] - 1) / 2;
    data->weight = NULL;
    if (d->terms == 1) return TK_OK;
    const float **rows = tk_scratch_take(scratch, d->terms, sizeof *rows);
    float *values = tk_scratch_take(scratch, d->terms * padded, sizeof *values);
    if (!rows || !values) return TK_NO_MEMORY;
    for (int64_t plane = 0; plane < padded; plane++) {
        const bool of_plane = d->varying == TK_PSF_VARYING_EIGEN;
        const int64_t z = of_plane ? first + tk_deconvolver_z(shape, planes, plane) : middle;
        const int64_t known = z < 0 ? 0 : z < d->planes ? z : d->planes - 1;
        for (int k = 0; k < d->terms; k++) values[k * padded + plane] = d->weight[k * d->planes + known];
    }
    for (int k = 0; k < d->terms; k++) rows[k] = values + k * padded;
    data->weight = rows;
    return TK_OK;
}

size_t tk_deconvolve_depth_scratch(const tk_deconvolver_shape *shape) {
    if (shape->terms == 1) return 0;
    return tk_size_add(tk_scratch_cost(shape->terms, sizeof(float *)),
                       tk_scratch_cost(shape->terms * shape->fft.size[TK_Z], sizeof(float)));
}

tk_status tk_deconvolve_depth_note(const tk_deconvolve_depth *d, tk_facts *facts) {
    if (d->varying == TK_PSF_VARYING_NONE) return TK_OK;
    TK_TRY(tk_facts_text(facts, "psf_varying", d->varying == TK_PSF_VARYING_TILE ? "tile" : "eigen"));
    TK_TRY(tk_facts_number(facts, "psf_terms", d->terms, ""));
    TK_TRY(tk_facts_number(facts, "psf_error", 100 * d->worst, "%"));
    return tk_facts_number(facts, "psf_depths", (double)d->depths, "");
}
