/* Deconvolution of a block by one worker. */
#include "kernels/deconvolve/deconvolve.h"

#include <math.h>

#include "kernels/deconvolve/block.h"
#include "kernels/deconvolve/turn.h"

tk_deconvolve_data tk_deconvolve_photons(tk_cview_f32 image) {
    return (tk_deconvolve_data){.image = image, .camera_gain = 1, .saturation = INFINITY};
}

/* Takes the memory and iterates. */
static tk_status solve(tk_deconvolve_block *b, tk_deconvolve_run *run, tk_scratch *scratch) {
    const size_t mark = tk_scratch_mark(scratch);
    tk_status status = tk_deconvolve_take(b, scratch);
    if (status == TK_OK) status = tk_deconvolve_iterate(b, run, scratch);
    tk_scratch_rewind(scratch, mark);
    return status;
}

/* tk_deconvolve_shared, of which the part `out_part` is wanted, by way of turned data if need be. */
static tk_status deconvolve(const tk_deconvolver *deconvolver, const tk_fft_share *share, int64_t data_planes,
                            const tk_deconvolve_data *data, const tk_box *out_part, tk_view_f32 out,
                            const tk_deconvolve_options *options, const tk_deconvolve_checkpoint *checkpoint,
                            tk_work *work) {
    const bool turned = deconvolver->shape.turned;
    const tk_deconvolve_data seen = turned ? tk_turn_data(data) : *data;
    const tk_deconvolve_options along = turned ? tk_turn_options(options) : *options;
    const tk_box part = turned ? tk_turn_box(*out_part) : *out_part;
    tk_deconvolve_block b = tk_deconvolve_block_of(deconvolver, share, data_planes, &seen, &along, work);
    tk_deconvolve_run run = {.part = &part, .out = turned ? tk_turn_view(out) : out, .checkpoint = checkpoint};
    return solve(&b, &run, &work->scratch);
}

tk_status tk_deconvolve(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data, const tk_box *out_part,
                        tk_view_f32 out, const tk_deconvolve_options *options, tk_work *work) {
    const int64_t planes = data->image.size[deconvolver->shape.turned ? TK_Y : TK_Z];
    return deconvolve(deconvolver, NULL, planes, data, out_part, out, options, NULL, work);
}

tk_status tk_deconvolve_shared(const tk_deconvolver *deconvolver, const tk_fft_share *share, int64_t data_planes,
                               const tk_deconvolve_data *data, tk_view_f32 out, const tk_deconvolve_options *options,
                               const tk_deconvolve_checkpoint *checkpoint, tk_work *work) {
    const tk_box all = tk_box_of_size(data->image.size);
    return deconvolve(deconvolver, share, data_planes, data, &all, out, options, checkpoint, work);
}
