/* tarkka doctor */
#include <stdio.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/commands/doctor.h"

static const tk_option options[] = {
    {"folder", "DIR", "where results would be written (default: the present folder)"},
    {"json", NULL, "print as JSON"},
    TK_OPTION_END,
};

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_checks(const json_t *checks) {
    size_t i = 0;
    const json_t *check = NULL;
    json_array_foreach(checks, i, check) {
        const char *verdict = text_of(check, "verdict"), *remedy = text_of(check, "remedy");
        const char *mark = !strcmp(verdict, "ok") ? "OK" : !strcmp(verdict, "note") ? "note" : "PROBLEM";
        printf("%-7s  %-14s  %s\n", mark, text_of(check, "name"), text_of(check, "text"));
        if (*remedy) printf("%25s  -> %s\n", "", remedy);
    }
}

static void print_ranks(const json_t *ranks) {
    size_t i = 0;
    const json_t *rank = NULL;
    puts("\nrank  processors  shared by  which, on which machine");
    json_array_foreach(ranks, i, rank) {
        printf("%4zu  %10lld  %9lld  %s on %s\n", i, (long long)json_integer_value(json_object_get(rank, "processors")),
               (long long)json_integer_value(json_object_get(rank, "sharers")), text_of(rank, "which"),
               text_of(rank, "host"));
    }
}

static tk_status print(const tk_doctor *doctor, bool json, tk_error *error) {
    const tk_verdict worst = doctor->count[TK_VERDICT_PROBLEM] > 0 ? TK_VERDICT_PROBLEM
                             : doctor->count[TK_VERDICT_NOTE] > 0  ? TK_VERDICT_NOTE
                                                                   : TK_VERDICT_OK;
    if (json)
        return tk_print_json(json_pack("{s:i, s:s, s:i, s:i, s:O, s:O}", "tarkka_doctor", 1, "verdict",
                                       tk_verdict_text(worst), "problems", doctor->count[TK_VERDICT_PROBLEM], "notes",
                                       doctor->count[TK_VERDICT_NOTE], "checks", doctor->checks, "ranks",
                                       doctor->ranks),
                             error);
    print_checks(doctor->checks);
    print_ranks(doctor->ranks);
    return TK_OK;
}

static void examine(tk_doctor *doctor) {
    doctor->ranks = tk_doctor_gather(doctor->comm, tk_doctor_rank(doctor->comm));
    tk_doctor_examine_mpi(doctor);
    tk_doctor_examine_processors(doctor);
    tk_doctor_examine_memory(doctor);
    tk_doctor_examine_batch_job(doctor);
    tk_doctor_examine_files(doctor);
}

static tk_status report(const tk_doctor *doctor, bool json, tk_error *error) {
    if (!doctor->checks || !doctor->ranks) return tk_fail_memory(error, "the report");
    TK_TRY(print(doctor, json, error));
    const int problems = doctor->count[TK_VERDICT_PROBLEM];
    if (problems == 0) return TK_OK;
    return tk_fail(error, TK_FAILED, "%d problem%s found; what to do about %s stands above", problems,
                   problems == 1 ? "" : "s", problems == 1 ? "it" : "each");
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    tk_doctor doctor = {.folder = tk_option_value(arguments, "folder")};
    const bool json = tk_option_value(arguments, "json") != NULL;
    if (!doctor.folder) doctor.folder = ".";
    TK_TRY(tk_comm_open_mpi(&doctor.comm, error));
    const bool first = tk_comm_rank(doctor.comm) == 0;
    if (first) doctor.checks = json_array();
    examine(&doctor);
    if (first) report(&doctor, json, error);
    tk_comm_agree(doctor.comm, error);
    json_decref(doctor.checks);
    json_decref(doctor.ranks);
    tk_comm_close(doctor.comm);
    return error->status;
}

const tk_command tk_command_doctor = {
    .name = "doctor",
    .summary = "Says what this machine and MPI offer, and what to mend.",
    .synopsis = "[OPTION]...",
    .details =
        "Run it as the job would run: alone, under mpirun or srun, in a batch job. Each line is OK, a note, or a\n"
        "PROBLEM with what to do about it; a table says which processors each rank may use.\n"
        "64 MiB are written to the folder and removed again.\n"
        "\n"
        "  srun tarkka doctor --folder /scratch/project\n"
        "\n"
        "Exit codes: 0 no problem, 1 a problem, 2 usage.",
    .options = options,
    .least = 0,
    .most = 0,
    .ranks = true,
    .run = run,
};
