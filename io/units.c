/* Units of length and time, by table. Both Unicode signs are in use for micro: U+00B5 and U+03BC. */
#include "io/units.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct named_unit {
    const char *name;
    double factor;
} named_unit;

static const named_unit lengths[] = {
    {"\302\265m", 1},  {"\316\274m", 1}, {"um", 1},           {"micron", 1},       {"microns", 1}, {"micrometer", 1},
    {"micrometre", 1}, {"\\u00B5m", 1},  {"\\u03BCm", 1},     {"\265m", 1},        {"pm", 1e-6},   {"\303\205", 1e-4},
    {"nm", 1e-3},      {"mm", 1e3},      {"cm", 1e4},         {"dm", 1e5},         {"m", 1e6},     {"in", 25400},
    {"inch", 25400},   {"meter", 1e6},   {"millimeter", 1e3}, {"nanometer", 1e-3},
};

static const named_unit times[] = {
    {"s", 1},       {"sec", 1},          {"second", 1},       {"seconds", 1},  {"ms", 1e-3},
    {"msec", 1e-3}, {"\302\265s", 1e-6}, {"\316\274s", 1e-6}, {"us", 1e-6},    {"usec", 1e-6},
    {"ns", 1e-9},   {"min", 60},         {"minute", 60},      {"minutes", 60}, {"h", 3600},
    {"hour", 3600}, {"hours", 3600},     {"d", 86400},
};

static double find(const named_unit *units, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) return units[i].factor;
    return 0;
}

double tk_unit_um(const char *unit) { return find(lengths, sizeof lengths / sizeof *lengths, unit); }

double tk_unit_seconds(const char *unit) { return find(times, sizeof times / sizeof *times, unit); }

double tk_positive_number(const char *text) {
    if (!text) return 0;
    const double value = strtod(text, NULL);
    return isfinite(value) && value > 0 ? value : 0;
}
