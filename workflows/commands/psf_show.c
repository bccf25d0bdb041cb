/* tarkka psf show: the planes yx and zx through the origin of PSFs, side by side, as PNG. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/png.h"
#include "kernels/render/panel.h"
#include "workflows/commands/psf.h"

enum { MOST = 3, SEPARATOR = 4, GOOD_WIDTH = 400 };
static const unsigned char PAPER[3] = {255, 255, 255};
static const int64_t MOST_PIXELS = (int64_t)1 << 28;

/* One PSF and how its planes are drawn: `rows` pixels for each z of the lower panel. */
typedef struct shown {
    tk_psf_image image;
    int64_t scale, rows, left;
} shown;

static void lay_out(shown *s, int64_t scale) {
    const double *um = s->image.voxel_um;
    const double ratio = um[TK_Z] > 0 && um[TK_X] > 0 ? um[TK_Z] / um[TK_X] : 1;
    const int64_t good = GOOD_WIDTH / s->image.size[TK_X];
    s->scale = scale > 0 ? scale : good < 1 ? 1 : good;
    s->rows = llrint(fmin(fmax(1, (double)s->scale * ratio), 64));
}

/* The plane zx, each z as often as a voxel is high; the caller frees it. */
static float *section(const shown *s) {
    const int64_t *size = s->image.size, height = (size[TK_Z] * s->rows + s->scale - 1) / s->scale;
    float *plane = malloc((size_t)(height * size[TK_X]) * sizeof *plane);
    for (int64_t y = 0; plane && y < height; y++) {
        const int64_t z = (y * s->scale + s->scale / 2) / s->rows, at = z < size[TK_Z] ? z : size[TK_Z] - 1;
        for (int64_t x = 0; x < size[TK_X]; x++)
            plane[y * size[TK_X] + x] = s->image.voxels[(at * size[TK_Y] + size[TK_Y] / 2) * size[TK_X] + x];
    }
    return plane;
}

static tk_status draw(const shown *s, double gamma, tk_picture picture, tk_error *error) {
    const int64_t *size = s->image.size, height = (size[TK_Z] * s->rows + s->scale - 1) / s->scale;
    float white = 0, *plane = section(s);
    if (!plane) return tk_fail_memory(error, "a section of the PSF");
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) white = fmaxf(white, s->image.voxels[i]);
    tk_panel panel = {.left = s->left, .scale = s->scale, .white = white, .gamma = gamma};
    const int64_t flat[3] = {1, size[TK_Y], size[TK_X]}, tall[3] = {1, height, size[TK_X]};
    float *middle = s->image.voxels + size[TK_Z] / 2 * size[TK_Y] * size[TK_X];
    tk_panel_draw(&panel, tk_read_f32(tk_dense_f32(middle, flat)), picture);
    panel.top = size[TK_Y] * s->scale + SEPARATOR;
    tk_panel_draw(&panel, tk_read_f32(tk_dense_f32(plane, tall)), picture);
    free(plane);
    return TK_OK;
}

static tk_status render(const tk_arguments *arguments, shown *psf, int count, const char *file, tk_error *error) {
    tk_picture picture = {.width = -SEPARATOR};
    int64_t scale = 0;
    double gamma = 2;
    TK_TRY(tk_option_integer(arguments, "scale", 1, 64, 0, &scale, error));
    TK_TRY(tk_option_number(arguments, "gamma", 0.1, 10, 2, &gamma, error));
    for (int i = 0; i < count; i++) {
        shown *s = &psf[i];
        lay_out(s, scale);
        s->left = picture.width + SEPARATOR;
        picture.width = s->left + s->image.size[TK_X] * s->scale;
        const int64_t lower = (s->image.size[TK_Z] * s->rows + s->scale - 1) / s->scale * s->scale;
        const int64_t height = s->image.size[TK_Y] * s->scale + SEPARATOR + lower;
        if (height > picture.height) picture.height = height;
    }
    if (picture.width < 1 || picture.height < 1 || picture.height > MOST_PIXELS / picture.width)
        return tk_fail(error, TK_USAGE, "the picture would have %" PRId64 " x %" PRId64 " pixels: a smaller --scale",
                       picture.height, picture.width);
    picture.rgb = malloc(3 * (size_t)(picture.width * picture.height));
    if (!picture.rgb) return tk_fail_memory(error, "the picture");
    tk_picture_fill(picture, PAPER);
    tk_status status = TK_OK;
    for (int i = 0; i < count && status == TK_OK; i++) status = draw(&psf[i], gamma, picture, error);
    if (status == TK_OK) status = tk_png_write(file, picture.width, picture.height, picture.rgb, error);
    free(picture.rgb);
    return status;
}

static tk_status print_answer(const tk_arguments *arguments, const shown *psf, int count, const char *file,
                              tk_error *error) {
    json_t *all = json_array();
    for (int i = 0; i < count; i++) {
        double fwhm[3];
        tk_psf_widths(&psf[i].image, fwhm);
        json_array_append_new(
            all, json_pack("{s:s, s:o}", "file", tk_positional(arguments, 1 + i), "fwhm_um", tk_psf_triple(fwhm)));
        if (!tk_option_value(arguments, "json"))
            printf("%s: width %.3f x %.3f x %.3f um (full width at half maximum, z y x)\n",
                   tk_positional(arguments, 1 + i), fwhm[0], fwhm[1], fwhm[2]);
    }
    if (tk_option_value(arguments, "json"))
        return tk_psf_print_json(json_pack("{s:s, s:o}", "picture", file, "psfs", all), error);
    json_decref(all);
    return TK_OK;
}

tk_status tk_psf_command_show(const tk_arguments *arguments, tk_error *error) {
    shown psf[MOST] = {0};
    int count = 0;
    while (count < MOST && tk_positional(arguments, count + 2)) count++;
    const char *file = tk_positional(arguments, count + 1);
    if (count == 0) return tk_fail(error, TK_USAGE, "psf show: the name of the picture is missing");
    TK_TRY(tk_may_write(arguments, file, error));
    tk_status status = TK_OK;
    for (int i = 0; i < count && status == TK_OK; i++)
        status = tk_psf_read(arguments, tk_positional(arguments, 1 + i), &psf[i].image, error);
    if (status == TK_OK) status = render(arguments, psf, count, file, error);
    if (status == TK_OK) status = print_answer(arguments, psf, count, file, error);
    for (int i = 0; i < count; i++) free(psf[i].image.voxels);
    return status;
}
