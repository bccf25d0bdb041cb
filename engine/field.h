/* A field: one image spread over all ranks, for steps that no tile can do alone (tk_step.solve).
 *
 * The engine knows nothing of how a step lays its volumes out. It gives the step's input (any box, on any rank), takes
 * its outcome (whole planes, each from one rank), moves bytes between all ranks, says between two iterations whether to
 * go on, and keeps saved states, from which any number of ranks can go on.
 *
 * A field is of one time point; other time points are solved by other calls of solve.
 *
 * All calls are made by the thread that called solve. "Collective": every rank must call it, in the same order. A rank
 * that fails by itself simply returns from solve: the run then ends on all ranks with its message. */
#ifndef TK_ENGINE_FIELD_H
#define TK_ENGINE_FIELD_H

#include <stdint.h>

#include "io/bytes.h"
#include "io/error.h"
#include "kernels/common/view.h"

typedef struct tk_field tk_field;

/* This rank, 0 … ranks − 1. */
int tk_field_rank(const tk_field *field);

int tk_field_ranks(const tk_field *field);

/* The image, z y x voxels. */
void tk_field_size(const tk_field *field, int64_t size[3]);

/* Reads a box of the step's input into `out`, elements of the step's kind of input; stride z y x counts elements,
 * stride[TK_X] == 1. Not collective. Errors: TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_field_read(tk_field *field, const tk_box *box, void *out, const int64_t stride[3], tk_error *error);

/* The same of any input: 0 is the step's own, 1 … its side inputs in the order of its parameters; elements of its kind.
 */
tk_status tk_field_read_input(tk_field *field, int input, const tk_box *box, void *out, const int64_t stride[3],
                              tk_error *error);

/* Writes planes of the outcome: `planes` spans y and x; elements of the step's kind of output. Each plane of the image
 * must be written by exactly one rank. Not collective. Errors: TK_UNWRITABLE, TK_NO_MEMORY; TK_FAILED for another box.
 */
tk_status tk_field_write(tk_field *field, const tk_box *planes, const void *data, const int64_t stride[3],
                         tk_error *error);

/* Moves bytes between all ranks: to rank i out_bytes[i] of `out`, packed in order of ranks, and from rank i in_bytes[i]
 * into `in`, likewise. Collective. */
void tk_field_exchange(tk_field *field, const void *out, const int64_t out_bytes[], void *in, const int64_t in_bytes[]);

/* Sums values over ranks, in place. The same bits for any number of ranks when each value is other than zero on one
 * rank only. Collective. */
void tk_field_sum(tk_field *field, double *values, int64_t count);

/* What to do before the next iteration. */
typedef enum tk_field_order {
    TK_FIELD_GO_ON,
    TK_FIELD_SAVE, /* save the state (tk_field_save), then go on */
    TK_FIELD_STOP  /* save the state, then return TK_STOPPED */
} tk_field_order;

/* To be called after every iteration but the last: `done` of `all` iterations are done. The same answer on all ranks.
 * Collective. */
tk_field_order tk_field_continue(tk_field *field, int64_t done, int64_t all);

/* A volume of a state that is saved, in planes of one size. Which rank holds which planes is the step's own affair, and
 * may be another when the state is restored. */
typedef struct tk_field_piece {
    const char *name;
    int64_t planes;          /* of the whole volume */
    int64_t rows, row_bytes; /* of a plane */
    int64_t row_stride;      /* bytes in memory from row to row … */
    int64_t plane_stride;    /* … and from plane to plane */
    int64_t own;             /* this rank's planes */
    const int64_t *plane;    /* their numbers, `own` of them; each plane of the volume is held by one rank */
    void *data;              /* of the first of them */
} tk_field_piece;

/* Saves the state after `done` iterations: the pieces, and `note` (up to 64 KiB, the same on all ranks) for everything
 * small. The two last states are kept; one that was interrupted while it was saved does not count. Collective, with
 * agreement on errors. Errors: TK_UNWRITABLE, TK_NO_MEMORY. */
tk_status tk_field_save(tk_field *field, int64_t done, const tk_field_piece *pieces, int count, const tk_bytes *note,
                        tk_error *error);

/* Fills the pieces and `note` with the last sound state and says in *done how many iterations it has behind it. 0:
 * there is none, and what the pieces hold is undefined. Pieces must be as they were saved, but for who holds what.
 * Collective, with agreement on errors. Errors: TK_NO_MEMORY. */
tk_status tk_field_restore(tk_field *field, int64_t *done, const tk_field_piece *pieces, int count, tk_bytes *note,
                           tk_error *error);

#endif
