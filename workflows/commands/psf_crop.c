/* tarkka psf crop: the smallest box around the origin of a PSF that holds nearly all of its light. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/tiff_write.h"
#include "kernels/psf/psf.h"
#include "kernels/psf/support.h"
#include "workflows/commands/psf.h"

static tk_status find(const tk_arguments *arguments, const tk_psf_image *psf, tk_box *box, double *lost,
                      tk_error *error) {
    double percent = 1;
    TK_TRY(tk_option_number(arguments, "loss", 0, 99, 1, &percent, error));
    tk_work work = tk_work_here();
    TK_TRY(tk_work_reserve(&work, tk_psf_support_scratch(psf->size), error));
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(psf->voxels, psf->size));
    const tk_status status = tk_psf_support(view, percent / 100, &work, box, lost);
    tk_scratch_release(&work.scratch);
    if (status == TK_INVALID)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: not a PSF: values that are negative or no numbers, or no light at all",
                       tk_positional(arguments, 1));
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "the energy of the PSF");
}

/* Moves the box to the front of the PSF's memory, dense, and scales it to sum 1. */
static tk_status cut(tk_psf_image *psf, const tk_box *box, tk_error *error) {
    const tk_box whole = tk_box_of_size(psf->size);
    const tk_cview_f32 from = tk_read_f32(tk_crop_f32(tk_dense_f32(psf->voxels, psf->size), &whole, box));
    float *to = psf->voxels;
    for (int64_t z = 0; z < from.size[TK_Z]; z++)
        for (int64_t y = 0; y < from.size[TK_Y]; y++)
            for (int64_t x = 0; x < from.size[TK_X]; x++)
                *to++ = from.data[z * from.stride[TK_Z] + y * from.stride[TK_Y] + x];
    for (int axis = 0; axis < 3; axis++) psf->size[axis] = from.size[axis];
    if (tk_psf_normalise(tk_dense_f32(psf->voxels, psf->size)) == TK_PSF_GOOD) return TK_OK;
    return tk_fail(error, TK_UNSOLVABLE, "nothing of the PSF lies around its origin");
}

static tk_status crop(const tk_arguments *arguments, tk_psf_image *psf, const char *file, tk_error *error) {
    tk_box box;
    double lost;
    TK_TRY(tk_psf_read(arguments, tk_positional(arguments, 1), psf, error));
    TK_TRY(find(arguments, psf, &box, &lost, error));
    TK_TRY(cut(psf, &box, error));
    TK_TRY(tk_option_triple(arguments, "voxel", psf->voxel_um, error));
    TK_TRY(tk_ome_tiff_write(file, TK_F32, psf->size, psf->voxels, psf->voxel_um, "PSF", error));
    const int64_t *n = psf->size;
    if (tk_option_value(arguments, "json"))
        return tk_psf_print_json(json_pack("{s:s, s:[I, I, I], s:f}", "file", file, "size", (json_int_t)n[0],
                                           (json_int_t)n[1], (json_int_t)n[2], "lost", lost),
                                 error);
    printf("%s: %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x); %.2f %% of the light is lost\n", file, n[0],
           n[1], n[2], 100 * lost);
    return TK_OK;
}

tk_status tk_psf_command_crop(const tk_arguments *arguments, tk_error *error) {
    const char *file = tk_positional(arguments, 2);
    if (!file || tk_positional(arguments, 3))
        return tk_fail(error, TK_USAGE, "psf crop: two files, the PSF and the output");
    TK_TRY(tk_may_write(arguments, file, error));
    tk_psf_image psf = {0};
    const tk_status status = crop(arguments, &psf, file, error);
    free(psf.voxels);
    return status;
}
