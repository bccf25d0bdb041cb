/* Opening and reading of one time point and channel. */
#include "workflows/commands/source.h"

#include <inttypes.h>
#include <omp.h>
#include <string.h>

static const int64_t SLAB_VOXELS = (int64_t)16 << 20;

static tk_status choose(const tk_arguments *arguments, const char *option, int64_t count, const char *spec,
                        int64_t *value, tk_error *error) {
    TK_TRY(tk_option_integer(arguments, option, 0, INT64_MAX, 0, value, error));
    if (*value < count) return TK_OK;
    return tk_fail(error, TK_USAGE, "--%s %" PRId64 ": %s has %" PRId64 ", counted from 0", option, *value, spec,
                   count);
}

tk_status tk_source_open(const tk_arguments *arguments, const char *spec, tk_source *source, tk_error *error) {
    *source = (tk_source){.spec = spec};
    TK_TRY(tk_image_open(spec, NULL, &source->image, error));
    source->info = tk_image_info_of(source->image);
    tk_status status = choose(arguments, "time", source->info->times, spec, &source->time, error);
    if (status == TK_OK) status = choose(arguments, "channel", source->info->channels, spec, &source->channel, error);
    if (status != TK_OK) tk_source_close(source);
    return status;
}

void tk_source_close(tk_source *source) {
    tk_image_close(source->image);
    *source = (tk_source){0};
}

int64_t tk_source_planes(const int64_t size[3]) {
    const int64_t fit = SLAB_VOXELS / size[TK_Y] / size[TK_X];
    return fit < 1 ? 1 : fit < size[TK_Z] ? fit : size[TK_Z];
}

static tk_box box_of_planes(const tk_source *source, int64_t from, int64_t to) {
    tk_box box = tk_box_of_size(source->info->size);
    box.lo[TK_Z] = from;
    box.hi[TK_Z] = to;
    return box;
}

tk_status tk_source_read(const tk_source *source, int64_t from, int64_t to, float *voxels, tk_error *error) {
    const tk_box box = box_of_planes(source, from, to);
    const int64_t size[3] = {to - from, source->info->size[TK_Y], source->info->size[TK_X]};
    return tk_image_read(source->image, source->time, source->channel, &box, tk_dense_f32(voxels, size), error);
}

tk_status tk_source_read_labels(const tk_source *source, int64_t from, int64_t to, uint32_t *voxels, tk_error *error) {
    const tk_box box = box_of_planes(source, from, to);
    const int64_t size[3] = {to - from, source->info->size[TK_Y], source->info->size[TK_X]};
    return tk_image_read_labels(source->image, source->time, source->channel, &box, tk_dense_u32(voxels, size), error);
}

tk_work tk_work_here(void) { return (tk_work){.threads = omp_get_max_threads(), .isa = tk_isa_detect()}; }

tk_status tk_work_reserve(tk_work *work, size_t scratch, tk_error *error) {
    return tk_scratch_reserve(&work->scratch, scratch) == TK_OK ? TK_OK : tk_fail_memory(error, "scratch memory");
}

tk_status tk_source_same_size(const tk_source *a, const tk_source *b, tk_error *error) {
    const int64_t *p = a->info->size, *q = b->info->size;
    if (!memcmp(p, q, sizeof a->info->size)) return TK_OK;
    return tk_fail(error, TK_DIFFERENT,
                   "%s has %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x), but %s has %" PRId64 " x %" PRId64
                   " x %" PRId64,
                   a->spec, p[0], p[1], p[2], b->spec, q[0], q[1], q[2]);
}
