/* When to stop: held-out photons of a sample of tiles, pooled exactly.
 *
 * The sample: at most TK_DECONVOLVE_SAMPLE tiles (without halos), the brightest of the image by their exact total, of
 * equals the first by time and place. On each, a part of the photons is held out and the others are fitted
 * (tk_deconvolve_try), for 32 iterations, then 64, 128 …, until the error with which the held-out photons of the whole
 * sample are predicted has had its minimum for a while, or ten more iterations would lower it by less than 0.04 %. Sums
 * are in fixed point, so that they do not depend on who adds them. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_STOP_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_STOP_H

#include "engine/step.h"
#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/total.h"

enum { TK_DECONVOLVE_SAMPLE = 16, TK_DECONVOLVE_FIRST_TRIAL = 32, TK_DECONVOLVE_LONGEST_TRIAL = 512 };

typedef struct tk_sampled_tile {
    tk_total total;
    int64_t time, place[3]; /* first voxel, z y x */
} tk_sampled_tile;

/* The brightest tiles, from bright to dark. */
typedef struct tk_deconvolve_sample {
    int64_t count;
    tk_sampled_tile tile[TK_DECONVOLVE_SAMPLE];
} tk_deconvolve_sample;

typedef struct tk_deconvolve_stop {
    bool automatic; /* how many iterations is to be found out */
    bool needed;    /* a trial is: for that, or for step lengths that all tiles share */
    int64_t length; /* of the next trial */
    tk_deconvolve_sample sample;
    float momentum[TK_DECONVOLVE_LONGEST_TRIAL]; /* step lengths found */
} tk_deconvolve_stop;

/* A sample of one tile. */
tk_deconvolve_sample tk_deconvolve_sample_of(const tk_block *block, const tk_total *total);

/* into := the brightest of both; exact, associative and commutative. */
void tk_deconvolve_sample_add(tk_deconvolve_sample *into, const tk_deconvolve_sample *from);

/* Appends the sums of a trial on this block, if it is of the sample. */
tk_status tk_deconvolve_stop_survey(const tk_deconvolve_stop *stop, const tk_deconvolver *deconvolver,
                                    const tk_deconvolve_data *data, const tk_deconvolve_options *options,
                                    const tk_block *block, tk_work *work, tk_bytes *partial);

/* into := into + from. Errors: TK_FAILED for what no survey has made. */
tk_status tk_deconvolve_stop_combine(tk_bytes *into, const tk_bytes *from);

/* The decision from the pooled sums: to go on with a longer trial, or how many iterations, and step lengths.
 * Errors: TK_UNSOLVABLE when the sums are no numbers. */
tk_status tk_deconvolve_stop_agree(const tk_deconvolve_stop *stop, const tk_deconvolve_options *options,
                                   const tk_bytes *combined, tk_bytes *decision, bool *more, tk_facts *facts,
                                   tk_error *error);

/* Notes how many iterations are made, and how many of them warm. */
tk_status tk_deconvolve_stop_note(int64_t iterations, int64_t warm, tk_facts *facts);

/* Takes the decision over. Errors: TK_FAILED when it is damaged. */
tk_status tk_deconvolve_stop_adopt(tk_deconvolve_stop *stop, const tk_bytes *decision, tk_deconvolve_options *options,
                                   tk_error *error);

#endif
