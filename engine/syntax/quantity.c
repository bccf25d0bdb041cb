/* A number, perhaps a space, and a unit from a table. */
#include "engine/syntax/quantity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    const char *name;
    double factor;
} unit;

static bool read(const char *text, const unit *units, double *amount) {
    char *end = NULL;
    const double number = strtod(text, &end);
    if (end == text || !isfinite(number) || number <= 0) return false;
    while (*end == ' ') end++;
    for (; units->name; units++)
        if (!strcmp(end, units->name)) return *amount = number * units->factor, true;
    return false;
}

bool tk_quantity_bytes(const char *text, int64_t *bytes) {
    static const unit units[] = {
        {"B", 1},    {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
        {"kB", 1e3}, {"MB", 1e6},     {"GB", 1e9},        {"TB", 1e12},          {NULL, 0}};
    double amount = 0;
    if (!read(text, units, &amount) || amount < 1 || amount > 9e18) return false;
    *bytes = (int64_t)amount;
    return true;
}

/* [days-]hours:minutes:seconds */
static bool read_clock(const char *text, double *seconds) {
    unsigned days = 0, hours = 0, minutes = 0, rest = 0;
    int used = 0;
    if (sscanf(text, "%u-%u:%2u:%2u%n", &days, &hours, &minutes, &rest, &used) != 4 || text[used]) {
        days = 0;
        if (sscanf(text, "%u:%2u:%2u%n", &hours, &minutes, &rest, &used) != 3 || text[used]) return false;
    }
    *seconds = 86400.0 * days + 3600.0 * hours + 60.0 * minutes + rest;
    return *seconds > 0;
}

bool tk_quantity_seconds(const char *text, double *seconds) {
    static const unit units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
    return read(text, units, seconds) || read_clock(text, seconds);
}
