/* Set-up of a block: its constants and its memory. */
#include "kernels/deconvolve/block.h"

enum { HALO_PLANES = 4 }; /* before and behind each of a worker's two runs of planes */

static const double floor_of_start = 1.0 / 32768;

/* The part of the first worker, which has the most. */
static tk_fft_part largest_part(const tk_fft *fft, int workers, int64_t data_planes) {
    return tk_fft_part_of(fft, &(tk_fft_share){.workers = workers}, data_planes);
}

/* Threads that there is memory for. */
static int lanes_of(const tk_fft *fft, int workers, int64_t data_planes) {
    const tk_fft_part part = largest_part(fft, workers, data_planes);
    return tk_fft_lanes(fft, tk_fft_part_count(fft, &part));
}

tk_deconvolve_block tk_deconvolve_block_of(const tk_deconvolver *deconvolver, const tk_fft_share *share,
                                           int64_t data_planes, const tk_deconvolve_data *data,
                                           const tk_deconvolve_options *options, const tk_work *work) {
    const tk_fft *fft = &deconvolver->shape.fft;
    const double noise = options->read_noise * options->read_noise;
    const tk_fft_part part = tk_fft_part_of(fft, share, data_planes);
    const int lanes = lanes_of(fft, share ? share->workers : 1, data_planes);
    return (tk_deconvolve_block){
        .deconvolver = deconvolver,
        .fft = fft,
        .rows = TK_ISA_SELECT(tk_deconvolve_rows_table, work->isa),
        .data = data,
        .options = options,
        .size = data->image.size,
        .share = share,
        .data_planes = data_planes,
        .part = part,
        .lanes = lanes,
        .threads = work->threads < lanes ? work->threads : lanes,
        .isa = work->isa,
        .step = {.floor = (float)(options->start * floor_of_start),
                 .zero = (float)data->camera_offset,
                 .gain = (float)data->camera_gain,
                 .saturation = (float)data->saturation,
                 .shift = (float)noise,
                 .offset = (float)(data->background + noise),
                 .part = 1},
    };
}

/* Does this need a volume for changes, or rows for each thread? */
static bool keeps_changes(const tk_deconvolve_options *options) {
    return options->method == TK_DECONVOLVE_BIGGS && !options->momentum;
}

/* How many of a thread's lines. */
static int64_t lines_of(const tk_deconvolver_shape *shape, const tk_deconvolve_options *options) {
    return options->tv > 0 ? TK_DECONVOLVE_LINES : shape->lean ? LINE_WEIGHT + 1 : 0;
}

tk_status tk_deconvolve_take_sums(tk_deconvolve_block *b, tk_scratch *scratch) {
    b->sums = tk_scratch_take(scratch, b->fft->size[TK_Z], sizeof *b->sums);
    return b->sums ? TK_OK : TK_NO_MEMORY;
}

size_t tk_deconvolve_sums_scratch(const tk_fft *fft) {
    return tk_scratch_cost(fft->size[TK_Z], sizeof(double[TK_SUMS]));
}

static tk_status take_extras(tk_deconvolve_block *b, int64_t volume, tk_scratch *scratch) {
    if (keeps_changes(b->options)) {
        b->change = tk_scratch_take(scratch, volume, sizeof(float));
        if (!b->change) return TK_NO_MEMORY;
        TK_TRY(tk_deconvolve_take_sums(b, scratch));
    }
    b->lines_each = lines_of(&b->deconvolver->shape, b->options);
    if (b->lines_each > 0) {
        b->lines = tk_scratch_take(scratch, b->lanes * b->lines_each * b->fft->row_stride, sizeof(float));
        if (!b->lines) return TK_NO_MEMORY;
    }
    if (b->share && b->options->tv > 0) {
        b->halo = tk_scratch_take(scratch, HALO_PLANES * b->fft->plane_stride, sizeof(float));
        b->outgoing = tk_scratch_take(scratch, HALO_PLANES * b->fft->plane_stride, sizeof(float));
        b->halo_bytes = tk_scratch_take(scratch, 2 * (int64_t)b->share->workers, sizeof(int64_t));
        if (!b->halo || !b->outgoing || !b->halo_bytes) return TK_NO_MEMORY;
    }
    return b->share ? tk_fft_exchange_open(b->fft, b->share, b->data_planes, scratch, &b->exchange) : TK_OK;
}

tk_status tk_deconvolve_take(tk_deconvolve_block *b, tk_scratch *scratch) {
    const int64_t volume = tk_fft_part_count(b->fft, &b->part);
    const bool lean = b->deconvolver->shape.lean;
    b->x = tk_scratch_take(scratch, volume, sizeof(float));
    b->previous = tk_scratch_take(scratch, volume, sizeof(float));
    b->work = tk_scratch_take(scratch, volume, sizeof(float));
    if (lean)
        b->packed_weight = tk_scratch_take(scratch, volume, sizeof(uint8_t));
    else
        b->weight = tk_scratch_take(scratch, volume, sizeof(float));
    b->buffers = tk_scratch_take(scratch, b->lanes * tk_fft_buffer_count(b->fft), sizeof(float));
    b->ones = tk_scratch_take(scratch, b->fft->row_stride, sizeof(float));
    if (!b->x || !b->previous || !b->work || !b->buffers || !b->ones) return TK_NO_MEMORY;
    if (!b->weight && !b->packed_weight) return TK_NO_MEMORY;
    for (int64_t x = 0; x < b->fft->row_stride; x++) b->ones[x] = 1;
    return take_extras(b, volume, scratch);
}

/* Bytes that a worker takes for a volume of `count` floats. */
static size_t scratch_of(const tk_deconvolver_shape *shape, int64_t count, const tk_deconvolve_options *options) {
    const tk_fft *fft = &shape->fft;
    const int64_t lanes = tk_fft_lanes(fft, count);
    size_t bytes = tk_scratch_cost(count, shape->lean ? sizeof(uint8_t) : sizeof(float));
    for (int i = 0; i < 3 + keeps_changes(options); i++)
        bytes = tk_size_add(bytes, tk_scratch_cost(count, sizeof(float)));
    bytes = tk_size_add(bytes, tk_scratch_cost(lanes * tk_fft_buffer_count(fft), sizeof(float)));
    bytes = tk_size_add(bytes, tk_scratch_cost(fft->row_stride, sizeof(float)));
    if (keeps_changes(options)) bytes = tk_size_add(bytes, tk_deconvolve_sums_scratch(fft));
    if (lines_of(shape, options) > 0)
        bytes = tk_size_add(bytes, tk_scratch_cost(lanes * lines_of(shape, options) * fft->row_stride, sizeof(float)));
    return options->warm > 0 ? tk_size_add(bytes, tk_back_projector_scratch(fft)) : bytes;
}

size_t tk_deconvolve_scratch(const tk_deconvolver_shape *shape, const tk_deconvolve_options *options) {
    return scratch_of(shape, tk_fft_volume_count(&shape->fft), options);
}

size_t tk_deconvolve_shared_scratch(const tk_deconvolver_shape *shape, int workers, int64_t data_planes,
                                    const tk_deconvolve_options *options) {
    const tk_fft *fft = &shape->fft;
    const tk_fft_part part = largest_part(fft, workers, data_planes);
    size_t bytes = scratch_of(shape, tk_fft_part_count(fft, &part), options);
    bytes = tk_size_add(bytes, tk_fft_exchange_scratch(fft, workers, data_planes));
    if (!(options->tv > 0)) return bytes;
    const size_t halo = tk_scratch_cost(HALO_PLANES * fft->plane_stride, sizeof(float));
    bytes = tk_size_add(bytes, tk_scratch_cost(2 * (int64_t)workers, sizeof(int64_t)));
    return tk_size_add(bytes, tk_size_add(halo, halo));
}

double tk_deconvolve_cost(const tk_deconvolver_shape *shape, int64_t planes, const tk_deconvolve_options *options) {
    const double fifth = keeps_changes(options) ? 0.2 : 0, smoothing = options->tv > 0 ? 0.2 : 0; /* of an iteration */
    return (options->iterations * (1 + fifth + smoothing) + 1) * tk_deconvolver_cost(shape, planes);
}
