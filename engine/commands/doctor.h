/* What `tarkka doctor` finds, one line a fact; the parts of the examination. */
#ifndef TK_ENGINE_DOCTOR_H
#define TK_ENGINE_DOCTOR_H

#include <jansson.h>

#include "engine/comm.h"

typedef enum tk_verdict { TK_VERDICT_OK, TK_VERDICT_NOTE, TK_VERDICT_PROBLEM, TK_VERDICT_COUNT } tk_verdict;

typedef struct tk_doctor {
    tk_comm *comm;
    const char *folder; /* where results would go */
    json_t *checks;     /* on rank 0: what was found; NULL on the others */
    json_t *ranks;      /* on rank 0: what each rank says of itself */
    int count[TK_VERDICT_COUNT];
} tk_doctor;

/* "ok", "note", "problem". */
const char *tk_verdict_text(tk_verdict verdict);

/* Notes a line on rank 0; on the others nothing. `remedy` (NULL when ok) says what to do. `facts` (may be NULL) are the
 * same as numbers and texts, for --json; they belong to the doctor from here on. */
__attribute__((format(printf, 6, 7))) void tk_doctor_note(tk_doctor *doctor, const char *name, tk_verdict verdict,
                                                          const char *remedy, json_t *facts, const char *format, ...);

/* The parts. All are collective. */
void tk_doctor_examine_mpi(tk_doctor *doctor);
void tk_doctor_examine_processors(tk_doctor *doctor); /* needs the ranks' own words */
void tk_doctor_examine_memory(tk_doctor *doctor);     /* so too */
void tk_doctor_examine_batch_job(tk_doctor *doctor);  /* so too */
void tk_doctor_examine_files(tk_doctor *doctor);

/* What this rank says of itself: host, processors, memory. The caller frees it; NULL without memory. */
json_t *tk_doctor_rank(const tk_comm *comm);

/* Gathers something of each rank as an array on rank 0, in order of ranks; NULL on the others, and without memory.
 * Takes `mine`. Collective. */
json_t *tk_doctor_gather(tk_comm *comm, json_t *mine);

#endif
