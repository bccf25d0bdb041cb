/* A volume that several workers share against one worker's, bit for bit; threads play the workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/view.h"
#include "kernels/fft/sweep.h"
#include "tests/unit/test_share_fixture.h"

/* A pseudo-random value in -1 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 12345;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    return (float)((double)((h ^ (h >> 31)) >> 40) / 8388608.0 - 1.0);
}

static float *floats(int64_t count) {
    const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64 + 64;
    float *data = aligned_alloc(64, bytes);
    assert_non_null(data);
    memset(data, 0xFF, bytes); /* NaN: what nobody wrote must not be read */
    return data;
}

/* --- Work of one worker ------------------------------------------------------------------------------------------ */

typedef struct worker {
    const tk_fft *fft;
    tk_fft_share share;
    seat seat;
    const float *filter, *weight; /* weight: of two terms by plane */
    int terms;
    int64_t data_planes;
    bool conjugate; /* from planes with data to all; else the other way */
    float *result;  /* of the whole volume; each worker writes its planes */
    int threads;
    tk_status status;
} worker;

static int64_t voxel(const tk_fft *fft, int64_t z, int64_t y, int64_t x) {
    return (z * fft->size[TK_Y] + y) * fft->size[TK_X] + x;
}

static void *run_worker(void *context) {
    worker *w = context;
    const tk_fft *fft = w->fft;
    const bool alone = !w->share.exchange;
    const tk_fft_part part = tk_fft_part_of(fft, alone ? NULL : &w->share, w->data_planes);
    const int64_t planes = tk_fft_part_planes(&part), all = fft->size[TK_Z];
    const float *own = w->filter + part.rows.first * fft->blocks * fft->size[TK_Z] * 2 * TK_FFT_COLUMNS;
    const tk_fft_values values[2] = {{.single = own}, {.single = own}};
    const float *const weight[2] = {w->weight, w->weight + all};
    tk_fft_filter filter = {.terms = w->terms,
                            .values = values,
                            .weight = w->terms > 1 ? weight : NULL,
                            .conjugate = w->conjugate,
                            .planes_in = w->conjugate ? w->data_planes : all,
                            .planes_out = w->conjugate ? all : w->data_planes};
    tk_scratch scratch = {0};
    tk_fft_exchange move;
    if (!alone) {
        const size_t bytes = tk_fft_exchange_scratch(fft, w->share.workers, w->data_planes);
        if (tk_scratch_reserve(&scratch, bytes) != TK_OK) abort();
        memset(scratch.base, 0xFF, bytes);
        if (tk_fft_exchange_open(fft, &w->share, w->data_planes, &scratch, &move) != TK_OK) abort();
        filter.exchange = &move;
    }
    float *volume = floats(tk_fft_part_count(fft, &part)), *buffers = floats(2 * tk_fft_buffer_count(fft));
    for (int64_t i = 0; i < planes; i++) {
        const int64_t z = tk_fft_part_plane(&part, i);
        if (z >= filter.planes_in) continue;
        for (int64_t y = 0; y < fft->size[TK_Y]; y++)
            for (int64_t x = 0; x < fft->size[TK_X]; x++)
                volume[i * fft->plane_stride + y * fft->row_stride + x] = noise(voxel(fft, z, y, x));
        tk_fft_plane_forward(fft, volume + i * fft->plane_stride, fft->size[TK_Y], buffers);
    }
    w->status = tk_fft_filter_volume(fft, volume, &filter, buffers, w->threads, tk_isa_detect());
    for (int64_t i = 0; i < planes && w->status == TK_OK; i++) {
        const int64_t z = tk_fft_part_plane(&part, i);
        if (z >= filter.planes_out) continue;
        tk_fft_plane_inverse(fft, volume + i * fft->plane_stride, fft->size[TK_Y], buffers);
        for (int64_t y = 0; y < fft->size[TK_Y]; y++)
            memcpy(w->result + voxel(fft, z, y, 0), volume + i * fft->plane_stride + y * fft->row_stride,
                   (size_t)fft->size[TK_X] * sizeof(float));
    }
    free(volume), free(buffers);
    tk_scratch_release(&scratch);
    return NULL;
}

/* What `workers` workers make of it together. */
static float *run(const worker *like, int workers, table *t) {
    const tk_fft *fft = like->fft;
    pthread_t thread[MOST_WORKERS];
    worker all[MOST_WORKERS];
    float *result = floats(fft->size[0] * fft->size[1] * fft->size[2]);
    t->workers = workers;
    assert_int_equal(pthread_barrier_init(&t->barrier, NULL, (unsigned)workers), 0);
    for (int i = 0; i < workers; i++) {
        all[i] = *like;
        all[i].seat = (seat){t, i};
        all[i].share = (tk_fft_share){workers, i, exchange, NULL, &all[i].seat};
        all[i].result = result;
        all[i].threads = 1 + i % 2;
        assert_int_equal(pthread_create(&thread[i], NULL, run_worker, &all[i]), 0);
    }
    for (int i = 0; i < workers; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(all[i].status, t->refuse ? TK_FAILED : TK_OK);
    }
    pthread_barrier_destroy(&t->barrier);
    return result;
}

static void compare_workers(const int64_t size[3], int64_t data_planes, int workers) {
    tk_fft fft;
    assert_int_equal(tk_fft_layout(size, &fft), TK_OK);
    assert_int_equal(tk_fft_plan(&fft, ""), TK_OK);
    float *filter = floats(tk_fft_filter_count(&fft)), *alone = floats(size[0] * size[1] * size[2]);
    for (int64_t i = 0; i < tk_fft_filter_count(&fft); i++) filter[i] = noise(i + 77);
    for (int variant = 0; variant < 4; variant++) {
        const bool conjugate = variant % 2;
        worker one = {.fft = &fft,
                      .filter = filter,
                      .weight = filter,
                      .terms = 1 + variant / 2,
                      .data_planes = data_planes,
                      .conjugate = conjugate,
                      .threads = 2};
        one.result = alone;
        run_worker(&one);
        table t = {0};
        float *shared = run(&one, workers, &t);
        const size_t planes = (size_t)(conjugate ? size[0] : data_planes);
        assert_memory_equal(shared, alone, planes * (size_t)(size[1] * size[2]) * sizeof(float));
        free(shared);
    }
    free(filter), free(alone);
    tk_fft_free(&fft);
}

static void test_any_number_of_workers_gives_the_same_bits(void **state) {
    (void)state;
    static const int workers[] = {1, 2, 3, 5, 9, 37};
    for (int i = 0; i < 6; i++) {
        compare_workers((const int64_t[3]){24, 20, 60}, 9, workers[i]);
        compare_workers((const int64_t[3]){7, 36, 30}, 7, workers[i]); /* all planes have data */
        compare_workers((const int64_t[3]){1, 40, 100}, 1, workers[i]);
        compare_workers((const int64_t[3]){15, 4, 34}, 2, workers[i]);
    }
}

static void test_parts_are_disjoint_and_everything(void **state) {
    (void)state;
    tk_fft fft;
    assert_int_equal(tk_fft_layout((const int64_t[3]){30, 14, 20}, &fft), TK_OK);
    for (int workers = 1; workers < MOST_WORKERS; workers++) {
        int owners[30] = {0}, rows[14] = {0};
        for (int me = 0; me < workers; me++) {
            const tk_fft_share share = {.workers = workers, .me = me};
            const tk_fft_part part = tk_fft_part_of(&fft, &share, 11);
            for (int64_t i = 0; i < tk_fft_part_planes(&part); i++) {
                assert_true((tk_fft_part_plane(&part, i) < 11) == (i < tk_fft_part_data(&part)));
                owners[tk_fft_part_plane(&part, i)]++;
            }
            for (int64_t y = part.rows.first; y < part.rows.end; y++) rows[y]++;
        }
        for (int z = 0; z < 30; z++) assert_int_equal(owners[z], 1);
        for (int y = 0; y < 14; y++) assert_int_equal(rows[y], 1);
    }
}

static void test_buffers_are_small_and_little_moves(void **state) {
    (void)state;
    tk_fft fft;
    assert_int_equal(tk_fft_layout((const int64_t[3]){192, 700, 700}, &fft), TK_OK);
    for (int workers = 1; workers <= 100; workers++) {
        const tk_fft_share share = {.workers = workers};
        const tk_fft_part part = tk_fft_part_of(&fft, &share, 64);
        const size_t volume = (size_t)tk_fft_part_count(&fft, &part) * sizeof(float);
        assert_true(tk_fft_exchange_scratch(&fft, workers, 64) <= volume / 4);
    }
    assert_int_equal(tk_fft_layout((const int64_t[3]){12, 16, 60}, &fft), TK_OK);
    assert_int_equal(tk_fft_plan(&fft, ""), TK_OK);
    float *filter = floats(tk_fft_filter_count(&fft));
    for (int64_t i = 0; i < tk_fft_filter_count(&fft); i++) filter[i] = 0;
    const worker like = {.fft = &fft, .filter = filter, .terms = 1, .data_planes = 4, .conjugate = true};
    table t = {0};
    free(run(&like, 4, &t));
    /* Worker 0 gets its quarter of rows on the 4 planes with data, and back its quarter of 12 planes. */
    const int64_t block = (int64_t)(2 * TK_FFT_COLUMNS * sizeof(float));
    assert_int_equal(t.moved, 4 * fft.blocks * 4 * block + 3 * fft.blocks * 16 * block);
    free(filter);
    tk_fft_free(&fft);
}

static void test_a_failed_exchange_is_reported(void **state) {
    (void)state;
    tk_fft fft;
    assert_int_equal(tk_fft_layout((const int64_t[3]){4, 6, 20}, &fft), TK_OK);
    assert_int_equal(tk_fft_plan(&fft, ""), TK_OK);
    float *filter = floats(tk_fft_filter_count(&fft));
    const worker like = {.fft = &fft, .filter = filter, .terms = 1, .data_planes = 2};
    table t = {.refuse = true};
    free(run(&like, 2, &t));
    tk_scratch none = {0};
    tk_fft_exchange move;
    const tk_fft_share share = {.workers = 2};
    assert_int_equal(tk_fft_exchange_open(&fft, &share, 2, &none, &move), TK_NO_MEMORY);
    free(filter);
    tk_fft_free(&fft);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number_of_workers_gives_the_same_bits),
        cmocka_unit_test(test_parts_are_disjoint_and_everything),
        cmocka_unit_test(test_buffers_are_small_and_little_moves),
        cmocka_unit_test(test_a_failed_exchange_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
