/* A batch job: a workflow on a partition of a site, with everything that its script says. */
#ifndef TK_SLURM_BATCH_H
#define TK_SLURM_BATCH_H

#include "engine/command.h"
#include "engine/images.h"
#include "engine/job.h"
#include "engine/planning/site.h"

/* Many images: one run after the other within one job, or a job for each. */
typedef enum tk_many { TK_ONE_IMAGE, TK_PACKED, TK_ARRAY } tk_many;

typedef struct tk_batch_job {
    tk_site site;
    tk_partition partition; /* of the site, with what the command line says otherwise; its texts belong to the site */
    tk_layout layout;
    tk_workflow workflow;
    tk_job job;
    tk_plan plan;
    char *program, *folder; /* absolute: the tarkka that runs, the folder it was called in */
    char *file, *result;    /* absolute: the workflow, the result (of many images: of the largest) */
    char *base;             /* absolute: the script is base.sbatch, the list of many images base.list */
    tk_many many;
    tk_images images;           /* absolute names */
    int64_t at_once;            /* TK_ARRAY: most jobs at a time */
    char name[80];              /* of the job */
    const char *account;        /* NULL: none; belongs to the command line */
    const char *partition_name; /* "" = the cluster's default */
    int arguments;
    char **argument; /* what `tarkka run` is given besides workflow, result, memory, threads and time; owned */
    char memory[32]; /* for --memory */
} tk_batch_job;

/* Options that describe a batch job: shared by submit and emit. */
#define TK_BATCH_OPTIONS                                                                                               \
    {"site", "NAME|FILE.yaml", "the cluster: " TK_BATCH_SITES ", or a profile of one's own"},                          \
        {"account", "NAME", "the project that pays"}, {"partition", "NAME", "where (default: the first that fits)"},   \
        {"nodes", "N", "on so many nodes (default: as many as the time limit needs)"},                                 \
        {"time", "DURATION", "ask for so much time, as in 4h (default: 1.5 times the forecast and 10 min)"},           \
        {"array", NULL, "many images: a job for each (default: when one takes over 30 min)"},                          \
        {"pack", NULL, "many images: all in one job"},                                                                 \
        {"at-once", "N", "many images: so many jobs of an array at a time (default: 20)"},                             \
        {"cores", "N", "generic site: cores of a node"}, {                                                             \
        "node-memory", "SIZE", "generic site: memory of a node, as in 120GiB"                                          \
    }

#define TK_BATCH_SITES "roihu, lumi, generic"

/* Reads the command line, opens and plans the job and lays it out. The caller frees the batch, also after an error.
 * Errors: TK_USAGE, TK_INVALID, and those of opening images. */
tk_status tk_batch_make(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error);

void tk_batch_free(tk_batch_job *batch);

/* Of a workflow for many images: finds them, and opens the workflow for the largest of them. */
tk_status tk_batch_find_images(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error);

/* A path seen from the folder that the command was called in, allocated. Errors: TK_USAGE when it is not fit for a
 * script, TK_NO_MEMORY. */
tk_status tk_batch_path(const tk_batch_job *batch, const char *path, char **made, tk_error *error);

/* Writes base.list: a line IMAGE, tabulator, RESULT for each image. Errors: TK_UNWRITABLE. */
tk_status tk_batch_write_list(const tk_batch_job *batch, tk_error *error);

/* The batch script, allocated. Errors: TK_NO_MEMORY. */
tk_status tk_batch_script(const tk_batch_job *batch, char **script, tk_error *error);

/* Seconds before the time limit at which the ranks are told to stop. Slurm looks every half minute or so. */
int64_t tk_batch_notice(const tk_batch_job *batch);

/* Writes a number of seconds as Slurm does: 1-12:00:00, 36:00:00. */
void tk_batch_clock(double seconds, char text[32]);

#endif
