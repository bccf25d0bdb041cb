/* Optics from what is said of them. */
#include "workflows/psf/optics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double oil = 1.515;      /* immersion when nobody says */
static const double most_waves = 100; /* of aberration, from ray to ray: more takes minutes, and is no image */

const tk_optic tk_optics[TK_OPTICS] = {
#define TK_OPTIC(name, ...) [TK_OPTIC_##name] = {__VA_ARGS__},
#include "workflows/psf/optics.def"
#undef TK_OPTIC
};

bool tk_psf_word(const char *words, int index, char word[32]) {
    for (; index > 0 && words; index--) words = (words = strchr(words, '|')) ? words + 1 : NULL;
    if (words) snprintf(word, 32, "%.*s", (int)strcspn(words, "|"), words);
    return words != NULL;
}

tk_optics_request tk_optics_nothing(void) {
    tk_optics_request request = {.model = TK_PSF_GIBSON_LANNI};
    for (int i = 0; i < TK_OPTICS; i++) request.value[i] = NAN;
    return request;
}

static bool is_said(const tk_optics_request *r, tk_optic_id id) { return !isnan(r->value[id]); }

static double said_or(const tk_optics_request *r, tk_optic_id id, double otherwise) {
    return is_said(r, id) ? r->value[id] : otherwise;
}

static bool fail(tk_optics_fault *fault, tk_optic_id about, const char *text) {
    *fault = (tk_optics_fault){about, text};
    return false;
}

bool tk_optics_excites(tk_psf_mode mode) {
    return mode == TK_PSF_CONFOCAL || mode == TK_PSF_SPINNING_DISK || mode == TK_PSF_TWO_PHOTON;
}

/* What only some modes have. */
static bool check_mode(const tk_optics_request *r, tk_optics_fault *fault) {
    const bool disk = r->mode == TK_PSF_SPINNING_DISK;
    if (is_said(r, TK_OPTIC_PINHOLE) && !disk && r->mode != TK_PSF_CONFOCAL)
        return fail(fault, TK_OPTIC_PINHOLE,
                    "is of the modes confocal and spinning-disk: choose one of these, or leave it out");
    if (is_said(r, TK_OPTIC_OPEN_AREA) && !disk)
        return fail(fault, TK_OPTIC_OPEN_AREA, "is of the mode spinning-disk: choose it, or leave it out");
    if (is_said(r, TK_OPTIC_SHEET) && r->mode != TK_PSF_LIGHT_SHEET)
        return fail(fault, TK_OPTIC_SHEET, "is of the mode light-sheet: choose it, or leave it out");
    return true;
}

static bool check_essentials(const tk_optics_request *r, tk_optics_fault *fault) {
    if (!is_said(r, TK_OPTIC_NA)) return fail(fault, TK_OPTIC_NA, "the numerical aperture is not known");
    if (!is_said(r, TK_OPTIC_WAVELENGTH) && r->mode != TK_PSF_TWO_PHOTON)
        return fail(fault, TK_OPTIC_WAVELENGTH, "the wavelength of the detected light is not known");
    if (!is_said(r, TK_OPTIC_EXCITATION) && tk_optics_excites(r->mode))
        return fail(fault, TK_OPTIC_EXCITATION, "the wavelength of excitation is not known");
    if (r->model != TK_PSF_BORN_WOLF) return true;
    for (int id = TK_OPTIC_N_SAMPLE; id <= TK_OPTIC_DEPTH; id++)
        if (is_said(r, (tk_optic_id)id))
            return fail(fault, (tk_optic_id)id, "born-wolf knows no mismatch; gibson-lanni does");
    return true;
}

static void take_media(const tk_optics_request *r, tk_psf_optics *o) {
    o->n_sample = said_or(r, TK_OPTIC_N_SAMPLE, o->n_sample);
    o->n_coverslip = said_or(r, TK_OPTIC_N_COVERSLIP, o->n_coverslip);
    o->coverslip_um = said_or(r, TK_OPTIC_COVERSLIP, o->coverslip_um);
    o->immersion_um = said_or(r, TK_OPTIC_WORKING_DISTANCE, o->immersion_um);
    o->n_immersion_design = said_or(r, TK_OPTIC_N_IMMERSION_DESIGN, o->n_immersion);
    o->n_coverslip_design = said_or(r, TK_OPTIC_N_COVERSLIP_DESIGN, o->n_coverslip);
    o->coverslip_design_um = said_or(r, TK_OPTIC_COVERSLIP_DESIGN, o->coverslip_um);
    o->immersion_design_um = said_or(r, TK_OPTIC_WORKING_DISTANCE_DESIGN, o->immersion_um);
    o->depth_um = said_or(r, TK_OPTIC_DEPTH, 0);
}

double tk_optics_waves(const tk_psf_optics *o) {
    const double aperture = tk_psf_aperture(o), shift = tk_psf_focal_shift(o), wave_um = o->emission_nm * 1e-3;
    double least = 0, most = 0; /* of the ray on the axis */
    for (int i = 1; i < 64; i++) {
        const double path = tk_psf_path(o, shift, aperture * i / 64);
        least = fmin(least, path);
        most = fmax(most, path);
    }
    return (most - least) / wave_um;
}

static bool check_aberration(const tk_psf_optics *o, tk_optics_fault *fault) {
    tk_psf_optics shallow = *o;
    shallow.depth_um = 0;
    if (tk_optics_waves(o) <= most_waves) return true;
    return fail(fault, tk_optics_waves(&shallow) <= most_waves ? TK_OPTIC_DEPTH : TK_OPTICS,
                "the media and the depth put more than 100 waves of aberration on the light: no image is left; a "
                "smaller depth, indices nearer to each other, or coverslip, immersion and working distance nearer to "
                "those that the lens was made for");
}

bool tk_optics_make(const tk_optics_request *r, tk_psf_optics *o, tk_optics_fault *fault) {
    if (!check_mode(r, fault) || !check_essentials(r, fault)) return false;
    const double excitation = r->value[TK_OPTIC_EXCITATION];
    *o = tk_psf_optics_default(r->value[TK_OPTIC_NA], said_or(r, TK_OPTIC_WAVELENGTH, excitation),
                               said_or(r, TK_OPTIC_N_IMMERSION, oil), r->voxel_um);
    o->mode = r->mode;
    o->vectorial = r->model == TK_PSF_RICHARDS_WOLF;
    o->origin = r->origin;
    o->sampled = r->sampled;
    o->excitation_nm = said_or(r, TK_OPTIC_EXCITATION, o->excitation_nm);
    take_media(r, o);
    o->pinhole_au = said_or(r, TK_OPTIC_PINHOLE, o->pinhole_au);
    o->open_fraction = said_or(r, TK_OPTIC_OPEN_AREA, 100 * o->open_fraction) / 100;
    o->sheet_um = said_or(r, TK_OPTIC_SHEET, o->sheet_um);
    const char *text = tk_psf_optics_fault(o);
    if (text) return fail(fault, TK_OPTICS, text);
    return check_aberration(o, fault);
}
