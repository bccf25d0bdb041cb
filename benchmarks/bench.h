/* The harness of the benchmarks: times a function, states what it moved and computed, and prints a table and JSON.
 *
 * A case is run once to warm up, which does not count, and then repeated; minimum and median are kept. A case whose
 * `verify` says no is printed as failed, its times do not count, and the program ends with status 1. */
#ifndef TK_BENCHMARKS_BENCH_H
#define TK_BENCHMARKS_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct bench_case {
    const char *name;
    int threads;
    void (*run)(void *context);
    bool (*verify)(void *context); /* after the warm-up; NULL: nothing to verify */
    void *context;
    double bytes, flops; /* of one run: memory that must be moved, operations by the usual count; 0: not stated */
} bench_case;

typedef struct bench_time {
    double least, median; /* seconds; 0 when the case failed */
    double cpu;           /* the least CPU seconds of all threads: what a busy machine spoils less */
} bench_time;

typedef struct bench {
    bool quick; /* --quick: fewer and smaller cases */
    int repeats;
    bool failed;
    const char *file;    /* --json */
    const char *volumes; /* --volumes */
    json_t *document, *results;
} bench;

/* Reads --json FILE, --quick and --volumes FOLDER, and notes commit, CPU, instruction set and library versions. Exits
 * with status 2 on wrong usage. */
void bench_begin(bench *b, const char *name, int argc, char **argv);

/* Times a case, prints its line and adds it to the results. */
bench_time bench_run(bench *b, const bench_case *c);

/* The same for up to BENCH_TOGETHER cases whose times are to be compared: they are repeated in turn, so that whatever
 * else the machine does falls on all of them alike. */
enum { BENCH_TOGETHER = 8 };
void bench_run_together(bench *b, const bench_case *cases, int count, bench_time *times);

/* Copies `count` voxels, the floor that others are held against: the least seconds. */
double bench_copy(bench *b, const float *from, float *to, int64_t count, int threads);

/* Adds a derived figure (a ratio, a fraction) to the results, and prints it. */
void bench_figure(bench *b, const char *name, double value, const char *unit);

/* Writes voxels to FOLDER/NAME.TYPE.ZxYxX.raw, where --volumes asked for that: other programs can then be timed on the
 * same ones. `type` is as numpy names it; `element` bytes each. */
void bench_volume(bench *b, const char *name, const char *type, size_t element, const int64_t size[3],
                  const void *voxels);

/* Writes the JSON where that was asked for; the program's exit status. */
int bench_end(bench *b);

/* Seconds of a clock that never goes back. */
double bench_now(void);

/* The largest number of threads to try: the CPUs that this process may use. */
int bench_cpus(void);

/* Memory aligned to 2 MiB for huge pages, zeroed; ends the program when there is none. Freed with free(). */
void *bench_memory(size_t bytes);

/* A Gaussian of `sigma` voxels over an image of this size, z y x: scenes with structure are made so. Ends the program
 * when that fails. */
void bench_smooth(const float *from, const int64_t size[3], double sigma, float *to);

/* The mean plus so many standard deviations. */
float bench_level(const float *voxel, int64_t count, double deviations);

#endif
