/* Forecasts for numbers of ranks, as a table and as JSON. */
#include "engine/planning/forecast_print.h"

#include <stdio.h>

tk_status tk_outlook_make(const tk_job *job, const tk_plan *plan, const tk_probe *probe, int64_t ranks, int threads,
                          tk_outlook *outlook, tk_error *error) {
    *outlook = (tk_outlook){.probe = *probe, .threads = threads};
    for (int64_t n = 1; n < ranks; n *= 2) outlook->ranks[outlook->rows++] = n;
    outlook->ranks[outlook->rows++] = ranks;
    for (int i = 0; i < outlook->rows; i++)
        TK_TRY(tk_forecast_make(job, plan, probe, outlook->ranks[i], threads, &outlook->forecast[i], error));
    return TK_OK;
}

static json_t *row_to_json(const tk_outlook *outlook, int row) {
    const tk_forecast *f = &outlook->forecast[row];
    return json_pack("{s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "ranks", (json_int_t)outlook->ranks[row],
                     "threads", outlook->threads, "seconds", f->seconds, "sweep_seconds", f->sweep_seconds,
                     "solve_seconds", f->solve_seconds, "seal_seconds", f->seal_seconds, "efficiency", f->efficiency,
                     "core_hours", f->core_hours, "writer_share", f->writer_share, "memory_per_rank",
                     (json_int_t)f->memory);
}

json_t *tk_outlook_to_json(const tk_outlook *outlook) {
    const tk_probe *p = &outlook->probe;
    json_t *object = row_to_json(outlook, outlook->rows - 1), *table = json_array();
    for (int i = 0; i < outlook->rows; i++) json_array_append_new(table, row_to_json(outlook, i));
    json_object_set_new(object, "useful_ranks",
                        json_integer((json_int_t)outlook->forecast[outlook->rows - 1].useful_ranks));
    json_object_set_new(object, "table", table);
    json_object_set_new(object, "machine",
                        json_pack("{s:f, s:f, s:f, s:f, s:f}", "speed", p->speed, "encode_bytes_s", p->encode_bytes_s,
                                  "decode_bytes_s", p->decode_bytes_s, "disk_bytes_s", p->disk_bytes_s, "thread_gain",
                                  p->thread_gain));
    return object;
}

void tk_duration_text(double seconds, char *text, size_t room) {
    const long long s = (long long)(seconds + 0.5);
    if (seconds >= 360000)
        snprintf(text, room, "%.1f days", seconds / 86400);
    else if (s >= 3600)
        snprintf(text, room, "%lld h %02lld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(text, room, "%lld min %02lld s", s / 60, s % 60);
    else
        snprintf(text, room, "%.1f s", seconds);
}

void tk_outlook_print(const tk_outlook *outlook) {
    const tk_forecast *asked = &outlook->forecast[outlook->rows - 1];
    char text[64];
    tk_duration_text(asked->seconds, text, sizeof text);
    printf("time    about %s on %lld rank%s x %d thread%s like this machine's, %.3g core hours, %.0f %% of the ranks' "
           "time computing\n",
           text, (long long)outlook->ranks[outlook->rows - 1], outlook->ranks[outlook->rows - 1] == 1 ? "" : "s",
           outlook->threads, outlook->threads == 1 ? "" : "s", asked->core_hours, 100 * asked->efficiency);
    if (asked->solve_seconds > 0) {
        tk_duration_text(asked->solve_seconds, text, sizeof text);
        printf("        %s of it on the whole image at once, with %.0f MiB a rank\n", text,
               (double)asked->memory / 1048576);
    }
    printf(
        "        more than %lld ranks would not be faster; the contents of the image are not known to the forecast\n",
        (long long)asked->useful_ranks);
    printf("%9s  %-14s  %10s  %12s  %13s\n", "ranks", "time", "computing", "core hours", "memory a rank");
    for (int i = 0; i < outlook->rows; i++) {
        const tk_forecast *f = &outlook->forecast[i];
        tk_duration_text(f->seconds, text, sizeof text);
        printf("%9lld  %-14s  %8.0f %%  %12.3g  %9.0f MiB\n", (long long)outlook->ranks[i], text, 100 * f->efficiency,
               f->core_hours, (double)f->memory / 1048576);
    }
}
