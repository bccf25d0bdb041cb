/* The batch script: short, and with a word on each part, for people read it before they trust it.
 *
 * How a job ends in time: Slurm sends SIGUSR1 to every rank before the time limit (--signal without B:, so not to the
 * script); the ranks finish what they have begun and leave with exit code 75; the script, which is still there, puts
 * the job back into the queue; started again, `run --resume` goes on. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slurm/batch.h"
#include "slurm/quote.h"

/* Most times that a job is put back into the queue, or twice as often as the forecast says. */
enum { MOST_STARTS = 20 };

void tk_batch_clock(double seconds, char text[32]) {
    const long long s = (long long)ceil(seconds);
    if (s >= 2 * 86400)
        (void)snprintf(text, 32, "%lld-%02lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
    else
        (void)snprintf(text, 32, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* "2 h 10 min", "35 min", "50 s" */
static void say_time(FILE *out, double seconds) {
    const long long minutes = llround(seconds / 60);
    if (seconds < 60)
        fprintf(out, "%.0f s", ceil(seconds));
    else if (minutes < 60)
        fprintf(out, "%lld min", minutes);
    else
        fprintf(out, "%lld h %lld min", minutes / 60, minutes % 60);
}

int64_t tk_batch_notice(const tk_batch_job *batch) {
    return (int64_t)fmax(10, fmin(180, batch->layout.seconds_limit / 5));
}

static void write_forecast(FILE *out, const tk_batch_job *b) {
    const tk_layout *layout = &b->layout;
    fprintf(out, "# Forecast: ");
    say_time(out, layout->seconds);
    if (b->many == TK_PACKED) fprintf(out, " for %" PRId64 " images", b->images.count);
    if (b->many == TK_ARRAY) fprintf(out, " for each of %" PRId64 " images", b->images.count);
    fprintf(out, " on %" PRId64 " ranks of %" PRId64 " threads", layout->nodes * layout->ranks_per_node,
            layout->threads);
    if (layout->units > 0) fprintf(out, ", about %.*f %s", layout->units < 10 ? 2 : 0, layout->units, b->site.unit);
    fputs(".\n", out);
    if (layout->attempts > 1)
        fprintf(out, "# That is more than the time limit: the job goes through the queue about %" PRId64 " times.\n",
                layout->attempts);
}

static void write_resources(FILE *out, const tk_batch_job *b) {
    const tk_layout *layout = &b->layout;
    fprintf(out, "#SBATCH --nodes=%" PRId64 "\n", layout->nodes);
    if (b->partition.whole_nodes || layout->nodes > 1)
        fprintf(out, "#SBATCH --ntasks-per-node=%" PRId64 " --cpus-per-task=%" PRId64 "\n", layout->ranks_per_node,
                layout->threads);
    else
        fprintf(out, "#SBATCH --ntasks=%" PRId64 " --cpus-per-task=%" PRId64 "\n", layout->ranks_per_node,
                layout->threads);
    if (!b->partition.whole_nodes && !b->partition.memory_by_cores)
        fprintf(out, "#SBATCH --mem-per-cpu=%" PRId64 "M\n", layout->memory_per_rank / layout->threads >> 20);
    for (int i = 0; i < b->partition.options; i++) fprintf(out, "#SBATCH %s\n", b->partition.option[i]);
    for (int i = 0; i < b->site.options; i++) fprintf(out, "#SBATCH %s\n", b->site.option[i]);
}

static void write_head(FILE *out, const tk_batch_job *b) {
    char clock[32];
    tk_batch_clock(b->layout.seconds_limit, clock);
    fprintf(out, "#!/bin/bash%s\n", b->site.modules ? " -l" : "");
    fprintf(out, "# Written by `tarkka submit` for %s (%s).\n", b->site.name, b->site.description);
    write_forecast(out, b);
    fprintf(out, "#SBATCH --job-name=%s\n", b->name);
    if (b->account) fprintf(out, "#SBATCH --account=%s\n", b->account);
    if (*b->partition_name) fprintf(out, "#SBATCH --partition=%s\n", b->partition_name);
    write_resources(out, b);
    fprintf(out, "#SBATCH --time=%s\n", clock);
    fputs("# Before the time is over, every rank (not this script) is told to stop; the job may then start again.\n",
          out);
    fprintf(out, "#SBATCH --signal=USR1@%" PRId64 "\n#SBATCH --requeue\n#SBATCH --open-mode=append\n",
            tk_batch_notice(b));
    if (b->many == TK_ARRAY)
        fprintf(out, "#SBATCH --array=0-%" PRId64 "%%%" PRId64 "\n", b->images.count - 1, b->at_once);
    fprintf(out, "#SBATCH --output=slurm-%s.out\n\n", b->many == TK_ARRAY ? "%A_%a" : "%j");
}

static void write_environment(FILE *out, const tk_batch_job *b) {
    if (b->site.modules) {
        fputs("# Software, as the site has it.\nmodule load", out);
        for (int i = 0; i < b->site.modules; i++) fprintf(out, " %s", b->site.module[i]);
        fputs("\n\n", out);
    }
    fputs("# Threads stay where they are. srun does not take --cpus-per-task over by itself everywhere.\n", out);
    fprintf(out, "export OMP_NUM_THREADS=%" PRId64 " SRUN_CPUS_PER_TASK=%" PRId64 "\n", b->layout.threads,
            b->layout.threads);
    for (int i = 0; i < b->site.environments; i++) {
        const char *equals = strchr(b->site.environment[i], '=');
        fprintf(out, "export %.*s=\"%s\"\n", (int)(equals - b->site.environment[i]), b->site.environment[i],
                equals + 1);
    }
    if (*b->site.local_scratch)
        fprintf(out,
                "# Small temporary files, of MPI for instance; everything that must last is beside the result.\n"
                "export TMPDIR=\"%s\"\n",
                b->site.local_scratch);
    putc('\n', out);
}

/* A variable of the script: NAME='VALUE'. */
static void write_path(FILE *out, const char *name, const char *path, const char *extension) {
    char *whole = NULL;
    if (asprintf(&whole, "%s%s", path, extension) < 0) return; /* the script's fclose reports that there is no memory */
    fprintf(out, "%s=", name);
    tk_quote(out, whole);
    putc('\n', out);
    free(whole);
}

static void write_variables(FILE *out, const tk_batch_job *b) {
    fputs("cd ", out);
    tk_quote(out, b->folder);
    fputs(" || exit 1\n", out);
    if (b->many == TK_ONE_IMAGE) write_path(out, "result", b->result, "");
    if (b->many != TK_ONE_IMAGE) write_path(out, "list", b->base, ".list");
    if (b->many == TK_ARRAY)
        fputs("# This job's line of the list: image, tabulator, result.\n"
              "IFS=$'\\t' read -r image result < <(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" \"$list\")\n",
              out);
    putc('\n', out);
}

/* Seconds after its start at which a job is to stop by itself, in case that the signal does not come. */
static double last_second(const tk_batch_job *b) {
    return b->layout.seconds_limit - fmin(120, (double)tk_batch_notice(b) / 2);
}

/* tarkka run with all its options; those of many images read the image from a variable. */
static void write_tarkka(FILE *out, const tk_batch_job *b, const char *indent, const char *input, const char *output,
                         const char *time) {
    fputs(indent, out);
    tk_quote(out, b->program);
    fputs(" run ", out);
    tk_quote(out, b->file);
    fprintf(out, "%s --output %s --resume \\\n%s--memory ", input, output, indent);
    tk_quote(out, b->memory);
    fprintf(out, " --threads %" PRId64 " --max-time %s", b->layout.threads, time);
    for (int i = 0; i < b->arguments; i++) {
        if (i == 0) fprintf(out, " \\\n%s", indent);
        if (i > 0) putc(' ', out);
        tk_quote(out, b->argument[i]);
    }
}

static void write_srun(FILE *out, const tk_batch_job *b) {
    fputs("srun ", out);
    if (b->site.mpi) fprintf(out, "--mpi=%s ", b->site.mpi);
    fprintf(out, "--cpus-per-task=%" PRId64 " ", b->layout.threads);
}

static void write_run(FILE *out, const tk_batch_job *b) {
    char time[32];
    (void)snprintf(time, sizeof time, "%.0fs", last_second(b));
    fputs("# scancel and preemption end the ranks, and this script once they have stopped.\n"
          "cancelled=\n"
          "trap cancelled=yes TERM\n"
          "trap : USR1\n\n",
          out);
    write_srun(out, b);
    fputs("--kill-on-bad-exit=1 \\\n", out);
    write_tarkka(out, b, "    ", b->many == TK_ARRAY ? " --input \"$image\"" : "", "\"$result\"", time);
    fputs("\ncode=$?\n"
          "# srun may say 0 when it could not start a rank, as after a node has failed.\n"
          "[ $code -eq 0 ] && [ ! -e \"$result\" ] && code=1\n\n",
          out);
}

/* --- Many images in one job --------------------------------------------------------------------------------------- */

static void write_analyse(FILE *out, const tk_batch_job *b) {
    char time[64];
    (void)snprintf(time, sizeof time, "$((%.0f - SECONDS))s", last_second(b));
    fputs("# One image, on one rank. Exit code 75: the time is over, so no further image is begun.\n"
          "analyse() {\n    ",
          out);
    write_srun(out, b);
    fputs("--exact --nodes=1 --ntasks=1", out);
    if (b->partition.whole_nodes) fprintf(out, " --mem=%" PRId64 "M", b->layout.memory_per_rank >> 20);
    fputs(" \\\n", out);
    write_tarkka(out, b, "        ", " --input \"$1\"", "\"$2\"", time);
    fputs(" < /dev/null\n"
          "    local code=$?\n"
          "    [ $code -ne 75 ] || [ -e \"$2.work/stop\" ] || kill -USR1 $$\n"
          "    echo \"$code $2\" >> \"$list.codes\"\n"
          "}\n\n",
          out);
}

static void write_pack(FILE *out, const tk_batch_job *b) {
    fputs("# scancel and preemption end the ranks, and this script once they have stopped.\n"
          "cancelled= stopping=\n"
          "trap cancelled=yes TERM\n"
          "trap stopping=yes USR1\n\n",
          out);
    write_analyse(out, b);
    fprintf(out,
            "# As many at a time as there are ranks. An image that is finished is passed over by --resume.\n"
            ": > \"$list.codes\"\n"
            "while IFS=$'\\t' read -r image result; do\n"
            "    [ -e \"$result.work/stop\" ] && echo \"0 $result\" >> \"$list.codes\" && continue\n"
            "    while [ \"$(jobs -pr | wc -l)\" -ge %" PRId64 " ]; do wait -n; done\n"
            "    [ -z \"$cancelled$stopping\" ] && [ $SECONDS -lt %.0f ] || break\n"
            "    analyse \"$image\" \"$result\" &\n"
            "done < \"$list\"\n"
            "while [ -n \"$(jobs -pr)\" ]; do wait; done\n\n",
            b->layout.nodes * b->layout.ranks_per_node, last_second(b) - 2); /* --max-time is at least a second then */
    fputs("# The exit code: 75 when images are still to do, else that of one that failed, else 4 when tiles were given "
          "up.\n"
          "code=0\n"
          "grep -q '^4 ' \"$list.codes\" && code=4\n"
          "failed=$(sed -n 's/^\\([1-9][0-9]*\\) .*/\\1/p' \"$list.codes\" | grep -vx '4\\|75' | head -n 1)\n"
          "[ -n \"$failed\" ] && code=$failed\n"
          "[ \"$(grep -vc '^75 ' \"$list.codes\")\" -lt \"$(wc -l < \"$list\")\" ] && code=75\n\n",
          out);
}

static void write_pack_progress(FILE *out) {
    fputs("# Start again, unless three starts have come no further.\n"
          "progress() {\n"
          "    grep -c '^0 ' \"$list.codes\"\n"
          "    while IFS=$'\\t' read -r image result; do\n"
          "        grep -s '\"fraction\"' \"$result.work/status.json\"\n"
          "    done < \"$list\"\n"
          "}\n"
          "worth_another_start() {\n"
          "    [ -z \"$cancelled\" ] || return 1\n",
          out);
}

/* --- The end of a job --------------------------------------------------------------------------------------------- */

static void write_progress(FILE *out) {
    fputs("# Exit code 75: stopped early, to be resumed. srun may have killed the last ranks to leave: then it says "
          "137.\n"
          "status=\"$result.work/status.json\"\n"
          "[ $code -eq 137 ] && grep -q '\"state\": *\"stopped\"' \"$status\" && code=75\n\n"
          "# Start again, unless `tarkka stop` was called, or three starts have come no further.\n"
          "progress() { grep -s '\"fraction\"' \"$status\"; }\n"
          "worth_another_start() {\n"
          "    [ -z \"$cancelled\" ] && [ ! -e \"$result.work/stop\" ] || return 1\n",
          out);
}

static void write_requeue(FILE *out, const tk_batch_job *b) {
    const int64_t starts = 2 * b->layout.attempts > MOST_STARTS ? 2 * b->layout.attempts : MOST_STARTS;
    const char *name = b->many == TK_PACKED ? "list" : "result";
    if (b->many == TK_PACKED)
        write_pack_progress(out);
    else
        write_progress(out);
    fprintf(out,
            "    [ \"${SLURM_RESTART_COUNT:-0}\" -lt %" PRId64 " ] || return 1\n"
            "    progress | cksum | cut -d ' ' -f 1 >> \"$%s.starts\"\n"
            "    set -- $(tail -n 3 \"$%s.starts\")\n"
            "    [ $# -lt 3 ] || [ \"$1 $2\" != \"$2 $3\" ]\n"
            "}\n"
            "if [ $code -eq 75 ] && worth_another_start; then\n"
            "    scontrol requeue \"$SLURM_JOB_ID\" && exit 75\n"
            "fi\n"
            "rm -f \"$%s.starts\"%s\n\n",
            starts, name, name, name, b->many == TK_PACKED ? " \"$list.codes\"" : "");
}

static void write_end(FILE *out) {
    fputs("# How well the cores and the memory were used, where the site has seff.\n"
          "command -v seff > /dev/null && seff \"$SLURM_JOB_ID\"\n"
          "exit $code\n",
          out);
}

tk_status tk_batch_script(const tk_batch_job *batch, char **script, tk_error *error) {
    size_t size = 0;
    *script = NULL;
    FILE *out = open_memstream(script, &size);
    if (!out) return tk_fail_memory(error, "the batch script");
    write_head(out, batch);
    write_environment(out, batch);
    write_variables(out, batch);
    if (batch->many == TK_PACKED)
        write_pack(out, batch);
    else
        write_run(out, batch);
    write_requeue(out, batch);
    write_end(out);
    if (fclose(out) == 0 && *script) return TK_OK;
    free(*script);
    *script = NULL;
    return tk_fail_memory(error, "the batch script");
}
