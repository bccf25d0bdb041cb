/* Held-out data: each voxel's photons are thinned, the others are fitted (deconvolve.h says how and why). */
#include <math.h>

#include "kernels/common/rng.h"
#include "kernels/deconvolve/block.h"
#include "kernels/deconvolve/turn.h"

enum { TK_DRAW_HELD_OUT = 11 }; /* what the seed's streams are for */

/* The part of g photons that is held out. */
static float thin(double g, double share, double noise, tk_rng *rng) {
    const double most = 0x1p53, spread = share * (1 - share);
    double held = share * g, variance = spread * noise;
    if (g > 0) {
        const double whole = floor((g < most ? g : most) + tk_rng_uniform(rng));
        held = (double)tk_rng_binomial(rng, (int64_t)whole, share);
    } else {
        variance = g + noise > 0 ? spread * (g + noise) : 0;
    }
    if (noise > 0) held += sqrt(variance) * tk_rng_normal(rng);
    return (float)held;
}

static bool is_datum(const tk_deconvolve_data *d, int64_t z, int64_t y, int64_t x, float counts) {
    if (!(counts < (float)d->saturation)) return false;
    return !d->dead.data || !d->dead.data[z * d->dead.stride[TK_Z] + y * d->dead.stride[TK_Y] + x];
}

static void hold_out(const tk_deconvolve_block *b, const tk_deconvolve_trial *trial, double noise) {
    const tk_deconvolve_data *d = b->data;
    const bool turned = b->deconvolver->shape.turned;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < b->size[TK_Z]; z++)
        for (int64_t y = 0; y < b->size[TK_Y]; y++) {
            const float *counts = d->image.data + z * d->image.stride[TK_Z] + y * d->image.stride[TK_Y];
            float *held = b->held + (z * b->size[TK_Y] + y) * b->size[TK_X];
            const int64_t in_z = trial->origin[TK_Z] + (turned ? y : z), in_y = trial->origin[TK_Y] + (turned ? z : y);
            const int64_t row = in_z * trial->image[TK_Y] + in_y;
            const int64_t first = row * trial->image[TK_X] + trial->origin[TK_X];
            for (int64_t x = 0; x < b->size[TK_X]; x++) {
                tk_rng rng = tk_rng_stream(trial->seed, TK_DRAW_HELD_OUT, (uint64_t)(first + x));
                const double photons = ((double)counts[x] - d->camera_offset) * d->camera_gain;
                held[x] = is_datum(d, z, y, x, counts[x]) ? thin(photons, trial->share, noise, &rng) : NAN;
            }
        }
}

/* What is left of the light when a share is held out; the sequence of steps is the method's. */
static tk_deconvolve_options remaining(const tk_deconvolve_options *options, double part) {
    tk_deconvolve_options o = *options;
    o.start *= part;
    o.read_noise *= sqrt(part);
    return o;
}

tk_status tk_deconvolve_try(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data,
                            const tk_deconvolve_trial *trial, const tk_deconvolve_options *options,
                            tk_deconvolve_sums *sums, tk_work *work) {
    const double part = 1 - trial->share, noise = options->read_noise * options->read_noise;
    const bool turned = deconvolver->shape.turned;
    const int64_t planes = data->image.size[turned ? TK_Y : TK_Z];
    const tk_deconvolve_data seen = turned ? tk_turn_data(data) : *data;
    const tk_deconvolve_options along = turned ? tk_turn_options(options) : *options, fitted = remaining(&along, part);
    tk_deconvolve_block b = tk_deconvolve_block_of(deconvolver, NULL, planes, &seen, &fitted, work);
    tk_deconvolve_run run = {.trial = sums};
    b.step.part = (float)part;
    b.step.offset = (float)(part * (data->background + noise));
    b.odds = (float)(trial->share / part);
    b.held_shift = (float)(trial->share * noise);
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_box box = tk_box_of_size(b.size);
    tk_status status = tk_deconvolve_take(&b, &work->scratch);
    if (status == TK_OK && !b.sums) status = tk_deconvolve_take_sums(&b, &work->scratch);
    b.held = tk_scratch_take(&work->scratch, tk_box_count(&box), sizeof(float));
    if (!b.held) status = TK_NO_MEMORY;
    if (status == TK_OK) {
        hold_out(&b, trial, noise);
        status = tk_deconvolve_iterate(&b, &run, &work->scratch);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_deconvolve_trial_scratch(const tk_deconvolver_shape *shape, const int64_t size[3],
                                   const tk_deconvolve_options *options) {
    const tk_box box = tk_box_of_size(size);
    const size_t held = tk_scratch_cost(tk_box_count(&box), sizeof(float));
    return tk_size_add(tk_deconvolve_scratch(shape, options),
                       tk_size_add(held, tk_deconvolve_sums_scratch(&shape->fft)));
}
