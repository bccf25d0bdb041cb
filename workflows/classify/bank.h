/* The feature bank of a classifier: all its columns over a box of an image, exact over tiles. */
#ifndef TK_WORKFLOWS_CLASSIFY_BANK_H
#define TK_WORKFLOWS_CLASSIFY_BANK_H

#include "engine/step.h"
#include "workflows/classify/columns.h"

typedef struct tk_bank_choice {
    const tk_feature_column *column;
    int columns;
    bool um; /* sigmas and derivatives in micrometres, not voxels */
    tk_geometry image;
} tk_bank_choice;

typedef struct tk_bank tk_bank;

/* Makes the filters. Errors, without the name of what they are about: TK_INVALID (a sigma that is too narrow or too
 * wide in voxels, a third eigenvalue of a plane, micrometres where the voxel size is not known), TK_NO_MEMORY. */
tk_status tk_bank_new(const tk_bank_choice *choice, tk_bank **bank, tk_error *error);
void tk_bank_free(tk_bank *bank);

/* Voxels of input needed around an output voxel, z y x. */
void tk_bank_halo(const tk_bank *bank, int64_t halo[3]);

/* Scratch bytes of tk_bank_apply for an input block of `in` voxels; the values are the caller's. */
size_t tk_bank_scratch(const tk_bank *bank, const int64_t in[3], int threads);

/* Estimated nanoseconds of one core for an input block of `in` voxels. */
double tk_bank_cost(const tk_bank *bank, const int64_t in[3]);

/* Computes value[column][voxel of out_box], densely packed z y x. `in` covers in_box, which holds out_box grown by the
 * halo and clipped to the image. Errors: as tk_features_apply. */
tk_status tk_bank_apply(const tk_bank *bank, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                        const tk_box *out_box, float *value, tk_work *work);

/* The name of a feature in models and on the command line, "gaussian", "laplacian" …; NULL: there is none. */
const char *tk_bank_feature_text(unsigned feature);

/* The feature of that name, or of ilastik's ("GaussianSmoothing"); 0: there is none. */
unsigned tk_bank_feature(const char *text);

#endif
