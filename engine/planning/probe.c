/* What one machine does: its cores, by a loop over memory and one over numbers; chunks and disk, by the writer and the
 * reader of results themselves, on a small file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omp.h>

#include "engine/planning/cost.h"
#include "engine/planning/forecast.h"
#include "engine/running/progress.h"
#include "io/cache.h"
#include "io/checksum.h"
#include "io/result.h"

enum { REPEATS = 7, VALUES = 4 << 20, STEPS = 64, CHUNK = 64, CHUNKS = 8 };

/* Seconds that the two loops take on one core of the machine that the cost models were fitted on. */
static const double REFERENCE_MEMORY = 2.2e-3, REFERENCE_NUMBERS = 41.5e-3;

tk_probe tk_probe_reference(void) { return (tk_probe){1, tk_cost_encode_bytes_s, tk_cost_decode_bytes_s, 0, 1.85}; }

/* --- Cores -------------------------------------------------------------------------------------------------------- */

/* y := a x + y over memory that no cache holds. */
static void stream(float *restrict y, const float *restrict x, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) y[i] = 0.5F * x[i] + y[i] * 0.25F;
}

/* A polynomial for each of a few values, many times, in registers. */
static void compute(float *y, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
        float v = y[i];
        for (int k = 0; k < STEPS; k++) v = v * (0.999F + v * (1e-3F - v * 1e-4F)) + 1e-3F;
        y[i] = v;
    }
}

/* The least seconds of both loops, done by so many threads. */
static void time_loops(float *x, float *y, int threads, double *memory, double *numbers) {
    const int64_t part = VALUES / threads, few = VALUES / 8 / threads;
    *memory = *numbers = INFINITY;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const double start = tk_progress_now();
#pragma omp parallel num_threads(threads)
        stream(y, x, omp_get_thread_num() * part, (omp_get_thread_num() + 1) * part);
        const double middle = tk_progress_now();
#pragma omp parallel num_threads(threads)
        compute(y, omp_get_thread_num() * few, (omp_get_thread_num() + 1) * few);
        *memory = fmin(*memory, middle - start);
        *numbers = fmin(*numbers, tk_progress_now() - middle);
    }
}

static tk_status probe_cores(tk_probe *probe, tk_error *error) {
    float *x = malloc(VALUES * sizeof *x), *y = malloc(VALUES * sizeof *y);
    if (x && y) {
        double memory, numbers, memory_of_two, numbers_of_two;
        for (int64_t i = 0; i < VALUES; i++) x[i] = y[i] = (float)(i % 251) / 251;
        time_loops(x, y, 1, &memory, &numbers);
        probe->speed = sqrt(REFERENCE_MEMORY / memory * (REFERENCE_NUMBERS / numbers));
        time_loops(x, y, omp_get_num_procs() > 1 ? 2 : 1, &memory_of_two, &numbers_of_two);
        probe->thread_gain = fmin(fmax(sqrt(memory / memory_of_two * (numbers / numbers_of_two)), 1), 2);
    }
    free(x);
    free(y);
    return x && y ? TK_OK : tk_fail_memory(error, "the probe of this machine");
}

/* --- Chunks and disk ---------------------------------------------------------------------------------------------- */

/* What a chunk is encoded from and into. */
typedef struct chunk {
    float *raw;
    void *work, *encoded;
    size_t raw_bytes, room, bytes;
} chunk;

static tk_status make_chunk(chunk *c, tk_error *error) {
    c->raw_bytes = (size_t)CHUNK * CHUNK * CHUNK * sizeof(float);
    c->room = tk_chunk_bound(c->raw_bytes);
    c->raw = malloc(c->raw_bytes);
    c->work = malloc(tk_chunk_work(c->raw_bytes));
    c->encoded = malloc(c->room);
    if (!c->raw || !c->work || !c->encoded) return tk_fail_memory(error, "the probe of this machine");
    uint32_t random = 1;
    for (int i = 0; i < CHUNK * CHUNK * CHUNK; i++) { /* a smooth image with noise */
        random = random * 1664525 + 1013904223;
        c->raw[i] = 100 + (float)(i % CHUNK) + (float)(random >> 8) * 0x1p-21F;
    }
    return TK_OK;
}

static void free_chunk(chunk *c) {
    free(c->raw);
    free(c->work);
    free(c->encoded);
}

static tk_status time_encoding(chunk *c, tk_probe *probe, tk_error *error) {
    double least = INFINITY;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const double start = tk_progress_now();
        const tk_status status =
            tk_chunk_encode(c->raw, c->raw_bytes, sizeof(float), c->work, c->encoded, c->room, &c->bytes);
        if (status != TK_OK) return tk_fail(error, status, "the probe of this machine: a chunk could not be encoded");
        least = fmin(least, tk_progress_now() - start);
    }
    probe->encode_bytes_s = (double)c->raw_bytes / least;
    return TK_OK;
}

/* Writes a result of a few chunks, reads it back and makes it durable. */
static tk_status time_result(const char *file, const chunk *c, tk_probe *probe, tk_error *error) {
    tk_result *result = NULL;
    const tk_result_image image = {.path = "/images/probe",
                                   .kind = "image",
                                   .description = "probe",
                                   .type = TK_F32,
                                   .size = {CHUNK, CHUNK, CHUNK * CHUNKS},
                                   .chunk = {CHUNK, CHUNK, CHUNK}};
    int id = 0;
    char sha256[65];
    TK_TRY(tk_result_create(file, &result, error));
    tk_status status = tk_result_add_image(result, &image, &id, error);
    const double start = tk_progress_now();
    for (int i = 0; status == TK_OK && i < CHUNKS; i++) {
        const int64_t origin[3] = {0, 0, i * CHUNK};
        status = tk_result_write_chunk(result, id, 0, origin, c->encoded, c->bytes, NULL, error);
    }
    const double written = tk_progress_now();
    if (status == TK_OK) status = tk_result_seal_image(result, id, 0, sha256, error);
    const double sealed = tk_progress_now();
    if (status == TK_OK) status = tk_result_close(&result, error);
    const double closed = tk_progress_now();
    tk_result_abandon(status == TK_OK ? NULL : result);
    TK_TRY(status);
    probe->decode_bytes_s = CHUNKS * (double)c->raw_bytes / (sealed - written);
    probe->disk_bytes_s = CHUNKS * (double)c->bytes / (written - start + closed - sealed);
    return TK_OK;
}

/* A folder that cannot be written to, or is full, leaves the disk unmeasured: the run itself will say what is wrong. */
static tk_status probe_result(const char *folder, tk_probe *probe, tk_error *error) {
    chunk c = {0};
    char *file = NULL;
    tk_status status = make_chunk(&c, error);
    if (status == TK_OK) status = time_encoding(&c, probe, error);
    if (status == TK_OK && folder && access(folder, W_OK) == 0) {
        tk_error ignored = TK_ERROR_NONE;
        if (asprintf(&file, "%s/.tarkka-probe-%ld", folder, (long)getpid()) < 0)
            status = tk_fail_memory(error, "the probe of this machine");
        else {
            (void)time_result(file, &c, probe, &ignored);
            (void)unlink(file);
            free(file);
        }
    }
    free_chunk(&c);
    return status;
}

/* --- The cache ---------------------------------------------------------------------------------------------------- */

/* The CPU's name and the number of processors, and the file system of the folder, as a name for the cache. */
static tk_status entry_name(const char *folder, char name[96], tk_error *error) {
    char line[256] = "", text[512], sha256[65];
    struct stat about = {0};
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file) && strncmp(line, "model name", 10) != 0) *line = '\0';
    if (file) (void)fclose(file);
    const bool known = folder && stat(folder, &about) == 0;
    const int length = snprintf(text, sizeof text, "%s%d %" PRIdMAX, line, omp_get_num_procs(),
                                known ? (intmax_t)about.st_dev : (intmax_t)-1);
    TK_TRY(tk_bytes_sha256(text, (size_t)length, sha256, error));
    snprintf(name, 96, "probe-1-%.32s", sha256);
    return TK_OK;
}

static bool is_sound(const tk_probe *p) {
    return isfinite(p->speed) && p->speed > 0 && isfinite(p->encode_bytes_s) && p->encode_bytes_s > 0 &&
           isfinite(p->decode_bytes_s) && p->decode_bytes_s > 0 && isfinite(p->disk_bytes_s) && p->disk_bytes_s >= 0 &&
           p->thread_gain >= 1 && p->thread_gain <= 2;
}

static bool load(const char *name, tk_probe *probe) {
    tk_bytes bytes = {0};
    tk_error ignored = TK_ERROR_NONE;
    (void)tk_cache_load(name, &bytes, &ignored);
    const bool found = bytes.size == sizeof *probe;
    if (found) memcpy(probe, bytes.data, sizeof *probe);
    tk_bytes_free(&bytes);
    return found && is_sound(probe);
}

tk_status tk_probe_machine(const char *folder, tk_probe *probe, tk_error *error) {
    char name[96];
    tk_error ignored = TK_ERROR_NONE;
    TK_TRY(entry_name(folder, name, error));
    if (load(name, probe)) return TK_OK;
    *probe = tk_probe_reference();
    TK_TRY(probe_cores(probe, error));
    TK_TRY(probe_result(folder, probe, error));
    if (!is_sound(probe)) return tk_fail(error, TK_FAILED, "the probe of this machine found no sensible speeds");
    (void)tk_cache_store(name, probe, sizeof *probe, &ignored);
    return TK_OK;
}
