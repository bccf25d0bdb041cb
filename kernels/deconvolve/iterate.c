/* The iteration (equations in deconvolve.h; float32, z y x).
 *
 * One iteration is four sweeps over memory. Planes are transformed along x and y, columns along z:
 *   1. columns: transform, times OTF, inverse             p's spectrum -> that of H p, on the planes with data
 *   2. planes with data: inverse, ratio, transform        -> spectrum of r (rows and planes without data are zero)
 *   3. columns: transform, times back projector, inverse  -> spectrum of B r
 *   4. planes: inverse, update x, transform               -> spectrum of the next p
 * Five arrays of a padded volume: x, previous, weight and work here, the OTF in the deconvolver. Biggs' momentum, when
 * it is not given, is known only after the whole sweep 4: it takes another array, and a fifth sweep that makes p. */
#include <string.h>

#include "kernels/deconvolve/block.h"

static const float least_warm = 0.3F; /* of the factor 1 + B r: the unmatched projector overshoots */

static const tk_fft_exchange *exchange_of(const tk_deconvolve_block *b) { return b->share ? &b->exchange : NULL; }

/* H p (spectra of planes in work -> of the planes with data). */
static tk_status blur(const tk_deconvolve_block *b) {
    const tk_fft_filter filter =
        tk_deconvolver_filter(b->deconvolver, false, b->data_planes, b->data->weight, exchange_of(b));
    return tk_fft_filter_volume(b->fft, b->work, &filter, b->buffers, b->threads, b->isa);
}

/* B r: H^T r, or by the Wiener-Butterworth projector when there is one. */
static tk_status project_back(const tk_deconvolve_block *b, const tk_back_projector *projector) {
    tk_fft_filter filter = tk_deconvolver_filter(b->deconvolver, true, b->data_planes, b->data->weight, exchange_of(b));
    if (projector) {
        filter.terms = 1;
        filter.weight = NULL;
        filter.product = tk_wiener_butterworth_product;
        filter.context = projector;
    }
    return tk_fft_filter_volume(b->fft, b->work, &filter, b->buffers, b->threads, b->isa);
}

/* The sums of all workers' planes, added in the order of planes; then they start anew. */
static tk_status add_sums(const tk_deconvolve_block *b, double total[TK_SUMS]) {
    const int64_t planes = b->fft->size[TK_Z];
    if (b->share) TK_TRY(b->share->sum(b->share->context, b->sums[0], planes * TK_SUMS));
    for (int64_t z = 0; z < planes; z++)
        for (int i = 0; i < TK_SUMS; i++) total[i] += b->sums[z][i];
    memset(b->sums, 0, (size_t)planes * sizeof *b->sums);
    return TK_OK;
}

/* The a_(k+1) that Biggs and Andrews compute from the last two changes, at most 1. */
static float biggs_momentum(const double total[TK_SUMS]) {
    const double numerator = total[TK_SUM_NUMERATOR], denominator = total[TK_SUM_DENOMINATOR];
    const double a = denominator > 0 ? numerator / denominator : 0;
    return a > 1 ? 1 : a > 0 ? (float)a : 0;
}

/* a_k, where it is known beforehand. */
static float momentum_of(const tk_deconvolve_options *options, int k) {
    const int j = k - options->warm;
    if (j <= 0 || k >= options->iterations || options->method == TK_DECONVOLVE_RL) return 0;
    if (options->method == TK_DECONVOLVE_SHB) return (float)j / (float)(j + 3);
    return options->momentum ? options->momentum[k] : 0;
}

static void tell(const double total[TK_SUMS], tk_deconvolve_sums *sums) {
    *sums = (tk_deconvolve_sums){.held_out = total[TK_SUM_HELD_OUT],
                                 .divergence = total[TK_SUM_DIVERGENCE],
                                 .light = total[TK_SUM_LIGHT],
                                 .numerator = total[TK_SUM_NUMERATOR],
                                 .denominator = total[TK_SUM_DENOMINATOR],
                                 .voxels = (int64_t)total[TK_SUM_VOXELS]};
}

/* Sweep 4, and the fifth one if need be. */
static tk_status go_on(tk_deconvolve_block *b, const tk_deconvolve_run *run) {
    double total[TK_SUMS] = {0};
    const bool change = b->change && b->k >= b->options->warm;
    if (change) {
        tk_deconvolve_change(b);
    } else {
        b->step.next = momentum_of(b->options, b->k + 1);
        tk_deconvolve_update(b);
        b->step.momentum = b->step.next;
    }
    if (b->sums) TK_TRY(add_sums(b, total));
    if (change) {
        b->step.momentum = biggs_momentum(total);
        tk_deconvolve_extrapolate(b);
    }
    if (run->trial) tell(total, &run->trial[b->k]);
    return TK_OK;
}

static tk_view_f32 view_of(const tk_deconvolve_block *b, float *volume) {
    const tk_fft *fft = b->fft;
    return (tk_view_f32){volume,
                         {tk_fft_part_planes(&b->part), fft->size[TK_Y], fft->size[TK_X]},
                         {fft->plane_stride, fft->row_stride, 1}};
}

static tk_deconvolve_progress progress_of(const tk_deconvolve_block *b, int done) {
    return (tk_deconvolve_progress){.done = done,
                                    .momentum = b->step.momentum,
                                    .part = b->part,
                                    .x = view_of(b, b->x),
                                    .previous = view_of(b, b->previous),
                                    .change = b->change ? view_of(b, b->change) : (tk_view_f32){0}};
}

/* x_k and what else iteration k starts from: what a checkpoint has, or the start level. A load that comes to nothing
 * may have filled some planes, so the start is made after it. */
static tk_status begin(tk_deconvolve_block *b, const tk_deconvolve_run *run) {
    tk_deconvolve_progress progress = progress_of(b, 0);
    if (run->checkpoint) TK_TRY(run->checkpoint->load(run->checkpoint->context, &progress));
    if (progress.done == 0) tk_deconvolve_start(b);
    b->k = progress.done;
    b->step.momentum = progress.momentum;
    tk_deconvolve_extrapolate(b);
    return TK_OK;
}

static tk_status prepare(tk_deconvolve_block *b, tk_deconvolve_run *run, tk_scratch *scratch) {
    const float *weight = b->data->weight ? b->data->weight[0] : NULL;
    if (b->options->warm > 0)
        TK_TRY(tk_back_projector_make(b->fft, &b->options->back_projector, weight, b->isa, scratch, &run->projector));
    if (b->sums) memset(b->sums, 0, (size_t)b->fft->size[TK_Z] * sizeof *b->sums);
    tk_deconvolve_mask(b);
    TK_TRY(project_back(b, NULL));
    tk_deconvolve_weigh(b);
    return begin(b, run);
}

/* Iteration k. */
static tk_status iterate_once(tk_deconvolve_block *b, const tk_deconvolve_run *run) {
    const bool warm = b->k < b->options->warm;
    b->step.least = warm ? least_warm : 0;
    TK_TRY(blur(b));
    tk_deconvolve_compare(b);
    TK_TRY(project_back(b, warm ? &run->projector : NULL));
    if (b->halo) TK_TRY(tk_deconvolve_fetch_halo(b));
    if (b->k + 1 < b->options->iterations || run->trial) return go_on(b, run);
    tk_deconvolve_finish(b, run->part, run->out);
    return TK_OK;
}

tk_status tk_deconvolve_iterate(tk_deconvolve_block *b, tk_deconvolve_run *run, tk_scratch *scratch) {
    TK_TRY(prepare(b, run, scratch));
    for (; b->k < b->options->iterations; b->k++) {
        TK_TRY(iterate_once(b, run));
        const tk_deconvolve_progress progress = progress_of(b, b->k + 1);
        if (run->checkpoint && progress.done < b->options->iterations)
            TK_TRY(run->checkpoint->save(run->checkpoint->context, &progress));
    }
    return TK_OK;
}
