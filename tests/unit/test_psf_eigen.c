/* Eigen-PSFs: few modes do, the error is what it says, and modes drawn as images add up to the PSF. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/psf/eigen.h"
#include "kernels/psf/model.h"

/* Water immersion of NA 1.2 into a tissue of index 1.38. */
static tk_psf_optics water(void) {
    tk_psf_optics o = tk_psf_optics_default(1.2, 525, 1.333, (const double[3]){0.3, 0.11, 0.11});
    o.n_sample = 1.38;
    return o;
}

static tk_work lend(size_t bytes, int threads) {
    tk_work work = {.threads = threads, .isa = TK_ISA_BASELINE};
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    return work;
}

static void make(const tk_psf_optics *o, int64_t depths, const int64_t size[3], double target, int64_t most,
                 int threads, tk_psf_eigen *eigen) {
    tk_work work = lend(tk_psf_eigen_scratch(o, 0, 50, depths, size, threads), threads);
    assert_int_equal(tk_psf_eigen_make(o, 0, 50, depths, size, target, most, &work, eigen), TK_OK);
    assert_true(work.scratch.used == 0);
    tk_scratch_release(&work.scratch);
}

static tk_psf_eigen eigen, again;

static void test_four_modes_do_for_water_into_tissue(void **state) {
    (void)state;
    const tk_psf_optics o = water();
    const int64_t size[3] = {61, 65, 65};
    make(&o, 61, size, 0.02, 8, 2, &eigen);
    for (int64_t k = 0; k < eigen.modes; k++) print_message("%d modes: %.2f %%\n", (int)k + 1, 100 * eigen.error[k]);
    assert_true(eigen.modes <= 4 && eigen.worst <= 0.02 && eigen.worst == eigen.error[eigen.modes - 1]);
    for (int64_t k = 1; k < eigen.modes; k++) assert_true(eigen.error[k] < eigen.error[k - 1]);
    assert_true(eigen.shift_um[0] == 0 && fabs(eigen.shift_um[60]) > 1);
}

static void test_threads_change_nothing(void **state) {
    (void)state;
    const tk_psf_optics o = water();
    const int64_t size[3] = {15, 21, 21};
    make(&o, 9, size, 1e-3, 9, 1, &eigen);
    make(&o, 9, size, 1e-3, 9, 3, &again);
    assert_true(eigen.modes == again.modes && eigen.modes > 1);
    for (int64_t k = 0; k < eigen.modes; k++)
        assert_memory_equal(eigen.coefficient[k], again.coefficient[k], 9 * sizeof(double));
}

/* Modes times coefficients against tk_psf_make at a depth between two snapshots, both as images. */
static void test_modes_add_up_to_the_psf(void **state) {
    (void)state;
    enum { VOXELS = 41 * 49 * 49 };
    const int64_t size[3] = {41, 49, 49};
    tk_psf_optics o = water();
    make(&o, 31, size, 0.01, 8, 2, &eigen);
    double coefficient[TK_EIGEN_MOST], off = 0, all = 0, light = 0;
    float *mode = malloc(VOXELS * sizeof *mode), *truth = malloc(VOXELS * sizeof *truth);
    double *sum = calloc(VOXELS, sizeof *sum);
    assert_true(mode && truth && sum);
    o.depth_um = 50 / 30.0 * 20.4;
    o.origin = TK_PSF_BEST_FOCUS;
    const tk_view_f32 view = tk_dense_f32(mode, size);
    tk_work work = lend(tk_psf_eigen_modes_scratch(&eigen, size, 1, 2), 2);
    tk_psf_eigen_coefficients(&eigen, o.depth_um, coefficient);
    for (int64_t k = 0; k < eigen.modes; k++) {
        assert_int_equal(tk_psf_eigen_modes(&eigen, k, 1, &work, &view), TK_OK);
        for (int64_t i = 0; i < VOXELS; i++) sum[i] += coefficient[k] * mode[i];
    }
    assert_int_equal(tk_psf_eigen_modes(&eigen, eigen.modes, 1, &work, &view), TK_INVALID);
    tk_scratch_release(&work.scratch);
    work = lend(tk_psf_make_scratch(&o, size, 2), 2);
    tk_psf_facts facts;
    assert_int_equal(tk_psf_make(&o, &work, tk_dense_f32(truth, size), &facts), TK_OK);
    tk_scratch_release(&work.scratch);
    for (int64_t i = 0; i < VOXELS; i++) {
        const double exact = truth[i] * (1 - facts.lost);
        light += sum[i];
        off += (sum[i] - exact) * (sum[i] - exact);
        all += exact * exact;
    }
    print_message("relative error %.2f %%, promised %.2f %%\n", 100 * sqrt(off / all), 100 * eigen.worst);
    assert_true(sqrt(off / all) <= 1.1 * eigen.worst);
    assert_true(fabs(light - (1 - facts.lost)) < 0.01);
    free(mode);
    free(truth);
    free(sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_modes_do_for_water_into_tissue),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_modes_add_up_to_the_psf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
