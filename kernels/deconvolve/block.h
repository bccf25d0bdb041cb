/* A block while it is deconvolved: what the files of this folder share. Not for others.
 *
 * Planes are counted as the worker has them: those with data first, then the others (kernels/fft/share.h). Volumes
 * have the layout of kernels/fft/fft.h. */
#ifndef TK_KERNELS_DECONVOLVE_BLOCK_H
#define TK_KERNELS_DECONVOLVE_BLOCK_H

#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/update.h"
#include "kernels/deconvolve/wiener_butterworth.h"
#include "kernels/fft/sweep.h"

/* The sums of one plane, or of all. */
enum { TK_SUM_HELD_OUT, TK_SUM_DIVERGENCE, TK_SUM_VOXELS, TK_SUM_LIGHT, TK_SUM_NUMERATOR, TK_SUM_DENOMINATOR, TK_SUMS };

typedef struct tk_deconvolve_block {
    const tk_deconvolver *deconvolver;
    const tk_fft *fft;
    const tk_deconvolve_rows *rows;
    const tk_deconvolve_data *data;
    const tk_deconvolve_options *options;
    const int64_t *size;        /* of the worker's data, z y x */
    const tk_fft_share *share;  /* NULL: one worker */
    tk_fft_exchange exchange;   /* with share */
    int64_t data_planes;        /* of all workers' data */
    tk_fft_part part;           /* the planes that the worker has */
    float *x, *previous, *work; /* x_k, x_(k-1); p_k's or r_k's spectrum */
    float *weight;              /* w, or in a byte each (update.h): */
    uint8_t *packed_weight;
    float *change;           /* for Biggs' momentum: x_k - p_(k-1); else NULL */
    float *held;             /* data of a trial, of the size of the worker's data; else NULL */
    float odds, held_shift;  /* of these against the fitted data */
    double (*sums)[TK_SUMS]; /* by padded plane, of all workers; NULL when nobody asks */
    float *halo, *outgoing;  /* for total variation: planes beyond the worker's, 4 each; with share */
    int64_t halo_place[4];   /* which of the halo's planes is that before and that behind each run */
    int64_t *halo_bytes;     /* to each worker, then from each */
    float *ones;             /* a row */
    float *buffers;          /* for transforms, one for each thread */
    float *lines;            /* rows for each thread, */
    int64_t lines_each;      /* … so many: the weight's alone, all for total variation; 0: none are needed */
    int lanes, threads;      /* threads that there is memory for, that are used */
    tk_isa isa;
    tk_deconvolve_step step; /* of iteration k */
    int k;
} tk_deconvolve_block;

/* A thread's lines: a weight in single precision; for total variation u_x, u_z, u_z of the plane before, the factor,
 * u_y of even and of odd rows. */
enum { LINE_WEIGHT, LINE_X, LINE_Z, LINE_Z_BEFORE, LINE_FACTOR, LINE_Y, TK_DECONVOLVE_LINES = LINE_Y + 2 };
float *tk_deconvolve_line(const tk_deconvolve_block *b, int64_t number);

/* --- block.c: set-up --------------------------------------------------------------------------------------------- */

/* The block of these data, without memory. `share`: NULL, or the workers who have `data_planes` planes of data in all.
 */
tk_deconvolve_block tk_deconvolve_block_of(const tk_deconvolver *deconvolver, const tk_fft_share *share,
                                           int64_t data_planes, const tk_deconvolve_data *data,
                                           const tk_deconvolve_options *options, const tk_work *work);

/* Takes all memory but `held` and the sums, and those too that the method needs. Errors: TK_NO_MEMORY. */
tk_status tk_deconvolve_take(tk_deconvolve_block *b, tk_scratch *scratch);
tk_status tk_deconvolve_take_sums(tk_deconvolve_block *b, tk_scratch *scratch);
size_t tk_deconvolve_sums_scratch(const tk_fft *fft);

/* --- iterate.c --------------------------------------------------------------------------------------------------- */

/* What iterations need beside the block. */
typedef struct tk_deconvolve_run {
    tk_back_projector projector;
    const tk_box *part;                         /* of the result that is wanted, and where to */
    tk_view_f32 out;                            /* data NULL: none is */
    tk_deconvolve_sums *trial;                  /* for each iteration; or NULL */
    const tk_deconvolve_checkpoint *checkpoint; /* or NULL */
} tk_deconvolve_run;

/* All of it, in memory that has been taken. Errors: TK_NO_MEMORY, those of the share and of the checkpoint. */
tk_status tk_deconvolve_iterate(tk_deconvolve_block *b, tk_deconvolve_run *run, tk_scratch *scratch);

/* The calling thread's buffer for transforms. */
float *tk_deconvolve_buffer(const tk_deconvolve_block *b);

/* --- sweeps.c: loops over planes --------------------------------------------------------------------------------- */

/* w = 1 / H^T M from the spectrum of H^T M in work; and before it, work := spectra of M's planes with data. */
void tk_deconvolve_mask(const tk_deconvolve_block *b);
void tk_deconvolve_weigh(const tk_deconvolve_block *b);

/* x = x_previous = the start level. */
void tk_deconvolve_start(const tk_deconvolve_block *b);

/* work := spectra of p_k's planes, p_k from x and previous. */
void tk_deconvolve_extrapolate(const tk_deconvolve_block *b);

/* H p_k's spectrum -> r_k's, on the planes with data. */
void tk_deconvolve_compare(const tk_deconvolve_block *b);

/* B r_k's spectrum -> p_(k+1)'s; x := x_(k+1), previous := x_k. */
void tk_deconvolve_update(tk_deconvolve_block *b);

/* The same without the next p, for Biggs' momentum; change := x_(k+1) - p_k, and its products are summed. */
void tk_deconvolve_change(tk_deconvolve_block *b);

/* B r_k's spectrum -> x_(k+1), only where it is wanted. */
void tk_deconvolve_finish(const tk_deconvolve_block *b, const tk_box *part, tk_view_f32 out);

/* --- total_variation.c ------------------------------------------------------------------------------------------- */

/* Fetches the planes of x_k beyond the worker's from those who have them. Collective. Errors: those of the share. */
tk_status tk_deconvolve_fetch_halo(tk_deconvolve_block *b);

/* The factor 1 / (1 - lambda div (grad x_k / |grad x_k|)) of row y of a plane; NULL without total variation. Rows of a
 * plane are asked for in order, after tk_deconvolve_smooth_from for the first one. */
void tk_deconvolve_smooth_from(const tk_deconvolve_block *b, int64_t plane, int64_t y);
const float *tk_deconvolve_smooth(const tk_deconvolve_block *b, int64_t plane, int64_t y);

#endif
