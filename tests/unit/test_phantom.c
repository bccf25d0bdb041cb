/* Phantoms: the PSF against the Gaussian's integrals, the scene against its own promises (gaps, numbering, brightness),
 * the counts against the expected photons, and the bytes against the number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/phantom/phantom.h"
#include "kernels/phantom/psf.h"

static const tk_phantom base = {.kind = TK_PHANTOM_NUCLEI,
                                .size = {24, 90, 110},
                                .scale = {2, 1, 1},
                                .objects = 5,
                                .seed = 4,
                                .gap = 2,
                                .sigma = {1.5, 1, 1.2},
                                .photons = 150,
                                .background = 10,
                                .read_noise = 1.5};

typedef struct made {
    int64_t voxels, count;
    float *truth;
    uint32_t *labels;
    uint16_t *counts;
} made;

static made make(const tk_phantom *phantom, int threads, tk_status expected) {
    made m = {.voxels = phantom->size[0] * phantom->size[1] * phantom->size[2]};
    m.truth = malloc((size_t)m.voxels * sizeof *m.truth);
    m.labels = malloc((size_t)m.voxels * sizeof *m.labels);
    m.counts = malloc((size_t)m.voxels * sizeof *m.counts);
    assert_true(m.truth && m.labels && m.counts);
    memset(m.truth, 0xA5, (size_t)m.voxels * sizeof *m.truth);
    memset(m.labels, 0xA5, (size_t)m.voxels * sizeof *m.labels);
    tk_work work = {.threads = threads};
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_phantom_scratch(phantom, threads)), TK_OK);
    assert_int_equal(tk_phantom_make(phantom, &work, tk_dense_f32(m.truth, phantom->size),
                                     tk_dense_u32(m.labels, phantom->size), m.counts, &m.count),
                     expected);
    tk_scratch_release(&work.scratch);
    return m;
}

static void drop(made *m) {
    free(m->truth);
    free(m->labels);
    free(m->counts);
}

static void psf_weights_are_the_integral_of_a_gaussian(void **state) {
    (void)state;
    static const double sigmas[] = {0, 0.05, 0.3, 1, 1.3, 7.7, 100};
    for (size_t s = 0; s < sizeof sigmas / sizeof *sigmas; s++) {
        double weights[TK_PSF_MOST_TAPS], sum = 0, second = 0;
        const int64_t radius = tk_psf_radius(sigmas[s]);
        assert_true(2 * radius + 1 <= TK_PSF_MOST_TAPS);
        tk_psf_weights(sigmas[s], weights);
        for (int64_t i = -radius; i <= radius; i++) {
            assert_true(weights[radius + i] == weights[radius - i]);
            sum += weights[radius + i];
            second += weights[radius + i] * (double)(i * i);
        }
        assert_true(sum == 1);
        /* the voxel's own variance is added to the Gaussian's, less what is cut off */
        if (sigmas[s] >= 1) assert_true(fabs(second / (sigmas[s] * sigmas[s] + 1.0 / 12) - 1) < 2e-3);
        if (sigmas[s] > 0 && sigmas[s] < 0.1) assert_true(weights[radius] > 0.999999);
    }
}

static void psf_image_sums_to_one_and_peaks_in_the_middle(void **state) {
    (void)state;
    const double sigma[3] = {2, 1.3, 0};
    int64_t size[3];
    tk_phantom_psf_size(sigma, size);
    assert_true(size[0] == 17 && size[1] == 13 && size[2] == 1);
    float psf[17 * 13];
    tk_phantom_psf(sigma, tk_dense_f32(psf, size));
    double sum = 0;
    for (int i = 0; i < 17 * 13; i++) {
        sum += (double)psf[i];
        assert_true(psf[i] <= psf[8 * 13 + 6] && psf[i] == psf[17 * 13 - 1 - i]);
    }
    assert_true(fabs(sum - 1) < 1e-6);
}

static void any_number_of_threads_makes_the_same_bytes(void **state) {
    (void)state;
    for (int kind = TK_PHANTOM_BEADS; kind <= TK_PHANTOM_NUCLEI; kind++) {
        tk_phantom phantom = base;
        phantom.kind = (tk_phantom_kind)kind;
        made one = make(&phantom, 1, TK_OK);
        for (int threads = 2; threads <= 5; threads += 3) {
            made more = make(&phantom, threads, TK_OK);
            assert_int_equal(one.count, more.count);
            assert_memory_equal(one.truth, more.truth, (size_t)one.voxels * sizeof *one.truth);
            assert_memory_equal(one.labels, more.labels, (size_t)one.voxels * sizeof *one.labels);
            assert_memory_equal(one.counts, more.counts, (size_t)one.voxels * sizeof *one.counts);
            drop(&more);
        }
        phantom.seed++;
        made other = make(&phantom, 1, TK_OK);
        assert_memory_not_equal(one.counts, other.counts, (size_t)one.voxels * sizeof *one.counts);
        drop(&other);
        drop(&one);
    }
}

static void labels_are_numbered_by_their_first_voxel_and_lie_in_bright_voxels(void **state) {
    (void)state;
    for (int kind = TK_PHANTOM_BEADS; kind <= TK_PHANTOM_NUCLEI; kind += TK_PHANTOM_NUCLEI) {
        tk_phantom phantom = base;
        phantom.kind = (tk_phantom_kind)kind;
        phantom.objects = kind == TK_PHANTOM_BEADS ? 150 : 5;
        made m = make(&phantom, 2, TK_OK);
        uint32_t most = 0;
        for (int64_t i = 0; i < m.voxels; i++) {
            assert_true(m.labels[i] <= most + 1);
            if (m.labels[i] > most) most = m.labels[i];
            if (m.labels[i]) assert_true(m.truth[i] > 0.5f * 0.4f * 0.6f * 150); /* edge, texture, dimmest */
            assert_true(m.truth[i] <= 150);
        }
        assert_int_equal(most, m.count);
        assert_true(m.count >= phantom.objects); /* all of those in the field, and some that reach in */
        drop(&m);
    }
}

static void filaments_have_truth_and_leave_labels_alone(void **state) {
    (void)state;
    tk_phantom phantom = base;
    phantom.kind = TK_PHANTOM_FILAMENTS;
    made m = make(&phantom, 2, TK_OK);
    int64_t bright = 0;
    for (int64_t i = 0; i < m.voxels; i++) {
        assert_true(m.labels[i] == 0xA5A5A5A5);
        bright += m.truth[i] > 50;
    }
    assert_true(bright > 200 && bright < m.voxels / 10);
    drop(&m);
}

static void objects_keep_their_distance(void **state) {
    (void)state;
    tk_phantom phantom = base;
    phantom.size[0] = 60;
    phantom.objects = 14;
    phantom.gap = 3;
    made m = make(&phantom, 1, TK_OK);
    const int64_t height = phantom.size[1], width = phantom.size[2];
    for (int64_t i = 0; i < m.voxels; i++) {
        if (m.labels[i] == 0) continue;
        const int64_t z = i / (height * width), y = i / width % height, x = i % width;
        for (int64_t d = 1; d <= 3; d++) { /* along each axis, fewer than 3 voxels between two objects are too few */
            const int64_t next[3] = {z + d < phantom.size[0] ? i + d * height * width : i,
                                     y + d < height ? i + d * width : i, x + d < width ? i + d : i};
            for (int a = 0; a < 3; a++) assert_true(!m.labels[next[a]] || m.labels[next[a]] == m.labels[i]);
        }
    }
    drop(&m);
}

/* Blurs the truth by the definition, where the PSF does not reach over the border. */
static void counts_have_the_mean_and_variance_of_the_blurred_truth(void **state) {
    (void)state;
    tk_phantom phantom = base;
    made m = make(&phantom, 2, TK_OK);
    double weights[3][TK_PSF_MOST_TAPS], sum = 0, chi2 = 0, product = 0, last = 0;
    int64_t radius[3], used = 0;
    for (int a = 0; a < 3; a++) {
        radius[a] = tk_psf_radius(phantom.sigma[a]);
        tk_psf_weights(phantom.sigma[a], weights[a]);
    }
    const int64_t *size = phantom.size;
    for (int64_t z = radius[0]; z < size[0] - radius[0]; z++)
        for (int64_t y = radius[1]; y < size[1] - radius[1]; y++)
            for (int64_t x = radius[2]; x < size[2] - radius[2]; x++) {
                double expected = phantom.background;
                for (int64_t c = -radius[0]; c <= radius[0]; c++)
                    for (int64_t b = -radius[1]; b <= radius[1]; b++)
                        for (int64_t a = -radius[2]; a <= radius[2]; a++)
                            expected += weights[0][c + radius[0]] * weights[1][b + radius[1]] *
                                        weights[2][a + radius[2]] *
                                        (double)m.truth[((z + c) * size[1] + y + b) * size[2] + x + a];
                const double error = (double)m.counts[(z * size[1] + y) * size[2] + x] - expected;
                /* the variance of rounding is 1/12 */
                const double variance = expected + phantom.read_noise * phantom.read_noise + 1.0 / 12;
                const double normalised = error / sqrt(variance);
                sum += normalised;
                product += normalised * last;
                last = normalised;
                chi2 += error * error / variance;
                used++;
            }
    assert_true(used > 10000);
    assert_true(fabs(sum) < 5 * sqrt((double)used));
    assert_true(fabs(product) < 5 * sqrt((double)used)); /* neighbours are independent */
    assert_true(fabs(chi2 - (double)used) < 5 * sqrt(3.0 * (double)used));
    drop(&m);
}

/* Without the objects beyond the border, the border would be darker than the middle. */
static void the_border_is_as_bright_as_the_middle(void **state) {
    (void)state;
    tk_phantom phantom = base;
    phantom.kind = TK_PHANTOM_BEADS;
    phantom.size[0] = 20;
    phantom.size[1] = phantom.size[2] = 120;
    phantom.sigma[0] = phantom.sigma[1] = phantom.sigma[2] = 4;
    phantom.objects = 1500;
    phantom.gap = 0;
    phantom.photons = 2000;
    made m = make(&phantom, 2, TK_OK);
    double border = 0, middle = 0, borders = 0, middles = 0;
    for (int64_t i = 0; i < m.voxels; i++) {
        const int64_t z = i / (120 * 120);
        const double signal = (double)m.counts[i] - phantom.background;
        if (z < 2 || z >= 18)
            border += signal, borders++;
        else if (z >= 8 && z < 12)
            middle += signal, middles++;
    }
    assert_true(fabs((border / borders) / (middle / middles) - 1) < 0.1);
    drop(&m);
}

static void too_many_objects_and_bad_numbers_are_refused(void **state) {
    (void)state;
    tk_phantom phantom = base;
    phantom.objects = 500;
    made m = make(&phantom, 1, TK_UNSOLVABLE);
    assert_true(m.count > 3 && m.count < 500);
    drop(&m);
    phantom = base;
    assert_true(tk_phantom_valid(&phantom));
    phantom.sigma[1] = NAN;
    assert_false(tk_phantom_valid(&phantom));
    phantom = base;
    phantom.size[0] = 0;
    assert_false(tk_phantom_valid(&phantom));
    phantom = base;
    phantom.size[0] = phantom.size[1] = phantom.size[2] = 1 << 20;
    assert_false(tk_phantom_valid(&phantom));
    phantom = base;
    phantom.photons = -1;
    assert_false(tk_phantom_valid(&phantom));
}

static void the_smallest_and_the_emptiest_phantoms_are_made(void **state) {
    (void)state;
    for (int kind = TK_PHANTOM_BEADS; kind <= TK_PHANTOM_NUCLEI; kind++) {
        tk_phantom phantom = base;
        phantom.kind = (tk_phantom_kind)kind;
        for (int a = 0; a < 3; a++) phantom.size[a] = 1, phantom.sigma[a] = 0;
        phantom.objects = 1;
        made m = make(&phantom, 3, TK_OK);
        assert_int_equal(m.count, 1);
        assert_true(m.truth[0] > 0);
        drop(&m);
        phantom = base;
        phantom.kind = (tk_phantom_kind)kind;
        phantom.objects = 0;
        m = make(&phantom, 3, TK_OK);
        assert_int_equal(m.count, 0);
        for (int64_t i = 0; i < m.voxels; i++) assert_true(m.truth[i] == 0);
        drop(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psf_weights_are_the_integral_of_a_gaussian),
        cmocka_unit_test(psf_image_sums_to_one_and_peaks_in_the_middle),
        cmocka_unit_test(any_number_of_threads_makes_the_same_bytes),
        cmocka_unit_test(labels_are_numbered_by_their_first_voxel_and_lie_in_bright_voxels),
        cmocka_unit_test(filaments_have_truth_and_leave_labels_alone),
        cmocka_unit_test(objects_keep_their_distance),
        cmocka_unit_test(counts_have_the_mean_and_variance_of_the_blurred_truth),
        cmocka_unit_test(the_border_is_as_bright_as_the_middle),
        cmocka_unit_test(too_many_objects_and_bad_numbers_are_refused),
        cmocka_unit_test(the_smallest_and_the_emptiest_phantoms_are_made),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
