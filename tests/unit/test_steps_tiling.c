/* Steps of segmentation, tiled and un-tiled: the same bits for any grid and order of tiles. */
#include "tests/reference/components.h"
#include "tests/reference/measure.h"
#include "tests/unit/test_steps_fixture.h"
#include "workflows/steps/components_rule.h"

static const int64_t sizes[][3] = {{9, 13, 37}, {1, 23, 70}, {6, 1, 66}, {1, 1, 1}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static task task_of(const char *step, const char *params, const int64_t size[3], const void *image) {
    return (task){step, params, {size[0], size[1], size[2]}, {image, NULL}, 1};
}

static void images_do_not_depend_on_tiles(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"gaussian", "{sigma: 1 px}"},
                                           {"gaussian", "{sigma: [0.4 px, 2 px, 3.3 px]}"},
                                           {"gaussian", "{sigma: 300 nm}"},
                                           {"background", "{percentile: 60 %}"},
                                           {"background", "{clip: false}"},
                                           {"threshold", "{method: fixed, value: 0.3}"},
                                           {"gradient", "{per: um}"},
                                           {"hessian", "{eigenvalue: smallest}"},
                                           {"structure", "{outer: [2 px, 1 px, 0 px]}"},
                                           {"median", "{radius: [1 px, 0 px, 2 px]}"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int s = 0; s < SIZES; s++) {
            float *image = random_image(sizes[s], c);
            const task t = task_of(cases[c][0], cases[c][1], sizes[s], image);
            const outcome whole = check_grids(&t);
            assert_int_equal(whole.status, TK_OK);
            free(whole.data);
            free(image);
        }
}

static void otsu_does_not_depend_on_tiles(void **state) {
    (void)state;
    for (int s = 0; s < SIZES; s++) {
        float *image = random_image(sizes[s], 77);
        for (int64_t i = 0; i < count_of(sizes[s]); i += 3) image[i] += 6;
        const task t = task_of("threshold", "{bins: 500}", sizes[s], image);
        const outcome whole = check_grids(&t);
        assert_int_equal(whole.status, count_of(sizes[s]) > 1 ? TK_OK : TK_UNSOLVABLE);
        if (whole.status == TK_OK) { /* it finds the third that was raised */
            int64_t objects = 0;
            for (int64_t i = 0; i < count_of(sizes[s]); i++) objects += ((const uint8_t *)whole.data)[i];
            assert_true(llabs(objects - count_of(sizes[s]) / 3) < 8);
        } else {
            assert_non_null(strstr(whole.error.text, "method: fixed"));
        }
        free(whole.data);
        free(image);
    }
}

/* Tiled labels equal the un-tiled ones, which equal a flood fill's. */
static void labels_do_not_depend_on_tiles(void **state) {
    (void)state;
    static const struct {
        const char *params;
        int connectivity;
    } cases[] = {{"{connectivity: 6}", 6}, {"{connectivity: 18}", 18}, {"{}", 26}};
    for (int kind = 0; kind < MASK_KINDS; kind++)
        for (int s = 0; s < SIZES; s++)
            for (int c = 0; c < 3; c++) {
                uint8_t *mask = make_mask((mask_kind)kind, sizes[s], 31);
                uint32_t *expected = must_allocate(count_of(sizes[s]), sizeof *expected);
                ref_components(mask, sizes[s], cases[c].connectivity, expected);
                const task t = task_of("label", cases[c].params, sizes[s], mask);
                const outcome whole = check_grids(&t);
                assert_int_equal(whole.status, TK_OK);
                assert_memory_equal(whole.data, expected, whole.size);
                free(whole.data);
                free(mask);
                free(expected);
            }
}

/* The connected parts of labels, the same way; and again by size and border, where parts must be added up over tiles.
 */
static void parts_of_labels_do_not_depend_on_tiles(void **state) {
    (void)state;
    static const struct {
        const char *params;
        int connectivity;
    } cases[] = {{"{connectivity: 6}", 6}, {"{connectivity: 18}", 18}, {"{}", 26}};
    for (int kind = 0; kind < LABEL_KINDS; kind++)
        for (int s = 0; s < SIZES; s++) {
            uint32_t *values = make_labels((label_kind)kind, sizes[s], 36);
            uint32_t *expected = must_allocate(count_of(sizes[s]), sizeof *expected);
            for (int c = 0; c < 3; c++) {
                ref_components_of_labels(values, sizes[s], cases[c].connectivity, expected);
                const task t = task_of("relabel", cases[c].params, sizes[s], values);
                const outcome whole = check_grids(&t);
                assert_int_equal(whole.status, TK_OK);
                assert_memory_equal(whole.data, expected, whole.size);
                free(whole.data);
            }
            const task t =
                task_of("relabel", "{connectivity: 18, min_size: 3, exclude_border: true}", sizes[s], values);
            const outcome some = check_grids(&t);
            assert_int_equal(some.status, TK_OK);
            free(some.data), free(values), free(expected);
        }
}

static void tables_do_not_depend_on_tiles(void **state) {
    (void)state;
    for (int kind = 0; kind < MASK_KINDS; kind++)
        for (int s = 0; s < SIZES; s++) {
            uint8_t *mask = make_mask((mask_kind)kind, sizes[s], 32);
            uint32_t *labels = must_allocate(count_of(sizes[s]), sizeof *labels);
            const int64_t objects = ref_components(mask, sizes[s], 6, labels);
            float *image = random_image(sizes[s], 33);
            for (int way = 0; way < 4; way++) {
                task t = task_of("measure", way & 1 ? "{properties: all}" : "{}", sizes[s], labels);
                if (way & 2) t.input[1] = image;
                const outcome whole = check_grids(&t);
                assert_int_equal(whole.status, TK_OK);
                assert_int_equal(whole.rows, objects);
                free(whole.data);
            }
            free(mask);
            free(labels);
            free(image);
        }
}

enum { TIMES = 3 };

/* Each time point's labels are those of a flood fill of it alone. */
static void labels_of_time_points_are_kept_apart(void **state) {
    (void)state;
    for (int s = 0; s < SIZES; s++) {
        const int64_t stack[3] = {sizes[s][0] * TIMES, sizes[s][1], sizes[s][2]}, count = count_of(sizes[s]);
        uint8_t *mask = make_mask(MASK_SPARSE, stack, 35);
        uint32_t *expected = must_allocate(TIMES * count, sizeof *expected);
        memset(mask, 0, (size_t)count); /* one of them holds nothing */
        for (int64_t t = 0; t < TIMES; t++) ref_components(mask + t * count, sizes[s], 26, expected + t * count);
        task t = task_of("label", "{}", sizes[s], mask);
        t.times = TIMES;
        const outcome all = check_grids(&t);
        assert_int_equal(all.status, TK_OK);
        assert_memory_equal(all.data, expected, all.size);
        free(all.data);
        free(mask);
        free(expected);
    }
}

/* What is decided over all time points is what is decided over one image that holds them all. */
static void decisions_are_over_all_time_points(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"background", "{percentile: 60 %}"}, {"threshold", "{bins: 500}"}};
    const int64_t *size = sizes[0], stack[3] = {size[0] * TIMES, size[1], size[2]};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        float *image = random_image(stack, 78);
        for (int64_t i = 0; i < count_of(size); i++) image[i] += 5; /* one of them is brighter */
        task t = task_of(cases[c][0], cases[c][1], size, image);
        const task one = task_of(cases[c][0], cases[c][1], stack, image);
        t.times = TIMES;
        const outcome series = check_grids(&t), whole = run_step(&one, stack, false, 1);
        assert_int_equal(whole.status, TK_OK);
        assert_int_equal(series.size, whole.size);
        assert_memory_equal(series.data, whole.data, whole.size);
        free(series.data);
        free(whole.data);
        free(image);
    }
}

/* A table of several time points: a column t first, and in the others the rows of each alone, one after the other. */
static void tables_of_time_points_stand_one_behind_the_other(void **state) {
    (void)state;
    const int64_t *size = sizes[0], stack[3] = {size[0] * TIMES, size[1], size[2]}, count = count_of(size);
    uint32_t *labels = must_allocate(TIMES * count, sizeof *labels);
    uint8_t *mask = make_mask(MASK_SPARSE, stack, 36);
    for (int64_t t = 0; t < TIMES; t++) ref_components(mask + t * count, size, 6, labels + t * count);
    task t = task_of("measure", "{}", size, labels);
    t.times = TIMES;
    const outcome all = check_grids(&t);
    int64_t row = 0;
    for (int64_t time = 0; time < TIMES; time++) {
        const task alone = task_of("measure", "{}", size, labels + time * count);
        const outcome one = run_step(&alone, size, false, 1);
        const unsigned char *column = all.data, *expected = one.data;
        for (int64_t r = 0; r < one.rows; r++)
            assert_int_equal(((const int64_t *)all.data)[row + r], number_of_time(time));
        column += (size_t)all.rows * 8;
        for (size_t at = 0; at < one.size;) { /* the first column has 4 bytes a row, the others 8 */
            const size_t width = at == 0 ? 4 : 8;
            assert_memory_equal(column + (size_t)row * width, expected + at, (size_t)one.rows * width);
            column += (size_t)all.rows * width;
            at += (size_t)one.rows * width;
        }
        row += one.rows;
        free(one.data);
    }
    assert_int_equal(row, all.rows);
    free(all.data);
    free(mask);
    free(labels);
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* What is subtracted is the value that sorting finds at the percentile. */
static void the_background_is_the_percentile(void **state) {
    (void)state;
    const int64_t *size = sizes[0], count = count_of(size);
    float *image = random_image(size, 41), *sorted = random_image(size, 41);
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    const float level = sorted[(count * 3 + 9) / 10 - 1];
    for (int clip = 0; clip < 2; clip++) {
        const char *params = clip ? "{percentile: 30 %}" : "{percentile: 30 %, clip: false}";
        const task t = task_of("background", params, size, image);
        const outcome whole = run_step(&t, size, false, 1);
        assert_int_equal(whole.status, TK_OK);
        for (int64_t i = 0; i < count; i++) {
            const float expected = image[i] - level;
            assert_true(((const float *)whole.data)[i] == (clip && expected < 0 ? 0 : expected));
        }
        free(whole.data);
    }
    free(image);
    free(sorted);
}

/* The next column of a run's packed table as doubles. */
static double *next_column(const outcome *result, tk_dtype type, size_t *at) {
    double *values = must_allocate(result->rows, sizeof *values);
    for (int64_t row = 0; row < result->rows; row++, *at += tk_dtype_size(type)) {
        const unsigned char *from = (const unsigned char *)result->data + *at;
        union {
            uint32_t u32;
            int64_t i64;
            float f32;
            double f64;
        } v;
        memcpy(&v, from, tk_dtype_size(type));
        values[row] = type == TK_U32   ? (double)v.u32
                      : type == TK_I64 ? (double)v.i64
                      : type == TK_F32 ? (double)v.f32
                                       : v.f64;
    }
    return values;
}

enum { COLUMNS = 19 };
static const tk_dtype column_types[COLUMNS] = {TK_U32, TK_I64, TK_F64, TK_F64, TK_F64, TK_I64, TK_I64,
                                               TK_I64, TK_I64, TK_I64, TK_I64, TK_F64, TK_F64, TK_F64,
                                               TK_F64, TK_F32, TK_F32, TK_F64, TK_F64};

/* Every column of one object; voxels are 0.5 x 0.25 x 0.1 um. */
static void check_row(double *const column[COLUMNS], int64_t row, const ref_object *o) {
    const double um[3] = {0.5, 0.25, 0.1};
    const double expected[COLUMNS] = {
        [0] = (double)(row + 1),         [1] = (double)o->count,          [11] = (double)o->count * 0.0125,
        [15] = (double)o->intensity_min, [16] = (double)o->intensity_max, [17] = o->intensity_sum / (double)o->count,
        [18] = o->intensity_sum};
    for (int c = 0; c < COLUMNS; c++) {
        double value = expected[c];
        if (c >= 2 && c < 5) value = o->centroid[c - 2];
        if (c >= 5 && c < 8) value = (double)o->lo[c - 5];
        if (c >= 8 && c < 11) value = (double)o->hi[c - 8];
        if (c >= 12 && c < 15) value = o->centroid[c - 12] * um[c - 12];
        assert_true(fabs(column[c][row] - value) < 1e-9);
    }
}

static void the_table_holds_what_the_reference_measures(void **state) {
    (void)state;
    const int64_t *size = sizes[0];
    uint8_t *mask = make_mask(MASK_SPARSE, size, 51);
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    ref_components(mask, size, 26, labels);
    float *image = random_image(size, 52);
    task t = task_of("measure", "{}", size, labels);
    t.input[1] = image;
    const outcome whole = run_step(&t, size, false, 1);
    double *column[COLUMNS];
    size_t at = 0;
    for (int c = 0; c < COLUMNS; c++) column[c] = next_column(&whole, column_types[c], &at);
    assert_int_equal(at, whole.size);
    for (int64_t row = 0; row < whole.rows; row++) {
        const ref_object expected = ref_measure(labels, image, size, (uint32_t)(row + 1));
        check_row(column, row, &expected);
    }
    for (int c = 0; c < COLUMNS; c++) free(column[c]);
    free(whole.data);
    free(mask);
    free(labels);
    free(image);
}

/* What no 32-bit label can name is refused, with the count and what helps. */
static void more_components_than_labels_are_refused(void **state) {
    (void)state;
    const tk_components_rule rule = {.connectivity = 6, .most = INT64_MAX, .step = "label", .fact = "objects"};
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_components_check_count(&rule, (int64_t)UINT32_MAX - 1, &error), TK_OK);
    assert_int_equal(tk_components_check_count(&rule, (int64_t)UINT32_MAX, &error), TK_UNSOLVABLE);
    assert_non_null(strstr(error.text, "4294967295"));
    assert_non_null(strstr(error.text, "min_size"));
}

/* The state of a step that has not decided anything must refuse what is not a decision. */
static void damaged_decisions_are_errors(void **state) {
    (void)state;
    static const char *const names[] = {"background", "threshold", "label"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const tk_step *step = tk_step_find(names[n]);
        tk_document document;
        tk_params *params = params_from(step, "{}", &document);
        const tk_binding binding = {.params = params, .input = {{4, 4, 4}, {0}}, .inputs = 1, .times = 1};
        tk_bytes damaged = {0};
        tk_error error = TK_ERROR_NONE;
        bool more = false;
        struct tk_facts facts = {json_object()};
        void *s = NULL;
        assert_int_equal(step->bind(&binding, &s, &error), TK_OK);
        assert_int_equal(tk_bytes_append(&damaged, "\1\0\0\0\1\0\0\0\377\377\377\377\377\377\377\177", 13), TK_OK);
        assert_int_equal(step->adopt(s, 0, &damaged, NULL, &error), TK_FAILED);
        tk_bytes decision = {0};
        assert_int_equal(step->agree(s, 0, &damaged, &decision, &more, &facts, &error), TK_FAILED);
        tk_bytes_free(&decision);
        tk_bytes_free(&damaged);
        step->release(s);
        tk_params_free(params);
        tk_document_free(&document);
        json_decref(facts.object);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_do_not_depend_on_tiles),
        cmocka_unit_test(otsu_does_not_depend_on_tiles),
        cmocka_unit_test(labels_do_not_depend_on_tiles),
        cmocka_unit_test(parts_of_labels_do_not_depend_on_tiles),
        cmocka_unit_test(tables_do_not_depend_on_tiles),
        cmocka_unit_test(labels_of_time_points_are_kept_apart),
        cmocka_unit_test(decisions_are_over_all_time_points),
        cmocka_unit_test(tables_of_time_points_stand_one_behind_the_other),
        cmocka_unit_test(the_background_is_the_percentile),
        cmocka_unit_test(the_table_holds_what_the_reference_measures),
        cmocka_unit_test(more_components_than_labels_are_refused),
        cmocka_unit_test(damaged_decisions_are_errors),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
