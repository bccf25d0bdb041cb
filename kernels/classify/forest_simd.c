/* A block of voxels through all trees (forest_layout.h). Comparisons and additions alone, the latter in the order of
 * the trees: the same bits on each instruction set. */
#include <string.h>

#include "kernels/classify/forest_layout.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

enum { TOGETHER = 4 };

typedef float values __attribute__((vector_size(LANES * sizeof(float))));
typedef uint32_t bits __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef int32_t whole __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef float quad __attribute__((vector_size(TK_FOREST_PAD * sizeof(float))));

/* The number of the lowest bit set, by the exponent of that bit alone as a float. */
static inline bits lowest_bit(bits set) {
    const bits lowest = set & -set;
    const values exact = __builtin_convertvector((whole)lowest, values);
    bits exponent;
    memcpy(&exponent, &exact, sizeof exponent);
    return (exponent >> 23 & 0xFF) - 127;
}

/* The exits of `groups` vectors of voxels. */
static inline __attribute__((always_inline)) void pass_top(const tk_forest_top *top, const float *value, int groups,
                                                           int32_t *found) {
    bits left[TOGETHER];
    for (int g = 0; g < groups; g++) left[g] = (bits){0} - 1;
    for (int n = 0; n < top->count; n++) {
        const values threshold = (values){0} + top->threshold[n];
        const bits keep = (bits){0} + top->keep[n];
        const float *row = value + top->row[n];
        for (int g = 0; g < groups; g++) {
            values v;
            memcpy(&v, row + (ptrdiff_t)g * LANES, sizeof v);
            left[g] &= (bits)(v < threshold) | keep;
        }
    }
    for (int g = 0; g < groups; g++) {
        const bits first = lowest_bit(left[g]);
        memcpy(found + (ptrdiff_t)g * LANES, &first, sizeof first);
    }
}

/* From the root to an exit of the top: at[i] is what follows it, for the voxels of a block. */
static void leave_top(const tk_forest_top *top, const float *value, int block, int32_t *at) {
    int i = 0;
    for (; i + TOGETHER * LANES <= block; i += TOGETHER * LANES) pass_top(top, value + i, TOGETHER, at + i);
    for (; i < block; i += LANES) pass_top(top, value + i, 1, at + i);
    for (i = 0; i < block; i++) at[i] = top->exits[at[i]];
}

/* Voxels on their way through some trees: `slot` is tree << shift | voxel, and `at` the node or leaf where it is, as
 * tk_forest_node numbers them. There is room for a vector behind the last. */
typedef struct list {
    int count;
    int32_t *slot, *at;
} list;

#if defined(__AVX512F__)

static inline __mmask16 first_lanes(int count) { return (__mmask16)(count < LANES ? (1U << count) - 1 : 0xFFFFU); }

/* One node further. Threshold and row come as one element of 64 bits. With these gathers and compressions prediction
 * takes 1/1.5 of the time of the loop below. */
static void step(const tk_forest *f, const float *value, const list *walking) {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i one = _mm512_set1_epi32(1), odd = _mm512_add_epi32(even, one);
    const __m512i of_voxel = _mm512_set1_epi32((1 << f->shift) - 1);
    for (int i = 0; i < walking->count; i += LANES) {
        const __mmask16 mask = first_lanes(walking->count - i);
        const __m512i slot = _mm512_loadu_si512(walking->slot + i);
        const __m512i half = _mm512_slli_epi32(_mm512_maskz_loadu_epi32(mask, walking->at + i), 1);
        const __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(half), f->node, 8);
        const __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(half, 1), f->node, 8);
        const __m512 threshold = _mm512_castsi512_ps(_mm512_permutex2var_epi32(low, even, high));
        const __m512i row = _mm512_permutex2var_epi32(low, odd, high);
        const __m512i from = _mm512_add_epi32(row, _mm512_and_si512(slot, of_voxel));
        const __m512 v = _mm512_mask_i32gather_ps(threshold, mask, from, value, 4);
        const __mmask16 no = _mm512_cmp_ps_mask(v, threshold, _CMP_NLT_UQ);
        const __m512i quarter = _mm512_add_epi32(half, half);
        const __m512i next = _mm512_mask_add_epi32(quarter, no, quarter, one);
        _mm512_storeu_si512(walking->at + i, _mm512_i32gather_epi32(next, f->node->next, 4));
    }
}

/* Moves those who are at a leaf from one list to another. */
static void part(list *walking, list *arrived) {
    const int count = walking->count;
    walking->count = 0;
    for (int i = 0; i < count; i += LANES) {
        const __mmask16 mask = first_lanes(count - i);
        const __m512i slot = _mm512_loadu_si512(walking->slot + i), at = _mm512_loadu_si512(walking->at + i);
        const __mmask16 leaf = _mm512_mask_cmplt_epi32_mask(mask, at, _mm512_setzero_si512());
        const __mmask16 inner = (__mmask16)(mask & ~leaf);
        _mm512_storeu_si512(walking->slot + walking->count, _mm512_maskz_compress_epi32(inner, slot));
        _mm512_storeu_si512(walking->at + walking->count, _mm512_maskz_compress_epi32(inner, at));
        walking->count += __builtin_popcount(inner);
        _mm512_storeu_si512(arrived->slot + arrived->count, _mm512_maskz_compress_epi32(leaf, slot));
        _mm512_storeu_si512(arrived->at + arrived->count, _mm512_maskz_compress_epi32(leaf, at));
        arrived->count += __builtin_popcount(leaf);
    }
}

/* One node further; those who are at a leaf then move to another list. In two loops: gathers wait for stores whose
 * place is not known yet, and the lists' lengths are known late. */
static void walk(const tk_forest *f, const float *value, list *walking, list *arrived) {
    step(f, value, walking);
    part(walking, arrived);
}

#else

/* Puts a voxel into one of two lists: it is written behind both, and one of them grows. */
static inline void deal(int32_t slot, int32_t at, list *walking, list *arrived) {
    walking->slot[walking->count] = arrived->slot[arrived->count] = slot;
    walking->at[walking->count] = arrived->at[arrived->count] = at;
    walking->count += at >= 0;
    arrived->count += at < 0;
}

/* Moves those who are at a leaf from one list to another. */
static void part(list *walking, list *arrived) {
    const int count = walking->count;
    walking->count = 0;
    for (int i = 0; i < count; i++) deal(walking->slot[i], walking->at[i], walking, arrived);
}

/* One node further; those who are at a leaf then move to another list. */
static void walk(const tk_forest *f, const float *value, list *walking, list *arrived) {
    const int32_t of_voxel = (1 << f->shift) - 1;
    const int count = walking->count;
    walking->count = 0;
    for (int i = 0; i < count; i++) {
        const int32_t slot = walking->slot[i];
        const tk_forest_node *n = f->node + walking->at[i];
        deal(slot, n->next[!(value[n->row + (slot & of_voxel)] < n->threshold)], walking, arrived);
    }
}

#endif

/* leaf[slot] of all voxels of a block in some trees. */
static void find_leaves(const tk_forest *f, int first, int trees, const float *value, int32_t *leaf) {
    int32_t memory[4][TK_FOREST_LIST + LANES];
    list walking = {0, memory[0], memory[1]}, arrived = {0, memory[2], memory[3]};
    for (int t = 0; t < trees; t++) {
        leave_top(&f->top[first + t], value, f->block, walking.at + walking.count);
        for (int i = 0; i < f->block; i++) walking.slot[walking.count++] = t << f->shift | i;
    }
    part(&walking, &arrived);
    while (walking.count > 0) walk(f, value, &walking, &arrived);
    for (int i = 0; i < arrived.count; i++) leaf[arrived.slot[i]] = arrived.at[i];
}

static inline __attribute__((always_inline)) void add_rows(const tk_forest *f, int quads, int trees,
                                                           const int32_t *leaf, float *sums) {
    for (int i = 0; i < f->block; i++)
        for (int q = 0; q < quads * TK_FOREST_PAD; q += TK_FOREST_PAD) {
            float *to = sums + (ptrdiff_t)i * quads * TK_FOREST_PAD + q;
            quad sum;
            memcpy(&sum, to, sizeof sum);
            for (int t = 0; t < trees; t++) {
                quad row;
                memcpy(&row, f->probability + (ptrdiff_t)~leaf[t << f->shift | i] * quads * TK_FOREST_PAD + q,
                       sizeof row);
                sum += row;
            }
            memcpy(to, &sum, sizeof sum);
        }
}

static void sum(const tk_forest *f, const float *value, float *sums) {
    int32_t leaf[TK_FOREST_LIST];
    const int quads = f->width / TK_FOREST_PAD;
    memset(sums, 0, (size_t)f->block * (size_t)f->width * sizeof *sums);
    for (int t = 0; t < f->trees; t += f->together) {
        const int trees = f->trees - t < f->together ? f->trees - t : f->together;
        find_leaves(f, t, trees, value, leaf);
        if (quads == 1)
            add_rows(f, 1, trees, leaf, sums);
        else
            add_rows(f, quads, trees, leaf, sums);
    }
}

const tk_forest_kernels TK_ISA_NAME(tk_forest_loops) = {sum};
