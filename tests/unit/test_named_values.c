/* Values with names: what $NAME amounts to, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/syntax/named_values.h"

/* What stands in the steps' only scalar afterwards, or the message. */
static const char *apply(const char *values, const char *scalar, const char *const *set, tk_status expected) {
    static char text[1024];
    tk_document document = {0};
    tk_error error = TK_ERROR_NONE;
    snprintf(text, sizeof text, "{values: %s, steps: [%s]}", values, scalar);
    assert_int_equal(tk_document_parse("w", text, &document, &error), TK_OK);
    const tk_status status = tk_named_values_apply("w", &document.root, set, &error);
    assert_int_equal(status, expected);
    const tk_node *steps = tk_node_get(&document.root, "steps");
    snprintf(text, sizeof text, "%s", status == TK_OK ? steps->items[0].text : error.text);
    tk_document_free(&document);
    return text;
}

static void test_what_it_amounts_to(void **state) {
    (void)state;
    static const struct {
        const char *values, *scalar, *expected;
    } cases[] = {
        {"{d: 10 um}", "$d", "10 um"},          {"{d: 10 um}", "0.1 * $d", "1 um"},
        {"{d: 10 um}", "0.1*$d", "1 um"},       {"{d: 10um}", "-2 * $d / um", "-20"},
        {"{d: 10 um}", "$d / nm", "10000"},     {"{d: 500 nm}", "$d / um", "0.5"},
        {"{d: 2 mm}", "0.5 * $d / um", "1000"}, {"{d: 7 px}", "3 * $d / px", "21"},
        {"{depth: 0.25}", "2 * $depth", "0.5"}, {"{p: 5 %}", "$p", "5 %"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(apply(cases[i].values, cases[i].scalar, NULL, TK_OK), cases[i].expected);
}

static void test_the_command_line(void **state) {
    (void)state;
    static const char *const set[] = {"gaussian.sigma=1 px", "d=0.5 um", NULL};
    assert_string_equal(apply("{d: 10 um}", "2 * $d", set, TK_OK), "1 um");
    assert_true(tk_named_values_is_set("d=0.5 um"));
    assert_false(tk_named_values_is_set("step.param=0.5 um"));
    static const char *const wrong[] = {"level=1", NULL}, *const misspelt[] = {"diametr=1", NULL},
                             *const bad[] = {"d=x", NULL};
    assert_non_null(strstr(apply("{diameter: 1}", "$diameter", wrong, TK_USAGE), "STEP.PARAMETER=VALUE"));
    assert_non_null(strstr(apply("{diameter: 1}", "$diameter", misspelt, TK_USAGE), "did you mean 'diameter'"));
    assert_non_null(strstr(apply("{d: 1}", "$d", bad, TK_USAGE), "expected a number"));
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *values, *scalar, *message;
    } cases[] = {
        {"{diameter: 10 um}", "$level", "w:1:37: the workflow has no value 'level'; name it in values"},
        {"{diameter: 1}", "$diametre", "did you mean 'diameter'"},
        {"{d: ten}", "$d", "w:1:14: values.d: expected a number"},
        {"{d: 10 feet}", "$d", "expected a number"},
        {"{d: 1, e: 2}", "$d", "no step uses the value $e"},
        {"{d: 1}", "2 $d", "expected [NUMBER *] $NAME"},
        {"{d: 1}", "$d + 1", "expected [NUMBER *] $NAME"},
        {"{d: 1}", "$d / parsec-long-unit", "expected [NUMBER *] $NAME"},
        {"{d: 1 px}", "$d / um", "given in 'px'"},
        {"{d: 1}", "$d / um", "which has no number of 'um'"},
        {"{2d: 1}", "$d", "begins with a letter"},
        {"[1]", "$d", "values: expected {NAME: QUANTITY"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *said = apply(cases[i].values, cases[i].scalar, NULL, TK_INVALID);
        if (!strstr(said, cases[i].message)) fail_msg("%s %s: %s", cases[i].values, cases[i].scalar, said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_amounts_to),
        cmocka_unit_test(test_the_command_line),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
