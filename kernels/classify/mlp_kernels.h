/* Inner loops of the perceptron, and the layouts they work on (mlp.h says what is computed).
 *
 * Prediction is in float with voxels in the lanes of vectors. Training is in double with hidden units in the lanes.
 * Every sum has one order, so instruction sets agree bit for bit. */
#ifndef TK_KERNELS_CLASSIFY_MLP_KERNELS_H
#define TK_KERNELS_CLASSIFY_MLP_KERNELS_H

#include <stdint.h>

#include "kernels/common/cpu.h"

enum {
    TK_MLP_PIECE = 64, /* voxels that prediction takes at once */
    TK_MLP_GROUP = 4,  /* hidden units that prediction sums at once, and samples that training takes at once */
    TK_MLP_LANES = 8   /* training pads the hidden units to a multiple of it */
};

/* The layers of a tk_mlp. Hidden units lie in groups; those that fill up the last group have no weight. */
typedef struct tk_mlp_layers {
    int features, classes, groups;
    float *mean, *scale; /* [features] */
    float *weight1;      /* [groups][features][TK_MLP_GROUP] */
    float *bias1;        /* [groups][TK_MLP_GROUP] */
    float *weight2;      /* [groups][classes][TK_MLP_GROUP] */
    float *bias2;        /* [classes] */
} tk_mlp_layers;

/* A piece of voxels, in memory of tk_mlp_piece_floats: [TK_MLP_PIECE] is each row. */
typedef struct tk_mlp_piece {
    float *odd;   /* 0; NaN for a voxel with a value that is not finite */
    float *logit; /* [classes] rows */
    float *z;     /* [features] rows: standardised values */
} tk_mlp_piece;

static inline int64_t tk_mlp_piece_floats(const tk_mlp_layers *l) {
    return (int64_t)(1 + l->classes + l->features) * TK_MLP_PIECE;
}

static inline tk_mlp_piece tk_mlp_piece_in(const tk_mlp_layers *l, float *memory) {
    return (tk_mlp_piece){memory, memory + TK_MLP_PIECE, memory + (int64_t)(1 + l->classes) * TK_MLP_PIECE};
}

/* The numbers that training changes, in one array: weight1 [features][units], bias1 [units], weight2 [classes][units],
 * bias2 [classes]. Units beyond the hidden ones have no weight, and keep none: their gradient is 0. */
typedef struct tk_mlp_shape {
    int features, classes;
    int64_t units; /* a multiple of TK_MLP_LANES */
} tk_mlp_shape;

static inline int64_t tk_mlp_at_bias1(const tk_mlp_shape *s) { return s->features * s->units; }
static inline int64_t tk_mlp_at_weight2(const tk_mlp_shape *s) { return (s->features + 1) * s->units; }
static inline int64_t tk_mlp_at_bias2(const tk_mlp_shape *s) { return (s->features + 1 + s->classes) * s->units; }
static inline int64_t tk_mlp_numbers(const tk_mlp_shape *s) { return tk_mlp_at_bias2(s) + s->classes; }

/* Adam's constants, those of the paper. */
static const double TK_ADAM_MEAN = 0.9, TK_ADAM_SQUARE = 0.999, TK_ADAM_SMALL = 1e-8;

/* One step of Adam. */
typedef struct tk_adam {
    double scale;                  /* of the gradient */
    double rate, keep;             /* what decay leaves of a number at each step: keep times it */
    double mean_left, square_left; /* TK_ADAM_MEAN^t and TK_ADAM_SQUARE^t at step t: the start's share of the moments */
} tk_adam;

typedef struct tk_mlp_kernels {
    /* The probabilities of voxels at .. at + count - 1 (tk_mlp_predict); `memory` is tk_mlp_piece_floats long. */
    void (*predict)(const tk_mlp_layers *layers, const float *const value[], int64_t at, int64_t count,
                    float *const probability[], float *memory);
    /* hidden[s][u] = the larger of 0 and bias1[u] + sum over f of weight1[f][u] z[s][f], of TK_MLP_GROUP samples. */
    void (*hidden)(const tk_mlp_shape *shape, const double *numbers, const double *z, double *hidden);
    /* logit[c] = bias2[c] + sum over u of weight2[c][u] hidden[u], of one sample. */
    void (*logits)(const tk_mlp_shape *shape, const double *numbers, const double *hidden, double *logit);
    /* Adds to the gradient what TK_MLP_GROUP samples say, from the derivatives of the loss by their logits,
     * slope[s][c]. `hidden` [s][u] is overwritten. */
    void (*backward)(const tk_mlp_shape *shape, const double *numbers, const double *z, const double *slope,
                     double *hidden, double *gradient);
    /* to[i] += from[i]. */
    void (*add)(int64_t count, const double *from, double *to);
    /* The moments of the gradient, then the numbers. */
    void (*adam)(const tk_adam *how, int64_t count, const double *gradient, double *mean, double *square,
                 double *number);
} tk_mlp_kernels;

TK_ISA_DECLARE(tk_mlp_kernels, tk_mlp);

#endif
