/* Exact order statistics of a whole image, by radix selection in two rounds.
 *
 * A float maps to a uint32 key that sorts as the float does. Round 0 counts the upper 16 bits of all keys, which
 * tells the bucket of the wanted rank; round 1 counts the lower 16 bits of the keys in that bucket. Counts are
 * integers, so they add up over tiles in any order. NaN takes no part; -0 and +0 count as one value. */
#ifndef TK_KERNELS_SEGMENT_ORDER_STATISTIC_H
#define TK_KERNELS_SEGMENT_ORDER_STATISTIC_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

enum { TK_ORDER_BUCKETS = 1 << 16 };

/* The key of a value that is not NaN, and the value of a key. */
uint32_t tk_order_key(float value);
float tk_order_value(uint32_t key);

/* Scratch bytes to count on `threads` threads; with less, as many threads are used as there is scratch for. */
size_t tk_order_scratch(int threads);

/* Adds the voxels to `counts` (TK_ORDER_BUCKETS of them): round 0 by the upper half of their keys, round 1 by the lower
 * half of those whose upper half is `bucket`. Errors: TK_NO_MEMORY when the scratch is too small. */
tk_status tk_order_count(tk_cview_f32 in, int round, uint32_t bucket, int64_t *counts, tk_work *work);

/* The rank (1 .. total) of a percentile by its definition "inverted_cdf" (Hyndman and Fan 1996, definition 1): the
 * smallest value v with count(<= v) >= percent / 100 * total. */
int64_t tk_order_rank(double percent, int64_t total);

/* The bucket that holds the rank-th smallest, 1 <= rank <= sum of counts; *below is how many lie in lower buckets. */
uint32_t tk_order_bucket(const int64_t *counts, int64_t rank, int64_t *below);

#endif
