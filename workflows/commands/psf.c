/* tarkka psf: makes PSFs from optics, shows them, and measures them from beads. */
#include "workflows/commands/psf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/psf/width.h"

tk_status tk_psf_read(const tk_arguments *arguments, const char *spec, tk_psf_image *image, tk_error *error) {
    tk_source source;
    *image = (tk_psf_image){0};
    TK_TRY(tk_source_open(arguments, spec, &source, error));
    const tk_image_info *info = source.info;
    memcpy(image->size, info->size, sizeof image->size);
    memcpy(image->voxel_um, info->voxel_um, sizeof image->voxel_um);
    image->na = info->na;
    image->refractive_index = info->refractive_index;
    image->emission_nm = info->channel ? info->channel[source.channel].emission_nm : 0;
    const double voxels = (double)info->size[0] * (double)info->size[1] * (double)info->size[2];
    if (voxels < 0x1p40) image->voxels = malloc((size_t)voxels * sizeof *image->voxels);
    tk_status status = image->voxels ? TK_OK : tk_fail_memory(error, spec);
    if (status == TK_OK) status = tk_source_read(&source, 0, info->size[TK_Z], image->voxels, error);
    tk_source_close(&source);
    return status;
}

void tk_psf_widths(const tk_psf_image *image, double fwhm_um[3]) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image->voxels, image->size));
    for (int axis = 0; axis < 3; axis++) fwhm_um[axis] = tk_psf_width(view, axis) * image->voxel_um[axis];
}

json_t *tk_psf_triple(const double value[3]) {
    json_t *all = json_array();
    for (int axis = 0; axis < 3; axis++)
        json_array_append_new(all, isfinite(value[axis]) ? json_real(value[axis]) : json_null());
    return all;
}

tk_status tk_psf_print_json(json_t *all, tk_error *error) {
    if (!all) return tk_fail_memory(error, "the answer");
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
    return TK_OK;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *what = tk_positional(arguments, 0);
    if (!strcmp(what, "crop")) return tk_psf_command_crop(arguments, error);
    if (!strcmp(what, "measure")) return tk_psf_command_measure(arguments, error);
    if (!tk_positional(arguments, 1)) return tk_fail(error, TK_USAGE, "psf %s: the name of the file is missing", what);
    if (tk_positional(arguments, 2) && strcmp(what, "show") != 0)
        return tk_fail(error, TK_USAGE, "psf %s: one file, not also %s", what, tk_positional(arguments, 2));
    return strcmp(what, "show") ? tk_psf_command_make(arguments, error) : tk_psf_command_show(arguments, error);
}

static const tk_option options[] = {
#define TK_OPTIC(name, option, argument, param, type, least, most, help) {option, argument, help},
#include "workflows/psf/optics.def"
#undef TK_OPTIC
    {"mode", "MODE", "widefield (default), confocal, spinning-disk, light-sheet or two-photon"},
    {"voxel", "ZxYxX", "edges of a voxel in um"},
    {"like", "IMAGE", "take from this image's metadata what is not given: voxel, na, n-immersion, wavelength"},
    {"size", "ZxYxX", "voxels (default: as many as hold the light)"},
    {"planes", "N", "of the image that will be deconvolved: the PSF gets 2 N - 1 at most (default 64)"},
    {"width", "N", "most voxels along y and x when --size is not given (default 301)"},
    {"loss", "PERCENT", "of the light that may lie beside the PSF when --size is not given, or be cropped (default 1)"},
    {"sigma", "ZxYxX", "of the model gaussian, in um"},
    {"origin", "WORD", "what is put at the middle: brightest (default), best-focus or nominal"},
    {"sampled", NULL, "values at the pixels' centres; else means over their area"},
    {"diameter", "ZxYxX", "measure: the box around a bead in um (default: 3 x 1.5 x 1.5)"},
    {"threshold", "N", "measure: peaks this many noise levels above the background (default 10)"},
    {"saturation", "N",
     "measure: beads with a voxel of this value or more are left out (default: the largest there is)"},
    {"gamma", "G", "show: grey level = brightness^(1/G) (default 2)"},
    {"scale", "N", "show: pixels along the y and x edges of a voxel (default: about 400 pixels wide)"},
    TK_SOURCE_OPTIONS,
    {"overwrite", NULL, "replace files that exist"},
    {"json", NULL, "print what was made or found as JSON"},
    TK_OPTION_END,
};

const tk_command tk_command_psf = {
    .name = "psf",
    .summary = "Make, show or measure a point spread function",
    .synopsis = "MODEL OUTPUT.ome.tif | show FILE… PICTURE.png | measure IMAGE [OUTPUT.ome.tif] | crop FILE "
                "OUTPUT.ome.tif [OPTION]…",
    .details =
        "MODEL is born-wolf (scalar, all indices as that of the immersion), gibson-lanni (scalar, with mismatched\n"
        "media), richards-wolf (vectorial, the same media; for an NA above 1), or gaussian. The PSF is float32, sums\n"
        "to 1, its origin is the voxel size / 2.\n"
        "show draws the middle planes yx and zx of up to three PSFs. measure finds single beads, averages them after\n"
        "a shift by parts of a voxel, and says how wide each is. crop cuts off what holds no more than --loss of the\n"
        "light, symmetric about the origin.\n\n"
        "  tarkka psf gibson-lanni psf.ome.tif --na 1.4 --wavelength 525 --voxel 0.2x0.065x0.065 --n-sample 1.38 \\\n"
        "      --depth 5\n"
        "  tarkka psf richards-wolf confocal.ome.tif --mode confocal --excitation 488 --like cells.ome.tif\n"
        "  tarkka psf show psf.ome.tif psf.png\n"
        "  tarkka psf measure beads.tif measured.ome.tif --voxel 0.3x0.1x0.1",
    .options = options,
    .least = 2,
    .most = 5,
    .run = run,
};
