/* Names that tell channels and time points apart only where there are several. */
#include "engine/running/names.h"

#include <stdio.h>
#include <string.h>

char *tk_name_of_work(const tk_job *job, int step) {
    const tk_workflow_step *s = &job->workflow->steps[step];
    char *name = NULL;
    if (job->channels == 1) return strdup(s->name);
    return asprintf(&name, "c%02lld-%s", (long long)s->channel, s->name) < 0 ? NULL : name;
}

char *tk_name_of_output(const tk_workflow_step *step) {
    static const char *const groups[TK_KIND_COUNT] = {"images", "images", "labels", "tables"};
    char *path = NULL;
    return asprintf(&path, "/%s/%s", groups[step->step->output], step->name) < 0 ? NULL : path;
}

void tk_name_place(const tk_job *job, int64_t channel, int64_t time, const int64_t origin[3],
                   char text[TK_PLACE_ROOM]) {
    int used = snprintf(text, TK_PLACE_ROOM, "z %lld, y %lld, x %lld", (long long)origin[0], (long long)origin[1],
                        (long long)origin[2]);
    if (job->times > 1) used += snprintf(text + used, TK_PLACE_ROOM - (size_t)used, ", time %lld", (long long)time);
    if (job->channels > 1) snprintf(text + used, TK_PLACE_ROOM - (size_t)used, ", channel %lld", (long long)channel);
}
