/* Step spread: something that no tile can do alone, done again and again by all ranks together: each column along z is
 * summed up, the image is scaled by its mean, and its planes move on by one. While planes are scaled a rank has planes,
 * while columns are summed it has rows of them, and everything moves in between. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/field.h"
#include "engine/step.h"
#include "tests/trial/trial.h"

enum { HOW_NONE, HOW_ERROR, HOW_HANG, HOW_KILL, HOW_UNWRITTEN }; /* as in the choices */
enum { RANKS_MOST = 64 };

typedef struct spread_state {
    int64_t size[3], iterations, at, how;
    double pause_s;
} spread_state;

static const tk_param params[] = {
    {.name = "iterations", .type = TK_PARAM_INTEGER, .fallback = "6", .least = 1, .most = 1e6, .help = "how many"},
    {.name = "pause",
     .type = TK_PARAM_NUMBER,
     .fallback = "0",
     .least = 0,
     .most = 1e7,
     .help = "milliseconds that each takes at least"},
    {.name = "how",
     .type = TK_PARAM_CHOICE,
     .fallback = "none",
     .choices = "none|error|hang|kill|unwritten",
     .help = "what happens to the last rank"},
    {.name = "at", .type = TK_PARAM_INTEGER, .fallback = "2", .least = 0, .most = 1e6, .help = "after that iteration"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    spread_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step spread");
    memcpy(s->size, binding->input.size, sizeof s->size);
    s->iterations = tk_params_integer(binding->params, "iterations");
    s->pause_s = tk_params_number(binding->params, "pause") / 1000;
    s->how = tk_params_integer(binding->params, "how");
    s->at = tk_params_integer(binding->params, "at");
    *state = s;
    return TK_OK;
}

static bool whole(const void *state) {
    (void)state;
    return true;
}

/* Where the share of a rank begins. */
static int64_t share(int64_t size, int ranks, int rank) { return size * rank / ranks; }

/* The volume, and what goes out and comes in. */
static tk_solve_need solve_bytes(const void *state, const int64_t image[3], int ranks) {
    const int64_t planes = (image[0] + ranks - 1) / ranks, rows = (image[1] + ranks - 1) / ranks;
    const size_t volume = tk_scratch_cost(planes * image[1] * image[2], sizeof(float));
    const size_t columns = tk_scratch_cost(image[0] * rows * image[2], sizeof(float));
    return (tk_solve_need){
        .scratch =
            2 * volume + columns + tk_scratch_cost(planes, sizeof(int64_t)) + tk_scratch_cost(image[0], sizeof(double)),
        .moved = 2.0 * (double)((const spread_state *)state)->iterations * (double)(image[0] * image[1] * image[2]) *
                 sizeof(float),
        .saved = (size_t)(image[0] * image[1] * image[2]) * sizeof(float),
    };
}

static double solve_cost(const void *state, const int64_t image[3]) {
    const spread_state *s = state;
    const double voxels = (double)(image[0] * image[1] * image[2]);
    return (double)s->iterations * (1e9 * s->pause_s + 10 * voxels);
}

/* One solve on one rank. */
typedef struct job {
    const spread_state *s;
    tk_field *field;
    tk_error *error;
    int rank, ranks;
    int64_t first, end, row_first, row_end; /* this rank's planes and rows */
    int64_t *plane;                         /* first … end − 1 */
    float *volume, *packed, *columns;
    double *sums;
} job;

static tk_status take_memory(job *j, tk_scratch *scratch) {
    const int64_t *size = j->s->size, planes = j->end - j->first;
    j->plane = tk_scratch_take(scratch, planes, sizeof *j->plane);
    j->volume = tk_scratch_take(scratch, planes * size[1] * size[2], sizeof *j->volume);
    j->packed = tk_scratch_take(scratch, planes * size[1] * size[2], sizeof *j->packed);
    j->columns = tk_scratch_take(scratch, size[0] * (j->row_end - j->row_first) * size[2], sizeof *j->columns);
    j->sums = tk_scratch_take(scratch, size[0], sizeof *j->sums);
    if (!j->plane || !j->volume || !j->packed || !j->columns || !j->sums) return TK_NO_MEMORY;
    for (int64_t z = j->first; z < j->end; z++) j->plane[z - j->first] = z;
    return TK_OK;
}

/* Rows of a plane that rank r has, and where they begin. */
static int64_t floats_of(const job *j, int r, int64_t *begin) {
    const int64_t *size = j->s->size, first = share(size[1], j->ranks, r);
    *begin = first * size[2];
    return (share(size[1], j->ranks, r + 1) - first) * size[2];
}

static void planes_to_columns(job *j) {
    const int64_t *size = j->s->size, plane = size[1] * size[2], mine = (j->row_end - j->row_first) * size[2];
    int64_t out[RANKS_MOST], in[RANKS_MOST];
    float *to = j->packed;
    for (int r = 0; r < j->ranks; r++) {
        int64_t begin = 0;
        const int64_t floats = floats_of(j, r, &begin);
        for (int64_t i = 0; i < j->end - j->first; i++, to += floats)
            memcpy(to, j->volume + i * plane + begin, (size_t)floats * sizeof *to);
        out[r] = (j->end - j->first) * floats * (int64_t)sizeof(float);
        in[r] = (share(size[0], j->ranks, r + 1) - share(size[0], j->ranks, r)) * mine * (int64_t)sizeof(float);
    }
    tk_field_exchange(j->field, j->packed, out, j->columns, in);
}

static void columns_to_planes(job *j) {
    const int64_t *size = j->s->size, plane = size[1] * size[2], mine = (j->row_end - j->row_first) * size[2];
    int64_t out[RANKS_MOST], in[RANKS_MOST];
    for (int r = 0; r < j->ranks; r++) {
        int64_t begin = 0;
        out[r] = (share(size[0], j->ranks, r + 1) - share(size[0], j->ranks, r)) * mine * (int64_t)sizeof(float);
        in[r] = (j->end - j->first) * floats_of(j, r, &begin) * (int64_t)sizeof(float);
    }
    tk_field_exchange(j->field, j->columns, out, j->packed, in);
    const float *from = j->packed;
    for (int r = 0; r < j->ranks; r++) {
        int64_t begin = 0;
        const int64_t floats = floats_of(j, r, &begin);
        for (int64_t i = 0; i < j->end - j->first; i++, from += floats)
            memcpy(j->volume + i * plane + begin, from, (size_t)floats * sizeof *from);
    }
}

static void sum_columns(const job *j) {
    const int64_t planes = j->s->size[0], row = (j->row_end - j->row_first) * j->s->size[2];
    for (int64_t z = 1; z < planes; z++)
        for (int64_t i = 0; i < row; i++) j->columns[z * row + i] += j->columns[(z - 1) * row + i];
    for (int64_t i = 0; i < row; i++) { /* turned by one plane */
        const float last = j->columns[(planes - 1) * row + i];
        for (int64_t z = planes - 1; z > 0; z--) j->columns[z * row + i] = j->columns[(z - 1) * row + i];
        j->columns[i] = last;
    }
}

/* Sums are made plane by plane, and added in the order of planes: the same for any number of ranks. */
static void scale(const job *j) {
    const int64_t *size = j->s->size, plane = size[1] * size[2];
    double sum = 0;
    memset(j->sums, 0, (size_t)size[0] * sizeof *j->sums);
    for (int64_t z = j->first; z < j->end; z++)
        for (int64_t i = 0; i < plane; i++) j->sums[z] += (double)j->volume[(z - j->first) * plane + i];
    tk_field_sum(j->field, j->sums, size[0]);
    for (int64_t z = 0; z < size[0]; z++) sum += j->sums[z];
    const float factor = sum > 0 ? (float)(100.0 * (double)(size[0] * plane) / sum) : 1;
    for (int64_t i = 0; i < (j->end - j->first) * plane; i++) j->volume[i] *= factor;
}

static void pass(double seconds) {
    nanosleep(&(struct timespec){(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))}, NULL);
}

_Noreturn static void hang(void) {
    for (;;) pause();
}

static tk_status go_wrong(const job *j, int64_t done) {
    const int64_t how = j->s->how;
    if (how == HOW_NONE || how == HOW_UNWRITTEN || j->rank != j->ranks - 1 || done != j->s->at) return TK_OK;
    if (tk_mark_count("wrong") > 0) return TK_OK;
    if (how == HOW_ERROR) return tk_fail(j->error, TK_FAILED, "spread: it was to fail");
    if (how == HOW_HANG) hang();
    kill(getpid(), SIGKILL);
    return TK_OK;
}

static tk_field_piece piece_of(const job *j) {
    const int64_t *size = j->s->size, row = size[2] * (int64_t)sizeof(float);
    return (tk_field_piece){"volume",      size[0],           size[1],  row,      row,
                            size[1] * row, j->end - j->first, j->plane, j->volume};
}

static tk_status save(const job *j, int64_t done) {
    const tk_field_piece piece = piece_of(j);
    tk_bytes note = {0};
    if (tk_bytes_append(&note, &done, sizeof done) != TK_OK) return TK_NO_MEMORY;
    const tk_status status = tk_field_save(j->field, done, &piece, 1, &note, j->error);
    tk_bytes_free(&note);
    if (status == TK_OK && j->rank == 0) tk_mark_count("saved");
    return status;
}

static tk_status begin(job *j, int64_t *done) {
    const int64_t *size = j->s->size, stride[3] = {size[1] * size[2], size[2], 1};
    const tk_field_piece piece = piece_of(j);
    const tk_box box = {{j->first, 0, 0}, {j->end, size[1], size[2]}};
    tk_bytes note = {0};
    int64_t noted = 0;
    const tk_status status = tk_field_restore(j->field, done, &piece, 1, &note, j->error);
    if (status == TK_OK && *done > 0) memcpy(&noted, note.data, note.size < sizeof noted ? note.size : sizeof noted);
    tk_bytes_free(&note);
    TK_TRY(status);
    if (noted != *done) return tk_fail(j->error, TK_FAILED, "spread: the note of its saved state is another's");
    if (*done > 0 || j->first == j->end) return TK_OK;
    return tk_field_read(j->field, &box, j->volume, stride, j->error);
}

static tk_status iterate(job *j, int64_t done) {
    for (; done < j->s->iterations; done++) {
        if (j->rank == 0) tk_mark_count("iteration");
        planes_to_columns(j);
        sum_columns(j);
        columns_to_planes(j);
        scale(j);
        pass(j->s->pause_s);
        TK_TRY(go_wrong(j, done + 1));
        if (done + 1 == j->s->iterations) break;
        const tk_field_order order = tk_field_continue(j->field, done + 1, j->s->iterations);
        if (order != TK_FIELD_GO_ON) TK_TRY(save(j, done + 1));
        if (order == TK_FIELD_STOP) return TK_STOPPED;
    }
    return TK_OK;
}

static tk_status solve(const void *state, tk_field *field, tk_work *work, tk_error *error) {
    const spread_state *s = state;
    const int rank = tk_field_rank(field), ranks = tk_field_ranks(field);
    job j = {.s = s, .field = field, .error = error, .rank = rank, .ranks = ranks};
    int64_t done = 0;
    if (ranks > RANKS_MOST) return tk_fail(error, TK_FAILED, "spread: too many ranks");
    j.first = share(s->size[0], ranks, rank);
    j.end = share(s->size[0], ranks, rank + 1);
    j.row_first = share(s->size[1], ranks, rank);
    j.row_end = share(s->size[1], ranks, rank + 1);
    TK_TRY(take_memory(&j, &work->scratch));
    TK_TRY(begin(&j, &done));
    TK_TRY(iterate(&j, done));
    const int64_t missing = s->how == HOW_UNWRITTEN && rank == ranks - 1;
    const tk_box box = {{j.first, 0, 0}, {j.end - missing, s->size[1], s->size[2]}};
    return tk_field_write(field, &box, j.volume, (const int64_t[3]){s->size[1] * s->size[2], s->size[2], 1}, error);
}

const tk_step tk_step_spread = {
    .name = "spread",
    .version = 1,
    .summary = "sums along z, again and again, on the whole image",
    .citation = "",
    .exact = true,
    .example = "{iterations: 2}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .whole = whole,
    .solve_bytes = solve_bytes,
    .solve_cost = solve_cost,
    .solve = solve,
};
