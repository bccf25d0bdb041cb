/* ImageJ's description of a stack (ij.io.FileInfo and ij.io.TiffDecoder define the keys). */
#include "io/imagej.h"

#include <stdlib.h>
#include <string.h>

#include "io/units.h"

/* Copies the value of `key` into `value`; false when there is none. */
static bool find_value(const char *description, const char *key, char value[64]) {
    const size_t length = strlen(key);
    for (const char *line = description; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, length) != 0 || line[length] != '=') continue;
        const char *start = line + length + 1;
        const size_t size = strcspn(start, "\r\n");
        if (size >= 64) return false;
        memcpy(value, start, size);
        value[size] = '\0';
        return true;
    }
    return false;
}

static int64_t count_of(const char *description, const char *key) {
    char value[64];
    if (!find_value(description, key, value)) return 1;
    const long long count = strtoll(value, NULL, 10);
    return count >= 1 && count <= INT32_MAX ? count : 1;
}

static double number_of(const char *description, const char *key) {
    char value[64];
    if (!find_value(description, key, value)) return 0;
    return tk_positive_number(value[0] == '-' ? value + 1 : value); /* a stack may count z downwards */
}

bool tk_imagej_parse(const char *description, tk_imagej *stack) {
    if (strncmp(description, "ImageJ=", 7) != 0) return false;
    char unit[64];
    *stack = (tk_imagej){count_of(description, "images"),
                         count_of(description, "channels"),
                         count_of(description, "slices"),
                         count_of(description, "frames"),
                         find_value(description, "unit", unit) ? tk_unit_um(unit) : 0,
                         number_of(description, "spacing"),
                         number_of(description, "finterval")};
    int64_t product;
    if (__builtin_mul_overflow(stack->channels, stack->slices, &product) ||
        __builtin_mul_overflow(product, stack->frames, &product) || product != stack->images) {
        stack->channels = stack->frames = 1;
        stack->slices = stack->images;
    }
    if (find_value(description, "tunit", unit) && tk_unit_seconds(unit) > 0)
        stack->frame_interval_s *= tk_unit_seconds(unit);
    return true;
}
