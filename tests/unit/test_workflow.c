/* Workflow files: defaults, connections, what is kept, and what every mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/passes.h"
#include "engine/workflow.h"

static tk_status read_text(const char *text, const char *const *set, tk_workflow *workflow, tk_error *error) {
    FILE *file = fopen("w.yaml", "wb");
    fputs(text, file);
    fclose(file);
    const tk_overrides overrides = {.set = set};
    *error = TK_ERROR_NONE;
    return tk_workflow_read("w.yaml", &overrides, workflow, error);
}

static const char *const whole = "tarkka: 1\n"
                                 "input: {image: in.tif, channel: 2}\n"
                                 "output: out.h5\n"
                                 "steps:\n"
                                 "  - gaussian: {sigma: [1 px, 2 px, 3 px]}\n"
                                 "  - threshold\n"
                                 "  - label: {connectivity: 6, name: cells}\n"
                                 "  - measure: {intensity: gaussian}\n";

static void values_are_connected(void **state) {
    (void)state;
    tk_workflow w;
    tk_error error;
    assert_int_equal(read_text(whole, NULL, &w, &error), TK_OK);
    assert_int_equal(w.count, 4);
    assert_int_equal(tk_selection_at(&w.channel, 0), 2);
    assert_true(w.channel.given);
    assert_false(w.time.given);
    assert_string_equal(w.steps[2].name, "cells");
    assert_int_equal(w.steps[3].inputs, 2);
    assert_int_equal(w.steps[3].input[0], 3); /* the labels */
    assert_int_equal(w.steps[3].input[1], 1); /* the smoothed image */
    const tk_value *sigma = tk_params_get(w.steps[0].params, "sigma");
    assert_true(sigma->number[0] == 1 && sigma->number[1] == 2 && sigma->number[2] == 3);
    assert_int_equal(sigma->unit, TK_UNIT_PIXEL);
    /* kept by default: the last image, labels, tables */
    assert_true(w.steps[0].keep && !w.steps[1].keep && w.steps[2].keep && w.steps[3].keep);
    tk_workflow_free(&w);
}

/* The workflow as it was given is itself a workflow, and resolves to the same. */
static void the_given_workflow_is_a_workflow(void **state) {
    (void)state;
    tk_workflow w, again;
    tk_error error;
    assert_int_equal(read_text(whole, NULL, &w, &error), TK_OK);
    json_t *first = tk_workflow_to_json(&w, true), *given = tk_workflow_to_json(&w, false);
    char *text = json_dumps(given, 0);
    assert_int_equal(read_text(text, NULL, &again, &error), TK_OK);
    json_t *second = tk_workflow_to_json(&again, true);
    assert_true(json_equal(first, second));
    assert_false(json_equal(first, given));
    json_decref(first);
    json_decref(given);
    json_decref(second);
    free(text);
    tk_workflow_free(&w);
    tk_workflow_free(&again);
}

static void keeping_can_be_refused(void **state) {
    (void)state;
    tk_workflow w;
    tk_error error;
    assert_int_equal(read_text("tarkka: 1\nsteps:\n  - gaussian: {keep: false}\n  - threshold\n", NULL, &w, &error),
                     TK_OK);
    assert_true(!w.steps[0].keep && w.steps[1].keep); /* the last step's outcome is kept by default */
    tk_workflow_free(&w);
    assert_int_equal(read_text("tarkka: 1\nsteps:\n  - gaussian: {keep: false}\n", NULL, &w, &error), TK_INVALID);
    assert_non_null(strstr(error.text, "w.yaml:3:3: no step's outcome is kept"));
}

static void the_command_line_overrides(void **state) {
    (void)state;
    static const char *const set[] = {"gaussian.sigma=0.5 um", "cells.connectivity=18", NULL};
    tk_workflow w;
    tk_error error;
    assert_int_equal(read_text(whole, set, &w, &error), TK_OK);
    const tk_value *sigma = tk_params_get(w.steps[0].params, "sigma");
    assert_int_equal(sigma->unit, TK_UNIT_UM);
    assert_true(sigma->number[1] == 0.5);
    assert_string_equal(tk_params_text(w.steps[2].params, "connectivity"), "18");
    tk_workflow_free(&w);
}

/* What a selection of 20 comes to, and how it is written out again. */
static void selections_are_read_and_written(void **state) {
    (void)state;
    static const struct {
        const char *text, *written;
        int64_t count, second;
    } cases[] = {{"3", "3", 1, 0},
                 {"all", "\"all\"", 20, 1},
                 {"[0, 2]", "[0, 2]", 2, 2},
                 {"5-9", "\"5-9\"", 5, 6},
                 {"[0, 1, 2-4, 7, 9-9]", "[\"0-4\", 7, 9]", 7, 1},
                 {"\"0-19\"", "\"0-19\"", 20, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        tk_workflow w;
        tk_error error = TK_ERROR_NONE;
        snprintf(text, sizeof text, "tarkka: 1\ninput: {image: a.tif, time: %s}\nsteps: [threshold]\n", cases[i].text);
        assert_int_equal(read_text(text, NULL, &w, &error), TK_OK);
        json_t *json = tk_selection_to_json(&w.time);
        char *written = json_dumps(json, JSON_ENCODE_ANY);
        assert_string_equal(written, cases[i].written);
        assert_int_equal(tk_selection_count(&w.time, 20), cases[i].count);
        if (cases[i].count > 1) assert_int_equal(tk_selection_at(&w.time, 1), cases[i].second);
        assert_int_equal(tk_selection_check(&w.time, 20, "a.tif", "time", &error), TK_OK);
        const bool all = w.time.all;
        assert_int_equal(tk_selection_check(&w.time, 2, "a.tif", "time", &error),
                         all                                                ? TK_OK
                         : tk_selection_at(&w.time, cases[i].count - 1) > 1 ? TK_INVALID
                                                                            : TK_OK);
        free(written);
        json_decref(json);
        tk_workflow_free(&w);
    }
}

/* A workflow of two steps on channels 1 and 4: the second pass has its own image, files and connections. */
static void workflows_are_written_out_for_channels(void **state) {
    (void)state;
    tk_workflow w, *passes = NULL;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(read_text("tarkka: 1\ninput: {image: a.tif, channel: [1, 4]}\nsteps:\n"
                               "  - deconvolve: {psf: {file: \"p{channel}-{channel}.tif\"}}\n  - threshold\n  - label\n"
                               "  - measure: {intensity: input}\n",
                               NULL, &w, &error),
                     TK_OK);
    assert_int_equal(tk_passes_make(&w, tk_selection_count(&w.channel, 5), &passes, &error), TK_OK);
    assert_int_equal(passes->count, 9);
    assert_string_equal(tk_params_text(passes->steps[0].params, "psf.file"), "p1-1.tif");
    assert_string_equal(tk_params_text(passes->steps[5].params, "psf.file"), "p4-4.tif");
    assert_true(tk_passes_is_input(passes, 0) && tk_passes_is_input(passes, 5));
    for (int value = 0; value <= 9; value++) {
        assert_true(tk_passes_is_input(passes, value) == (value == 0 || value == 5));
        if (tk_passes_is_input(passes, value)) assert_int_equal(tk_passes_channel(passes, value), value ? 4 : 1);
    }
    assert_int_equal(passes->steps[5].input[0], 5); /* the channel's own image */
    assert_int_equal(passes->steps[6].input[0], 6);
    assert_int_equal(passes->steps[8].input[1], 5);
    assert_int_equal(passes->steps[3].input[1], 0);
    tk_passes_free(passes);
    tk_workflow_free(&w);
}

typedef struct mistake {
    const char *text, *place, *what;
} mistake;

#define HEAD "tarkka: 1\ninput: a.tif\noutput: b.h5\nsteps:\n"

static const mistake mistakes[] = {
    {HEAD "  - gausian: {sigma: 1 px}\n", "w.yaml:5:5: ", "did you mean 'gaussian'?"},
    {HEAD "  - gaussian: {sigm: 1 px}\n", "w.yaml:5:16: ", "did you mean 'sigma'?"},
    {HEAD "  - gaussian: {sigma: 3 s}\n", "w.yaml:5:23: ", "not a unit of length"},
    {HEAD "  - gaussian: {sigma: 3}\n", "w.yaml:5:23: ", "has no unit"},
    {HEAD "  - gaussian: {sigma: -3 px}\n", "w.yaml:5:23: ", "out of range"},
    {HEAD "  - gaussian: {sigma: nan px}\n", "w.yaml:5:23: ", "is not a length"},
    {HEAD "  - gaussian: {sigma: [1 px, 1 um, 1 px]}\n", "w.yaml:5:23: ", "do not mix"},
    {HEAD "  - threshold: {method: ozu}\n", "w.yaml:5:25: ", "did you mean 'otsu'?"},
    {HEAD "  - threshold: {method: fixed}\n", "w.yaml:5:25: ", "value"},
    {HEAD "  - label\n", "w.yaml:5:5: ", "works on mask, but the input gives image"},
    {HEAD "  - background\n  - background\n", "w.yaml:6:5: ", "two steps are called 'background'"},
    {HEAD "  - background: {percentile: 50}\n", "w.yaml:5:30: ", "percentage"},
    {HEAD "  - background: {percentile: 120 %}\n", "w.yaml:5:30: ", "out of range"},
    {HEAD "  - threshold\n  - label\n  - measure: {intensity: treshold}\n", "w.yaml:7:26: ", "no earlier step"},
    {HEAD "  - threshold\n  - label\n  - measure: {intensity: label}\n", "w.yaml:7:26: ", "makes labels, not an image"},
    {HEAD "  - deconvolve: {iterations: 0, psf: {file: p.tif}}\n", "w.yaml:5:30: ", "out of range"},
    {HEAD "  - deconvolve: {iterations: 1.5, psf: {file: p.tif}}\n", "w.yaml:5:30: ", "not a whole number"},
    {HEAD "  - deconvolve: {psf: {fil: p.tif}}\n", "w.yaml:5:24: ", "did you mean 'psf.file'?"},
    {HEAD "  - deconvolve: {}\n", "w.yaml:5:5: ", "psf"},
    {HEAD "  - threshold: {keep: maybe}\n", "w.yaml:5:23: ", "true or false"},
    {"tarkka: 2\nsteps: [threshold]\n", "w.yaml:1:9: ", "format 1"},
    {"steps: [threshold]\n", "w.yaml:1:1: ", "tarkka: 1"},
    {"tarkka: 1\nstep: [threshold]\n", "w.yaml:2:1: ", "did you mean 'steps'?"},
    {"tarkka: 1\nsteps: []\n", "w.yaml:2:8: ", "list of steps"},
    {"tarkka: 1\ninput: {image: a.tif, chanel: 1}\nsteps: [threshold]\n", "w.yaml:2:23: ", "did you mean 'channel'?"},
    {"tarkka: 1\ninput: {image: a.tif, channel: -1}\nsteps: [threshold]\n", "w.yaml:2:32: ", "from 0 on"},
    {"tarkka: 1\ninput: {image: a.tif, channel: some}\nsteps: [threshold]\n", "w.yaml:2:32: ", "or all"},
    {"tarkka: 1\ninput: {image: a.tif, time: []}\nsteps: [threshold]\n", "w.yaml:2:29: ", "or all"},
    {"tarkka: 1\ninput: {image: a.tif, time: [2, 1]}\nsteps: [threshold]\n", "w.yaml:2:33: ", "ascending"},
    {"tarkka: 1\ninput: {image: a.tif, time: [2, 0-5]}\nsteps: [threshold]\n", "w.yaml:2:33: ", "each once"},
    {"tarkka: 1\ninput: {image: a.tif, time: 5-3}\nsteps: [threshold]\n", "w.yaml:2:29: ", "ascending"},
    {"tarkka: 1\ninput: {image: a.tif, time: 99999999999}\nsteps: [threshold]\n", "w.yaml:2:29: ", "from 0 on"},
};

static void mistakes_are_explained(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        const mistake *m = &mistakes[i];
        tk_workflow w;
        tk_error error;
        assert_int_equal(read_text(m->text, NULL, &w, &error), TK_INVALID);
        if (strncmp(error.text, m->place, strlen(m->place)) != 0 || !strstr(error.text, m->what))
            fail_msg("case %zu: '%s' should begin with '%s' and say '%s'", i, error.text, m->place, m->what);
    }
}

static void paths_start_at_the_workflow(void **state) {
    (void)state;
    system("mkdir -p sub && printf 'tarkka: 1\\ninput: ../a.tif\\noutput: /abs/b.h5\\nsteps: [threshold]\\n' > "
           "sub/w.yaml");
    const tk_overrides overrides = {0};
    tk_workflow w;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_workflow_read("sub/w.yaml", &overrides, &w, &error), TK_OK);
    assert_string_equal(w.image, "sub/../a.tif");
    assert_string_equal(w.output, "/abs/b.h5");
    tk_workflow_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_connected),
        cmocka_unit_test(the_given_workflow_is_a_workflow),
        cmocka_unit_test(keeping_can_be_refused),
        cmocka_unit_test(the_command_line_overrides),
        cmocka_unit_test(selections_are_read_and_written),
        cmocka_unit_test(workflows_are_written_out_for_channels),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(paths_start_at_the_workflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
