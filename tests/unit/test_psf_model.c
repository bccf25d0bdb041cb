/* PSF models against slow quadrature, against what optics demands, and the same bits for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/psf/model.h"
#include "kernels/psf/pupil.h"
#include "tests/reference/psf.h"

static tk_psf_optics oil(void) { return tk_psf_optics_default(1.4, 525, 1.515, (const double[3]){0.15, 0.065, 0.065}); }

/* Oil into water, 10 um deep, a coverslip that is too thick and the wrong working distance. */
static tk_psf_optics mismatched(void) {
    tk_psf_optics o = oil();
    o.n_sample = 1.33;
    o.depth_um = 10;
    o.coverslip_um = 175;
    o.coverslip_design_um = 170;
    o.immersion_um = 148;
    return o;
}

static tk_work lend(size_t bytes, int threads) {
    tk_work work = {.threads = threads, .isa = TK_ISA_BASELINE};
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    return work;
}

static float *make(const tk_psf_optics *o, const int64_t size[3], int threads, tk_psf_facts *facts) {
    float *psf = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *psf);
    assert_non_null(psf);
    tk_work work = lend(tk_psf_make_scratch(o, size, threads), threads);
    assert_int_equal(tk_psf_make(o, &work, tk_dense_f32(psf, size), facts), TK_OK);
    tk_scratch_release(&work.scratch);
    return psf;
}

static void against_the_reference(const tk_psf_optics *o) {
    const int64_t size[3] = {21, 33, 33};
    static const int64_t place[][3] = {{0, 0, 0},  {0, 1, 0},   {0, 2, 3},   {1, 0, 5},  {3, 4, 4},   {-3, 4, 4},
                                       {10, 8, 1}, {-10, 0, 0}, {6, 16, 16}, {0, 16, 0}, {-7, 12, 9}, {10, 16, 5}};
    enum { PLACES = sizeof place / sizeof *place };
    tk_psf_facts facts;
    float *psf = make(o, size, 2, &facts);
    double truth[PLACES], scale = 0, peak = 0, total = 0, worst = 0;
    for (int64_t i = 0; i < 21 * 33 * 33; i++) peak = fmax(peak, psf[i]);
    for (int i = 0; i < PLACES; i++) {
        truth[i] = ref_psf_pixel(o, o->emission_nm * 1e-3, facts.origin_um, (double)place[i][0] * o->voxel_um[0],
                                 (double)place[i][1] * o->voxel_um[1], (double)place[i][2] * o->voxel_um[2]);
        const double value = psf[(place[i][0] + 10) * 33 * 33 + (place[i][1] + 16) * 33 + place[i][2] + 16];
        scale += truth[i] * value;
        total += truth[i] * truth[i];
    }
    for (int i = 0; i < PLACES; i++) {
        const double value = psf[(place[i][0] + 10) * 33 * 33 + (place[i][1] + 16) * 33 + place[i][2] + 16];
        worst = fmax(worst, fabs(value - truth[i] * scale / total) / peak);
    }

    assert_true(worst < 1e-6);
    free(psf);
}

static void test_born_wolf_is_quadrature(void **state) {
    (void)state;
    const tk_psf_optics o = oil();
    against_the_reference(&o);
}

static void test_gibson_lanni_is_quadrature(void **state) {
    (void)state;
    tk_psf_optics o = mismatched();
    against_the_reference(&o);
    o.origin = TK_PSF_NOMINAL;
    o.depth_um = 2;
    o.coverslip_um = o.coverslip_design_um;
    o.immersion_um = o.immersion_design_um;
    against_the_reference(&o);
}

static void test_richards_wolf_is_quadrature(void **state) {
    (void)state;
    tk_psf_optics o = oil();
    o.vectorial = true;
    against_the_reference(&o);
    o = mismatched();
    o.vectorial = true;
    against_the_reference(&o);
}

/* In units of the table: the amplitude is right, not only the shape; far from the axis and from focus. */
static void test_table_is_quadrature_far_away(void **state) {
    (void)state;
    for (int vectorial = 0; vectorial < 2; vectorial++) {
        tk_psf_optics o = mismatched();
        o.vectorial = vectorial;
        const tk_psf_grid grid = {.step = 0.31, .first = -12, .spacing = 8, .radii = 40, .planes = 4};
        double value[160], energy, worst = 0, peak = 0;
        tk_work work = lend(tk_psf_pupil_scratch(&o, 0.525, &grid, 2), 2);
        assert_int_equal(tk_psf_pupil(&o, 0.525, &grid, &work, value, &energy), TK_OK);
        tk_scratch_release(&work.scratch);
        const double shift = tk_psf_origin_shift(&o);
        for (int i = 0; i < 160; i += 7) {
            const double truth = ref_psf_point(&o, 0.525, shift, -12 + 8.0 * (i % 4), 0.31 * (i / 4));
            worst = fmax(worst, fabs(value[i] - truth));
            peak = fmax(peak, truth);
        }
        assert_true(worst < 1e-8 * peak);
    }
}

/* In focus and scalar, the light within a circle is 1 - J0^2 - J1^2 (Rayleigh 1881). */
static void test_energy_is_rayleighs(void **state) {
    (void)state;
    tk_psf_optics o = oil();
    const int64_t most[3] = {1, 1001, 1001};
    for (double loss = 0.2; loss > 0.02; loss /= 2) {
        int64_t size[3];
        double lost;
        tk_work work = lend(tk_psf_size_scratch(&o, most, 2), 2);
        assert_int_equal(tk_psf_size_for(&o, most, loss, &work, size, &lost), TK_OK);
        tk_scratch_release(&work.scratch);
        const double radius = 0.5 * 0.065 * (double)size[1], v = 2 * M_PI / 0.525 * 1.4 * radius;
        const double inside = 1 - j0(v) * j0(v) - j1(v) * j1(v);
        assert_true(size[0] == 1 && size[1] == size[2] && size[1] % 2 == 1);
        assert_true(lost <= loss && 1 - inside <= loss + 1e-3);
        const double smaller = 2 * M_PI / 0.525 * 1.4 * (radius - 0.065 - tk_psf_radial_step(&o));
        assert_true(j0(smaller) * j0(smaller) + j1(smaller) * j1(smaller) > loss - 1e-3);
        tk_psf_facts facts;
        float *psf = make(&o, size, 2, &facts);
        assert_true(facts.lost > 0 && facts.lost < lost);
        free(psf);
    }
}

static void test_focal_shift(void **state) {
    (void)state;
    tk_psf_optics o = oil();
    assert_true(tk_psf_focal_shift(&o) == 0);
    o.n_sample = 1.33;
    o.depth_um = 10;
    o.na = 0.1; /* paraxial: the lens moves by n_i / n_s - 1 more */
    assert_true(fabs(tk_psf_focal_shift(&o) - 10 * (1.515 / 1.33 - 1)) < 0.01);
    o.na = 1.2;
    assert_true(tk_psf_focal_shift(&o) > 2);
    /* On the axis nothing is brighter than at the brightest shift. */
    o = mismatched();
    const double shift = tk_psf_brightest_shift(&o), top = ref_psf_point(&o, 0.525, shift, 0, 0);
    assert_true(fabs(shift - tk_psf_focal_shift(&o)) > 0.2);
    for (int i = -150; i <= 150; i++) assert_true(ref_psf_point(&o, 0.525, shift, i * 0.05, 0) <= top * (1 + 1e-9));
}

static void test_threads_change_nothing(void **state) {
    (void)state;
    const int64_t size[3] = {9, 24, 31};
    for (int mode = TK_PSF_WIDEFIELD; mode <= TK_PSF_TWO_PHOTON; mode++) {
        tk_psf_optics o = mismatched();
        o.mode = (tk_psf_mode)mode;
        o.vectorial = mode % 2;
        o.excitation_nm = 488;
        float *one = make(&o, size, 1, NULL);
        for (int threads = 2; threads <= 5; threads++) {
            float *many = make(&o, size, threads, NULL);
            assert_memory_equal(one, many, sizeof(float) * 9 * 24 * 31);
            free(many);
        }
        double sum = 0;
        for (int64_t i = 0; i < 9 * 24 * 31; i++) sum += one[i];
        assert_true(fabs(sum - 1) < 1e-5);
        free(one);
    }
}

/* The mean of ref_psf_point over a disk around (z, r), by midpoints. */
static double mean_over_disk(const tk_psf_optics *o, double wavelength, double z, double r, double radius) {
    enum { RINGS = 24, ANGLES = 24 };
    double sum = 0, area = 0;
    for (int i = 0; i < RINGS; i++)
        for (int a = 0; a < ANGLES; a++) {
            const double s = radius * (i + 0.5) / RINGS, turn = M_PI * (a + 0.5) / ANGLES;
            sum += s * ref_psf_point(o, wavelength, 0, z, hypot(r + s * cos(turn), s * sin(turn)));
            area += s;
        }
    return radius > 0 ? sum / area : ref_psf_point(o, wavelength, 0, z, r);
}

/* Each mode's table against its definition. */
static void test_modes_are_their_products(void **state) {
    (void)state;
    tk_psf_optics o = oil();
    o.excitation_nm = 488;
    o.sheet_um = 0.8;
    const double pinhole = 0.61 * 0.525 / 1.4;
    const tk_psf_grid grid = {
        .step = tk_psf_radial_step(&o) / 2, .first = -0.5, .spacing = 0.5, .radii = 40, .planes = 3};
    for (int mode = TK_PSF_CONFOCAL; mode <= TK_PSF_TWO_PHOTON; mode++) {
        o.mode = (tk_psf_mode)mode;
        if (mode == TK_PSF_SPINNING_DISK) continue;
        double value[120], worst = 0, peak = 0;
        tk_work work = lend(tk_psf_radial_scratch(&o, &grid, 2), 2);
        assert_int_equal(tk_psf_radial(&o, &grid, &work, value, NULL), TK_OK);
        tk_scratch_release(&work.scratch);
        for (int i = 0; i < 120; i += 13) {
            const double z = grid.first + grid.spacing * (i % 3), r = grid.step * (i / 3);
            double truth = ref_psf_point(&o, mode == TK_PSF_LIGHT_SHEET ? 0.525 : 0.488, 0, z, r);
            if (mode == TK_PSF_CONFOCAL) truth *= mean_over_disk(&o, 0.525, z, r, pinhole);
            if (mode == TK_PSF_LIGHT_SHEET) truth *= exp(-2 * z * z / 0.64);
            if (mode == TK_PSF_TWO_PHOTON) truth *= truth;
            worst = fmax(worst, fabs(value[i] - truth));
            peak = fmax(peak, value[i]);
        }
        assert_true(worst < (mode == TK_PSF_CONFOCAL ? 2e-3 : 1e-7) * peak);
    }
}

/* With pinholes of no size and no leak a spinning disk is a confocal microscope; a leak adds widefield light. */
static void test_spinning_disk_lies_between(void **state) {
    (void)state;
    const int64_t size[3] = {33, 25, 25};
    tk_psf_optics o = oil();
    o.excitation_nm = 488;
    o.mode = TK_PSF_CONFOCAL;
    o.pinhole_au = 0;
    float *confocal = make(&o, size, 2, NULL);
    o.mode = TK_PSF_SPINNING_DISK;
    o.open_fraction = 0;
    float *disk = make(&o, size, 2, NULL);
    for (int64_t i = 0; i < 33 * 25 * 25; i++) assert_true(fabsf(confocal[i] - disk[i]) < 1e-7F);
    free(disk);
    o.pinhole_au = 1;
    disk = make(&o, size, 2, NULL);
    o.open_fraction = 0.2;
    float *leaking = make(&o, size, 2, NULL);
    const int64_t middle = 16 * 625 + 12 * 25 + 12; /* less light in focus, the larger the holes and the leak */
    assert_true(confocal[middle] > disk[middle] && disk[middle] > leaking[middle]);
    free(confocal);
    free(disk);
    free(leaking);
}

/* Bad optics and too little scratch. */
static void test_refusals(void **state) {
    (void)state;
    const int64_t size[3] = {3, 5, 5};
    float psf[75];
    tk_psf_optics o = oil();
    tk_work work = lend(tk_psf_make_scratch(&o, size, 1) / 2, 1);
    assert_int_equal(tk_psf_make(&o, &work, tk_dense_f32(psf, size), NULL), TK_NO_MEMORY);
    assert_true(work.scratch.used == 0);
    o.na = 1.6;
    assert_non_null(tk_psf_optics_fault(&o));
    assert_int_equal(tk_psf_make(&o, &work, tk_dense_f32(psf, size), NULL), TK_INVALID);
    o = oil();
    o.voxel_um[1] = NAN;
    assert_non_null(tk_psf_optics_fault(&o));
    assert_true(tk_psf_make_scratch(&o, size, 1) == SIZE_MAX);
    tk_scratch_release(&work.scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_born_wolf_is_quadrature),     cmocka_unit_test(test_gibson_lanni_is_quadrature),
        cmocka_unit_test(test_richards_wolf_is_quadrature), cmocka_unit_test(test_table_is_quadrature_far_away),
        cmocka_unit_test(test_energy_is_rayleighs),         cmocka_unit_test(test_focal_shift),
        cmocka_unit_test(test_threads_change_nothing),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_modes_are_their_products),    cmocka_unit_test(test_spinning_disk_lies_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
