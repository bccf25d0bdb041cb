/* Who owns what of a shared volume, and the filter along its columns with exchanges in slices.
 *
 * Blocks of columns are packed as [worker][block of the slice][plane][column]: what one worker sends another lies
 * together, and a block's planes from one worker are contiguous. */
#include "kernels/fft/share.h"

#include <omp.h>

#include "kernels/common/view.h"
#include "kernels/fft/column.h"

/* Three buffers of a slice, with some room, in a quarter of a part; and each of them. */
enum { SLICES = 16, MOST_BYTES = 64 << 20 };

static int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }

/* The share of worker `worker` in `count` things. Worker + 1 starts where worker ends; sizes differ by at most 1. */
static tk_fft_run share_of(int64_t count, int workers, int64_t worker) {
    const int64_t each = count / workers, more = count % workers;
    return (tk_fft_run){worker * each + min_of(worker, more), (worker + 1) * each + min_of(worker + 1, more)};
}

static tk_fft_part part_of_worker(const tk_fft *fft, int64_t data_planes, int workers, int64_t worker) {
    tk_fft_part part = {.data = share_of(data_planes, workers, worker),
                        .rest = share_of(fft->size[TK_Z] - data_planes, workers, worker),
                        .rows = share_of(fft->size[TK_Y], workers, worker)};
    part.rest.first += data_planes;
    part.rest.end += data_planes;
    return part;
}

tk_fft_part tk_fft_part_of(const tk_fft *fft, const tk_fft_share *share, int64_t data_planes) {
    return part_of_worker(fft, data_planes, share ? share->workers : 1, share ? share->me : 0);
}

int64_t tk_fft_part_count(const tk_fft *fft, const tk_fft_part *part) {
    return tk_fft_part_planes(part) * fft->plane_stride;
}

int64_t tk_fft_part_filter_count(const tk_fft *fft, const tk_fft_part *part) {
    return (part->rows.end - part->rows.first) * fft->blocks * fft->size[TK_Z] * TK_FFT_WIDTH;
}

/* --- Buffers ----------------------------------------------------------------------------------------------------- */

/* Blocks of columns that the worker with most of them owns, and how many of them are in a slice. */
static int64_t most_blocks(const tk_fft *fft, int workers) {
    return (fft->size[TK_Y] + workers - 1) / workers * fft->blocks;
}

static int64_t slice_of(const tk_fft *fft, int workers) {
    const int64_t slice = most_blocks(fft, workers) / SLICES;
    const int64_t most = MOST_BYTES / (fft->size[TK_Z] * (int64_t)TK_FFT_WIDTH_BYTES);
    const int64_t fit = min_of(slice, most);
    return fit < 1 ? 1 : fit;
}

/* Floats of a slice: all workers' blocks on the planes of the worker with most of them, and one worker's on all. */
static int64_t planes_count(const tk_fft *fft, int workers, int64_t data_planes) {
    const tk_fft_part part = part_of_worker(fft, data_planes, workers, 0);
    return min_of(slice_of(fft, workers) * workers, fft->size[TK_Y] * fft->blocks) * tk_fft_part_planes(&part) *
           TK_FFT_WIDTH;
}

static int64_t columns_count(const tk_fft *fft, int workers) {
    return slice_of(fft, workers) * fft->size[TK_Z] * TK_FFT_WIDTH;
}

size_t tk_fft_exchange_scratch(const tk_fft *fft, int workers, int64_t data_planes) {
    const size_t planes = tk_scratch_cost(planes_count(fft, workers, data_planes), sizeof(float));
    const size_t columns = tk_scratch_cost(columns_count(fft, workers), sizeof(float));
    const size_t bytes = tk_scratch_cost(workers, sizeof(int64_t));
    return tk_size_add(tk_size_add(planes, tk_size_add(columns, columns)), tk_size_add(bytes, bytes));
}

tk_status tk_fft_exchange_open(const tk_fft *fft, const tk_fft_share *share, int64_t data_planes, tk_scratch *scratch,
                               tk_fft_exchange *exchange) {
    *exchange = (tk_fft_exchange){.share = share, .data_planes = data_planes, .slice = slice_of(fft, share->workers)};
    exchange->planes = tk_scratch_take(scratch, planes_count(fft, share->workers, data_planes), sizeof(float));
    exchange->come = tk_scratch_take(scratch, columns_count(fft, share->workers), sizeof(float));
    exchange->going = tk_scratch_take(scratch, columns_count(fft, share->workers), sizeof(float));
    exchange->plane_bytes = tk_scratch_take(scratch, share->workers, sizeof(int64_t));
    exchange->column_bytes = tk_scratch_take(scratch, share->workers, sizeof(int64_t));
    const bool blocks = exchange->planes && exchange->come && exchange->going;
    return blocks && exchange->plane_bytes && exchange->column_bytes ? TK_OK : TK_NO_MEMORY;
}

/* --- One slice --------------------------------------------------------------------------------------------------- */

/* A slice of every worker's blocks of columns, on the first `planes` planes. */
typedef struct slice {
    const tk_fft *fft;
    const tk_fft_exchange *exchange;
    int64_t first, planes;
    int threads;
} slice;

/* The planes of a run among the slice's. */
static tk_fft_run clip(const slice *s, tk_fft_run run) {
    return (tk_fft_run){min_of(run.first, s->planes), min_of(run.end, s->planes)};
}

/* The slice's planes that a worker owns, and how many those before it own. */
static tk_fft_part planes_of(const slice *s, int64_t worker, int64_t *before) {
    tk_fft_part part = part_of_worker(s->fft, s->exchange->data_planes, s->exchange->share->workers, worker);
    part.data = clip(s, part.data);
    part.rest = clip(s, part.rest);
    *before = part.data.first + part.rest.first - min_of(s->exchange->data_planes, s->planes);
    return part;
}

/* The slice's blocks of columns of a worker, counted through the volume. */
static tk_fft_run blocks_of(const slice *s, int64_t worker) {
    const tk_fft_run rows = share_of(s->fft->size[TK_Y], s->exchange->share->workers, worker);
    const int64_t first = rows.first * s->fft->blocks + s->first, end = rows.end * s->fft->blocks;
    return (tk_fft_run){min_of(first, end), min_of(first + s->exchange->slice, end)};
}

/* Bytes that go to and come from each worker, packed by planes and by columns. */
static void count_bytes(const slice *s) {
    int64_t before;
    const tk_fft_share *share = s->exchange->share;
    const tk_fft_run mine = blocks_of(s, share->me);
    const tk_fft_part planes = planes_of(s, share->me, &before);
    for (int64_t worker = 0; worker < share->workers; worker++) {
        const tk_fft_run theirs = blocks_of(s, worker);
        const tk_fft_part their_planes = planes_of(s, worker, &before);
        s->exchange->plane_bytes[worker] =
            (theirs.end - theirs.first) * tk_fft_part_planes(&planes) * TK_FFT_WIDTH_BYTES;
        s->exchange->column_bytes[worker] =
            (mine.end - mine.first) * tk_fft_part_planes(&their_planes) * TK_FFT_WIDTH_BYTES;
    }
}

/* Blocks of the slice that the workers before this one own: those with a row more come first. */
static int64_t blocks_before(const slice *s, int64_t worker) {
    const int64_t more = s->fft->size[TK_Y] % s->exchange->share->workers;
    const tk_fft_run large = blocks_of(s, 0), small = blocks_of(s, more);
    return min_of(worker, more) * (large.end - large.first) +
           (worker - min_of(worker, more)) * (small.end - small.first);
}

/* Packs (or unpacks) the slice's blocks of my planes, those of all workers in order. */
static void pack_planes(const slice *s, float *part, bool unpack) {
    int64_t before;
    const tk_fft *fft = s->fft;
    const tk_fft_exchange *exchange = s->exchange;
    const tk_fft_part all = tk_fft_part_of(fft, exchange->share, exchange->data_planes);
    const tk_fft_part mine = planes_of(s, exchange->share->me, &before);
    const int64_t data = tk_fft_part_data(&mine), rest = mine.rest.end - mine.rest.first;
    const int64_t stride = fft->plane_stride, skip = tk_fft_part_data(&all) * stride;
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int64_t i = 0; i < exchange->share->workers * exchange->slice; i++) {
        const int64_t worker = i / exchange->slice, of_slice = i % exchange->slice;
        const tk_fft_run blocks = blocks_of(s, worker);
        const int64_t index = blocks.first + of_slice, block = index % fft->blocks;
        if (index >= blocks.end) continue;
        float *at = exchange->planes + (blocks_before(s, worker) + of_slice) * (data + rest) * TK_FFT_WIDTH;
        float *first = part + index / fft->blocks * fft->row_stride + block * TK_FFT_WIDTH;
        const size_t bytes = tk_fft_block_bytes(fft, block);
        if (unpack) {
            tk_fft_scatter(first, at, stride, data, bytes);
            tk_fft_scatter(first + skip, at + data * TK_FFT_WIDTH, stride, rest, bytes);
        } else {
            tk_fft_gather(at, first, stride, data, bytes);
            tk_fft_gather(at + data * TK_FFT_WIDTH, first + skip, stride, rest, bytes);
        }
    }
}

/* Copies my block `i` of `blocks` from what came to `columns` (or from there to what goes). */
static void copy_columns(const slice *s, int64_t blocks, int64_t i, float *columns, bool back) {
    for (int64_t worker = 0; worker < s->exchange->share->workers; worker++) {
        int64_t before;
        const tk_fft_part part = planes_of(s, worker, &before);
        const int64_t planes = tk_fft_part_planes(&part);
        float *at = (back ? s->exchange->going : s->exchange->come) + (blocks * before + i * planes) * TK_FFT_WIDTH;
        const tk_fft_run runs[] = {part.data, part.rest};
        for (int r = 0; r < 2; r++) {
            const int64_t count = runs[r].end - runs[r].first;
            float *in = columns + runs[r].first * TK_FFT_WIDTH;
            memcpy(back ? at : in, back ? in : at, (size_t)count * TK_FFT_WIDTH_BYTES);
            at += count * TK_FFT_WIDTH;
        }
    }
}

static void filter_slice(const slice *in, const slice *out, const tk_fft_filter *filter, float *buffers, tk_isa isa) {
    const tk_fft *fft = in->fft;
    const tk_fft_multiply *table = TK_ISA_SELECT(tk_fft_multiply_table, isa);
    const int64_t me = in->exchange->share->me;
    const int64_t first = share_of(fft->size[TK_Y], in->exchange->share->workers, me).first;
    const tk_fft_run mine = blocks_of(in, me);
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t i = mine.first; i < mine.end; i++) {
        float *buffer = buffers + omp_get_thread_num() * tk_fft_buffer_count(fft);
        copy_columns(in, mine.end - mine.first, i - mine.first, buffer, false);
        tk_fft_clear(buffer, in->planes, fft->size[TK_Z]);
        float *filtered = tk_fft_filter_columns(fft, filter, table, &(tk_fft_place){i, first * fft->blocks}, buffer);
        copy_columns(out, mine.end - mine.first, i - mine.first, filtered, true);
    }
}

tk_status tk_fft_filter_shared(const tk_fft *fft, float *part, const tk_fft_filter *filter, float *buffers, int threads,
                               tk_isa isa) {
    const tk_fft_exchange *exchange = filter->exchange;
    const tk_fft_share *share = exchange->share;
    for (int64_t first = 0; first < most_blocks(fft, share->workers); first += exchange->slice) {
        const slice in = {fft, exchange, first, filter->planes_in, threads};
        const slice out = {fft, exchange, first, filter->planes_out, threads};
        count_bytes(&in);
        pack_planes(&in, part, false);
        TK_TRY(share->exchange(share->context, exchange->planes, exchange->plane_bytes, exchange->come,
                               exchange->column_bytes));
        filter_slice(&in, &out, filter, buffers, isa);
        count_bytes(&out);
        TK_TRY(share->exchange(share->context, exchange->going, exchange->column_bytes, exchange->planes,
                               exchange->plane_bytes));
        pack_planes(&out, part, true);
    }
    return TK_OK;
}
