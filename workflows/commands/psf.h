/* What the uses of `tarkka psf` share. */
#ifndef TK_WORKFLOWS_COMMANDS_PSF_H
#define TK_WORKFLOWS_COMMANDS_PSF_H

#include <jansson.h>

#include "workflows/commands/source.h"

/* tarkka psf MODEL OUTPUT, tarkka psf show FILE PICTURE, tarkka psf measure IMAGE [OUTPUT],
 * tarkka psf crop FILE OUTPUT. */
tk_status tk_psf_command_make(const tk_arguments *arguments, tk_error *error);
tk_status tk_psf_command_show(const tk_arguments *arguments, tk_error *error);
tk_status tk_psf_command_crop(const tk_arguments *arguments, tk_error *error);
tk_status tk_psf_command_measure(const tk_arguments *arguments, tk_error *error);

/* A float image in memory, with its voxel size (um, z y x; 0 = unknown). */
typedef struct tk_psf_image {
    float *voxels; /* owned, dense */
    int64_t size[3];
    double voxel_um[3];
    double na, refractive_index, emission_nm; /* 0 = unknown */
} tk_psf_image;

/* Reads one time point and channel whole. The caller frees voxels, also after an error. */
tk_status tk_psf_read(const tk_arguments *arguments, const char *spec, tk_psf_image *image, tk_error *error);

/* Full widths at half maximum (z y x, um; NAN where the profile does not fall to half) along the axes through the
 * origin at size / 2. */
void tk_psf_widths(const tk_psf_image *image, double fwhm_um[3]);

/* Prints, and frees, an answer; `all` may be NULL, which is an error. */
tk_status tk_psf_print_json(json_t *all, tk_error *error);

/* [z, y, x], null for what is not a number. */
json_t *tk_psf_triple(const double value[3]);

#endif
