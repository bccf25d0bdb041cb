/* A block that several workers deconvolve together against one worker's, bit for bit; threads play the workers. And
 * going on from a checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/deconvolve.h"
#include "tests/unit/test_share_fixture.h"

enum { Z = 7, Y = 12, X = 17, ITERATIONS = 6 };
static const int64_t volume[3] = {Z, Y, X}, plane[3] = {1, Z, Y *X}, psf_volume[3] = {4, 3, 5},
                     psf_plane[3] = {1, 4, 15};
static const int64_t *size = volume, *psf_size = psf_volume; /* or those of a plane, which is worked on by rows */
static float image[Z * Y * X], psf[4 * 3 * 5];

/* A pseudo-random value in 0 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 54321;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    return (float)((double)((h ^ (h >> 31)) >> 40) / 16777216.0);
}

static int make_scene(void **state) {
    (void)state;
    float sum = 0;
    for (int i = 0; i < Z * Y * X; i++) image[i] = 150 * noise(i) * noise(i / 3 + 4000);
    for (int i = 0; i < 60; i++) sum += psf[i] = noise(i + 9000);
    for (int i = 0; i < 60; i++) psf[i] /= sum;
    return 0;
}

/* --- Work of one worker ------------------------------------------------------------------------------------------ */

/* A checkpoint of the whole volume that all workers' planes go to and come from. */
typedef struct saved {
    int done, stop; /* stop: the iterations after which save refuses */
    bool damaged;   /* load fills the views, and then has done = 0 */
    float momentum;
    float *volume[3];
} saved;

typedef struct worker {
    seat seat;
    tk_fft_share share;
    bool alone, lean;
    const tk_deconvolve_options *options;
    float *result; /* of all workers */
    saved *saved;  /* of all workers; NULL: none */
    tk_status status;
} worker;

static int64_t plane_count(const tk_view_f32 *view) { return view->size[1] * view->size[2]; }

static void copy_planes(const tk_deconvolve_progress *p, const tk_view_f32 *view, float *whole, bool back) {
    for (int64_t z = 0; view->data && z < view->size[0]; z++)
        for (int64_t y = 0; y < view->size[1]; y++) {
            float *mine = view->data + z * view->stride[0] + y * view->stride[1];
            float *theirs = whole + tk_fft_part_plane(&p->part, z) * plane_count(view) + y * view->size[2];
            memcpy(back ? mine : theirs, back ? theirs : mine, (size_t)view->size[2] * sizeof(float));
        }
}

static tk_status load(void *context, tk_deconvolve_progress *p) {
    const worker *w = context;
    const tk_view_f32 *views[] = {&p->x, &p->previous, &p->change};
    if (w->saved->done == 0 && !w->saved->damaged) return TK_OK;
    for (int i = 0; i < 3; i++) copy_planes(p, views[i], w->saved->volume[i], true);
    p->done = w->saved->done;
    if (w->saved->damaged) return TK_OK;
    p->momentum = w->saved->momentum;
    return TK_OK;
}

static tk_status save(void *context, const tk_deconvolve_progress *p) {
    const worker *w = context;
    const tk_view_f32 *views[] = {&p->x, &p->previous, &p->change};
    if (p->done != w->saved->stop) return TK_OK;
    for (int i = 0; i < 3; i++) copy_planes(p, views[i], w->saved->volume[i], false);
    w->saved->momentum = p->momentum;
    return TK_STOPPED;
}

static tk_status run(worker *w) {
    const tk_fft_share *share = w->alone ? NULL : &w->share;
    const tk_cview_f32 one = tk_read_f32(tk_dense_f32(psf, psf_size));
    const tk_deconvolve_checkpoint checkpoint = {load, save, w};
    tk_deconvolver_shape shape;
    tk_deconvolver d;
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    TK_TRY(tk_deconvolver_layout(psf_size, size, 1, w->lean, &shape));
    TK_TRY(tk_scratch_reserve(&work.scratch,
                              tk_deconvolve_shared_scratch(&shape, share ? share->workers : 1, Z, w->options)));
    /* FFTW's planner is not for several threads at once. */
    static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&planner);
    tk_status status = tk_deconvolver_make(&shape, &one, share, "", 1, &d);
    pthread_mutex_unlock(&planner);
    if (status != TK_OK) abort(); /* the others would wait for this one */
    const tk_fft_part part = tk_fft_part_of(&d.shape.fft, share, Z);
    int64_t own[3] = {size[0], size[1], size[2]};
    own[shape.turned] = tk_fft_part_data(&part);
    float *mine = image + part.data.first * Y * X, *out = w->result + part.data.first * Y * X;
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(mine, own)));
    data.background = 2;
    status = tk_deconvolve_shared(&d, share, Z, &data, tk_dense_f32(out, own), w->options,
                                  w->saved ? &checkpoint : NULL, &work);
    pthread_mutex_lock(&planner);
    tk_deconvolver_free(&d);
    pthread_mutex_unlock(&planner);
    tk_scratch_release(&work.scratch);
    return status;
}

static void *work_of(void *context) {
    worker *w = context;
    w->status = run(w);
    return NULL;
}

/* Lets `workers` workers do it (0: one without share); the first one tells. */
static worker deconvolve(int workers, const worker *like) {
    static worker all[MOST_WORKERS];
    pthread_t threads[MOST_WORKERS];
    table t = {.workers = workers ? workers : 1};
    pthread_barrier_init(&t.barrier, NULL, (unsigned)t.workers);
    for (int i = 0; i < t.workers; i++) {
        all[i] = *like;
        all[i].seat = (seat){&t, i};
        all[i].alone = workers == 0;
        all[i].share = (tk_fft_share){t.workers, i, exchange, sum, &all[i].seat};
        assert_int_equal(pthread_create(&threads[i], NULL, work_of, &all[i]), 0);
    }
    for (int i = 0; i < t.workers; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&t.barrier);
    for (int i = 1; i < t.workers; i++) assert_int_equal(all[i].status, all[0].status);
    return all[0];
}

/* --- Tests ------------------------------------------------------------------------------------------------------- */

static tk_deconvolve_options options_of(int kind) {
    tk_deconvolve_options options = {.iterations = ITERATIONS, .read_noise = 1, .start = 30};
    if (kind == 1) options.method = TK_DECONVOLVE_BIGGS;
    if (kind != 1) options.tv = 0.02;
    if (kind > 0) options.warm = 1;
    options.back_projector = tk_wiener_butterworth_default(tk_read_f32(tk_dense_f32(psf, psf_size)));
    return options;
}

static void test_same_bits_for_any_workers(void **state) {
    (void)state;
    static const int numbers[] = {1, 2, 3, 4, 5, 12}; /* 12: more than planes with data, or without */
    static float first[Z * Y * X], result[Z * Y * X];
    for (int kind = 0; kind < 4; kind++) {
        size = kind == 3 ? plane : volume, psf_size = kind == 3 ? psf_plane : psf_volume;
        const tk_deconvolve_options options = options_of(kind);
        const worker like = {.options = &options, .lean = kind == 2, .result = first};
        assert_int_equal(deconvolve(0, &like).status, TK_OK);
        for (int i = 0; i < 6; i++) {
            worker shared = like;
            shared.result = result;
            memset(result, 0xFF, sizeof result);
            assert_int_equal(deconvolve(numbers[i], &shared).status, TK_OK);
            assert_memory_equal(result, first, sizeof first);
        }
    }
    size = volume, psf_size = psf_volume;
}

/* Stopped after each number of iterations, and gone on by other numbers of workers. */
static void test_going_on_from_a_checkpoint(void **state) {
    (void)state;
    static float first[Z * Y * X], result[Z * Y * X];
    enum { MOST = 4096 };
    static float volumes[3][MOST * 4];
    for (int kind = 0; kind < 2; kind++) {
        const tk_deconvolve_options options = options_of(kind);
        worker like = {.options = &options, .result = first};
        assert_int_equal(deconvolve(0, &like).status, TK_OK);
        like.result = result;
        for (int stop = 1; stop < ITERATIONS; stop++) {
            saved s = {.stop = stop, .volume = {volumes[0], volumes[1], volumes[2]}};
            like.saved = &s;
            assert_int_equal(deconvolve(1 + stop % 3, &like).status, TK_STOPPED);
            s.done = stop, s.stop = 0;
            memset(result, 0xFF, sizeof result);
            assert_int_equal(deconvolve(1 + kind * 2, &like).status, TK_OK);
            assert_memory_equal(result, first, sizeof first);
            s.done = 0, s.damaged = true;
            assert_int_equal(deconvolve(2, &like).status, TK_OK);
            assert_memory_equal(result, first, sizeof first);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_for_any_workers),
        cmocka_unit_test(test_going_on_from_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, make_scene, NULL);
}
