/* Logarithm and exponential made of IEEE basic arithmetic alone, so that every machine with IEEE doubles computes the
 * same bits whatever its C library. */
#ifndef TK_KERNELS_COMMON_ELEMENTARY_H
#define TK_KERNELS_COMMON_ELEMENTARY_H

/* Natural logarithm of a positive normal number. */
double tk_log_ieee(double x);

/* Exponential of -700 <= x <= 0. */
double tk_exp_ieee(double x);

#endif
