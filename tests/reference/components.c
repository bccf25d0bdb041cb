/* Each voxel that has no label yet starts a flood that visits all its neighbours by a stack. */
#include "tests/reference/components.h"

#include <stdlib.h>
#include <string.h>

/* Neighbours differ in at most 1, 2 or 3 axes. */
static int axes_apart(int connectivity) { return connectivity == 6 ? 1 : connectivity == 18 ? 2 : 3; }

static void flood(const uint32_t *values, const int64_t size[3], int connectivity, int64_t seed, uint32_t label,
                  uint32_t *labels, int64_t *stack) {
    int64_t depth = 0;
    stack[depth++] = seed;
    labels[seed] = label;
    while (depth) {
        const int64_t i = stack[--depth], z = i / (size[1] * size[2]), y = i / size[2] % size[1], x = i % size[2];
        for (int n = 0; n < 27; n++) {
            const int64_t dz = n / 9 - 1, dy = n / 3 % 3 - 1, dx = n % 3 - 1;
            if (llabs(dz) + llabs(dy) + llabs(dx) > axes_apart(connectivity)) continue;
            if (z + dz < 0 || z + dz >= size[0] || y + dy < 0 || y + dy >= size[1]) continue;
            if (x + dx < 0 || x + dx >= size[2]) continue;
            const int64_t to = i + (dz * size[1] + dy) * size[2] + dx;
            if (values[to] != values[seed] || labels[to]) continue;
            labels[to] = label;
            stack[depth++] = to;
        }
    }
}

uint32_t ref_components_of_labels(const uint32_t *values, const int64_t size[3], int connectivity, uint32_t *labels) {
    const int64_t count = size[0] * size[1] * size[2];
    int64_t *stack = malloc((size_t)count * sizeof *stack);
    if (!stack) abort();
    memset(labels, 0, (size_t)count * sizeof *labels);
    uint32_t label = 0;
    for (int64_t i = 0; i < count; i++)
        if (values[i] && !labels[i]) flood(values, size, connectivity, i, ++label, labels, stack);
    free(stack);
    return label;
}

uint32_t ref_components(const uint8_t *mask, const int64_t size[3], int connectivity, uint32_t *labels) {
    const int64_t count = size[0] * size[1] * size[2];
    uint32_t *values = malloc((size_t)count * sizeof *values);
    if (!values) abort();
    for (int64_t i = 0; i < count; i++) values[i] = mask[i] != 0;
    const uint32_t objects = ref_components_of_labels(values, size, connectivity, labels);
    free(values);
    return objects;
}
