/* The number of the job that a batch script was submitted as: noted in the script, RESULT.sbatch, as its last line. */
#ifndef TK_SLURM_SUBMITTED_H
#define TK_SLURM_SUBMITTED_H

/* Notes the job in the script. A failure is no error: only `tarkka status` of a waiting job needs it. */
void tk_submitted_note(const char *script, const char *job);

/* The job that RESULT.sbatch was submitted as; "" when it is not known. */
void tk_submitted_job(const char *result, char job[32]);

#endif
