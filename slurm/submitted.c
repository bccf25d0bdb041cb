/* "# Submitted as job 1234". */
#include "slurm/submitted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char note[] = "# Submitted as job ";

void tk_submitted_note(const char *script, const char *job) {
    FILE *file = fopen(script, "ae");
    if (!file) return;
    fprintf(file, "%s%s\n", note, job);
    fclose(file);
}

void tk_submitted_job(const char *result, char job[32]) {
    char *script = NULL, line[4096];
    job[0] = 0;
    FILE *file = asprintf(&script, "%s.sbatch", result) < 0 ? NULL : fopen(script, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, note, sizeof note - 1) != 0) continue;
        const char *number = line + sizeof note - 1;
        (void)snprintf(job, 32, "%.*s", (int)strspn(number, "0123456789"), number);
    }
    if (file) fclose(file);
    free(script);
}
