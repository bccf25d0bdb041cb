/* Units as image metadata spell them. */
#ifndef TK_IO_UNITS_H
#define TK_IO_UNITS_H

/* Micrometres in one `unit` of length ("um", "µm", "micron", "nm", "mm", "inch", ImageJ's "\u00B5m" ...); 0 when the
 * unit is none of length ("pixel", "reference frame"). */
double tk_unit_um(const char *unit);

/* Seconds in one `unit` of time ("s", "sec", "ms", "µs", "min", "h" ...); 0 when it is none. */
double tk_unit_seconds(const char *unit);

/* The positive finite number at the start of `text`, else 0; NULL is allowed. */
double tk_positive_number(const char *text);

#endif
