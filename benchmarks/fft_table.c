/* Prints kernels/fft/cost_table.h: measured picoseconds per value of one-dimensional transforms, by size.
 *
 * Sizes are those without a prime factor above 7, times 1, 11 or 13. For each: a real row of n values, and a block of
 * complex columns of n values, both the mean of forward and inverse, from plans as the kernels use them. A size that
 * a larger one beats in both is left out: nobody would choose it. Best run on a quiet machine; takes minutes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/common/scratch.h"
#include "kernels/common/view.h"
#include "kernels/fft/fft.h"
#include "kernels/fft/sweep.h"

enum { LARGEST = 4096, LARGEST_ROUGH = 1024, REPEATS = 9, TARGET_NS = 400000 };

typedef struct size_cost {
    int64_t size;
    double row, column; /* ns for all n values; row is infinite for odd sizes */
} size_cost;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static bool is_candidate(int64_t n) {
    const bool rough = n <= LARGEST_ROUGH;
    if (rough && n % 11 == 0)
        n /= 11;
    else if (rough && n % 13 == 0)
        n /= 13;
    for (int p = 2; p <= 7; p++)
        while (n % p == 0) n /= p;
    return n == 1;
}

/* The least time of one forward and inverse transform, halved, ns. */
static double time_pair(const tk_fft *fft, int axis, float *buffer) {
    double least = 1e300;
    float *reals = buffer + tk_fft_row_offset(fft), *spectrum = reals + fft->row_stride;
    for (int repeat = 0, calls = 1; repeat < REPEATS;) {
        const double start = now_ns();
        for (int i = 0; i < calls; i++) {
            if (axis == TK_X) {
                tk_fft_row_forward(fft, reals, spectrum);
                tk_fft_row_inverse(fft, spectrum, reals);
            } else {
                fftwf_execute_dft(fft->forward[axis], (fftwf_complex *)buffer, (fftwf_complex *)buffer);
                fftwf_execute_dft(fft->inverse[axis], (fftwf_complex *)buffer, (fftwf_complex *)buffer);
            }
        }
        const double spent = now_ns() - start;
        if (spent < TARGET_NS) { /* too short to trust: more calls, and this one does not count */
            calls = 2 * calls;
            continue;
        }
        const double one = spent / (2.0 * calls);
        if (one < least) least = one;
        repeat++;
    }
    return least;
}

static bool measure(int64_t n, size_cost *cost) {
    tk_fft fft;
    char *wisdom = NULL;
    const bool even = n % 2 == 0;
    *cost = (size_cost){n, 1e300, 1e300};
    if (tk_fft_layout((const int64_t[3]){1, n, even ? n : 2}, &fft) != TK_OK) return false;
    if (tk_fft_measure(&fft, 5, &wisdom) != TK_OK) return false;
    const tk_status planned = tk_fft_plan(&fft, wisdom);
    free(wisdom);
    if (planned != TK_OK) return false;
    tk_scratch scratch;
    if (tk_scratch_reserve(&scratch, tk_scratch_cost(tk_fft_buffer_count(&fft) + fft.row_stride, sizeof(float))) !=
        TK_OK)
        return false;
    float *buffer = tk_scratch_take(&scratch, tk_fft_buffer_count(&fft) + fft.row_stride, sizeof(float));
    memset(buffer, 0, (size_t)(tk_fft_buffer_count(&fft) + fft.row_stride) * sizeof(float));
    if (even) cost->row = time_pair(&fft, TK_X, buffer);
    cost->column = time_pair(&fft, TK_Y, buffer) / TK_FFT_COLUMNS;
    tk_scratch_release(&scratch);
    tk_fft_free(&fft);
    return true;
}

/* The least that the other axes cost for each value of this one, ns: a larger size pays this too. */
static const double others_ns = 1.0;

static bool is_beaten(const size_cost *costs, int count, int i) {
    for (int k = i + 1; k < count; k++) {
        const double more = others_ns * (double)(costs[k].size - costs[i].size);
        if (costs[k].row + more <= costs[i].row && costs[k].column + more <= costs[i].column) return true;
    }
    return false;
}

int main(void) {
    static size_cost costs[LARGEST];
    int count = 0;
    for (int64_t n = 1; n <= LARGEST; n++) {
        if (!is_candidate(n)) continue;
        if (!measure(n, &costs[count++])) {
            fprintf(stderr, "fft_table: no plan for size %lld\n", (long long)n);
            return 1;
        }
    }
    for (int i = 0; i < count; i++) {
        if (is_beaten(costs, count, i)) continue;
        const double n = (double)costs[i].size;
        printf("{%lld, %.0f, %.0f},\n", (long long)costs[i].size, costs[i].row > 1e200 ? 0 : 1000 * costs[i].row / n,
               1000 * costs[i].column / n);
    }
    return 0;
}
