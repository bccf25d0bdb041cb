/* The PSF of the step deconvolve. Two voxels of an image of N are at most N - 1 apart, so that 2 N - 1 voxels of a PSF
 * are all that can matter; an image of one plane takes the plane of the origin. */
#include "workflows/steps/deconvolve_psf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checksum.h"
#include "io/image.h"
#include "kernels/psf/model.h"
#include "kernels/psf/psf.h"
#include "kernels/psf/support.h"
#include "workflows/steps/deconvolve_room.h"

static const int64_t most_voxels = (int64_t)1 << 28;   /* 1 GiB */
static const size_t most_scratch = (size_t)1 << 31;    /* while it is computed */
static const double most_lost = 0.5, default_loss = 1; /* percent */
enum { DEFAULT_WIDTH = 301, MOST_EXTENT = (1 << 15) - 1 };

/* --- Memory and cropping ------------------------------------------------------------------------------------------ */

/* The most voxels that matter on each axis. */
static void most_useful(const tk_binding *binding, int64_t most[3]) {
    for (int a = 0; a < 3; a++) {
        most[a] = 2 * binding->input.size[a] - 1;
        if (most[a] > MOST_EXTENT) most[a] = MOST_EXTENT;
    }
}

static tk_status allocate(const tk_binding *binding, const char *name, const int64_t size[3], tk_view_f32 *view,
                          tk_error *error) {
    const double voxels = (double)size[0] * (double)size[1] * (double)size[2];
    if (voxels > (double)most_voxels)
        return tk_params_fail(binding->params, name, error,
                              "a PSF of %" PRId64 "x%" PRId64 "x%" PRId64 " voxels (z y x) is too large: crop it, or "
                              "give a smaller psf.planes or psf.width",
                              size[TK_Z], size[TK_Y], size[TK_X]);
    TK_TRY(tk_deconvolve_room(binding, name, (size_t)voxels * sizeof(float), error));
    float *data = calloc((size_t)voxels, sizeof *data);
    if (!data) return tk_fail_memory(error, "the PSF");
    *view = tk_dense_f32(data, size);
    return TK_OK;
}

tk_status tk_deconvolve_psf_take(const tk_binding *binding, tk_deconvolve_psf *psf, size_t scratch, tk_error *error) {
    const tk_box box = tk_box_of_size(psf->view.size);
    const char *name = tk_params_get(binding->params, "psf.file")->set ? "psf.file" : "psf.model";
    const size_t bytes = tk_size_add((size_t)tk_box_count(&box) * sizeof(float), scratch);
    if (bytes > psf->making) psf->making = bytes;
    return tk_deconvolve_room(binding, name, bytes, error);
}

/* Gives back what was cropped. */
static void shrink(tk_view_f32 *view) {
    const tk_box box = tk_box_of_size(view->size);
    float *data = realloc(view->data, (size_t)tk_box_count(&box) * sizeof *data);
    if (data) view->data = data;
}

static double sum_of(tk_view_f32 v) {
    double sum = 0;
    for (int64_t i = 0; i < v.size[0] * v.size[1] * v.size[2]; i++) sum += v.data[i];
    return sum;
}

/* Moves the box to the front of the dense view, which then is that. */
static void cut(tk_view_f32 *view, const tk_box *box) {
    const tk_box whole = tk_box_of_size(view->size);
    const tk_view_f32 from = tk_crop_f32(*view, &whole, box);
    float *to = view->data;
    for (int64_t z = 0; z < from.size[TK_Z]; z++)
        for (int64_t y = 0; y < from.size[TK_Y]; y++, to += from.size[TK_X])
            memmove(to, from.data + z * from.stride[TK_Z] + y * from.stride[TK_Y],
                    (size_t)from.size[TK_X] * sizeof *to);
    *view = tk_dense_f32(view->data, from.size);
}

/* Cuts what is more than `most` voxels wide, symmetric about the origin; along `axis` only, unless it is -1. */
static void cut_to(tk_view_f32 *view, const int64_t most[3], int only) {
    tk_box box = tk_box_of_size(view->size);
    for (int a = 0; a < 3; a++) {
        if (view->size[a] <= most[a] || (only >= 0 && only != a)) continue;
        box.lo[a] = view->size[a] / 2 - most[a] / 2;
        box.hi[a] = box.lo[a] + most[a];
    }
    cut(view, &box);
}

static tk_status normalise(const tk_binding *binding, const char *name, tk_view_f32 psf, tk_error *error) {
    static const char *const texts[] = {[TK_PSF_NOT_FINITE] = "has a value that is NaN or infinite",
                                        [TK_PSF_NEGATIVE] = "has a negative value: subtract its background, clip at 0",
                                        [TK_PSF_EMPTY] = "is zero everywhere"};
    const tk_psf_fault fault = tk_psf_normalise(psf);
    if (fault == TK_PSF_GOOD) return TK_OK;
    return tk_params_fail(binding->params, name, error, "%s: the PSF %s", tk_params_text(binding->params, name),
                          texts[fault]);
}

/* Cuts the smallest box that loses no more than psf.loss of the light. */
static tk_status cut_by_energy(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    tk_work work = {.threads = 1};
    tk_view_f32 *view = &psf->view;
    tk_box box;
    double lost;
    const size_t scratch = tk_psf_support_scratch(view->size);
    TK_TRY(tk_deconvolve_psf_take(binding, psf, scratch, error));
    if (tk_scratch_reserve(&work.scratch, scratch) != TK_OK) return tk_fail_memory(error, "the PSF");
    const tk_status status =
        tk_psf_support(tk_read_f32(*view), tk_params_number(binding->params, "psf.loss") / 100, &work, &box, &lost);
    tk_scratch_release(&work.scratch);
    if (status == TK_OK) cut(view, &box);
    if (status == TK_INVALID) return TK_OK; /* negative or no numbers: what normalises it says so */
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "the PSF");
}

/* Crops a PSF of which `beside` is known to be missing already. */
static tk_status crop(const tk_binding *binding, const char *name, double beside, tk_deconvolve_psf *psf,
                      tk_error *error) {
    int64_t most[3];
    most_useful(binding, most);
    TK_TRY(tk_deconvolve_psf_take(binding, psf, 0, error));
    if (most[TK_Z] == 1) cut_to(&psf->view, most, TK_Z);
    const double all = sum_of(psf->view) / (1 - beside);
    cut_to(&psf->view, most, -1);
    shrink(&psf->view);
    psf->lost = fmax(0, 1 - sum_of(psf->view) / all);
    if (psf->lost > most_lost)
        return tk_params_fail(binding->params, name, error,
                              "the PSF is larger than the image: %.0f %% of its light falls farther from its origin "
                              "(the voxel size / 2) than two voxels of the image are apart",
                              100 * psf->lost);
    if (tk_params_get(binding->params, "psf.loss")->given) {
        TK_TRY(cut_by_energy(binding, psf, error));
        psf->lost = fmax(0, 1 - sum_of(psf->view) / all);
        shrink(&psf->view);
    }
    return normalise(binding, name, psf->view, error);
}

/* --- From a file, a width, optics --------------------------------------------------------------------------------- */

static tk_status read_open(const tk_binding *binding, tk_image *image, tk_deconvolve_psf *psf, tk_error *error) {
    const tk_image_info *info = tk_image_info_of(image);
    if (info->times != 1 || info->channels != 1)
        return tk_params_fail(binding->params, "psf.file", error, "%s: a PSF has one time point and one channel",
                              tk_params_text(binding->params, "psf.file"));
    TK_TRY(allocate(binding, "psf.file", info->size, &psf->view, error));
    const tk_box box = tk_box_of_size(info->size);
    const size_t decoded = (size_t)tk_box_count(&box) * (size_t)tk_dtype_size(info->type);
    TK_TRY(tk_deconvolve_psf_take(binding, psf, decoded < TK_IMAGE_CACHE ? decoded : TK_IMAGE_CACHE, error));
    return tk_image_read(image, 0, 0, &box, psf->view, error);
}

static tk_status read_file(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    tk_image *image = NULL;
    TK_TRY(tk_image_open(tk_params_text(binding->params, "psf.file"), NULL, &image, error));
    const tk_status status = read_open(binding, image, psf, error);
    tk_image_close(image);
    TK_TRY(status);
    return crop(binding, "psf.file", 0, psf, error);
}

static tk_status make_gaussian(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    double sigma[3], voxel_um[3];
    int64_t size[3], most[3];
    memcpy(voxel_um, binding->input.voxel_um, sizeof voxel_um);
    if (binding->input.size[TK_Z] == 1 && voxel_um[TK_Z] == 0) voxel_um[TK_Z] = voxel_um[TK_Y];
    TK_TRY(tk_params_voxels(binding->params, "psf.sigma", voxel_um, sigma, error));
    if (binding->input.size[TK_Z] == 1) sigma[TK_Z] = 0;
    if (tk_psf_gaussian_size(sigma, size) != TK_OK)
        return tk_params_fail(binding->params, "psf.sigma", error, "must be 0 to 1000000 voxels");
    most_useful(binding, most);
    for (int a = 0; a < 3; a++)
        if (size[a] > most[a]) size[a] = most[a];
    TK_TRY(allocate(binding, "psf.sigma", size, &psf->view, error));
    tk_psf_gaussian(sigma, psf->view);
    return crop(binding, "psf.sigma", fmax(0, 1 - sum_of(psf->view)), psf, error);
}

/* The number that the workflow gives, in the units of the list; else NAN. */
static tk_status read_optic(const tk_params *p, const tk_optic *optic, double *value, tk_error *error) {
    const tk_value *given = tk_params_get(p, optic->param);
    *value = NAN;
    if (!given->set) return TK_OK;
    const bool nm = !strcmp(optic->argument, "NM");
    *value = given->number[0] * (nm ? 1e3 : 1);
    if (given->unit == TK_UNIT_PIXEL) return tk_params_fail(p, optic->param, error, "needs a unit other than px");
    if (optic->type != TK_PARAM_LENGTH || (*value >= optic->least && *value <= optic->most)) return TK_OK;
    return tk_params_fail(p, optic->param, error, "%g %s is out of range (%g to %g)", *value, nm ? "nm" : "um",
                          optic->least, optic->most);
}

/* The edges of a voxel: given, or the image's. */
static tk_status read_voxel(const tk_binding *binding, double voxel_um[3], tk_error *error) {
    const tk_value *given = tk_params_get(binding->params, "psf.voxel");
    memcpy(voxel_um, given->set ? given->number : binding->input.voxel_um, 3 * sizeof *voxel_um);
    if (given->set && given->unit == TK_UNIT_PIXEL)
        return tk_params_fail(binding->params, "psf.voxel", error, "needs a unit other than px");
    if (binding->input.size[TK_Z] == 1 && !(voxel_um[TK_Z] > 0)) voxel_um[TK_Z] = voxel_um[TK_Y];
    for (int a = 0; a < 3; a++)
        if (!(voxel_um[a] > 0))
            return tk_params_fail(binding->params, "psf.voxel", error,
                                  "the image does not say how large a voxel is: give psf: {voxel: [0.2 um, 0.1 um, "
                                  "0.1 um]} (z y x)");
    return TK_OK;
}

static void take_known(double known, tk_optic_id id, tk_optics_request *r) {
    if (isnan(r->value[id]) && known > 0) r->value[id] = known;
}

static tk_status read_request(const tk_binding *binding, tk_optics_request *r, tk_error *error) {
    const tk_params *p = binding->params;
    const tk_acquisition *known = &binding->acquisition;
    *r = tk_optics_nothing();
    if (tk_params_get(p, "psf.model")->set) r->model = (tk_psf_model)tk_params_integer(p, "psf.model");
    r->mode = (tk_psf_mode)tk_params_integer(p, "psf.mode");
    r->origin = (tk_psf_origin)tk_params_integer(p, "psf.origin");
    TK_TRY(read_voxel(binding, r->voxel_um, error));
    for (int i = 0; i < TK_OPTICS; i++) TK_TRY(read_optic(p, &tk_optics[i], &r->value[i], error));
    take_known(known->na, TK_OPTIC_NA, r);
    take_known(known->refractive_index, TK_OPTIC_N_IMMERSION, r);
    take_known(known->emission_nm, TK_OPTIC_WAVELENGTH, r);
    take_known(known->excitation_nm, TK_OPTIC_EXCITATION, r);
    return TK_OK;
}

static tk_status make_optics(const tk_binding *binding, const tk_optics_request *request, tk_deconvolve_psf *psf,
                             tk_error *error) {
    const char *model = tk_params_get(binding->params, "psf.model")->set ? "psf.model" : "psf.mode";
    tk_optics_fault fault;
    psf->optical = tk_optics_make(request, &psf->optics, &fault);
    if (psf->optical) return TK_OK;
    if (fault.about == TK_OPTICS) return tk_params_fail(binding->params, model, error, "%s", fault.text);
    const char *name = tk_optics[fault.about].param;
    if (!isnan(request->value[fault.about])) return tk_params_fail(binding->params, name, error, "%s", fault.text);
    return tk_params_fail(binding->params, name, error, "%s, and the image's metadata do not say it: give %s",
                          fault.text, name);
}

/* The optics of the image's middle; those of the last plane are checked, which are the worst. */
static tk_status vary(const tk_binding *binding, tk_optics_request *request, tk_deconvolve_psf *psf, tk_error *error) {
    const int64_t planes = binding->input.size[TK_Z];
    const tk_psf_optics *o = &psf->optics;
    if (planes == 1)
        return tk_params_fail(binding->params, "psf.varying", error,
                              "an image of one plane has one depth: give psf.depth and leave psf.varying out");
    if (o->n_sample == o->n_immersion)
        return tk_params_fail(binding->params, "psf.varying", error,
                              "the sample has the index of the immersion, so that the PSF is the same at all depths: "
                              "give psf.n_sample, or leave psf.varying out");
    psf->first_um = o->depth_um;
    psf->last_um = psf->first_um + (double)(planes - 1) * o->voxel_um[TK_Z];
    request->value[TK_OPTIC_DEPTH] = psf->last_um;
    TK_TRY(make_optics(binding, request, psf, error));
    psf->optics.depth_um = (psf->first_um + psf->last_um) / 2;
    psf->optics.origin = TK_PSF_BEST_FOCUS;
    return TK_OK;
}

static tk_status read_optics(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    tk_optics_request request;
    TK_TRY(read_request(binding, &request, error));
    psf->model = request.model;
    psf->varying = (tk_psf_varying)tk_params_integer(binding->params, "psf.varying");
    TK_TRY(make_optics(binding, &request, psf, error));
    return psf->varying == TK_PSF_VARYING_NONE ? TK_OK : vary(binding, &request, psf, error);
}

static tk_status fail_kernel(const tk_binding *binding, tk_status status, tk_error *error) {
    if (status == TK_OK) return TK_OK;
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the PSF");
    return tk_params_fail(binding->params, "psf.model", error, "the PSF: %s", tk_status_text(status));
}

static tk_status reserve(const tk_binding *binding, tk_deconvolve_psf *psf, tk_work *work, size_t bytes,
                         tk_error *error) {
    if (bytes > most_scratch)
        return tk_params_fail(binding->params, "psf.model", error,
                              "the PSF is too large to compute: give a smaller psf.planes or psf.width");
    TK_TRY(tk_deconvolve_psf_take(binding, psf, bytes, error));
    return tk_scratch_reserve(&work->scratch, bytes) == TK_OK ? TK_OK : tk_fail_memory(error, "the PSF");
}

static int64_t odd(int64_t value) { return value - 1 + value % 2; }

static tk_status size_of(const tk_binding *binding, tk_deconvolve_psf *psf, const tk_psf_optics *optics, tk_work *work,
                         int64_t size[3], double *lost, tk_error *error) {
    const tk_params *p = binding->params;
    int64_t most[3];
    most_useful(binding, most);
    const int64_t width = tk_params_get(p, "psf.width")->set ? tk_params_integer(p, "psf.width") : DEFAULT_WIDTH;
    for (int a = 1; a < 3; a++)
        if (most[a] > width) most[a] = odd(width);
    if (tk_params_get(p, "psf.planes")->set && most[TK_Z] > 2 * tk_params_integer(p, "psf.planes") - 1)
        most[TK_Z] = 2 * tk_params_integer(p, "psf.planes") - 1;
    const double loss = tk_params_get(p, "psf.loss")->set ? tk_params_number(p, "psf.loss") : default_loss;
    TK_TRY(reserve(binding, psf, work, tk_psf_size_scratch(optics, most, 1), error));
    const tk_status status = tk_psf_size_for(optics, most, fmax(loss, 1e-4) / 100, work, size, lost);
    tk_scratch_release(&work->scratch);
    return fail_kernel(binding, status, error);
}

/* The size that keeps the light of all depths: the largest of the shallowest, the middle one and the deepest. */
static tk_status choose_size(const tk_binding *binding, tk_deconvolve_psf *psf, tk_work *work, int64_t size[3],
                             tk_error *error) {
    tk_psf_optics o = psf->optics;
    TK_TRY(size_of(binding, psf, &o, work, size, &psf->lost, error));
    for (int end = 0; end < 2 && psf->varying != TK_PSF_VARYING_NONE; end++) {
        int64_t other[3];
        double lost;
        o.depth_um = end ? psf->last_um : psf->first_um;
        TK_TRY(size_of(binding, psf, &o, work, other, &lost, error));
        for (int a = 0; a < 3; a++)
            if (other[a] > size[a]) size[a] = other[a];
        psf->lost = fmax(psf->lost, lost);
    }
    return TK_OK;
}

static tk_status make_optical(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    int64_t size[3];
    TK_TRY(read_optics(binding, psf, error));
    TK_TRY(choose_size(binding, psf, &work, size, error));
    TK_TRY(allocate(binding, "psf.model", size, &psf->view, error));
    TK_TRY(reserve(binding, psf, &work, tk_psf_make_scratch(&psf->optics, size, 1), error));
    const tk_status status = tk_psf_make(&psf->optics, &work, psf->view, NULL);
    tk_scratch_release(&work.scratch);
    return fail_kernel(binding, status, error);
}

/* --- The whole ---------------------------------------------------------------------------------------------------- */

static tk_status make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    const tk_params *p = binding->params;
    if (tk_params_get(p, "psf.file")->set)
        TK_TRY(read_file(binding, psf, error));
    else if (tk_params_get(p, "psf.model")->set && tk_params_integer(p, "psf.model") == TK_PSF_GAUSSIAN)
        TK_TRY(make_gaussian(binding, psf, error));
    else
        TK_TRY(make_optical(binding, psf, error));
    const tk_view_f32 *v = &psf->view;
    return tk_bytes_sha256(v->data, (size_t)(v->size[0] * v->size[1] * v->size[2]) * sizeof(float), psf->sha256, error);
}

tk_status tk_deconvolve_psf_make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error) {
    *psf = (tk_deconvolve_psf){0};
    const tk_status status = make(binding, psf, error);
    if (status != TK_OK) tk_deconvolve_psf_free(psf);
    return status;
}

void tk_deconvolve_psf_free(tk_deconvolve_psf *psf) {
    free(psf->view.data);
    *psf = (tk_deconvolve_psf){0};
}

static tk_status note_optics(const tk_deconvolve_psf *psf, tk_facts *facts) {
    const tk_psf_optics *o = &psf->optics;
    char model[32], mode[32];
    tk_psf_word(TK_PSF_MODEL_WORDS, psf->model, model);
    tk_psf_word(TK_PSF_MODE_WORDS, o->mode, mode);
    TK_TRY(tk_facts_text(facts, "psf_model", model));
    TK_TRY(tk_facts_text(facts, "psf_mode", mode));
    TK_TRY(tk_facts_number(facts, "psf_na", o->na, ""));
    TK_TRY(tk_facts_number(facts, "psf_wavelength", o->emission_nm, "nm"));
    if (o->mode != TK_PSF_WIDEFIELD && o->mode != TK_PSF_LIGHT_SHEET)
        TK_TRY(tk_facts_number(facts, "psf_excitation", o->excitation_nm, "nm"));
    TK_TRY(tk_facts_number(facts, "psf_n_immersion", o->n_immersion, ""));
    TK_TRY(tk_facts_number(facts, "psf_n_sample", o->n_sample, ""));
    if (psf->varying == TK_PSF_VARYING_NONE) return tk_facts_number(facts, "psf_depth", o->depth_um, "um");
    TK_TRY(tk_facts_number(facts, "psf_depth_first", psf->first_um, "um"));
    return tk_facts_number(facts, "psf_depth_last", psf->last_um, "um");
}

tk_status tk_deconvolve_psf_note(const tk_deconvolve_psf *psf, tk_facts *facts) {
    const int64_t *size = psf->view.size;
    char text[80];
    (void)snprintf(text, sizeof text, "%" PRId64 "x%" PRId64 "x%" PRId64, size[TK_Z], size[TK_Y], size[TK_X]);
    TK_TRY(tk_facts_text(facts, "psf_size", text));
    TK_TRY(tk_facts_number(facts, "psf_lost", 100 * psf->lost, "%"));
    if (psf->optical) TK_TRY(note_optics(psf, facts));
    return tk_facts_text(facts, "psf_sha256", psf->sha256);
}
