/* Panels, pixel by pixel. */
#include "kernels/render/panel.h"

#include <math.h>
#include <string.h>

static unsigned char *pixel_at(tk_picture picture, int64_t y, int64_t x) {
    return picture.rgb + 3 * (y * picture.width + x);
}

void tk_picture_fill(tk_picture picture, const unsigned char colour[3]) {
    for (int64_t y = 0; y < picture.height; y++)
        for (int64_t x = 0; x < picture.width; x++) memcpy(pixel_at(picture, y, x), colour, 3);
}

static unsigned char grey_of(const tk_panel *panel, float value) {
    const double range = (double)panel->white - (double)panel->black;
    const double level = range > 0 ? ((double)value - (double)panel->black) / range : value > panel->black;
    if (!(level > 0)) return 0;
    return (unsigned char)rint(255 * pow(level < 1 ? level : 1, 1 / panel->gamma));
}

void tk_panel_draw(const tk_panel *panel, tk_cview_f32 projection, tk_picture picture) {
    for (int64_t y = 0; y < projection.size[TK_Y]; y++)
        for (int64_t x = 0; x < projection.size[TK_X]; x++) {
            const unsigned char grey = grey_of(panel, projection.data[y * projection.stride[TK_Y] + x]);
            for (int64_t row = 0; row < panel->scale; row++)
                memset(pixel_at(picture, panel->top + y * panel->scale + row, panel->left + x * panel->scale), grey,
                       (size_t)(3 * panel->scale));
        }
}

static int64_t clamp(int64_t value, int64_t most) { return value < 0 ? 0 : value > most ? most : value; }

/* The label at a pixel of the panel; beyond the edge, that of the edge. */
static uint32_t label_at(const tk_panel *panel, tk_cview_u32 labels, int64_t y, int64_t x) {
    const int64_t row = clamp(y, panel->scale * labels.size[TK_Y] - 1) / panel->scale;
    const int64_t column = clamp(x, panel->scale * labels.size[TK_X] - 1) / panel->scale;
    return labels.data[row * labels.stride[TK_Y] + column];
}

static bool is_outline(const tk_panel *panel, tk_cview_u32 labels, int64_t thickness, int64_t y, int64_t x) {
    const uint32_t label = label_at(panel, labels, y, x);
    for (int64_t d = 1; d <= thickness && label != 0; d++)
        if (label_at(panel, labels, y - d, x) != label || label_at(panel, labels, y + d, x) != label ||
            label_at(panel, labels, y, x - d) != label || label_at(panel, labels, y, x + d) != label)
            return true;
    return false;
}

void tk_panel_outline(const tk_panel *panel, tk_cview_u32 labels, int64_t thickness, const unsigned char colour[3],
                      tk_picture picture) {
    for (int64_t y = 0; y < panel->scale * labels.size[TK_Y]; y++)
        for (int64_t x = 0; x < panel->scale * labels.size[TK_X]; x++)
            if (is_outline(panel, labels, thickness, y, x))
                memcpy(pixel_at(picture, panel->top + y, panel->left + x), colour, 3);
}
