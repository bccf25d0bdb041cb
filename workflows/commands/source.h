/* One time point and channel of an image in a file, for commands that pass over it slab by slab. */
#ifndef TK_WORKFLOWS_COMMANDS_SOURCE_H
#define TK_WORKFLOWS_COMMANDS_SOURCE_H

#include "engine/command.h"
#include "io/image.h"
#include "kernels/common/work.h"

typedef struct tk_source {
    const char *spec; /* as given on the command line */
    tk_image *image;  /* owned */
    const tk_image_info *info;
    int64_t time, channel;
} tk_source;

/* The options that tk_source_open reads. */
#define TK_SOURCE_OPTIONS                                                                                              \
    {"time", "N", "time point, from 0 (default 0)"}, { "channel", "N", "channel, from 0 (default 0)" }

/* Opens the image at --time and --channel. The caller closes it. Errors: TK_UNREADABLE, TK_USAGE (there is no such
 * time point or channel); nothing is then open. */
tk_status tk_source_open(const tk_arguments *arguments, const char *spec, tk_source *source, tk_error *error);

/* The same with a time point and a channel of the caller's; `axes` as tk_image_open takes them. */
tk_status tk_source_open_at(const char *spec, const char *axes, int64_t time, int64_t channel, tk_source *source,
                            tk_error *error);

/* What --time and --channel say. Errors: TK_USAGE. */
tk_status tk_source_options(const tk_arguments *arguments, int64_t *time, int64_t *channel, tk_error *error);

void tk_source_close(tk_source *source);

/* Planes to read at once, so that a slab of float32 is about 64 MiB and has at least one plane. */
int64_t tk_source_planes(const int64_t size[3]);

/* Reads the planes from … to, densely packed, into `voxels`. Errors: as tk_image_read and tk_image_read_labels. */
tk_status tk_source_read(const tk_source *source, int64_t from, int64_t to, float *voxels, tk_error *error);
tk_status tk_source_read_labels(const tk_source *source, int64_t from, int64_t to, uint32_t *voxels, tk_error *error);

/* Three decimals ZxYxX, each >= 0; *value is untouched when the option is not given. Errors: TK_USAGE. */
tk_status tk_option_triple(const tk_arguments *arguments, const char *name, double value[3], tk_error *error);

/* Fails unless the file may be written: it is not there, or --overwrite is given. Errors: TK_UNWRITABLE. */
tk_status tk_may_write(const tk_arguments *arguments, const char *file, tk_error *error);

/* The best instruction set and all threads that OpenMP gives, without scratch memory yet. */
tk_work tk_work_here(void);

/* Reserves scratch memory, which the caller releases. Errors: TK_NO_MEMORY. */
tk_status tk_work_reserve(tk_work *work, size_t scratch, tk_error *error);

/* Fails with TK_DIFFERENT, naming both sizes, unless the images are of the same size. */
tk_status tk_source_same_size(const tk_source *a, const tk_source *b, tk_error *error);

#endif
