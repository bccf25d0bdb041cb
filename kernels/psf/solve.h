/* Small systems of linear equations. */
#ifndef TK_KERNELS_PSF_SOLVE_H
#define TK_KERNELS_PSF_SOLVE_H

#include <stdbool.h>

/* Solves the n x n system a x = b (a row by row) by elimination with the largest pivot of each column; both are
 * overwritten, b by x. false when it is singular. */
bool tk_solve(int n, double *a, double *b);

#endif
