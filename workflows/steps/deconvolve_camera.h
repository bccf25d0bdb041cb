/* What the step deconvolve knows of the camera and of light that is not the object's. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_CAMERA_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_CAMERA_H

#include "engine/step.h"
#include "kernels/deconvolve/deconvolve.h"

/* Maps cover the image; strides of z and y are 0 where the file has one voxel along that axis; data NULL: none. Their
 * memory is owned. */
typedef struct tk_deconvolve_camera {
    double offset, gain, saturation, read_noise;
    double background; /* photons; with a map its mean */
    tk_view_f32 map;   /* background, photons */
    tk_view_u8 dead;   /* not 0: no datum */
    int64_t dead_voxels;
} tk_deconvolve_camera;

/* Do the parameters fit each other? */
tk_status tk_deconvolve_camera_check(const tk_params *params, tk_error *error);

/* Reads parameters and maps. The caller frees it. Errors: TK_INVALID with place and remedy, TK_UNREADABLE,
 * TK_NO_MEMORY; nothing is then left to free. */
tk_status tk_deconvolve_camera_make(const tk_binding *binding, tk_deconvolve_camera *camera, tk_error *error);

void tk_deconvolve_camera_free(tk_deconvolve_camera *camera);

/* Bytes that the maps hold. */
size_t tk_deconvolve_camera_bytes(const tk_deconvolve_camera *camera);

/* The data of a block of the image. */
tk_deconvolve_data tk_deconvolve_camera_data(const tk_deconvolve_camera *camera, const tk_block *block);

/* Notes what there is of them. */
tk_status tk_deconvolve_camera_note(const tk_deconvolve_camera *camera, tk_facts *facts);

#endif
