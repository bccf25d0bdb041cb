/* Disjoint sets of numbers 0 .. n-1 in an array of parents; the root of a set is its smallest member, so sets and roots
 * do not depend on the order of joining. */
#ifndef TK_KERNELS_SEGMENT_UNION_FIND_H
#define TK_KERNELS_SEGMENT_UNION_FIND_H

#include <stdint.h>

/* The root of the set of `a`; halves the path to it. */
static inline uint32_t tk_set_root(uint32_t *parent, uint32_t a) {
    while (parent[a] != a) {
        parent[a] = parent[parent[a]];
        a = parent[a];
    }
    return a;
}

/* Joins the set of `b` to the one with root `root`; returns the root of both. */
static inline uint32_t tk_set_join(uint32_t *parent, uint32_t root, uint32_t b) {
    if (parent[b] == root) return root;
    const uint32_t other = tk_set_root(parent, b);
    if (other < root) {
        parent[root] = other;
        return other;
    }
    parent[other] = root;
    return root;
}

#endif
