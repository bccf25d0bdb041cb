/* The objects of a phantom: where they are (scene.c, filament.c) and what they look like in voxels (render.c).
 *
 * Positions are continuous voxel indices z y x of the field of view (voxel i has its centre at i); shapes are in units
 * of the smallest voxel edge ("lengths" here), so that objects are round in the world although voxels are not cubes. */
#ifndef TK_KERNELS_PHANTOM_SCENE_H
#define TK_KERNELS_PHANTOM_SCENE_H

#include "kernels/phantom/phantom.h"

/* What a seed's streams are for. */
enum { TK_DRAW_PLACE = 1, TK_DRAW_FILAMENT, TK_DRAW_TEXTURE, TK_DRAW_NOISE };

enum { TK_FILAMENT_POINTS = 257 }; /* of one filament, at most */

typedef struct tk_ellipsoid {
    double centre[3];   /* voxels */
    double shape[3][3]; /* p^T shape p <= 1 inside, p in lengths from the centre */
    double reach[3];    /* half-widths of the bounding box, lengths */
    double radius;      /* of the bounding sphere, lengths */
    double brightness;  /* photons */
} tk_ellipsoid;

typedef struct tk_filament {
    double point[TK_FILAMENT_POINTS][3]; /* lengths, from the origin of the field */
    int points;
    double least, most; /* of z, lengths */
    double brightness;  /* photons */
} tk_filament;

/* The objects of a phantom, in scratch memory. */
typedef struct tk_scene {
    tk_box domain;    /* field and margin, in voxels of the field */
    int64_t capacity; /* objects that there may be at most */
    int64_t count;
    tk_ellipsoid *ellipsoid; /* or NULL */
    tk_filament *filament;   /* or NULL */
} tk_scene;

/* The domain and the capacity of a phantom's scene, without objects. */
tk_scene tk_scene_layout(const tk_phantom *phantom);

/* Bytes of scratch memory for the scene, and while it is being made. */
size_t tk_scene_scratch(const tk_phantom *phantom);

/* Places the objects: those in the field first, then as many more in the margin as the same density asks for and as
 * fit. Ellipsoids are placed by random sequential rejection, their bounding spheres being `gap` apart. Errors:
 * TK_UNSOLVABLE (scene->count is how many fit in the field), TK_NO_MEMORY. */
tk_status tk_scene_make(const tk_phantom *phantom, tk_scratch *scratch, tk_scene *scene);

/* The i-th filament: a random walk with persistence both ways from a point, up to the end of the domain. */
void tk_filament_make(const tk_phantom *phantom, const tk_box *domain, int64_t i, tk_filament *filament);

/* Renders plane z of the scene's domain: `truth` is its rows, `labels` (or NULL) the rows of the field's plane, which
 * get the number of the object in the scene, from 1. Both are zero before. */
void tk_scene_render_plane(const tk_phantom *phantom, const tk_scene *scene, int64_t z, float *truth,
                           const tk_view_u32 *labels);

#endif
