/* tarkka psf MODEL OUTPUT: a PSF from optics, as OME-TIFF. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tiff_write.h"
#include "kernels/psf/model.h"
#include "kernels/psf/psf.h"
#include "workflows/commands/psf.h"
#include "workflows/psf/optics.h"

enum { DEFAULT_PLANES = 64, DEFAULT_WIDTH = 301 };

typedef struct making {
    tk_psf_model model;
    tk_psf_optics optics;
    double sigma_um[3];
    tk_psf_image image;
    tk_psf_facts facts;
} making;

static tk_status read_word(const char *text, const char *words, const char *what, int *value, tk_error *error) {
    char word[32];
    for (int i = 0; tk_psf_word(words, i, word); i++)
        if (!strcmp(text, word)) return *value = i, TK_OK;
    return tk_fail(error, TK_USAGE, "psf: there is no %s %s (there are: %s)", what, text, words);
}

static tk_status read_option_word(const tk_arguments *arguments, const char *name, const char *words, int *value,
                                  tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    *value = 0;
    return text ? read_word(text, words, name, value, error) : TK_OK;
}

/* What the metadata of --like say. */
static tk_status read_like(const tk_arguments *arguments, tk_optics_request *r, tk_error *error) {
    const char *like = tk_option_value(arguments, "like");
    if (!like) return TK_OK;
    tk_source source;
    TK_TRY(tk_source_open(arguments, like, &source, error));
    const tk_image_info *info = source.info;
    const tk_channel *channel = info->channel ? &info->channel[source.channel] : NULL;
    memcpy(r->voxel_um, info->voxel_um, sizeof r->voxel_um);
    if (info->na > 0) r->value[TK_OPTIC_NA] = info->na;
    if (info->refractive_index > 0) r->value[TK_OPTIC_N_IMMERSION] = info->refractive_index;
    if (channel && channel->emission_nm > 0) r->value[TK_OPTIC_WAVELENGTH] = channel->emission_nm;
    if (channel && channel->excitation_nm > 0) r->value[TK_OPTIC_EXCITATION] = channel->excitation_nm;
    tk_source_close(&source);
    return TK_OK;
}

static tk_status read_request(const tk_arguments *arguments, tk_optics_request *r, tk_error *error) {
    int mode, origin;
    TK_TRY(read_option_word(arguments, "mode", TK_PSF_MODE_WORDS, &mode, error));
    TK_TRY(read_option_word(arguments, "origin", TK_PSF_ORIGIN_WORDS, &origin, error));
    TK_TRY(read_like(arguments, r, error));
    TK_TRY(tk_option_triple(arguments, "voxel", r->voxel_um, error));
    for (int axis = 0; axis < 3; axis++)
        if (!(r->voxel_um[axis] > 0))
            return tk_fail(error, TK_USAGE, "psf: the voxel size is not known: --voxel ZxYxX in um");
    for (int i = 0; i < TK_OPTICS; i++)
        TK_TRY(tk_option_number(arguments, tk_optics[i].option, tk_optics[i].least, tk_optics[i].most, r->value[i],
                                &r->value[i], error));
    r->mode = (tk_psf_mode)mode;
    r->origin = (tk_psf_origin)origin;
    r->sampled = tk_option_value(arguments, "sampled");
    return TK_OK;
}

static tk_status read_optics(const tk_arguments *arguments, making *m, tk_error *error) {
    tk_optics_request request = tk_optics_nothing();
    tk_optics_fault fault;
    request.model = m->model;
    TK_TRY(read_request(arguments, &request, error));
    memcpy(m->image.voxel_um, request.voxel_um, sizeof m->image.voxel_um);
    if (m->model == TK_PSF_GAUSSIAN) return tk_option_triple(arguments, "sigma", m->sigma_um, error);
    if (tk_optics_make(&request, &m->optics, &fault)) return TK_OK;
    if (fault.about == TK_OPTICS) return tk_fail(error, TK_USAGE, "psf: %s", fault.text);
    if (!isnan(request.value[fault.about]))
        return tk_fail(error, TK_USAGE, "psf: --%s: %s", tk_optics[fault.about].option, fault.text);
    return tk_fail(error, TK_USAGE, "psf: %s: --%s %s", fault.text, tk_optics[fault.about].option,
                   tk_optics[fault.about].argument);
}

static tk_status fail_kernel(tk_status status, tk_error *error) {
    if (status == TK_OK) return TK_OK;
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the PSF");
    return tk_fail(error, status, "psf: %s", tk_status_text(status));
}

static tk_status choose_size(const tk_arguments *arguments, making *m, tk_error *error) {
    int64_t planes = DEFAULT_PLANES, width = DEFAULT_WIDTH;
    double percent = 1, lost = 0;
    TK_TRY(tk_option_integer(arguments, "planes", 1, 16000, DEFAULT_PLANES, &planes, error));
    TK_TRY(tk_option_number(arguments, "loss", 1e-4, 99, 1, &percent, error));
    TK_TRY(tk_option_integer(arguments, "width", 1, 16000, DEFAULT_WIDTH, &width, error));
    const int64_t most[3] = {2 * planes - 1, width - 1 + width % 2, width - 1 + width % 2};
    tk_work work = tk_work_here();
    TK_TRY(tk_work_reserve(&work, tk_psf_size_scratch(&m->optics, most, work.threads), error));
    const tk_status status = tk_psf_size_for(&m->optics, most, percent / 100, &work, m->image.size, &lost);
    tk_scratch_release(&work.scratch);
    return fail_kernel(status, error);
}

static tk_status allocate(making *m, tk_error *error) {
    const int64_t *size = m->image.size;
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 1 || size[axis] > 32768) return tk_fail(error, TK_USAGE, "--size: each is 1 to 32768 voxels");
    m->image.voxels = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *m->image.voxels);
    return m->image.voxels ? TK_OK : tk_fail_memory(error, "the PSF");
}

static tk_status make_optical(const tk_arguments *arguments, making *m, tk_error *error) {
    if (!tk_option_value(arguments, "size")) TK_TRY(choose_size(arguments, m, error));
    TK_TRY(allocate(m, error));
    tk_work work = tk_work_here();
    TK_TRY(tk_work_reserve(&work, tk_psf_make_scratch(&m->optics, m->image.size, work.threads), error));
    const tk_status status = tk_psf_make(&m->optics, &work, tk_dense_f32(m->image.voxels, m->image.size), &m->facts);
    tk_scratch_release(&work.scratch);
    return fail_kernel(status, error);
}

static tk_status make_gaussian(const tk_arguments *arguments, making *m, tk_error *error) {
    double sigma[3];
    if (!tk_option_value(arguments, "sigma"))
        return tk_fail(error, TK_USAGE, "psf: the model gaussian needs --sigma ZxYxX in um");
    for (int axis = 0; axis < 3; axis++) sigma[axis] = m->sigma_um[axis] / m->image.voxel_um[axis];
    if (!tk_option_value(arguments, "size") && tk_psf_gaussian_size(sigma, m->image.size) != TK_OK)
        return tk_fail(error, TK_USAGE, "--sigma: too large for these voxels");
    TK_TRY(allocate(m, error));
    const tk_view_f32 psf = tk_dense_f32(m->image.voxels, m->image.size);
    tk_psf_gaussian(sigma, psf);
    double sum = 0;
    for (int64_t i = 0; i < psf.size[0] * psf.size[1] * psf.size[2]; i++) sum += m->image.voxels[i];
    m->facts = (tk_psf_facts){.lost = fmax(0, 1 - sum)};
    return fail_kernel(tk_psf_normalise(psf) == TK_PSF_GOOD ? TK_OK : TK_UNSOLVABLE, error);
}

static tk_status print_answer(const tk_arguments *arguments, const making *m, const char *file, tk_error *error) {
    double fwhm[3];
    char model[32], mode[32] = "";
    const int64_t *size = m->image.size;
    tk_psf_widths(&m->image, fwhm);
    tk_psf_word(TK_PSF_MODEL_WORDS, m->model, model);
    if (m->model != TK_PSF_GAUSSIAN) tk_psf_word(TK_PSF_MODE_WORDS, m->optics.mode, mode);
    if (tk_option_value(arguments, "json"))
        return tk_psf_print_json(json_pack("{s:s, s:s, s:s, s:[I, I, I], s:o, s:o, s:f, s:f, s:o}", "file", file,
                                           "model", model, "mode", mode, "size", (json_int_t)size[0],
                                           (json_int_t)size[1], (json_int_t)size[2], "voxel_um",
                                           tk_psf_triple(m->image.voxel_um), "fwhm_um", tk_psf_triple(fwhm),
                                           "brightest_um", m->facts.brightest_um, "origin_um", m->facts.origin_um,
                                           "lost", isfinite(m->facts.lost) ? json_real(m->facts.lost) : json_null()),
                                 error);
    printf("%s: %s", file, model);
    if (m->model != TK_PSF_GAUSSIAN) printf(", %s", mode);
    printf(", %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x)\n", size[0], size[1], size[2]);
    printf("  width     %.3f x %.3f x %.3f um (full width at half maximum, z y x)\n", fwhm[0], fwhm[1], fwhm[2]);
    if (m->facts.brightest_um != 0)
        printf("  brightest %.3f um deeper than nominal; the middle plane lies %.3f um deeper\n", m->facts.brightest_um,
               m->facts.origin_um);
    if (isfinite(m->facts.lost)) printf("  beside    %.2f %% of the light of these planes\n", 100 * m->facts.lost);
    return TK_OK;
}

tk_status tk_psf_command_make(const tk_arguments *arguments, tk_error *error) {
    const char *file = tk_positional(arguments, 1);
    making m = {0};
    int model = 0;
    TK_TRY(read_word(tk_positional(arguments, 0), TK_PSF_MODEL_WORDS, "model", &model, error));
    m.model = (tk_psf_model)model;
    TK_TRY(tk_may_write(arguments, file, error));
    TK_TRY(read_optics(arguments, &m, error));
    TK_TRY(tk_option_size(arguments, "size", m.image.size, error));
    tk_status status =
        m.model == TK_PSF_GAUSSIAN ? make_gaussian(arguments, &m, error) : make_optical(arguments, &m, error);
    if (status == TK_OK)
        status = tk_ome_tiff_write(file, TK_F32, m.image.size, m.image.voxels, m.image.voxel_um, "PSF", error);
    if (status == TK_OK) status = print_answer(arguments, &m, file, error);
    free(m.image.voxels);
    return status;
}
