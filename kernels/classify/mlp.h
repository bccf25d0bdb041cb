/* A multilayer perceptron with one hidden layer: softmax(W2 relu(W1 ((x - mean) * scale) + b1) + b2).
 *
 * Sums begin with the bias and run over the features, or over the hidden units, in their order, each product and each
 * sum rounded to float32;
 * voxels lie in the lanes of vectors. So prediction gives the same bits for any threads, tiles and instruction set,
 * which a general matrix product does not promise. Training gives the same bits for any instruction set. */
#ifndef TK_KERNELS_CLASSIFY_MLP_H
#define TK_KERNELS_CLASSIFY_MLP_H

#include <stddef.h>

#include "kernels/classify/samples.h"
#include "kernels/common/status.h"
#include "kernels/common/work.h"

enum { TK_MLP_HIDDEN_MOST = 1024 };

/* A perceptron as files hold it. There are 1 … TK_CLASSIFIER_FEATURES_MOST features, 1 … TK_MLP_HIDDEN_MOST hidden
 * units and 1 … TK_CLASSES_MOST classes. */
typedef struct tk_mlp_data {
    int features, hidden, classes;
    float *mean, *scale; /* [features] */
    float *weight1;      /* [hidden][features] */
    float *bias1;        /* [hidden] */
    float *weight2;      /* [classes][hidden] */
    float *bias2;        /* [classes] */
} tk_mlp_data;

/* Frees the arrays (with free), and makes them NULL. */
void tk_mlp_data_free(tk_mlp_data *data);

/* A perceptron ready to predict. */
typedef struct tk_mlp tk_mlp;

/* Makes one; data is not kept. Errors: TK_INVALID when a size is out of range or a number is not finite (files are not
 * trusted), TK_NO_MEMORY. */
tk_status tk_mlp_new(const tk_mlp_data *data, tk_mlp **mlp);
void tk_mlp_free(tk_mlp *mlp);

/* Bytes that tk_mlp_new allocates. */
size_t tk_mlp_bytes(const tk_mlp_data *data);

/* Estimated nanoseconds of one core for one voxel. */
double tk_mlp_cost(const tk_mlp *mlp);

/* Scratch bytes that prediction needs to run on `threads` threads; with less it uses fewer. */
size_t tk_mlp_scratch(const tk_mlp *mlp, int threads);

/* The probabilities of `count` voxels: value[f] and probability[c] are arrays of that many. A NULL probability[c] is
 * not wanted. No output overlaps an input. A voxel with a value that is not finite gets NaN, and so does one with
 * values so large that a standardised value or a logit is not finite. Errors:
 * TK_NO_MEMORY when there is not even scratch for one thread. */
tk_status tk_mlp_predict(const tk_mlp *mlp, int64_t count, const float *const value[], float *const probability[],
                         tk_work *work);

typedef struct tk_mlp_choice {
    int hidden;         /* units, 1 … TK_MLP_HIDDEN_MOST; commonly 64 */
    int epochs;         /* passes over the samples, 1 … 10000 */
    double rate, decay; /* step size of Adam, commonly 1e-3, and weight decay, commonly 1e-4 */
    uint64_t seed;
} tk_mlp_choice;

/* Trains one with cross entropy, each class that occurs weighing the same, by Adam (D. Kingma, J. Ba, ICLR 2015) with
 * decoupled weight decay (I. Loshchilov, F. Hutter, ICLR 2019; biases do not decay), in batches of shuffled samples: a
 * fiftieth of them, but 16 … 256. First weights are normal with a variance of 1 / features and 2 / hidden (K. He et
 * al., ICCV 2015). mean and scale come from the samples; a feature that does not vary among them gets the scale 0, so
 * it counts for nothing. Gives the same bits for any threads, too; it uses more than one on large layers alone, and 8
 * at most. Allocates 4 bytes for each value, 8 for each sample, and 88 for each weight. loss, when not NULL, gets the
 * last epoch's mean cross entropy, so weighed, in nats. The caller owns data, which is empty after an error. Errors:
 * TK_INVALID for a choice out of range, no samples, a label or number out of range, or a value that is not finite;
 * TK_UNSOLVABLE when the weights grow beyond all bounds (a smaller rate helps); TK_NO_MEMORY. */
tk_status tk_mlp_train(const tk_samples *samples, const tk_mlp_choice *choice, int threads, tk_mlp_data *data,
                       double *loss);

#endif
