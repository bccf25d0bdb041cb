/* The layout of a plan on a partition: ranks on a node, threads of a rank, nodes, time limit, billing. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/planning/site.h"

/* What the time limit is more than the forecast, and what a job cannot use of it: it begins to stop before the end. */
static const double TIME_FACTOR = 1.5, TIME_MARGIN = 600, STOP_SECONDS = 240;

/* Twice the nodes must be 1.5 times as fast, as the operators of large machines ask. */
static const double WORTHWHILE = 0.5;

typedef struct problem {
    const tk_partition *partition;
    const tk_job *job;
    const tk_plan *plan;
    const tk_probe *probe;
    int64_t memory;       /* that one rank must be given */
    int64_t images;       /* 0: one run on all ranks; else so many runs, each on one rank */
    int64_t useful_ranks; /* with the threads that the partition suggests */
    int64_t least_ranks;  /* that a run must have, for all that is solved on the whole image; 0: none would do */
    tk_error *error;
} problem;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/* What to ask for, for a rank that needs so much by the plan. */
static int64_t memory_with_margin(int64_t planned) {
    const int64_t mib = 1 << 20;
    return round_up((int64_t)((double)planned * 1.15) + 64 * mib, mib);
}

static tk_status forecast(const problem *p, int64_t ranks, int64_t threads, tk_forecast *found) {
    return tk_forecast_make(p->job, p->plan, p->probe, ranks, (int)threads, found, p->error);
}

/* --- Ranks and threads of a node ---------------------------------------------------------------------------------- */

/* Ranks x threads = cores. As many ranks as the hardware suggests, as are useful and as have room; the fewer, the more
 * threads each gets. */
static bool fill_node(const problem *p, tk_layout *layout) {
    const tk_partition *partition = p->partition;
    for (int64_t threads = most(1, partition->threads); threads <= partition->cores; threads++) {
        const int64_t ranks = partition->cores / threads;
        if (ranks * threads != partition->cores || (ranks > 1 && ranks > p->useful_ranks)) continue;
        if (p->memory > partition->memory_most / ranks) continue;
        layout->ranks_per_node = ranks;
        layout->threads = threads;
        layout->memory_per_rank = partition->memory_most / ranks;
        return true;
    }
    return false;
}

/* Some cores of a node. A rank gets the cores' share of the memory, or more when it needs more. */
static bool share_node(const problem *p, tk_layout *layout) {
    const tk_partition *partition = p->partition;
    const int64_t share = most(1, partition->memory / partition->cores);
    int64_t threads = partition->threads;
    if (partition->memory_by_cores) threads = most(threads, (p->memory + share - 1) / share);
    if (threads > partition->cores_most || p->memory > partition->memory_most) return false;
    const int64_t memory = most(p->memory, least(threads * share, partition->memory_most));
    layout->threads = threads;
    layout->ranks_per_node = least(partition->cores_most / threads, partition->memory_most / memory);
    layout->ranks_per_node = most(1, least(layout->ranks_per_node, p->useful_ranks));
    layout->memory_per_rank = memory;
    return true;
}

/* --- Nodes and time ----------------------------------------------------------------------------------------------- */

static double time_asked(double seconds) { return seconds * TIME_FACTOR + TIME_MARGIN; }

static tk_status time_of(const problem *p, const tk_layout *layout, int64_t nodes, double *seconds) {
    const int64_t ranks = nodes * layout->ranks_per_node;
    tk_forecast found;
    TK_TRY(forecast(p, p->images ? 1 : ranks, layout->threads, &found));
    const int64_t rounds = p->images ? (p->images + ranks - 1) / ranks : 1;
    *seconds = found.seconds * (double)rounds;
    return TK_OK;
}

static bool fits(const problem *p, double seconds) { return time_asked(seconds) <= p->partition->seconds_most; }

/* Doubles the nodes until the forecast fits the time limit, as long as each node more is half as good as those before.
 */
static tk_status double_nodes(const problem *p, tk_layout *layout, int64_t high, int64_t *before) {
    *before = layout->nodes;
    while (!fits(p, layout->seconds) && layout->nodes < high) {
        const int64_t next = least(2 * layout->nodes, high);
        const double gain = WORTHWHILE * (double)(next - layout->nodes) / (double)layout->nodes;
        double seconds = 0;
        TK_TRY(time_of(p, layout, next, &seconds));
        if (layout->seconds < seconds * (1 + gain)) return TK_OK;
        *before = layout->nodes;
        layout->nodes = next;
        layout->seconds = seconds;
    }
    return TK_OK;
}

/* For all that is solved on the whole image. */
static int64_t nodes_needed(const problem *p, const tk_layout *layout) {
    return p->images ? 1 : (p->least_ranks + layout->ranks_per_node - 1) / layout->ranks_per_node;
}

/* The fewest nodes whose forecast fits the time limit, else as many as are worth their while. */
static tk_status choose_nodes(const problem *p, tk_layout *layout) {
    const int64_t useful = p->useful_ranks / layout->ranks_per_node;
    int64_t few = 0;
    layout->nodes = most(p->partition->nodes_least, nodes_needed(p, layout));
    TK_TRY(time_of(p, layout, layout->nodes, &layout->seconds));
    TK_TRY(double_nodes(p, layout, least(p->partition->nodes_most, useful), &few));
    while (fits(p, layout->seconds) && layout->nodes - few > 1) {
        const int64_t middle = few + (layout->nodes - few) / 2;
        double seconds = 0;
        TK_TRY(time_of(p, layout, middle, &seconds));
        if (fits(p, seconds))
            layout->nodes = middle, layout->seconds = seconds;
        else
            few = middle;
    }
    return TK_OK;
}

static void set_time(const problem *p, tk_layout *layout) {
    const double limit = p->partition->seconds_most, asked = ceil(time_asked(layout->seconds) / 60) * 60;
    const double usable = limit - fmin(STOP_SECONDS, limit / 4);
    layout->seconds_limit = fmin(asked, limit);
    layout->attempts = asked <= limit ? 1 : (int64_t)fmin(1e9, ceil(layout->seconds * TIME_FACTOR / usable));
}

static void set_units(const problem *p, tk_layout *layout) {
    const tk_partition *partition = p->partition;
    const double hours = layout->seconds / 3600, ranks = (double)(layout->nodes * layout->ranks_per_node);
    const double cores = ranks * (double)layout->threads;
    const double gib = ranks * (double)layout->memory_per_rank / 1073741824.0;
    layout->units = partition->whole_nodes
                        ? hours * (double)layout->nodes * partition->units_node_hour
                        : hours * fmax(cores * partition->units_core_hour, gib * partition->units_gib_hour);
}

/* --- What cannot be done ------------------------------------------------------------------------------------------ */

#define WHY_NOT(layout, ...) ((void)snprintf((layout)->why_not, sizeof(layout)->why_not, __VA_ARGS__))

static void refuse_memory(const problem *p, tk_layout *layout) {
    WHY_NOT(layout, "a rank needs %.0f MiB, and a job may take %.0f MiB of a node", (double)p->memory / 1048576,
            (double)p->partition->memory_most / 1048576);
}

static bool nodes_allowed(const problem *p, int64_t nodes, tk_layout *layout) {
    const tk_partition *partition = p->partition;
    const int64_t needed = nodes_needed(p, layout);
    if (p->least_ranks == 0 || (p->images && p->least_ranks > 1) || (nodes && nodes < needed) ||
        needed > partition->nodes_most)
        WHY_NOT(layout, "a step computes on the whole image at once, which takes at least %lld ranks of %.0f MiB",
                (long long)p->least_ranks, (double)p->plan->memory_asked / 1048576);
    else if (nodes && (nodes < partition->nodes_least || nodes > partition->nodes_most))
        WHY_NOT(layout, "a job takes %lld to %lld nodes here, not %lld", (long long)partition->nodes_least,
                (long long)partition->nodes_most, (long long)nodes);
    else if (nodes > 1 &&
             nodes * layout->ranks_per_node > (p->images ? p->images : most(p->plan->tiles, p->useful_ranks)))
        WHY_NOT(layout, "%lld %s are too few for %lld ranks on %lld nodes",
                (long long)(p->images ? p->images : p->plan->tiles), p->images ? "images" : "tiles",
                (long long)(nodes * layout->ranks_per_node), (long long)nodes);
    else if (!nodes && partition->nodes_least > 1 && p->useful_ranks < partition->nodes_least * layout->ranks_per_node)
        WHY_NOT(layout, "%lld ranks are useful at most, too few for %lld nodes", (long long)p->useful_ranks,
                (long long)partition->nodes_least);
    return !*layout->why_not;
}

static tk_status find_useful_ranks(problem *p) {
    tk_forecast alone;
    p->useful_ranks = p->images;
    if (p->images) return TK_OK;
    TK_TRY(forecast(p, 1, p->partition->threads, &alone));
    p->useful_ranks = most(most(1, p->least_ranks), alone.useful_ranks);
    return TK_OK;
}

static tk_status lay_out(const tk_site *site, problem *p, int64_t nodes, tk_layout *layout) {
    const tk_partition *partition = p->partition;
    *layout = (tk_layout){0};
    if (site->closed) return WHY_NOT(layout, "%s", site->closed), TK_OK;
    TK_TRY(find_useful_ranks(p));
    if (!(partition->whole_nodes ? fill_node(p, layout) : share_node(p, layout)))
        return refuse_memory(p, layout), TK_OK;
    if (!partition->whole_nodes && nodes > 1) /* spread over the nodes asked for */
        layout->ranks_per_node = least(layout->ranks_per_node, most(1, (p->useful_ranks + nodes - 1) / nodes));
    if (!nodes_allowed(p, nodes, layout)) return TK_OK;
    layout->nodes = nodes;
    if (nodes)
        TK_TRY(time_of(p, layout, nodes, &layout->seconds));
    else
        TK_TRY(choose_nodes(p, layout));
    set_time(p, layout);
    set_units(p, layout);
    return TK_OK;
}

tk_status tk_site_layout(const tk_site *site, const tk_partition *partition, const tk_job *job, const tk_plan *plan,
                         const tk_probe *probe, int64_t nodes, tk_layout *layout, tk_error *error) {
    const int64_t ranks = tk_plan_least_ranks(job, plan, plan->memory_asked);
    const int64_t memory = memory_with_margin(tk_plan_peak(job, plan, most(1, ranks)));
    problem p = {partition, job, plan, probe, memory, 0, 0, ranks, error};
    return lay_out(site, &p, nodes, layout);
}

tk_status tk_site_layout_images(const tk_site *site, const tk_partition *partition, const tk_job *job,
                                const tk_plan *plan, const tk_probe *probe, int64_t images, int64_t nodes,
                                tk_layout *layout, tk_error *error) {
    const int64_t ranks = tk_plan_least_ranks(job, plan, plan->memory_asked);
    problem p = {partition, job, plan, probe, memory_with_margin(tk_plan_peak(job, plan, 1)), images, 0, ranks, error};
    return lay_out(site, &p, nodes, layout);
}
