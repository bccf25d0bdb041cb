/* Writing status.json by renaming a new one over it. */
#include "engine/running/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/planning/limits.h"
#include "engine/syntax/json.h"

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *make(const tk_keeper_about *about, const tk_status_now *now) {
    char host[65] = "";
    (void)gethostname(host, sizeof host - 1);
    json_t *root = json_pack("{s:i, s:s, s:o, s:o, s:o}", "tarkka_status", 1, "state", now->state, "message",
                             tk_json_any_text(now->message), "output", tk_json_any_text(about->output), "workflow",
                             tk_json_any_text(about->workflow));
    json_object_set_new(root, "stage", json_integer(now->stage + 1));
    json_object_set_new(root, "stages", json_integer(about->stages));
    json_object_set_new(root, "round", json_integer(now->round));
    json_object_set_new(root, "tiles_done", json_integer(now->tiles_done));
    json_object_set_new(root, "tiles", json_integer(now->tiles));
    json_object_set_new(root, "solving", json_boolean(now->solving));
    json_object_set_new(root, "given_up", json_integer(now->given_up));
    json_object_set_new(root, "fraction", json_real(now->fraction));
    json_object_set_new(root, "seconds", json_real(now->seconds));
    json_object_set_new(root, "seconds_left", now->seconds_left < 0 ? json_null() : json_real(now->seconds_left));
    json_object_set_new(root, "ranks", json_integer(now->ranks));
    json_object_set_new(root, "threads", json_integer(about->threads));
    json_object_set_new(root, "attempt", json_integer(about->attempt));
    json_object_set_new(root, "host", json_string(host));
    json_object_set_new(root, "pid", json_integer(getpid()));
    json_object_set_new(root, "slurm_job", text_or_null(getenv("SLURM_JOB_ID")));
    json_object_set_new(root, "planned_bytes_per_rank", json_integer(about->planned_bytes));
    json_object_set_new(root, "peak_bytes_rank0", json_integer((json_int_t)tk_memory_peak()));
    json_object_set_new(root, "updated", tk_json_time(time(NULL)));
    return root;
}

void tk_status_write(const tk_keeper_about *about, const tk_status_now *now) {
    char *file = NULL, *fresh = NULL;
    json_t *root = make(about, now);
    if (root && asprintf(&file, "%s/status.json", about->folder) >= 0 && asprintf(&fresh, "%s.new", file) >= 0 &&
        json_dump_file(root, fresh, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0)
        (void)rename(fresh, file);
    else if (fresh)
        (void)unlink(fresh);
    json_decref(root);
    free(fresh);
    free(file);
}
