/* Exact deconvolution: the padded volume is shared by planes and by rows of columns (kernels/fft/share.h); the engine's
 * field moves the bytes and keeps x_k and x_(k-1) as saved states. An image of one plane is shared by its rows, which
 * are called planes here: it is turned (kernels/deconvolve/deconvolver.h). */
#include "workflows/steps/deconvolve_exact.h"

#include <stdio.h>
#include <string.h>

#include "engine/field.h"

enum { PIECES = 3 }; /* x_k, x_(k-1), and the last change of Biggs' momentum */

typedef tk_deconvolve_state state;

tk_status tk_deconvolve_exact_take(state *s, tk_error *error) {
    if (!s->exact) return TK_OK;
    if (tk_deconvolver_layout(s->psf.view.size, s->image, s->depth.terms, s->lean, &s->whole) == TK_OK) return TK_OK;
    return tk_fail(error, TK_INVALID, "deconvolve: the padded image is too large to address");
}

bool tk_deconvolve_exact_whole(const void *opaque) { return ((const state *)opaque)->exact; }

/* --- What it takes ------------------------------------------------------------------------------------------------ */

static bool keeps_changes(const state *s) { return s->options.method == TK_DECONVOLVE_BIGGS && !s->options.momentum; }

/* Planes of the image that have data, or rows of its only one; and values in one of them. */
static int64_t data_planes(const state *s) { return s->image[s->whole.turned ? TK_Y : TK_Z]; }

static int64_t plane_values(const state *s) { return s->image[TK_X] * (s->whole.turned ? 1 : s->image[TK_Y]); }

/* The planes with data of the worker who has the most. */
static int64_t most_data_planes(const state *s, int workers) {
    const tk_fft_part part = tk_fft_part_of(&s->whole.fft, &(tk_fft_share){.workers = workers}, data_planes(s));
    return tk_fft_part_data(&part);
}

static size_t block_bytes(const state *s, int64_t planes) {
    return tk_scratch_cost(planes * plane_values(s), sizeof(float));
}

/* For rank 0, which gathers an image of one plane. */
static size_t gather_bytes(const state *s, int workers) {
    if (!s->whole.turned) return 0;
    return tk_size_add(block_bytes(s, data_planes(s)), tk_scratch_cost(2 * (int64_t)workers, sizeof(int64_t)));
}

/* Each iteration takes all planes' columns to those with data, and back; H^T M once more, for the weights. */
static double moved_bytes(const state *s) {
    const int64_t *size = s->whole.fft.size;
    const double plane = (double)(size[TK_Y] * size[TK_X]) * sizeof(float);
    const double all = (double)size[TK_Z] * plane, data = (double)data_planes(s) * plane;
    return (all + data) * (2 * s->options.iterations + 1);
}

tk_solve_need tk_deconvolve_exact_bytes(const void *opaque, const int64_t image[3], int ranks) {
    const state *s = opaque;
    (void)image; /* it is bound to it */
    const tk_fft_share share = {.workers = ranks};
    const tk_fft *fft = &s->whole.fft;
    const size_t volume = (size_t)(fft->size[TK_Z] * fft->size[TK_Y] * fft->size[TK_X]) * sizeof(float);
    const size_t iterating = tk_deconvolve_shared_scratch(&s->whole, ranks, data_planes(s), &s->options);
    const size_t list = tk_scratch_cost(fft->size[TK_Z], sizeof(int64_t));
    const size_t weights = tk_deconvolve_depth_scratch(&s->whole);
    const size_t more = tk_size_add(iterating > gather_bytes(s, ranks) ? iterating : gather_bytes(s, ranks), list);
    const size_t block = tk_size_add(block_bytes(s, most_data_planes(s, ranks)), weights);
    return (tk_solve_need){
        .resident = tk_deconvolver_bytes(&s->whole, &share),
        .scratch = tk_size_add(more, block),
        .moved = moved_bytes(s),
        .saved = (size_t)(keeps_changes(s) ? 3 : 2) * volume,
    };
}

double tk_deconvolve_exact_cost(const void *opaque, const int64_t image[3]) {
    const state *s = opaque;
    const double arithmetic = 1.1; /* of what the transforms alone take */
    return arithmetic * tk_deconvolve_cost(&s->whole, image[TK_Z], &s->options);
}

/* --- One rank's part ---------------------------------------------------------------------------------------------- */

typedef struct solving {
    const state *s;
    tk_field *field;
    tk_error *error;
    int64_t *plane; /* numbers of this rank's padded planes */
} solving;

static tk_status exchange(void *context, const void *out, const int64_t out_bytes[], void *in,
                          const int64_t in_bytes[]) {
    tk_field_exchange(context, out, out_bytes, in, in_bytes);
    return TK_OK;
}

static tk_status sum(void *context, double *values, int64_t count) {
    tk_field_sum(context, values, count);
    return TK_OK;
}

static tk_field_piece piece_of(const solving *j, const char *name, const tk_view_f32 *v) {
    const int64_t *size = j->s->whole.fft.size, element = (int64_t)sizeof(float);
    return (tk_field_piece){.name = name,
                            .planes = size[TK_Z],
                            .rows = size[TK_Y],
                            .row_bytes = size[TK_X] * element,
                            .row_stride = v->stride[TK_Y] * element,
                            .plane_stride = v->stride[TK_Z] * element,
                            .own = v->size[TK_Z],
                            .plane = j->plane,
                            .data = v->data};
}

/* The volumes of a state; how many there are. */
static int pieces_of(const solving *j, const tk_deconvolve_progress *progress, tk_field_piece pieces[PIECES]) {
    for (int64_t i = 0; i < progress->x.size[TK_Z]; i++) j->plane[i] = tk_fft_part_plane(&progress->part, i);
    pieces[0] = piece_of(j, "x", &progress->x);
    pieces[1] = piece_of(j, "previous", &progress->previous);
    if (!progress->change.data) return 2;
    pieces[2] = piece_of(j, "change", &progress->change);
    return 3;
}

static tk_status load(void *context, tk_deconvolve_progress *progress) {
    const solving *j = context;
    tk_field_piece pieces[PIECES];
    const int count = pieces_of(j, progress, pieces);
    tk_bytes note = {0};
    int64_t done = 0;
    tk_status status = tk_field_restore(j->field, &done, pieces, count, &note, j->error);
    if (status == TK_OK && done > 0 && (note.size != sizeof progress->momentum || done >= j->s->options.iterations))
        status = tk_fail(j->error, TK_FAILED, "deconvolve: the saved state is not of this deconvolution");
    if (status == TK_OK && done > 0) memcpy(&progress->momentum, note.data, sizeof progress->momentum);
    if (status == TK_OK) progress->done = (int)done;
    tk_bytes_free(&note);
    return status;
}

static tk_status save_state(const solving *j, const tk_deconvolve_progress *progress) {
    tk_field_piece pieces[PIECES];
    const int count = pieces_of(j, progress, pieces);
    tk_bytes note = {0};
    if (tk_bytes_append(&note, &progress->momentum, sizeof progress->momentum) != TK_OK) return TK_NO_MEMORY;
    const tk_status status = tk_field_save(j->field, progress->done, pieces, count, &note, j->error);
    tk_bytes_free(&note);
    return status;
}

static tk_status save(void *context, const tk_deconvolve_progress *progress) {
    const solving *j = context;
    const tk_field_order order = tk_field_continue(j->field, progress->done, j->s->options.iterations);
    if (order != TK_FIELD_GO_ON) TK_TRY(save_state(j, progress));
    return order == TK_FIELD_STOP ? TK_STOPPED : TK_OK;
}

/* An image of one plane: rank 0 gathers all rows, and writes it. */
static tk_status write_rows(const solving *j, const tk_fft_part *part, const float *rows, tk_scratch *scratch) {
    const state *s = j->s;
    const tk_box all = tk_box_of_size(s->image);
    const int ranks = tk_field_ranks(j->field);
    const bool first = tk_field_rank(j->field) == 0;
    const int64_t row_bytes = plane_values(s) * (int64_t)sizeof *rows;
    int64_t *to = tk_scratch_take(scratch, 2 * (int64_t)ranks, sizeof *to), *from = to + ranks;
    float *plane = first ? tk_scratch_take(scratch, tk_box_count(&all), sizeof *plane) : NULL;
    if (!to || (first && !plane)) return TK_NO_MEMORY;
    for (int i = 0; i < ranks; i++) {
        const tk_fft_part his =
            tk_fft_part_of(&s->whole.fft, &(tk_fft_share){.workers = ranks, .me = i}, data_planes(s));
        from[i] = first ? tk_fft_part_data(&his) * row_bytes : 0;
        to[i] = i == 0 ? tk_fft_part_data(part) * row_bytes : 0;
    }
    tk_field_exchange(j->field, rows, to, plane, from);
    return first ? tk_field_write(j->field, &all, plane, tk_dense_f32(plane, s->image).stride, j->error) : TK_OK;
}

/* The part of the image with these of its planes. */
static tk_box box_of(const state *s, tk_fft_run planes) {
    tk_box box = tk_box_of_size(s->image);
    const int along = s->whole.turned ? TK_Y : TK_Z;
    box.lo[along] = planes.first;
    box.hi[along] = planes.end;
    return box;
}

/* Reads the rank's planes, iterates with the others, writes the planes; in one and the same memory. */
static tk_status deconvolve(solving *j, const tk_deconvolver *deconvolver, const tk_fft_share *share,
                            const tk_fft_part *part, tk_work *work) {
    const int64_t *image = j->s->image, planes = tk_fft_part_data(part);
    const tk_box all = tk_box_of_size(image), own = box_of(j->s, part->data);
    const int64_t size[3] = {tk_box_size(&own, TK_Z), tk_box_size(&own, TK_Y), image[TK_X]};
    const tk_block whole = {.kind = TK_KIND_IMAGE, .image = all, .box = all, .core = all};
    tk_block block = whole;
    const tk_deconvolve_checkpoint checkpoint = {load, save, j};
    float *data = tk_scratch_take(&work->scratch, planes * plane_values(j->s), sizeof *data);
    if (!data) return TK_NO_MEMORY;
    block.box = block.core = own;
    block.f32 = tk_dense_f32(data, size);
    if (planes > 0) TK_TRY(tk_field_read(j->field, &block.box, data, block.f32.stride, j->error));
    tk_deconvolve_data known = tk_deconvolve_camera_data(&j->s->camera, &block);
    TK_TRY(tk_deconvolve_depth_weigh(&j->s->depth, &j->s->whole, &whole, &work->scratch, &known));
    TK_TRY(tk_deconvolve_shared(deconvolver, share, data_planes(j->s), &known, block.f32, &j->s->options, &checkpoint,
                                work));
    if (j->s->whole.turned) return write_rows(j, part, data, &work->scratch);
    return tk_field_write(j->field, &block.box, data, block.f32.stride, j->error);
}

tk_status tk_deconvolve_exact_solve(const void *opaque, tk_field *field, tk_work *work, tk_error *error) {
    const state *s = opaque;
    solving j = {.s = s, .field = field, .error = error};
    const tk_fft_share all = {tk_field_ranks(field), tk_field_rank(field), exchange, sum, field};
    const tk_fft_share *share = all.workers > 1 ? &all : NULL;
    const tk_fft_part part = tk_fft_part_of(&s->whole.fft, share, data_planes(s));
    tk_deconvolver deconvolver = {0};
    tk_cview_f32 terms[TK_EIGEN_MOST];
    j.plane = tk_scratch_take(&work->scratch, s->whole.fft.size[TK_Z], sizeof *j.plane);
    if (!j.plane) return TK_NO_MEMORY;
    tk_deconvolve_depth_terms(&s->depth, &s->psf, terms);
    TK_TRY(tk_deconvolver_make(&s->whole, terms, share, s->whole_wisdom, work->threads, &deconvolver));
    const tk_status status = deconvolve(&j, &deconvolver, share, &part, work);
    tk_deconvolver_free(&deconvolver);
    return status;
}
