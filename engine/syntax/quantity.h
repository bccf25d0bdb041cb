/* Amounts as people write them: "8GiB", "500 MiB", "35h", "90 min". */
#ifndef TK_ENGINE_QUANTITY_H
#define TK_ENGINE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a positive number with its unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB. Is it one? */
bool tk_quantity_bytes(const char *text, int64_t *bytes);

/* Seconds of a positive number with its unit: s, min, h, d; or Slurm's [days-]hours:minutes:seconds. Is it one? */
bool tk_quantity_seconds(const char *text, double *seconds);

#endif
