/* YAML: what is accepted, and where each refusal says it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/syntax/document.h"

static void places_are_kept(void **state) {
    (void)state;
    tk_document document;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_document_parse("f", "a: 1\nlist:\n  - x\n  - {k: 'v w'}\n", &document, &error), TK_OK);
    const tk_node *list = tk_node_get(&document.root, "list");
    assert_non_null(list);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[1].line, 4);
    const tk_node *value = tk_node_get(&list->items[1], "k");
    assert_string_equal(value->text, "v w");
    assert_true(value->quoted);
    assert_int_equal(value->column, 9);
    assert_null(tk_node_get(&document.root, "missing"));
    tk_document_free(&document);
}

/* Every refusal has its place and says what is wrong. */
static void refusals_have_places(void **state) {
    (void)state;
    static const struct {
        const char *text, *place, *what;
    } cases[] = {
        {"a: 1\na: 2\n", "f:2:1: ", "given twice"},
        {"a: &x 1\nb: *x\n", "f:1:4: ", "anchors and aliases"},
        {"a: !!int 1\n", "f:1:4: ", "tags"},
        {"a: [1, 2\n", "f:2:1: ", "YAML syntax"},
        {"a: 1\n\tb: 2\n", "f:2:1: ", "YAML syntax"},
        {"a: 1\n---\nb: 2\n", "f:2:1: ", "one document"},
        {"? [a, b]\n: 1\n", "f:1:3: ", "a key must be a plain word"},
        {"", "f:1:1: ", "empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tk_document document;
        tk_error error = TK_ERROR_NONE;
        assert_int_equal(tk_document_parse("f", cases[i].text, &document, &error), TK_INVALID);
        if (strncmp(error.text, cases[i].place, strlen(cases[i].place)) != 0 || !strstr(error.text, cases[i].what))
            fail_msg("case %zu: '%s' should begin with '%s' and say '%s'", i, error.text, cases[i].place,
                     cases[i].what);
    }
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    char text[2001];
    memset(text, '[', 2000);
    text[2000] = 0;
    tk_document document;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_document_parse("f", text, &document, &error), TK_INVALID);
    assert_non_null(strstr(error.text, "nested too deeply"));
}

static void a_binary_file_is_no_workflow(void **state) {
    (void)state;
    FILE *file = fopen("binary.yaml", "wb");
    fwrite("tarkka: 1\0\0\1", 1, 12, file);
    fclose(file);
    tk_document document;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_document_read("binary.yaml", &document, &error), TK_INVALID);
    remove("binary.yaml");
    error = TK_ERROR_NONE;
    assert_int_equal(tk_document_read("no-such.yaml", &document, &error), TK_UNREADABLE);
    assert_non_null(strstr(error.text, "no-such.yaml"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_kept),
        cmocka_unit_test(refusals_have_places),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_binary_file_is_no_workflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
