/* tarkka table: a table of a result as CSV or JSON. Numbers are written with as few digits as tell them apart. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/image.h"
#include "io/publish.h"
#include "io/result.h"
#include "workflows/commands/source.h"

enum { FLUSH_AT = 1 << 20, NUMBER_MOST = 40 };

/* Where the text goes: a file that appears when it is whole, or standard output. */
typedef struct sink {
    tk_bytes text;
    tk_part part;
    bool to_file;
    tk_status status; /* of the first failure */
    tk_error *error;
} sink;

static void flush(sink *to) {
    if (to->status == TK_OK && to->to_file)
        to->status = tk_part_write(&to->part, to->text.data, to->text.size, to->error);
    else if (to->status == TK_OK && fwrite(to->text.data, 1, to->text.size, stdout) != to->text.size)
        to->status = tk_fail_errno(to->error, TK_UNWRITABLE, "standard output", "cannot be written");
    to->text.size = 0;
}

static void put(sink *to, const char *text) {
    if (to->status != TK_OK) return;
    if (tk_bytes_append(&to->text, text, strlen(text)) != TK_OK) to->status = tk_fail_memory(to->error, "the table");
    if (to->text.size >= FLUSH_AT) flush(to);
}

/* The fewest digits that are read back as the same number. */
static void write_real(double value, bool single, char text[NUMBER_MOST]) {
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_MOST, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) return;
    }
}

/* One entry; what is no number is `none`. */
static void put_value(sink *to, const tk_column *column, int64_t row, const char *none) {
    char text[NUMBER_MOST] = "";
    const char *at = (const char *)column->data + (size_t)row * tk_dtype_size(column->type);
    const bool single = column->type == TK_F32;
    if (single || column->type == TK_F64) {
        float f = 0;
        double value = 0;
        memcpy(single ? (void *)&f : (void *)&value, at, tk_dtype_size(column->type));
        if (single) value = (double)f;
        if (isfinite(value))
            write_real(value, single, text);
        else
            snprintf(text, sizeof text, "%s", *none ? none : isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    } else {
        snprintf(text, sizeof text, "%" PRId64, tk_table_integer(column, row));
    }
    put(to, text);
}

/* Quoted where it must be (RFC 4180). */
static void put_text(sink *to, const char *text) {
    if (!strpbrk(text, ",\"\n\r")) {
        put(to, text);
        return;
    }
    put(to, "\"");
    for (; *text; text++) put(to, *text == '"' ? "\"\"" : (const char[]){*text, '\0'});
    put(to, "\"");
}

static void put_csv(sink *to, const tk_table *table, bool units) {
    for (int c = 0; c < table->columns; c++) {
        put(to, c ? "," : "");
        put_text(to, table->column[c].name);
    }
    put(to, "\n");
    for (int c = 0; units && c < table->columns; c++) {
        put(to, c ? "," : "");
        put_text(to, table->column[c].unit);
    }
    put(to, units ? "\n" : "");
    for (int64_t row = 0; row < table->rows; row++) {
        for (int c = 0; c < table->columns; c++) {
            put(to, c ? "," : "");
            put_value(to, &table->column[c], row, "");
        }
        put(to, "\n");
    }
}

/* A text as JSON writes it. */
static void put_json_text(sink *to, const char *text) {
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    put(to, quoted ? quoted : "null");
    free(quoted);
    json_decref(value);
}

static void put_json(sink *to, const tk_table *table) {
    char rows[NUMBER_MOST];
    snprintf(rows, sizeof rows, "%" PRId64, table->rows);
    put(to, "{\"rows\": "), put(to, rows), put(to, ", \"columns\": [");
    for (int c = 0; c < table->columns; c++) {
        const tk_column *column = &table->column[c];
        put(to, c ? ",\n  {\"name\": " : "\n  {\"name\": "), put_json_text(to, column->name);
        put(to, ", \"unit\": "), put_json_text(to, column->unit);
        put(to, ", \"description\": "), put_json_text(to, column->description);
        put(to, ", \"type\": "), put_json_text(to, tk_dtype_text(column->type));
        put(to, ",\n   \"values\": [");
        for (int64_t row = 0; row < table->rows; row++) {
            put(to, row ? ", " : "");
            put_value(to, column, row, "null");
        }
        put(to, "]}");
    }
    put(to, "\n]}\n");
}

static tk_status open_output(const tk_arguments *arguments, sink *to, tk_error *error) {
    const char *output = tk_option_value(arguments, "output");
    to->error = error;
    to->to_file = output != NULL;
    if (!output) return TK_OK;
    TK_TRY(tk_may_write(arguments, output, error));
    return tk_part_open(output, &to->part, error);
}

static tk_status close_output(sink *to, tk_error *error) {
    flush(to);
    tk_bytes_free(&to->text);
    if (to->to_file && to->status == TK_OK) return tk_part_publish(&to->part, error);
    if (to->to_file) tk_part_discard(&to->part);
    return to->status;
}

static tk_status write_table(const tk_arguments *arguments, const tk_table *table, tk_error *error) {
    sink to = {.status = TK_OK};
    TK_TRY(open_output(arguments, &to, error));
    if (tk_option_value(arguments, "json"))
        put_json(&to, table);
    else
        put_csv(&to, table, tk_option_value(arguments, "units") != NULL);
    return close_output(&to, error);
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *spec = tk_positional(arguments, 0);
    char *file = tk_image_file(spec);
    tk_table table;
    if (!file) return tk_fail_memory(error, "the table");
    const char *path = spec[strlen(file)] == ':' ? spec + strlen(file) + 1 : NULL;
    tk_status status = tk_result_read_table(file, path, &table, error);
    free(file);
    if (status == TK_OK) status = write_table(arguments, &table, error);
    tk_table_free(&table);
    return status;
}

static const tk_option options[] = {
    {"output", "FILE", "write into this file (default: standard output)"},
    {"units", NULL, "a second line with the columns' units"},
    {"json", NULL, "as JSON: name, unit, description, type and values of each column"},
    {"overwrite", NULL, "replace an existing file"},
    TK_OPTION_END,
};

const tk_command tk_command_table = {
    .name = "table",
    .summary = "A table of a result as CSV or JSON",
    .synopsis = "RESULT.h5[:/tables/NAME] [OPTION]…",
    .details =
        "The first line names the columns; rows follow. Numbers have as few digits as tell them apart from all\n"
        "others; what is not known is nan (in JSON null). The name of the table may be left out where the result\n"
        "has only one.\n"
        "\n"
        "  tarkka table result.h5 --output objects.csv\n"
        "  tarkka table result.h5:/tables/measure --units",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
