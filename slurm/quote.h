/* Texts in scripts: quoted so that a shell reads them back as they are. */
#ifndef TK_SLURM_QUOTE_H
#define TK_SLURM_QUOTE_H

#include <stdbool.h>
#include <stdio.h>

/* Writes a text as one word of a POSIX shell: as it is when it is harmless, else in single quotes. */
void tk_quote(FILE *out, const char *text);

/* Does a text hold a line break or another control character, which no batch script should? */
bool tk_quote_is_unfit(const char *text);

/* Only letters, digits and . _ - + @ and not empty: fit for a line of #SBATCH. */
bool tk_quote_is_plain(const char *text);

#endif
