/* What the tiles of a watershed agree on: the graph of all basins is flooded, each time point for itself. */
#include <stdlib.h>
#include <string.h>

#include "workflows/steps/watershed_tiles.h"

/* The lists of one time point, of all tiles. */
typedef struct lists {
    tk_bytes basins, passes, runs;
} lists;

static void free_lists(lists *l) {
    tk_bytes_free(&l->basins);
    tk_bytes_free(&l->passes);
    tk_bytes_free(&l->runs);
}

/* Records in a row; agree sorts what is in them, so their order is of no account. */
tk_status tk_watershed_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    return tk_bytes_append(into, from->data, from->size);
}

/* Takes `count` things of `size` bytes off what is left. */
static bool take(int64_t count, size_t size, size_t *left) {
    if (count < 0 || (uint64_t)count > *left / size) return false;
    *left -= (size_t)count * size;
    return true;
}

tk_status tk_watershed_header_read(const tk_bytes *records, size_t at, tk_watershed_header *header, size_t *end) {
    if (records->size - at < sizeof *header) return TK_FAILED;
    memcpy(header, records->data + at, sizeof *header);
    size_t left = records->size - at - sizeof *header;
    if (header->version != TK_WATERSHED_RECORD || !take(header->basins, sizeof(tk_basin), &left) ||
        !take(header->passes, sizeof(tk_basin_pass), &left) || !take(header->runs, sizeof(tk_basin_run), &left))
        return TK_FAILED;
    *end = records->size - left;
    return TK_OK;
}

/* Gathers the lists of one time point; *next: the smallest later one, or unchanged. */
static tk_status gather(const tk_bytes *records, int64_t time, lists *l, int64_t *next) {
    for (size_t at = 0, end = 0; at < records->size; at = end) {
        tk_watershed_header h;
        TK_TRY(tk_watershed_header_read(records, at, &h, &end));
        if (h.time > time && h.time < *next) *next = h.time;
        if (h.time != time) continue;
        const unsigned char *from = records->data + at + sizeof h;
        const size_t basins = (size_t)h.basins * sizeof(tk_basin), passes = (size_t)h.passes * sizeof(tk_basin_pass);
        TK_TRY(tk_bytes_append(&l->basins, from, basins));
        TK_TRY(tk_bytes_append(&l->passes, from + basins, passes));
        TK_TRY(tk_bytes_append(&l->runs, from + basins + passes, (size_t)h.runs * sizeof(tk_basin_run)));
    }
    return TK_OK;
}

static int by_basin(const void *a, const void *b) {
    const tk_basin *p = a, *q = b;
    return p->basin < q->basin ? -1 : p->basin > q->basin;
}

/* Floods; then basins and runs have their labels. */
static tk_status flood(const tk_watershed_state *s, lists *l, int64_t *seeds) {
    tk_basin *basins = (tk_basin *)(void *)l->basins.data;
    tk_basin_pass *pass = (tk_basin_pass *)(void *)l->passes.data;
    tk_basin_run *run = (tk_basin_run *)(void *)l->runs.data;
    const int64_t count = (int64_t)(l->basins.size / sizeof *basins), runs = (int64_t)(l->runs.size / sizeof *run);
    int64_t passes = (int64_t)(l->passes.size / sizeof *pass);
    if (count > 0) qsort(basins, (size_t)count, sizeof *basins, by_basin);
    TK_TRY(tk_basin_runs_follow(run, runs, pass, &passes));
    passes = tk_basin_forest(pass, passes);
    if (passes < 0) return TK_NO_MEMORY;
    TK_TRY(tk_basin_flood(basins, count, pass, passes, s->markers >= 0, s->from_maxima, s->h, seeds));
    return tk_basin_runs_label(run, runs, basins, count);
}

/* Runs that go on in the same label are one. */
static void join_runs(tk_bytes *bytes) {
    tk_basin_run *run = (tk_basin_run *)(void *)bytes->data;
    const size_t runs = bytes->size / sizeof *run;
    size_t kept = 0;
    for (size_t i = 0; i < runs; i++) {
        tk_basin_run *last = kept > 0 ? &run[kept - 1] : NULL;
        if (last && last->label == run[i].label && last->first + last->length == run[i].first &&
            last->length <= UINT32_MAX - run[i].length)
            last->length += run[i].length;
        else
            run[kept++] = run[i];
    }
    bytes->size = kept * sizeof *run;
}

static tk_status write_answer(int64_t time, const lists *l, tk_bytes *decision) {
    const tk_watershed_header header = {TK_WATERSHED_RECORD, time, (int64_t)(l->basins.size / sizeof(tk_basin)), 0,
                                        (int64_t)(l->runs.size / sizeof(tk_basin_run))};
    TK_TRY(tk_bytes_append(decision, &header, sizeof header));
    TK_TRY(tk_bytes_append(decision, l->basins.data, l->basins.size));
    return tk_bytes_append(decision, l->runs.data, l->runs.size);
}

static tk_status agree_on_time(const tk_watershed_state *s, const tk_bytes *combined, int64_t time, int64_t *next,
                               tk_bytes *decision, int64_t *seeds) {
    lists l = {0};
    tk_status status = gather(combined, time, &l, next);
    if (status == TK_OK) status = flood(s, &l, seeds);
    if (status == TK_OK) join_runs(&l.runs);
    if (status == TK_OK) status = write_answer(time, &l, decision);
    free_lists(&l);
    return status;
}

static tk_status tell(tk_status status, tk_error *error) {
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the basins of all tiles");
    if (status == TK_UNSOLVABLE)
        return tk_fail(error, TK_UNSOLVABLE,
                       "watershed: more seeds than 32-bit labels can name; smooth the image or "
                       "raise h");
    return tk_fail(error, status, "watershed: the tiles' basins do not fit together");
}

tk_status tk_watershed_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                             tk_facts *facts, tk_error *error) {
    const tk_watershed_state *s = state;
    int64_t objects = 0;
    (void)round;
    *more = false;
    for (int64_t time = -1, next = INT64_MAX;; next = INT64_MAX) {
        int64_t seeds = 0;
        lists none = {0};
        tk_status status = TK_OK;
        if (time < 0)
            status = gather(combined, time, &none, &next);
        else
            status = agree_on_time(s, combined, time, &next, decision, &seeds);
        if (status != TK_OK) return tell(status, error);
        objects += seeds;
        if (next == INT64_MAX) break;
        time = next;
    }
    return s->markers < 0 ? tk_facts_number(facts, "objects", (double)objects, "") : TK_OK;
}

tk_status tk_watershed_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    tk_watershed_state *s = state;
    (void)round;
    (void)work;
    for (size_t at = 0, end = 0; at < decision->size; at = end) {
        tk_watershed_header header;
        if (tk_watershed_header_read(decision, at, &header, &end) != TK_OK || header.passes != 0)
            return tk_fail(error, TK_FAILED, "watershed: the decision is damaged");
    }
    if (tk_bytes_resize(&s->decision, decision->size) != TK_OK) return tk_fail_memory(error, "the objects' labels");
    if (decision->size > 0) memcpy(s->decision.data, decision->data, decision->size);
    return TK_OK;
}
