/* What the files of tarkka train share. */
#ifndef TK_WORKFLOWS_COMMANDS_TRAIN_H
#define TK_WORKFLOWS_COMMANDS_TRAIN_H

#include <jansson.h>

#include "workflows/classify/training.h"
#include "workflows/commands/source.h"

enum { TK_TRAIN_PAIRS_MOST = 64 };

/* One run of the command. */
typedef struct tk_training_run {
    const char *output;
    int pairs; /* of images and labels */
    tk_forest_choice forest;
    tk_mlp_choice mlp;
    tk_model model;       /* owned */
    tk_training training; /* owned */
    json_t *images;       /* for the record; owned */
    double error_share;   /* forest: out-of-bag error; perceptron: cross entropy */
} tk_training_run;

/* Reads the options into `run`: method, columns, numbers. Opens the first image, to see whether it is a plane. Errors:
 * TK_USAGE, TK_UNWRITABLE (the output exists), as tk_source_open, TK_NO_MEMORY. */
tk_status tk_train_options(const tk_arguments *arguments, tk_training_run *run, tk_error *error);

/* Names the model's classes by --classes, or by their numbers. Errors: TK_USAGE (not as many names as classes),
 * TK_NO_MEMORY. */
tk_status tk_train_name_classes(const tk_arguments *arguments, tk_model *model, tk_error *error);

#endif
