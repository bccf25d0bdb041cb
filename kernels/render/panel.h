/* Panels of a picture: a projection in grey, enlarged by whole pixels, with the outlines of objects over it. */
#ifndef TK_KERNELS_RENDER_PANEL_H
#define TK_KERNELS_RENDER_PANEL_H

#include <stdint.h>

#include "kernels/common/view.h"

/* A picture in memory: red, green, blue, 8 bits each, row by row, top first. Owns nothing. */
typedef struct tk_picture {
    unsigned char *rgb;
    int64_t width, height; /* pixels */
} tk_picture;

/* How a panel is drawn. */
typedef struct tk_panel {
    int64_t left, top;  /* of its first pixel in the picture */
    int64_t scale;      /* pixels of the picture along each edge of a voxel, >= 1 */
    float black, white; /* values that become black and white; equal: all that is not above becomes black */
    double gamma;       /* the grey level is the relative brightness to the power 1 / gamma */
} tk_panel;

/* Draws a projection (one plane) in grey. The panel must lie inside the picture. NaN are black. */
void tk_panel_draw(const tk_panel *panel, tk_cview_f32 projection, tk_picture picture);

/* Draws the outlines of the labels (one plane) into the panel, in one colour: of each object the pixels that are within
 * `thickness` pixels of the picture, along y or x, from another object or the background. The edge of the image is not
 * an outline. */
void tk_panel_outline(const tk_panel *panel, tk_cview_u32 labels, int64_t thickness, const unsigned char colour[3],
                      tk_picture picture);

/* Fills the whole picture with one colour. */
void tk_picture_fill(tk_picture picture, const unsigned char colour[3]);

#endif
