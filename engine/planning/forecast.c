/* From the costs of tiles and the speed of a machine to the time of a run. */
#include "engine/planning/forecast.h"

#include <math.h>
#include <stdlib.h>

#include "engine/planning/cost.h"
#include "engine/planning/simulate.h"
#include "engine/planning/stages.h"

/* Seconds: between two claims that the counter serves; for rank 0 to take one rank's share of a survey; to start. */
static const double CLAIM_SECONDS = 7e-6, SHARE_SECONDS = 5e-6, START_SECONDS = 0.2;

/* With so many tiles for each rank the order in which they are claimed changes the time by less than one part in it. */
enum { MANY_TILES = 256 };

/* Bytes a second of a disk that was not measured; and that each rank packs, sends, receives and unpacks. */
static const double DISK_BYTES_S = 5e8, EXCHANGE_BYTES_S = 1e9;

double tk_forecast_tile_ns(const tk_job *job, const tk_plan *plan, int stage, int round, int64_t tile) {
    const tk_box core = tk_plan_tile(plan, tile);
    const tk_tile_cost cost = tk_cost_tile(job, plan, stage, round, &core);
    return tk_cost_ns(&cost);
}

/* A plan on a machine. */
typedef struct setting {
    const tk_job *job;
    const tk_plan *plan;
    const tk_probe *probe;
    double gain; /* how much faster a rank's threads are than one */
} setting;

/* Two threads give thread_gain; more follow the same law of a part that does not scale. */
static double gain_of(const tk_probe *probe, int threads) {
    const double pair = fmin(fmax(probe->thread_gain, 1), 2), serial = 2 / pair - 1;
    return threads / (1 + (threads - 1) * serial);
}

/* How long a rank is busy with a tile: the next one is read meanwhile, by the same cores. */
static double rank_seconds(const setting *s, const tk_tile_cost *cost) {
    const double encode = cost->encode_ns * tk_cost_encode_bytes_s / s->probe->encode_bytes_s;
    const double read = cost->read_ns / s->probe->speed;
    const double work = (cost->steps_ns + cost->store_ns) / s->probe->speed + encode;
    return 1e-9 * fmax(read, (read + work) / s->gain);
}

static double disk_bytes_s(const setting *s) {
    return s->probe->disk_bytes_s > 0 ? s->probe->disk_bytes_s : DISK_BYTES_S;
}

/* All sweeps of a plan, as batches. */
typedef struct sweeps {
    int count;
    tk_batch **batch;
    int64_t *batches;
    double *share_seconds; /* for rank 0 to collect from one rank, after the sweep */
} sweeps;

static void free_sweeps(sweeps *all) {
    for (int i = 0; all->batch && i < all->count; i++) free(all->batch[i]);
    free(all->batch);
    free(all->batches);
    free(all->share_seconds);
}

static tk_status add_sweep(const setting *s, int stage, int round, sweeps *all, tk_error *error) {
    tk_cost_class *class = NULL;
    int64_t count = 0;
    TK_TRY(tk_cost_classes(s->job, s->plan, stage, round, &class, &count, error));
    tk_batch *batch = calloc((size_t)count, sizeof *batch);
    for (int64_t i = 0; batch && i < count; i++)
        batch[i] =
            (tk_batch){class[i].tiles, rank_seconds(s, &class[i].cost), class[i].cost.encoded_bytes / disk_bytes_s(s)};
    free(class);
    if (!batch) return tk_fail_memory(error, "the forecast");
    all->batch[all->count] = batch;
    all->batches[all->count] = count;
    all->share_seconds[all->count] = s->plan->stage[stage].survey >= 0 ? SHARE_SECONDS : 0;
    all->count++;
    return TK_OK;
}

static tk_status make_sweeps(const setting *s, sweeps *all, tk_error *error) {
    size_t most = 1;
    for (int k = 0; k < s->plan->stages; k++) most += (size_t)tk_cost_rounds(s->job, &s->plan->stage[k]);
    *all = (sweeps){0, calloc(most, sizeof(tk_batch *)), calloc(most, sizeof(int64_t)),
                    calloc(most, sizeof *all->share_seconds)};
    if (!all->batch || !all->batches || !all->share_seconds) return tk_fail_memory(error, "the forecast");
    for (int k = 0; k < s->plan->stages; k++)
        for (int round = 0; round < tk_cost_rounds(s->job, &s->plan->stage[k]); round++)
            TK_TRY(add_sweep(s, k, round, all, error));
    return TK_OK;
}

/* Chunks that may wait on their way to the disk, in seconds of writing. */
static tk_schedule schedule_of(const setting *s, int64_t ranks) {
    return (tk_schedule){ranks, CLAIM_SECONDS, (double)ranks * TK_QUEUE_BYTES / disk_bytes_s(s)};
}

/* All sweeps by formula. */
static tk_sweep bound_of(const setting *s, const sweeps *all, int64_t ranks) {
    const tk_schedule schedule = schedule_of(s, ranks);
    tk_sweep sum = {0};
    for (int i = 0; i < all->count; i++) {
        const tk_sweep one = tk_simulate_bound(all->batch[i], all->batches[i], &schedule);
        sum.seconds += one.seconds + (double)ranks * all->share_seconds[i];
        sum.busy_seconds += one.busy_seconds;
        sum.write_seconds += one.write_seconds;
    }
    return sum;
}

static tk_status play(const setting *s, const sweeps *all, int64_t ranks, tk_sweep *sum, tk_error *error) {
    const tk_schedule schedule = schedule_of(s, ranks);
    *sum = (tk_sweep){0};
    if (s->plan->tiles / ranks >= MANY_TILES) {
        *sum = bound_of(s, all, ranks);
        return TK_OK;
    }
    for (int i = 0; i < all->count; i++) {
        tk_sweep one;
        TK_TRY(tk_simulate_sweep(all->batch[i], all->batches[i], &schedule, &one, error));
        sum->seconds += one.seconds + (double)ranks * all->share_seconds[i];
        sum->busy_seconds += one.busy_seconds;
        sum->write_seconds += one.write_seconds;
    }
    return TK_OK;
}

/* What all ranks compute together, and moving bytes meanwhile. */
static double solve_seconds(const setting *s, int64_t ranks) {
    double ns = 0, moved = 0;
    for (int k = 0; k < s->plan->stages; k++) {
        if (s->plan->stage[k].solve < 0) continue;
        ns += tk_stages_solve_cost(s->job, s->plan->stage[k].solve, s->plan->size);
        moved += tk_plan_moved_bytes(s->job, s->plan, s->plan->stage[k].solve, ranks);
    }
    const double computing = 1e-9 * ns / (s->probe->speed * s->gain);
    return (double)s->plan->times * (computing + moved / EXCHANGE_BYTES_S) / (double)ranks;
}

static double seconds_on(const setting *s, const sweeps *all, int64_t ranks) {
    return bound_of(s, all, ranks).seconds + solve_seconds(s, ranks);
}

/* Tiles, or planes where all ranks work on the whole image. */
static int64_t useful_most(const setting *s) {
    int64_t most = s->plan->tiles;
    for (int k = 0; k < s->plan->stages; k++)
        if (s->plan->stage[k].solve >= 0 && s->plan->size[0] > most) most = s->plan->size[0];
    return most;
}

/* The fewest ranks that come within 1 % of the shortest time of any number of them. The time falls with the number of
 * ranks until collecting from them all costs more than they bring. */
static int64_t useful_ranks(const setting *s, const sweeps *all, double fixed) {
    double least = INFINITY;
    const int64_t most = useful_most(s);
    for (int64_t ranks = 1; ranks < 2 * most; ranks *= 2)
        least = fmin(least, fixed + seconds_on(s, all, ranks < most ? ranks : most));
    int64_t few = 0, enough = 1;
    while (enough < most && fixed + seconds_on(s, all, enough) > 1.01 * least) few = enough, enough *= 2;
    if (enough > most) enough = most;
    while (enough - few > 1) {
        const int64_t middle = few + (enough - few) / 2;
        if (fixed + seconds_on(s, all, middle) > 1.01 * least)
            few = middle;
        else
            enough = middle;
    }
    return enough;
}

static double seal_seconds(const setting *s) {
    return 1e-9 * tk_cost_seal_ns(s->job, s->plan) * tk_cost_decode_bytes_s / s->probe->decode_bytes_s;
}

tk_status tk_forecast_make(const tk_job *job, const tk_plan *plan, const tk_probe *probe, int64_t ranks, int threads,
                           tk_forecast *forecast, tk_error *error) {
    const setting s = {job, plan, probe, gain_of(probe, threads)};
    sweeps all = {0};
    tk_sweep sum = {0};
    tk_status status = make_sweeps(&s, &all, error);
    if (status == TK_OK) status = play(&s, &all, ranks, &sum, error);
    if (status == TK_OK) {
        const double seal = seal_seconds(&s), solve = solve_seconds(&s, ranks);
        const double seconds = sum.seconds + solve + seal + START_SECONDS;
        *forecast = (tk_forecast){
            .seconds = seconds,
            .sweep_seconds = sum.seconds,
            .solve_seconds = solve,
            .seal_seconds = seal,
            .efficiency = (sum.busy_seconds + solve * (double)ranks) / ((sum.seconds + solve) * (double)ranks),
            .core_hours = (double)ranks * threads * seconds / 3600,
            .writer_share = sum.write_seconds / sum.seconds,
            .useful_ranks = useful_ranks(&s, &all, seal + START_SECONDS),
            .memory = tk_plan_peak(job, plan, ranks),
        };
    }
    free_sweeps(&all);
    return status;
}
