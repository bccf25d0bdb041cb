/* Opening and reading of one time point and channel. */
#include "workflows/commands/source.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int64_t SLAB_VOXELS = (int64_t)16 << 20;

static tk_status check(const char *option, int64_t value, int64_t count, const char *spec, tk_error *error) {
    if (value < count) return TK_OK;
    return tk_fail(error, TK_USAGE, "--%s %" PRId64 ": %s has %" PRId64 ", counted from 0", option, value, spec, count);
}

tk_status tk_source_open_at(const char *spec, const char *axes, int64_t time, int64_t channel, tk_source *source,
                            tk_error *error) {
    *source = (tk_source){.spec = spec, .time = time, .channel = channel};
    TK_TRY(tk_image_open(spec, axes, &source->image, error));
    source->info = tk_image_info_of(source->image);
    tk_status status = check("time", time, source->info->times, spec, error);
    if (status == TK_OK) status = check("channel", channel, source->info->channels, spec, error);
    if (status != TK_OK) tk_source_close(source);
    return status;
}

tk_status tk_source_options(const tk_arguments *arguments, int64_t *time, int64_t *channel, tk_error *error) {
    TK_TRY(tk_option_integer(arguments, "time", 0, INT64_MAX, 0, time, error));
    return tk_option_integer(arguments, "channel", 0, INT64_MAX, 0, channel, error);
}

tk_status tk_source_open(const tk_arguments *arguments, const char *spec, tk_source *source, tk_error *error) {
    int64_t time = 0, channel = 0;
    *source = (tk_source){0};
    TK_TRY(tk_source_options(arguments, &time, &channel, error));
    return tk_source_open_at(spec, NULL, time, channel, source, error);
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

tk_status tk_may_write(const tk_arguments *arguments, const char *file, tk_error *error) {
    if (tk_option_value(arguments, "overwrite") || access(file, F_OK) != 0) return TK_OK;
    return tk_fail(error, TK_UNWRITABLE, "%s: exists already; give --overwrite to replace it", file);
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

/* The x are blanked first: strtod would take 0x1.3 for a hexadecimal number. */
tk_status tk_option_triple(const tk_arguments *arguments, const char *name, double value[3], tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    char blanked[128];
    int separators = 0, used = 0;
    if (!text) return TK_OK;
    snprintf(blanked, sizeof blanked, "%s", text);
    for (char *at = blanked; (at = strchr(at, 'x')); separators++) *at = ' ';
    const int numbers = sscanf(blanked, "%lf %lf %lf%n", &value[0], &value[1], &value[2], &used);
    bool good = separators == 2 && numbers == 3 && (size_t)used == strlen(text);
    for (int a = 0; good && a < 3; a++) good = isfinite(value[a]) && value[a] >= 0;
    if (good) return TK_OK;
    return tk_fail(error, TK_USAGE, "--%s %s: expected three numbers ZxYxX, as in 2.0x1.3x1.3", name, text);
}
