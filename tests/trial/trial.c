/* Marks by creating files: the one thing that processes of any kind do one after another. */
#include "tests/trial/trial.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Is the file new? Without a folder nothing is made, and it counts as new. */
static bool make(const char *name) {
    const char *folder = getenv("TARKKA_TRIAL_MARKS");
    char path[PATH_MAX];
    if (!folder) return true;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (file >= 0) close(file);
    return file >= 0;
}

void tk_mark_tile(const char *event, const tk_box *core) {
    char name[128];
    snprintf(name, sizeof name, "%s-%lld_%lld_%lld-%d", event, (long long)core->lo[0], (long long)core->lo[1],
             (long long)core->lo[2], (int)getpid());
    make(name);
}

int tk_mark_count(const char *event) {
    for (int count = 0;; count++) {
        char name[128];
        snprintf(name, sizeof name, "%s-%d", event, count);
        if (make(name)) return count;
    }
}

void tk_trial_hold(const tk_box *core) {
    const char *folder = getenv("TARKKA_TRIAL_MARKS"), *hold = getenv("TARKKA_TRIAL_HOLD");
    char go[PATH_MAX];
    if (!folder || !hold || tk_mark_count("order") < atoi(hold)) return;
    snprintf(go, sizeof go, "%s/go", folder);
    tk_mark_tile("held", core);
    while (access(go, F_OK) != 0) nanosleep(&(struct timespec){0, 2000000}, NULL);
}

void tk_trial_copy(const tk_block *in, tk_block *out) {
    const tk_cview_f32 from = tk_ccrop_f32(tk_read_f32(in->f32), &in->box, &out->box);
    const tk_view_f32 to = out->f32;
    for (int64_t z = 0; z < to.size[TK_Z]; z++)
        for (int64_t y = 0; y < to.size[TK_Y]; y++)
            memcpy(to.data + z * to.stride[TK_Z] + y * to.stride[TK_Y],
                   from.data + z * from.stride[TK_Z] + y * from.stride[TK_Y], (size_t)to.size[TK_X] * sizeof(float));
}
