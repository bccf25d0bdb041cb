/* Timing, verification and output of the benchmarks. */
#include "benchmarks/bench.h"

#include <fftw3.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernels/common/cpu.h"
#include "kernels/filter/gaussian.h"

#ifndef TK_COMMIT
#define TK_COMMIT "unknown"
#endif

enum { MOST_REPEATS = 64 };
static const double least_seconds = 0.2; /* short cases are repeated until this is spent */

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int bench_cpus(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void *bench_memory(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    const size_t room = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *memory = aligned_alloc(HUGE_PAGE, room);
    if (!memory) {
        fprintf(stderr, "out of memory: %zu bytes\n", bytes);
        exit(1);
    }
    (void)madvise(memory, room, MADV_HUGEPAGE);
    memset(memory, 0, room);
    return memory;
}

/* The host's CPU as Linux names it, without the line's end. */
static void cpu_name(char *name, size_t size) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    (void)snprintf(name, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        (void)snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file) (void)fclose(file);
}

void bench_begin(bench *b, const char *name, int argc, char **argv) {
    char cpu[200];
    *b = (bench){.repeats = 7};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            b->quick = true;
        else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            b->file = argv[++i];
        else if (strcmp(argv[i], "--volumes") == 0 && i + 1 < argc)
            b->volumes = argv[++i];
        else {
            fprintf(stderr, "usage: %s [--quick] [--json FILE] [--volumes FOLDER]\n", argv[0]);
            exit(2);
        }
    }
    if (b->quick) b->repeats = 3;
    cpu_name(cpu, sizeof cpu);
    b->results = json_array();
    b->document =
        json_pack("{s:s, s:s, s:s, s:i, s:s, s:{s:s, s:s}, s:b, s:o}", "benchmark", name, "commit", TK_COMMIT, "cpu",
                  cpu, "cpus", bench_cpus(), "instruction_set", tk_isa_text(tk_isa_detect()), "libraries", "fftw",
                  fftwf_version, "compiler", __VERSION__, "quick", b->quick, "results", b->results);
    printf("%s, commit %s\n%s, %d CPUs, %s, %s\n", name, TK_COMMIT, cpu, bench_cpus(), tk_isa_text(tk_isa_detect()),
           fftwf_version);
    printf("%-44s %3s %12s %12s %9s %9s\n", "case", "thr", "min ms", "median ms", "GB/s", "GFlop/s");
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_now(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Fills seconds[case][repeat] and the least cpu[case] in turn; how many repeats. */
static int repeat(const bench *b, const bench_case *cases, int count, double seconds[][MOST_REPEATS], double *cpu) {
    double spent = 0;
    int done = 0;
    for (; done < MOST_REPEATS && (done < b->repeats || spent < least_seconds); done++)
        for (int i = 0; i < count; i++) {
            const double start = bench_now(), cpu_start = cpu_now();
            cases[i].run(cases[i].context);
            seconds[i][done] = bench_now() - start;
            const double cpu_spent = cpu_now() - cpu_start;
            if (done == 0 || cpu_spent < cpu[i]) cpu[i] = cpu_spent;
            spent += seconds[i][done];
        }
    return done;
}

static bool warm_up(const bench_case *c) {
    c->run(c->context);
    return !c->verify || c->verify(c->context);
}

static void report(bench *b, const bench_case *c, bench_time time) {
    printf("%-44s %3d %12.3f %12.3f %9.1f %9.1f\n", c->name, c->threads, 1e3 * time.least, 1e3 * time.median,
           1e-9 * c->bytes / time.least, 1e-9 * c->flops / time.least);
    (void)fflush(stdout);
    json_array_append_new(b->results, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "name", c->name, "threads",
                                                c->threads, "min_s", time.least, "cpu_s", time.cpu, "median_s",
                                                time.median, "bytes", c->bytes, "flops", c->flops));
}

static void report_failure(bench *b, const bench_case *c) {
    b->failed = true;
    printf("%-44s %3d   FAILED: the result is wrong\n", c->name, c->threads);
    json_array_append_new(b->results,
                          json_pack("{s:s, s:i, s:b}", "name", c->name, "threads", c->threads, "failed", 1));
}

void bench_run_together(bench *b, const bench_case *cases, int count, bench_time *times) {
    double seconds[BENCH_TOGETHER][MOST_REPEATS], cpu[BENCH_TOGETHER] = {0};
    bool good[BENCH_TOGETHER];
    for (int i = 0; i < count; i++) good[i] = warm_up(&cases[i]);
    const int repeats = repeat(b, cases, count, seconds, cpu);
    for (int i = 0; i < count; i++) {
        qsort(seconds[i], (size_t)repeats, sizeof(double), by_value);
        times[i] = good[i] ? (bench_time){seconds[i][0], seconds[i][repeats / 2], cpu[i]} : (bench_time){0, 0, 0};
        if (good[i])
            report(b, &cases[i], times[i]);
        else
            report_failure(b, &cases[i]);
    }
}

bench_time bench_run(bench *b, const bench_case *c) {
    bench_time time;
    bench_run_together(b, c, 1, &time);
    return time;
}

void bench_figure(bench *b, const char *name, double value, const char *unit) {
    printf("%-48s %12.4g %s\n", name, value, unit);
    (void)fflush(stdout);
    json_array_append_new(b->results, json_pack("{s:s, s:f, s:s}", "name", name, "value", value, "unit", unit));
}

void bench_volume(bench *b, const char *name, const char *type, size_t element, const int64_t size[3],
                  const void *voxels) {
    char path[4096];
    const size_t count = (size_t)(size[0] * size[1] * size[2]);
    if (!b->volumes) return;
    (void)snprintf(path, sizeof path, "%s/%s.%s.%lldx%lldx%lld.raw", b->volumes, name, type, (long long)size[0],
                   (long long)size[1], (long long)size[2]);
    FILE *file = fopen(path, "wb");
    const bool written = file && fwrite(voxels, element, count, file) == count;
    if ((file && fclose(file) != 0) || !written) {
        fprintf(stderr, "%s: cannot be written\n", path);
        b->failed = true;
    }
}

int bench_end(bench *b) {
    if (b->file && json_dump_file(b->document, b->file, JSON_INDENT(1)) != 0) {
        fprintf(stderr, "%s: cannot be written\n", b->file);
        b->failed = true;
    }
    json_decref(b->document);
    return b->failed ? 1 : 0;
}

typedef struct copying {
    const float *from;
    float *to;
    int64_t count;
    int threads;
} copying;

static void run_copy(void *context) {
    const copying *c = context;
    const float *restrict from = c->from;
    float *restrict to = c->to;
#pragma omp parallel for simd num_threads(c->threads) schedule(static)
    for (int64_t i = 0; i < c->count; i++) to[i] = from[i];
}

double bench_copy(bench *b, const float *from, float *to, int64_t count, int threads) {
    copying c = {from, to, count, threads};
    return bench_run(b, &(bench_case){"copy of float voxels", threads, run_copy, NULL, &c, 8.0 * (double)count, 0})
        .least;
}

void bench_smooth(const float *from, const int64_t size[3], double sigma, float *to) {
    enum { TAPS_MOST = 256 };
    float taps[TAPS_MOST];
    const int64_t radius = tk_gaussian_radius(sigma);
    if (radius >= TAPS_MOST) abort();
    tk_gaussian_taps(sigma, radius, taps);
    const tk_gaussian gaussian = {.radius = {radius, radius, radius}, .taps = {taps, taps, taps}};
    const tk_box all = tk_box_of_size(size);
    tk_work work = {.threads = bench_cpus(), .isa = tk_isa_detect()};
    const tk_cview_f32 read_only = {from, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};
    const size_t scratch = tk_gaussian_scratch(&gaussian, size, work.threads);
    if (tk_scratch_reserve(&work.scratch, scratch) != TK_OK ||
        tk_gaussian_apply(&gaussian, &all, &all, read_only, &all, tk_dense_f32(to, size), &work) != TK_OK) {
        fprintf(stderr, "the Gaussian filter failed\n");
        exit(1);
    }
    tk_scratch_release(&work.scratch);
}

float bench_level(const float *voxel, int64_t count, double deviations) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)voxel[i], squares += (double)voxel[i] * (double)voxel[i];
    const double mean = sum / (double)count;
    return (float)(mean + deviations * sqrt(squares / (double)count - mean * mean));
}
