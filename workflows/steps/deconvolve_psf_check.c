/* Which parameters psf.* of the step deconvolve fit each other. */
#include "workflows/steps/deconvolve_method.h"
#include "workflows/steps/deconvolve_psf.h"

/* The parameters that only computed PSFs have. */
static const char *const computed[] = {"psf.sigma", "psf.mode", "psf.origin", "psf.voxel", "psf.planes", "psf.width"};

static tk_status refuse_given(const tk_params *p, const char *name, tk_error *error, const char *why) {
    return tk_params_get(p, name)->given ? tk_params_fail(p, name, error, "%s", why) : TK_OK;
}

static tk_status check_file(const tk_params *p, tk_error *error) {
    static const char why[] = "is of a computed PSF, not of psf.file";
    for (size_t i = 0; i < sizeof computed / sizeof *computed; i++) TK_TRY(refuse_given(p, computed[i], error, why));
    for (int i = 0; i < TK_OPTICS; i++) TK_TRY(refuse_given(p, tk_optics[i].param, error, why));
    return TK_OK;
}

static tk_status check_gaussian(const tk_params *p, tk_error *error) {
    static const char why[] = "is of optics: psf.model gibson-lanni, …; a gaussian is told by psf.sigma alone";
    if (!tk_params_get(p, "psf.sigma")->set)
        return tk_params_fail(p, "psf.model", error, "a gaussian needs psf.sigma (z y x)");
    for (size_t i = 1; i < sizeof computed / sizeof *computed; i++) TK_TRY(refuse_given(p, computed[i], error, why));
    for (int i = 0; i < TK_OPTICS; i++) TK_TRY(refuse_given(p, tk_optics[i].param, error, why));
    return TK_OK;
}

static tk_status check_optics(const tk_params *p, tk_error *error) {
    TK_TRY(refuse_given(p, "psf.sigma", error, "psf.sigma belongs to psf.model gaussian"));
    if (tk_optics_excites((tk_psf_mode)tk_params_integer(p, "psf.mode"))) return TK_OK;
    return refuse_given(p, "psf.excitation", error,
                        "is of the modes confocal, spinning-disk and two-photon: give psf.mode, or leave it out");
}

/* Only media that do not match make a PSF depend on depth. */
static tk_status check_varying(const tk_params *p, tk_error *error) {
    const bool model = tk_params_get(p, "psf.model")->set;
    const int64_t kind = model ? tk_params_integer(p, "psf.model") : TK_PSF_GIBSON_LANNI;
    if (tk_params_integer(p, "psf.varying") == TK_PSF_VARYING_NONE)
        return refuse_given(p, "psf.error", error, "is of a PSF that varies: give psf.varying, too");
    if (tk_params_get(p, "psf.file")->set || (kind != TK_PSF_GIBSON_LANNI && kind != TK_PSF_RICHARDS_WOLF))
        return tk_params_fail(p, "psf.varying", error,
                              "a %s is the same at all depths: take psf.model gibson-lanni or richards-wolf, or leave "
                              "psf.varying out",
                              model ? "PSF of this model" : "PSF from a file");
    if (tk_deconvolve_is_linear(p))
        return tk_params_fail(p, "psf.varying", error,
                              "wiener and tikhonov work with one PSF: take another method, or give the psf.depth of "
                              "interest and leave psf.varying out");
    if (tk_params_integer(p, "psf.varying") == TK_PSF_VARYING_TILE && tk_params_integer(p, "distribution") == 1)
        return tk_params_fail(p, "psf.varying", error, "distribution: exact has no tiles: take eigen");
    if (tk_params_integer(p, "psf.origin") == TK_PSF_BEST_FOCUS) return TK_OK;
    return refuse_given(p, "psf.origin", error, "a PSF that varies has its best focus at the middle");
}

tk_status tk_deconvolve_psf_check(const tk_params *p, tk_error *error) {
    TK_TRY(check_varying(p, error));
    const bool file = tk_params_get(p, "psf.file")->set, model = tk_params_get(p, "psf.model")->set;
    const bool mode = tk_params_get(p, "psf.mode")->given;
    if (file && model) return tk_params_fail(p, "psf.model", error, "give psf.file or psf.model, not both");
    if (file) return check_file(p, error);
    if (!model && !mode)
        return tk_params_fail(p, "psf.file", error,
                              "no point spread function: give psf: {file: …}, psf: {model: gibson-lanni, na: …, "
                              "wavelength: …} or psf: {model: gaussian, sigma: …}");
    if (model && tk_params_get(p, "psf.model")->integer == TK_PSF_GAUSSIAN) return check_gaussian(p, error);
    return check_optics(p, error);
}
