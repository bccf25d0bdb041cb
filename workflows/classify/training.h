/* Labelled voxels of images, gathered for a classifier. */
#ifndef TK_WORKFLOWS_CLASSIFY_TRAINING_H
#define TK_WORKFLOWS_CLASSIFY_TRAINING_H

#include "io/bytes.h"
#include "io/image.h"
#include "kernels/classify/samples.h"
#include "workflows/classify/model.h"

/* One time point and channel of an image, and its label image of the same size: 0 for what is not labelled, else the
 * class, from 1 on. Owns nothing. */
typedef struct tk_training_pair {
    const char *image_spec, *labels_spec; /* for messages */
    tk_image *image, *labels;
    int64_t image_time, image_channel, labels_time;
} tk_training_pair;

/* What is gathered. Fill the first part; the rest begins at zero. */
typedef struct tk_training {
    const tk_model *model; /* its columns and um */
    int64_t most;          /* samples wanted at most; each class gets an equal share of them */
    uint64_t seed;         /* chooses among more */

    int classes;                       /* the highest label */
    int64_t labelled[TK_CLASSES_MOST]; /* voxels of each class */
    int64_t used[TK_CLASSES_MOST];     /* samples of each class */
    int64_t left_out;                  /* chosen, but with a feature that is no finite number */
    int64_t met;                       /* labelled voxels that were passed so far */
    tk_bytes row, label;               /* of the samples, one after the other; owned */
    float *value;                      /* of tk_training_samples; owned */
} tk_training;

/* Counts the labels of a pair; before the first tk_training_gather, for all pairs. Errors: TK_UNREADABLE (a label above
 * TK_CLASSES_MOST too), TK_DIFFERENT (other sizes), TK_NO_MEMORY. */
tk_status tk_training_count(tk_training *training, const tk_training_pair *pair, tk_error *error);

/* Adds the samples of a pair: block by block, in an order that depends on the image's size alone. Errors: as
 * tk_image_read, tk_bank_new. */
tk_status tk_training_gather(tk_training *training, const tk_training_pair *pair, tk_error *error);

/* The samples, valid until tk_training_free. Errors: TK_NO_MEMORY. */
tk_status tk_training_samples(tk_training *training, tk_samples *samples, tk_error *error);

void tk_training_free(tk_training *training);

#endif
