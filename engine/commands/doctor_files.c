/* The doctor looks at files: HDF5, the folder of results, the cache. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/commands/doctor.h"
#include "io/cache.h"
#include "io/folder.h"
#include "io/hdf5_filters.h"
#include "io/versions.h"

static const int64_t TRIAL_BYTES = (int64_t)64 << 20, LITTLE_BYTES = (int64_t)1 << 30;
static const double MB = 1e6, GIB = 1 << 30;

static void note_hdf5(tk_doctor *d) {
    char version[32] = "?", text[160] = "";
    json_t *facts = json_object();
    bool well = true;
    tk_hdf5_filter filter;
    for (int i = 0; (filter = tk_hdf5_filter_at(i)).name; i++) {
        json_object_set_new(facts, filter.name, json_boolean(filter.available));
        well = well && (filter.available || !filter.needed);
        const size_t at = strlen(text);
        if (filter.available) snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? ", " : "", filter.name);
    }
    for (int i = 0; tk_io_version(i, version, sizeof version); i++)
        if (!strcmp(tk_io_version(i, version, sizeof version), "hdf5")) break;
    tk_doctor_note(d, "hdf5", well ? TK_VERDICT_OK : TK_VERDICT_PROBLEM,
                   well ? NULL : "results need deflate and shuffle: link an HDF5 that was built with zlib",
                   json_pack("{s:s, s:o}", "version", version, "filters", facts), "HDF5 %s; filters: %s", version,
                   text);
}

/* --- The folder --------------------------------------------------------------------------------------------------- */

static void note_room(tk_doctor *d, const tk_folder_facts *f) {
    json_t *facts = json_pack("{s:s, s:s, s:b, s:I, s:I}", "folder", d->folder, "kind", f->kind, "shared", f->shared,
                              "free_bytes", (json_int_t)f->free_bytes, "free_files", (json_int_t)f->free_files);
    const bool full = f->free_bytes < LITTLE_BYTES || (f->free_files >= 0 && f->free_files < 100);
    const char *remedy = full        ? "write where there is more room (--folder tries another)"
                         : f->memory ? "it is kept in memory, which the job pays for, and gone with the machine"
                                     : NULL;
    tk_doctor_note(d, "folder", remedy ? TK_VERDICT_NOTE : TK_VERDICT_OK, remedy, facts, "%s: %s, %.1f GiB free",
                   d->folder, f->kind, (double)f->free_bytes / GIB);
}

static void note_trial(tk_doctor *d, const tk_folder_trial *t) {
    const bool well = t->links && t->renames;
    tk_doctor_note(
        d, "writing", well ? TK_VERDICT_OK : TK_VERDICT_PROBLEM,
        well ? NULL : "two runs could not be kept apart here: write to another file system",
        json_pack("{s:b, s:b, s:f}", "links", t->links, "renames", t->renames, "write_bytes_s", t->write_bytes_s),
        "%.0f MB/s with fsync; links %s, renaming %s", t->write_bytes_s / MB, t->links ? "work" : "fail",
        t->renames ? "works" : "fails");
}

/* Does every rank see the file that rank 0 has made? `file` is NULL on the other ranks. Collective. */
static void note_sharing(tk_doctor *d, const char *file) {
    tk_bytes name = {0};
    if (file) (void)tk_bytes_append(&name, file, strlen(file) + 1);
    const bool told = tk_comm_broadcast(d->comm, &name) == TK_OK && name.size > 0;
    const bool sees = told && access((const char *)name.data, F_OK) == 0;
    tk_bytes_free(&name);
    json_t *all = tk_doctor_gather(d->comm, json_boolean(sees)), *one = NULL;
    size_t i = 0, blind = 0;
    json_array_foreach(all, i, one) blind += !json_is_true(one);
    json_decref(all);
    if (!told || tk_comm_machines(d->comm) == 1) return;
    json_t *facts = json_pack("{s:I}", "blind_ranks", (json_int_t)blind);
    if (blind > 0)
        tk_doctor_note(d, "sharing", TK_VERDICT_PROBLEM, "write to a parallel file system, which all machines see",
                       facts, "%zu ranks do not see what rank 0 writes in the folder", blind);
    else
        tk_doctor_note(d, "sharing", TK_VERDICT_OK, NULL, facts, "all machines see what rank 0 writes in the folder");
}

static void examine_folder(tk_doctor *d) {
    tk_folder_facts facts;
    tk_folder_trial trial = {0};
    tk_error error = TK_ERROR_NONE;
    if (tk_comm_rank(d->comm) == 0) {
        if (tk_folder_look(d->folder, &facts, &error) == TK_OK) note_room(d, &facts);
        if (error.status == TK_OK && tk_folder_try(d->folder, TRIAL_BYTES, &trial, &error) == TK_OK)
            note_trial(d, &trial);
        if (error.status != TK_OK)
            tk_doctor_note(d, "writing", TK_VERDICT_PROBLEM,
                           "name a folder that you may write in, with room (--folder)", NULL, "%s", error.text);
    }
    note_sharing(d, trial.file);
    tk_folder_trial_end(&trial);
}

/* --- The cache ---------------------------------------------------------------------------------------------------- */

typedef struct census {
    int64_t entries, bytes, newest, oldest;
} census;

static void count_plan(void *user, const char *name, int64_t bytes, int64_t written) {
    census *c = user;
    const char *end = strrchr(name, '.');
    if (!end || strcmp(end, ".wisdom") != 0) return;
    if (c->entries == 0 || written > c->newest) c->newest = written;
    if (c->entries == 0 || written < c->oldest) c->oldest = written;
    c->entries++;
    c->bytes += bytes;
}

/* May a file be made in the folder, or the folder itself in the lowest one above it that is there? */
static bool is_writable(const char *folder) {
    char *path = folder ? strdup(folder) : NULL;
    bool writable = false;
    while (path && access(path, F_OK) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path) break;
        *slash = '\0';
    }
    if (path) writable = access(path, W_OK | X_OK) == 0;
    free(path);
    return writable;
}

static void note_cache(tk_doctor *d) {
    census c = {0};
    char *folder = tk_cache_folder();
    tk_cache_list(count_plan, &c);
    const int64_t now = time(NULL), age = c.entries > 0 ? now - c.oldest : 0;
    const bool writable = is_writable(folder);
    json_t *facts = json_pack("{s:s?, s:b, s:I, s:I, s:I}", "folder", folder, "writable", writable, "plans",
                              (json_int_t)c.entries, "bytes", (json_int_t)c.bytes, "oldest_s", (json_int_t)age);
    if (!writable)
        tk_doctor_note(d, "cache", TK_VERDICT_NOTE,
                       "FFT plans are made anew in each run: set TARKKA_CACHE to a folder that you may write in", facts,
                       "%s cannot be written", folder ? folder : "no folder:");
    else
        tk_doctor_note(d, "cache", TK_VERDICT_OK, NULL, facts, "%s: %lld FFT plan%s, the oldest of %lld days", folder,
                       (long long)c.entries, c.entries == 1 ? "" : "s", (long long)(age / 86400));
    free(folder);
}

void tk_doctor_examine_files(tk_doctor *doctor) {
    if (doctor->checks) note_hdf5(doctor);
    examine_folder(doctor);
    if (doctor->checks) note_cache(doctor);
}
