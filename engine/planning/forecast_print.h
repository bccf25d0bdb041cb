/* Forecasts in words and as JSON. */
#ifndef TK_ENGINE_FORECAST_PRINT_H
#define TK_ENGINE_FORECAST_PRINT_H

#include <jansson.h>

#include "engine/planning/forecast.h"

enum { TK_OUTLOOK_ROWS = 64 };

/* One plan on one machine and more: for the ranks that were asked for, and for 1, 2, 4 … up to them. */
typedef struct tk_outlook {
    tk_probe probe;
    int threads; /* of each rank */
    int rows;    /* the last one is what was asked for */
    int64_t ranks[TK_OUTLOOK_ROWS];
    tk_forecast forecast[TK_OUTLOOK_ROWS];
} tk_outlook;

/* Forecasts a plan for 1, 2, 4 … ranks. Errors: TK_NO_MEMORY. */
tk_status tk_outlook_make(const tk_job *job, const tk_plan *plan, const tk_probe *probe, int64_t ranks, int threads,
                          tk_outlook *outlook, tk_error *error);

/* A new reference; NULL: no memory. */
json_t *tk_outlook_to_json(const tk_outlook *outlook);

void tk_outlook_print(const tk_outlook *outlook);

/* Seconds as people say them: "1 h 02 min", "3 min 20 s", "1.4 s". */
void tk_duration_text(double seconds, char *text, size_t room);

#endif
