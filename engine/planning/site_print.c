/* A site's partitions with the layout of a plan on each. */
#include "engine/planning/site_print.h"

#include <stdio.h>

#include "engine/planning/forecast_print.h"

static void print_layout(const tk_site *site, const tk_partition *partition, const tk_layout *layout) {
    char text[64], units[64];
    if (*layout->why_not) {
        printf("%-14s  cannot be done: %s\n", partition->name, layout->why_not);
        return;
    }
    tk_duration_text(layout->seconds, text, sizeof text);
    snprintf(units, sizeof units, "%.3g %s", layout->units, site->unit ? site->unit : "");
    printf("%-14s  %6lld  %5lld x %-4lld  %-14s  %s", partition->name, (long long)layout->nodes,
           (long long)layout->ranks_per_node, (long long)layout->threads, text, units);
    if (layout->attempts > 1) printf("  (%lld time limits, resumed)", (long long)layout->attempts);
    putchar('\n');
}

tk_status tk_site_print(const tk_site *site, const tk_job *job, const tk_plan *plan, const tk_probe *probe,
                        tk_error *error) {
    printf("site    %s, forecast with cores like this machine's\n", site->name);
    printf("%-14s  %6s  %-12s  %-14s  %s\n", "partition", "nodes", "ranks x thr.", "time", "billing");
    for (int i = 0; i < site->partitions; i++) {
        tk_layout layout;
        TK_TRY(tk_site_layout(site, &site->partition[i], job, plan, probe, 0, &layout, error));
        print_layout(site, &site->partition[i], &layout);
    }
    return TK_OK;
}

static json_t *layout_to_json(const tk_partition *partition, const tk_layout *layout) {
    if (*layout->why_not) return json_pack("{s:s, s:s}", "partition", partition->name, "why_not", layout->why_not);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I}", "partition", partition->name, "nodes",
                     (json_int_t)layout->nodes, "ranks_per_node", (json_int_t)layout->ranks_per_node, "threads",
                     (json_int_t)layout->threads, "memory_per_rank", (json_int_t)layout->memory_per_rank, "seconds",
                     layout->seconds, "seconds_limit", layout->seconds_limit, "units", layout->units, "attempts",
                     (json_int_t)layout->attempts);
}

tk_status tk_site_to_json(const tk_site *site, const tk_job *job, const tk_plan *plan, const tk_probe *probe,
                          json_t **object, tk_error *error) {
    json_t *list = json_array();
    for (int i = 0; i < site->partitions; i++) {
        tk_layout layout;
        const tk_status status = tk_site_layout(site, &site->partition[i], job, plan, probe, 0, &layout, error);
        if (status != TK_OK) {
            json_decref(list);
            return status;
        }
        json_array_append_new(list, layout_to_json(&site->partition[i], &layout));
    }
    *object = json_pack("{s:s, s:s?, s:o}", "name", site->name, "unit", site->unit, "partitions", list);
    return *object ? TK_OK : tk_fail_memory(error, "JSON");
}
