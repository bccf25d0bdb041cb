/* Beads: each verdict, centres to hundredths of a voxel, widths, the average; shifts; and the support of a PSF. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/psf/beads.h"
#include "kernels/psf/shift.h"
#include "kernels/psf/support.h"
#include "kernels/psf/width.h"

enum { NZ = 48, NY = 120, NX = 128, VOXELS = NZ * NY * NX, MOST = 100 };
static const int64_t image_size[3] = {NZ, NY, NX};
static const double sigma[3] = {2.2, 1.5, 1.7};
static float image[VOXELS];

static const tk_bead_rules rules = {.half = {10, 8, 8}, .threshold = 10, .saturation = 4095};

static double bell(const double centre[3], const double s[3], int64_t z, int64_t y, int64_t x) {
    const double d[3] = {(double)z - centre[0], (double)y - centre[1], (double)x - centre[2]};
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) sum += d[axis] * d[axis] / (s[axis] * s[axis]);
    return exp(-sum / 2);
}

static void add_bead(const double centre[3], double amplitude) {
    for (int64_t i = 0; i < VOXELS; i++)
        image[i] += (float)(amplitude * bell(centre, sigma, i / (NY * NX), i / NX % NY, i % NX));
}

/* A background of 100 with noise of standard deviation `noise`, from uniform numbers. */
static void clear(double noise) {
    for (int64_t i = 0; i < VOXELS; i++) {
        uint64_t bits = (uint64_t)i * 0x9E3779B97F4A7C15U + 1;
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9U;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBU;
        image[i] = (float)(100 + noise * sqrt(12) * ((double)(bits >> 11) * 0x1p-53 - 0.5));
    }
}

static tk_work lend(size_t bytes, int threads) {
    tk_work work = {.threads = threads, .isa = TK_ISA_BASELINE};
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    return work;
}

static int64_t find(tk_bead *beads, int threads) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, image_size));
    int64_t found;
    tk_work work = lend(tk_beads_find_scratch(image_size, threads), threads);
    assert_int_equal(tk_beads_find(view, &rules, &work, beads, MOST, &found), TK_OK);
    tk_scratch_release(&work.scratch);
    tk_beads_fit(view, &rules, beads, found, threads);
    return found;
}

static const double good[][3] = {{20.3, 20.6, 25.1},  {24.5, 60.25, 30.9},  {18.75, 95.5, 24.0}, {30.1, 25.45, 70.7},
                                 {15.2, 70.8, 75.33}, {25.9, 100.1, 100.5}, {22.4, 30.9, 110.2}};
enum { GOOD = sizeof good / sizeof *good };

static void test_each_verdict(void **state) {
    (void)state;
    static tk_bead beads[MOST];
    clear(2);
    add_bead(good[0], 500);
    add_bead((const double[3]){24, 60, 3}, 500);   /* border */
    add_bead((const double[3]){24, 60, 40}, 5000); /* saturated */
    add_bead((const double[3]){24, 100, 40}, 500); /* crowded, both */
    add_bead((const double[3]){24, 100, 50}, 300);
    add_bead((const double[3]){24, 100, 100}, 500); /* with a lobe */
    add_bead((const double[3]){24, 107, 100}, 60);
    const int64_t found = find(beads, 2);
    int64_t count[TK_BEAD_VERDICTS] = {0};
    for (int64_t i = 0; i < found; i++) count[beads[i].verdict]++;
    assert_true(found == 6 && count[TK_BEAD_USED] == 2 && count[TK_BEAD_BORDER] == 1);
    assert_true(count[TK_BEAD_SATURATED] == 1 && count[TK_BEAD_CROWDED] == 2);
}

static void test_centres_and_widths(void **state) {
    (void)state;
    static tk_bead beads[MOST], same[MOST];
    clear(2);
    for (int i = 0; i < GOOD; i++) add_bead(good[i], 400);
    const int64_t found = find(beads, 1);
    assert_int_equal(found, GOOD);
    assert_int_equal(find(same, 3), GOOD);
    assert_memory_equal(beads, same, sizeof(tk_bead) * GOOD);
    for (int64_t b = 0; b < found; b++) {
        assert_int_equal(beads[b].verdict, TK_BEAD_USED);
        double nearest = INFINITY;
        for (int i = 0; i < GOOD; i++) {
            double away = 0;
            for (int axis = 0; axis < 3; axis++) away = fmax(away, fabs(beads[b].centre[axis] - good[i][axis]));
            nearest = fmin(nearest, away);
        }
        assert_true(nearest < 0.02);
        for (int axis = 0; axis < 3; axis++) assert_true(fabs(beads[b].sigma[axis] / sigma[axis] - 1) < 0.02);
    }
}

static void test_average_is_the_bead(void **state) {
    (void)state;
    static tk_bead beads[MOST];
    const int64_t size[3] = {21, 17, 17};
    float psf[21 * 17 * 17], same[21 * 17 * 17];
    clear(2);
    for (int i = 0; i < GOOD; i++) add_bead(good[i], 400 + 50 * i);
    for (int threads = 1; threads <= 3; threads += 2) {
        const int64_t found = find(beads, threads);
        tk_work work = lend(tk_beads_average_scratch(&rules), threads);
        const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, image_size));
        assert_int_equal(
            tk_beads_average(view, &rules, beads, found, &work, tk_dense_f32(threads == 1 ? psf : same, size)), TK_OK);
        tk_scratch_release(&work.scratch);
    }
    assert_memory_equal(psf, same, sizeof psf);
    const double middle[3] = {10, 8, 8}, peak = psf[10 * 17 * 17 + 8 * 17 + 8];
    for (int64_t i = 0; i < 21 * 17 * 17; i++)
        assert_true(fabs(psf[i] / peak - bell(middle, sigma, i / (17 * 17), i / 17 % 17, i % 17)) < 0.015);
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(psf, size));
    for (int axis = 0; axis < 3; axis++)
        assert_true(fabs(tk_psf_width(view, axis) / (2.3548 * sigma[axis]) - 1) < 0.03);
}

static void test_nothing_to_measure(void **state) {
    (void)state;
    static tk_bead beads[MOST];
    float psf[21 * 17 * 17];
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, image_size));
    clear(2);
    assert_int_equal(find(beads, 1), 0);
    tk_work work = lend(tk_beads_average_scratch(&rules), 1);
    assert_int_equal(tk_beads_average(view, &rules, beads, 0, &work, tk_dense_f32(psf, (const int64_t[3]){21, 17, 17})),
                     TK_UNSOLVABLE);
    tk_scratch_release(&work.scratch);
    int64_t found;
    for (int64_t i = 0; i < VOXELS; i++) image[i] = NAN;
    work = lend(tk_beads_find_scratch(image_size, 1), 1);
    assert_int_equal(tk_beads_find(view, &rules, &work, beads, MOST, &found), TK_UNSOLVABLE);
    tk_scratch_release(&work.scratch);
}

static void test_shift_is_exact_for_waves(void **state) {
    (void)state;
    const int64_t size[3] = {5, 7, 9};
    float out[5 * 7 * 9];
    for (int64_t i = 0; i < VOXELS; i++)
        image[i] = (float)(cos(1.9 * (double)(i / (NY * NX))) + cos(2.09 * (double)(i / NX % NY)) +
                           cos(1.1 * (double)(i % NX)));
    const double centre[3] = {20.37, 50.81, 60.5};
    tk_work work = lend(tk_shift_scratch(size), 2);
    assert_int_equal(tk_shift(tk_read_f32(tk_dense_f32(image, image_size)), centre, &work, tk_dense_f32(out, size)),
                     TK_OK);
    for (int64_t i = 0; i < 5 * 7 * 9; i++) {
        const double z = centre[0] + (double)(i / 63) - 2, y = centre[1] + (double)(i / 9 % 7) - 3;
        const double x = centre[2] + (double)(i % 9) - 4;
        assert_true(fabs(out[i] - cos(1.9 * z) - cos(2.09 * y) - cos(1.1 * x)) < 2e-3);
    }
    const double whole[3] = {20, 50, 60};
    assert_int_equal(tk_shift(tk_read_f32(tk_dense_f32(image, image_size)), whole, &work, tk_dense_f32(out, size)),
                     TK_OK);
    for (int64_t i = 0; i < 5 * 7 * 9; i++)
        assert_true(fabsf(out[i] - image[((18 + i / 63) * NY + 47 + i / 9 % 7) * NX + 56 + i % 9]) < 1e-6F);
    tk_scratch_release(&work.scratch);
}

/* Against every symmetric box. */
static void test_support_is_the_smallest_box(void **state) {
    (void)state;
    const int64_t size[3] = {9, 12, 11};
    float psf[9 * 12 * 11];
    double total = 0;
    for (int64_t i = 0; i < 9 * 12 * 11; i++) {
        psf[i] = (float)bell((const double[3]){4, 6, 5}, sigma, i / 132, i / 11 % 12, i % 11) + (float)(i % 7) * 1e-3F;
        total += psf[i];
    }
    tk_work work = lend(tk_psf_support_scratch(size), 1);
    for (double loss = 0.5; loss > 0.02; loss /= 2) {
        tk_box box;
        double lost, least = INFINITY;
        assert_int_equal(tk_psf_support(tk_read_f32(tk_dense_f32(psf, size)), loss, &work, &box, &lost), TK_OK);
        for (int64_t h = 0; h < 5 * 6 * 6; h++) {
            const int64_t half[3] = {h / 36, h / 6 % 6, h % 6};
            double inside = 0;
            for (int64_t i = 0; i < 9 * 12 * 11; i++)
                if (llabs(i / 132 - 4) <= half[0] && llabs(i / 11 % 12 - 6) <= half[1] && llabs(i % 11 - 5) <= half[2])
                    inside += psf[i];
            const int64_t volume = (2 * half[0] + 1) * (2 * half[1] + 1) * (2 * half[2] + 1);
            if (inside >= (1 - loss) * total) least = fmin(least, (double)volume);
            if (half[0] == box.hi[0] - 5 && half[1] == box.hi[1] - 7 && half[2] == box.hi[2] - 6)
                assert_true(fabs(lost - (1 - inside / total)) < 1e-12);
        }
        assert_true((double)tk_box_count(&box) == least && lost <= loss);
        assert_true(box.lo[0] + box.hi[0] == 9 && box.lo[1] + box.hi[1] == 13 && box.lo[2] + box.hi[2] == 11);
    }
    psf[7] = -1;
    tk_box box;
    double lost;
    assert_int_equal(tk_psf_support(tk_read_f32(tk_dense_f32(psf, size)), 0.1, &work, &box, &lost), TK_INVALID);
    tk_scratch_release(&work.scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_verdict),
        cmocka_unit_test(test_centres_and_widths),
        cmocka_unit_test(test_average_is_the_bead),
        cmocka_unit_test(test_nothing_to_measure),
        cmocka_unit_test(test_shift_is_exact_for_waves),
        cmocka_unit_test(test_support_is_the_smallest_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
