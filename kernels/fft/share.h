/* Several workers on one padded volume, each with a part of it.
 *
 * While planes are transformed along x and y, a worker owns planes: a contiguous run of those with data (the first
 * ones of the padded volume) and a contiguous run of the others, so that both kinds of work are shared evenly. Its
 * part of the volume is these planes, one after the other, in the layout of fft.h. While columns along z are
 * transformed it owns rows of columns (along y), and the filter's values for those. In between, blocks of columns move:
 * only those of planes that are read or wanted, in slices, so that the memory for it stays small.
 *
 * Every value is computed by the same operations as in one worker's volume: same bits for any number of workers. */
#ifndef TK_KERNELS_FFT_SHARE_H
#define TK_KERNELS_FFT_SHARE_H

#include "kernels/common/scratch.h"
#include "kernels/fft/fft.h"

/* How workers reach each other. Both functions are collective, and fail for all workers or for none. */
typedef struct tk_fft_share {
    int workers, me; /* me: 0 … workers - 1 */
    /* Moves bytes between all workers: to worker i out_bytes[i] from `out` (packed in order of i), from worker i
     * in_bytes[i] to `in` (likewise). */
    tk_status (*exchange)(void *context, const void *out, const int64_t out_bytes[], void *in,
                          const int64_t in_bytes[]);
    /* Sums each of `count` values over the workers; each value is non-zero on at most one of them. */
    tk_status (*sum)(void *context, double *values, int64_t count);
    void *context;
} tk_fft_share;

/* A run of indices: first <= i < end. */
typedef struct tk_fft_run {
    int64_t first, end;
} tk_fft_run;

/* What a worker owns of a volume whose first planes have data. Its planes, in order: `data`, then `rest`. */
typedef struct tk_fft_part {
    tk_fft_run data, rest; /* padded planes */
    tk_fft_run rows;       /* of columns, along y */
} tk_fft_part;

/* The part of worker `share->me` of a volume of which the first `data_planes` planes have data; everything when share
 * is NULL. A worker may own nothing of a kind when there are more workers than planes or rows. */
tk_fft_part tk_fft_part_of(const tk_fft *fft, const tk_fft_share *share, int64_t data_planes);

/* How many planes a part has; how many of them (the first ones) have data; and the padded plane that is its plane
 * number `local`. */
static inline int64_t tk_fft_part_planes(const tk_fft_part *part) {
    return part->data.end - part->data.first + part->rest.end - part->rest.first;
}
static inline int64_t tk_fft_part_data(const tk_fft_part *part) { return part->data.end - part->data.first; }
static inline int64_t tk_fft_part_plane(const tk_fft_part *part, int64_t local) {
    const int64_t data = tk_fft_part_data(part);
    return local < data ? part->data.first + local : part->rest.first + local - data;
}

/* Floats of a part of a volume, and of the filter for its rows. */
int64_t tk_fft_part_count(const tk_fft *fft, const tk_fft_part *part);
int64_t tk_fft_part_filter_count(const tk_fft *fft, const tk_fft_part *part);

/* What a worker needs to move columns. */
typedef struct tk_fft_exchange {
    const tk_fft_share *share;
    int64_t data_planes, slice;   /* slice: blocks of columns that each worker filters between two exchanges */
    float *planes, *come, *going; /* all workers' blocks on my planes; my blocks on all planes, before and after */
    int64_t *plane_bytes, *column_bytes; /* by worker */
} tk_fft_exchange;

/* Takes the buffers from `scratch`, which has tk_fft_exchange_scratch bytes: at most a quarter of the largest worker's
 * part of the volume (a slice is at least one block of columns), and at most 192 MiB. Errors: TK_NO_MEMORY. */
tk_status tk_fft_exchange_open(const tk_fft *fft, const tk_fft_share *share, int64_t data_planes, tk_scratch *scratch,
                               tk_fft_exchange *exchange);
size_t tk_fft_exchange_scratch(const tk_fft *fft, int workers, int64_t data_planes);

#endif
