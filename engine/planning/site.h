/* Sites: what a cluster's operators expect of a batch job, as data (slurm/sites/NAME.yaml, compiled in), and the layout
 * of a plan on one of its partitions. Asks no cluster anything. */
#ifndef TK_ENGINE_SITE_H
#define TK_ENGINE_SITE_H

#include "engine/planning/forecast.h"

typedef struct tk_partition {
    char *name;                      /* "" = the cluster's default partition */
    int64_t nodes_least, nodes_most; /* per job */
    bool whole_nodes;                /* nodes are given whole: ranks x threads fills them */
    bool only_named;                 /* taken only when it is asked for by name */
    bool memory_by_cores;            /* memory cannot be asked for: it comes with the cores */
    int64_t cores, memory;           /* of a node: cores, usable bytes */
    int64_t cores_most, memory_most; /* that one job may take of a node */
    double seconds_most;             /* time limit */
    int64_t threads;                 /* per rank, where the hardware suggests it (cores of one L3 or NUMA domain) */
    double units_core_hour, units_gib_hour, units_node_hour; /* billing: the larger of the first two, or the last;
                                                                all 0: not known */
    int options;
    char **option; /* further options of sbatch, as in --mem=0 */
} tk_partition;

typedef struct tk_site {
    char *name, *description, *source; /* source: where its figures are from, and when they were read */
    char *unit;                        /* what a billing unit is called */
    bool account_required;
    char *closed; /* why the site takes no jobs any more; NULL: it does */
    char *mpi;    /* for srun --mpi=; NULL: the site's default */
    int modules, environments, options, partitions;
    char **module;       /* module load … */
    char **environment;  /* NAME=VALUE to export; the value is a shell expression for double quotes */
    char **option;       /* of sbatch, on every partition, as in --hint=nomultithread */
    char *local_scratch; /* shell expression of a node-local folder for temporary files, "" = as the site sets TMPDIR */
    tk_partition *partition;
} tk_site;

/* The site of that name, or of a profile file (when the name has a '/' or ends in .yaml). The caller frees it. Errors:
 * TK_USAGE with the names there are, TK_INVALID with file:line:column, TK_UNREADABLE. */
tk_status tk_site_read(const char *name, tk_site *site, tk_error *error);

void tk_site_free(tk_site *site);

/* The i-th name of the sites compiled in, or NULL. */
const char *tk_site_name(int i);

/* The partition of that name, or NULL. */
const tk_partition *tk_site_partition(const tk_site *site, const char *name);

/* A plan laid out on a partition. */
typedef struct tk_layout {
    int64_t nodes, ranks_per_node, threads;
    int64_t memory_per_rank; /* bytes to ask for: what the plan needs, and a margin */
    double seconds, units;   /* forecast; billing for that long, 0 where it is not known */
    double seconds_limit;    /* time limit to ask for */
    int64_t attempts;        /* how many time limits the forecast takes; more than 1 needs --resume and requeueing */
    char why_not[256];       /* "" when it can be done; else why not */
} tk_layout;

/* Lays out a plan: ranks as many as are useful, threads and nodes by the partition's rules; the fewest nodes with which
 * the forecast fits the time limit, or as many as are worth their while (twice the nodes, 1.5 times as fast). `nodes`
 * 0: choose. Where it cannot be done, why_not says why and the rest is not set. Errors: TK_NO_MEMORY. */
tk_status tk_site_layout(const tk_site *site, const tk_partition *partition, const tk_job *job, const tk_plan *plan,
                         const tk_probe *probe, int64_t nodes, tk_layout *layout, tk_error *error);

/* The same for `images` images like the job's, packed into one batch job: each on one rank, as many at a time as there
 * are ranks. */
tk_status tk_site_layout_images(const tk_site *site, const tk_partition *partition, const tk_job *job,
                                const tk_plan *plan, const tk_probe *probe, int64_t images, int64_t nodes,
                                tk_layout *layout, tk_error *error);

#endif
