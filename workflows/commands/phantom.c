/* tarkka phantom: a test image with its ground truth and its PSF, as OME-TIFF files. */
#include "kernels/phantom/phantom.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tiff_write.h"
#include "workflows/commands/source.h"

/* What the kinds are called, and what makes a good first image of each: the density is that of so many objects in 64 x
 * 256 x 256 voxels. */
static const struct {
    const char *name;
    double objects, photons;
} kinds[] = {[TK_PHANTOM_BEADS] = {"beads", 300, 1500},
             [TK_PHANTOM_FILAMENTS] = {"filaments", 40, 500},
             [TK_PHANTOM_NUCLEI] = {"nuclei", 60, 200}};

enum { IMAGE, TRUTH, LABELS, PSF, FILES };
static const char *const file_keys[FILES] = {"image", "truth", "labels", "psf"};
static const char *const file_suffixes[FILES] = {"", "_truth", "_labels", "_psf"};

typedef struct phantom_job {
    tk_phantom phantom;
    double voxel_um[3];
    char *file[FILES]; /* owned */
    bool json;
    int64_t count; /* objects made */
    float *truth;  /* owned, dense, like labels and counts */
    uint32_t *labels;
    uint16_t *counts;
} phantom_job;

static tk_status read_kind(const char *text, tk_phantom_kind *kind, tk_error *error) {
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (!strcmp(text, kinds[k].name)) return *kind = (tk_phantom_kind)k, TK_OK;
    return tk_fail(error, TK_USAGE, "phantom: there is no kind %s (there are: beads, filaments, nuclei)", text);
}

static tk_status read_voxel(const tk_arguments *arguments, phantom_job *job, tk_error *error) {
    const double fallback[3] = {0.5, 0.25, 0.25};
    memcpy(job->voxel_um, fallback, sizeof fallback);
    TK_TRY(tk_option_triple(arguments, "voxel", job->voxel_um, error));
    const double least = fmin(job->voxel_um[0], fmin(job->voxel_um[1], job->voxel_um[2]));
    if (!(least > 0)) return tk_fail(error, TK_USAGE, "--voxel: the edges of a voxel are longer than 0");
    for (int a = 0; a < 3; a++) job->phantom.scale[a] = job->voxel_um[a] / least;
    return TK_OK;
}

static int64_t default_objects(const tk_phantom *phantom) {
    const double voxels = (double)phantom->size[0] * (double)phantom->size[1] * (double)phantom->size[2];
    return (int64_t)fmin(fmax(1, rint(kinds[phantom->kind].objects * voxels / (64.0 * 256 * 256))), 1e7);
}

static tk_status read_phantom(const tk_arguments *arguments, tk_phantom *p, tk_error *error) {
    int64_t seed = 0;
    TK_TRY(read_kind(tk_positional(arguments, 0), &p->kind, error));
    TK_TRY(tk_option_size(arguments, "size", p->size, error));
    TK_TRY(tk_option_triple(arguments, "sigma", p->sigma, error));
    TK_TRY(tk_option_integer(arguments, "objects", 0, 10000000, default_objects(p), &p->objects, error));
    TK_TRY(tk_option_integer(arguments, "seed", 0, INT64_MAX, 1, &seed, error));
    TK_TRY(tk_option_number(arguments, "gap", 0, 1000, 2, &p->gap, error));
    TK_TRY(tk_option_number(arguments, "photons", 0, 1e6, kinds[p->kind].photons, &p->photons, error));
    TK_TRY(tk_option_number(arguments, "background", 0, 1e6, 20, &p->background, error));
    TK_TRY(tk_option_number(arguments, "read-noise", 0, 1e6, 2, &p->read_noise, error));
    p->seed = (uint64_t)seed;
    if (tk_phantom_valid(p)) return TK_OK;
    return tk_fail(error, TK_USAGE,
                   "phantom: sizes are 1 to 1048576 (2^40 voxels in all), sigma is 0 to 100, and the edges of a voxel "
                   "differ by a factor of 100 at most");
}

/* Does the job write this file? */
static bool is_wanted(const phantom_job *job, int file) {
    return file != LABELS || job->phantom.kind != TK_PHANTOM_FILAMENTS;
}

/* Names the files after OUTPUT, with or without its .tif or .ome.tif, and refuses to replace one unless asked to. */
static tk_status name_files(const tk_arguments *arguments, phantom_job *job, const char *output, tk_error *error) {
    static const char *const endings[] = {".ome.tiff", ".ome.tif", ".tiff", ".tif"};
    size_t length = strlen(output);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t ending = strlen(endings[i]);
        if (length <= ending || strcmp(output + length - ending, endings[i]) != 0) continue;
        length -= ending;
        break;
    }
    for (int f = 0; f < FILES; f++) {
        if (asprintf(&job->file[f], "%.*s%s.ome.tif", (int)length, output, file_suffixes[f]) < 0) {
            job->file[f] = NULL;
            return tk_fail_memory(error, "the names of the files");
        }
        if (is_wanted(job, f)) TK_TRY(tk_may_write(arguments, job->file[f], error));
    }
    return TK_OK;
}

static tk_status make(phantom_job *job, tk_error *error) {
    const tk_phantom *p = &job->phantom;
    const size_t voxels = (size_t)(p->size[0] * p->size[1] * p->size[2]);
    tk_work work = tk_work_here();
    job->truth = malloc(voxels * sizeof *job->truth);
    job->labels = malloc(voxels * sizeof *job->labels);
    job->counts = malloc(voxels * sizeof *job->counts);
    if (!job->truth || !job->labels || !job->counts) return tk_fail_memory(error, "the phantom");
    TK_TRY(tk_work_reserve(&work, tk_phantom_scratch(p, work.threads), error));
    const tk_status status = tk_phantom_make(p, &work, tk_dense_f32(job->truth, p->size),
                                             tk_dense_u32(job->labels, p->size), job->counts, &job->count);
    tk_scratch_release(&work.scratch);
    if (status == TK_UNSOLVABLE)
        return tk_fail(error, TK_UNSOLVABLE,
                       "only %" PRId64 " of %" PRId64 " %s fit: fewer --objects, a smaller --gap or a larger --size",
                       job->count, p->objects, kinds[p->kind].name);
    return status == TK_OK ? TK_OK : tk_fail(error, status, "phantom: %s", tk_status_text(status));
}

static tk_status write_psf(const phantom_job *job, tk_error *error) {
    int64_t size[3];
    tk_phantom_psf_size(job->phantom.sigma, size);
    float *psf = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *psf);
    if (!psf) return tk_fail_memory(error, "the PSF");
    tk_phantom_psf(job->phantom.sigma, tk_dense_f32(psf, size));
    const tk_status status = tk_ome_tiff_write(job->file[PSF], TK_F32, size, psf, job->voxel_um, "PSF", error);
    free(psf);
    return status;
}

static tk_status write_files(const phantom_job *job, tk_error *error) {
    const int64_t *size = job->phantom.size;
    const char *name = kinds[job->phantom.kind].name;
    TK_TRY(tk_ome_tiff_write(job->file[TRUTH], TK_F32, size, job->truth, job->voxel_um, name, error));
    if (is_wanted(job, LABELS))
        TK_TRY(tk_ome_tiff_write(job->file[LABELS], TK_U32, size, job->labels, job->voxel_um, name, error));
    TK_TRY(write_psf(job, error));
    return tk_ome_tiff_write(job->file[IMAGE], TK_U16, size, job->counts, job->voxel_um, name, error);
}

static tk_status print_json(const phantom_job *job, tk_error *error) {
    const tk_phantom *p = &job->phantom;
    json_t *files = json_object();
    for (int f = 0; f < FILES; f++)
        if (is_wanted(job, f)) json_object_set_new(files, file_keys[f], json_string(job->file[f]));
    json_t *all =
        json_pack("{s:s, s:[I, I, I], s:[f, f, f], s:[f, f, f], s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "kind",
                  kinds[p->kind].name, "size", (json_int_t)p->size[0], (json_int_t)p->size[1], (json_int_t)p->size[2],
                  "voxel_um", job->voxel_um[0], job->voxel_um[1], job->voxel_um[2], "sigma", p->sigma[0], p->sigma[1],
                  p->sigma[2], "seed", (json_int_t)p->seed, "objects", (json_int_t)job->count, "gap", p->gap, "photons",
                  p->photons, "background", p->background, "read_noise", p->read_noise, "files", files);
    if (!all) return tk_fail_memory(error, "the answer");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return TK_OK;
}

static void print_text(const phantom_job *job) {
    const tk_phantom *p = &job->phantom;
    printf("%s: %" PRId64 " objects in %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x), seed %" PRIu64 "\n",
           kinds[p->kind].name, job->count, p->size[0], p->size[1], p->size[2], p->seed);
    for (int f = 0; f < FILES; f++)
        if (is_wanted(job, f)) printf("  %-7s %s\n", file_keys[f], job->file[f]);
}

static tk_status run_job(const tk_arguments *arguments, phantom_job *job, tk_error *error) {
    TK_TRY(read_voxel(arguments, job, error));
    TK_TRY(read_phantom(arguments, &job->phantom, error));
    TK_TRY(name_files(arguments, job, tk_positional(arguments, 1), error));
    TK_TRY(make(job, error));
    TK_TRY(write_files(job, error));
    if (job->json) return print_json(job, error);
    print_text(job);
    return TK_OK;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    phantom_job job = {.phantom = {.size = {64, 256, 256}, .sigma = {2, 1.3, 1.3}},
                       .json = tk_option_value(arguments, "json")};
    const tk_status status = run_job(arguments, &job, error);
    for (int f = 0; f < FILES; f++) free(job.file[f]);
    free(job.truth);
    free(job.labels);
    free(job.counts);
    return status;
}

static const tk_option options[] = {
    {"size", "ZxYxX", "voxels (default 64x256x256)"},
    {"objects", "N", "objects with their centre in the image (default: a good density)"},
    {"gap", "N", "least distance of nuclei or beads in voxels (default 2)"},
    {"seed", "N", "another seed, another image (default 1)"},
    {"sigma", "ZxYxX", "of the Gaussian PSF, voxels (default 2.0x1.3x1.3)"},
    {"photons", "N", "of the brightest voxels before the blur (default: 200, beads 1500, filaments 500)"},
    {"background", "N", "photons a voxel (default 20)"},
    {"read-noise", "N", "standard deviation, photons (default 2)"},
    {"voxel", "ZxYxX", "edges of a voxel in um (default 0.5x0.25x0.25); objects are round in the world"},
    {"overwrite", NULL, "replace files that exist"},
    {"json", NULL, "print what was written as JSON"},
    TK_OPTION_END,
};

const tk_command tk_command_phantom = {
    .name = "phantom",
    .summary = "A test image with its ground truth",
    .synopsis = "beads|filaments|nuclei OUTPUT [OPTION]…",
    .details =
        "Writes OUTPUT.ome.tif (what a camera would count, uint16), OUTPUT_truth.ome.tif (photons of the objects\n"
        "without blur and background, float32), OUTPUT_labels.ome.tif (the objects, numbered by their first voxel,\n"
        "uint32; not for filaments, which cross) and OUTPUT_psf.ome.tif (the PSF, float32). Objects may lie across\n"
        "the border. The same options give the same bytes on any machine with any number of threads.\n\n"
        "  tarkka phantom nuclei first\n"
        "  tarkka phantom filaments wide --size 32x1024x1024 --seed 7 --sigma 3x1.5x1.5",
    .options = options,
    .least = 2,
    .most = 2,
    .run = run,
};
