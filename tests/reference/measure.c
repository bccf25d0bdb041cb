/* Passes over all voxels for one object. */
#include "tests/reference/measure.h"

#include <math.h>
#include <stdlib.h>

static int64_t count_of(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

static void place_of(int64_t i, const int64_t size[3], int64_t at[3]) {
    at[0] = i / (size[1] * size[2]);
    at[1] = i / size[2] % size[1];
    at[2] = i % size[2];
}

/* The label at a place; 0 outside the image. */
static uint32_t label_at(const uint32_t *labels, const int64_t size[3], int64_t z, int64_t y, int64_t x) {
    if (z < 0 || z >= size[0] || y < 0 || y >= size[1] || x < 0 || x >= size[2]) return 0;
    return labels[(z * size[1] + y) * size[2] + x];
}

/* What needs the means: deviations from them. */
static void add_deviations(ref_object *o, const uint32_t *labels, const float *intensity, const int64_t size[3],
                           uint32_t label) {
    const double mean = o->intensity_sum / (double)o->count;
    double squares = 0;
    for (int64_t i = 0; i < count_of(size); i++) {
        int64_t at[3];
        place_of(i, size, at);
        if (labels[i] != label) continue;
        squares += ((double)intensity[i] - mean) * ((double)intensity[i] - mean);
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                o->covariance[a][b] +=
                    ((double)at[a] - o->centroid[a]) * ((double)at[b] - o->centroid[b]) / (double)o->count;
    }
    o->intensity_std = sqrt(squares / (double)o->count);
}

ref_object ref_measure(const uint32_t *labels, const float *intensity, const int64_t size[3], uint32_t label) {
    ref_object o = {.lo = {size[0], size[1], size[2]}, .intensity_min = INFINITY, .intensity_max = -INFINITY};
    for (int64_t i = 0; i < count_of(size); i++) {
        if (labels[i] != label) continue;
        int64_t at[3];
        place_of(i, size, at);
        o.count++;
        for (int a = 0; a < 3; a++) {
            o.centroid[a] += (double)at[a];
            o.weighted[a] += (double)at[a] * (double)intensity[i];
            if (at[a] < o.lo[a]) o.lo[a] = at[a];
            if (at[a] + 1 > o.hi[a]) o.hi[a] = at[a] + 1;
        }
        o.intensity_min = fminf(o.intensity_min, intensity[i]);
        o.intensity_max = fmaxf(o.intensity_max, intensity[i]);
        o.intensity_sum += (double)intensity[i];
    }
    for (int a = 0; a < 3; a++) {
        o.centroid[a] /= (double)o.count;
        o.weighted[a] /= o.intensity_sum;
    }
    add_deviations(&o, labels, intensity, size, label);
    return o;
}

int64_t ref_crossings(const uint32_t *labels, const int64_t size[3], uint32_t label, const int step[3], bool other) {
    int64_t count = 0;
    for (int64_t z = -1; z <= size[0]; z++)
        for (int64_t y = -1; y <= size[1]; y++)
            for (int64_t x = -1; x <= size[2]; x++) {
                const uint32_t one = label_at(labels, size, z, y, x);
                const uint32_t two = label_at(labels, size, z + step[0], y + step[1], x + step[2]);
                if ((one == label) != (two == label)) count += !other || (one != 0 && two != 0);
            }
    return count;
}

/* Is any (or, with `all`, is each) of the voxels z-dz … z, y-dy … y, x-dx … x in the object? */
static bool any_of(const uint32_t *labels, const int64_t size[3], uint32_t label, const int64_t at[3],
                   const int64_t d[3], bool all) {
    for (int64_t z = at[0] - d[0]; z <= at[0]; z++)
        for (int64_t y = at[1] - d[1]; y <= at[1]; y++)
            for (int64_t x = at[2] - d[2]; x <= at[2]; x++)
                if ((label_at(labels, size, z, y, x) == label) != all) return !all;
    return all;
}

int64_t ref_euler(const uint32_t *labels, const int64_t size[3], uint32_t label, bool open) {
    int64_t sum = 0;
    for (int64_t part = 0; part < 8; part++) { /* 0: cubes, 1, 2, 4: faces, 3, 5, 6: edges, 7: vertices */
        const int64_t d[3] = {part >> 2 & 1, part >> 1 & 1, part & 1};
        const bool positive = (d[0] + d[1] + d[2]) % 2 == (open ? 0 : 1);
        for (int64_t z = 0; z <= size[0]; z++)
            for (int64_t y = 0; y <= size[1]; y++)
                for (int64_t x = 0; x <= size[2]; x++) {
                    const int64_t at[3] = {z, y, x};
                    if (any_of(labels, size, label, at, d, open)) sum += positive ? 1 : -1;
                }
    }
    return sum;
}

static int by_label(const void *a, const void *b) {
    const uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return one < two ? -1 : one > two;
}

int64_t ref_neighbours(const uint32_t *labels, const int64_t size[3], uint32_t label) {
    uint32_t *met = calloc((size_t)(26 * count_of(size)), sizeof *met);
    int64_t count = 0, different = 0;
    if (!met) abort();
    for (int64_t i = 0; i < count_of(size); i++)
        for (int64_t n = 0; n < 27 && labels[i] == label; n++) {
            int64_t at[3];
            place_of(i, size, at);
            const uint32_t other = label_at(labels, size, at[0] + n / 9 - 1, at[1] + n / 3 % 3 - 1, at[2] + n % 3 - 1);
            if (other != 0 && other != label) met[count++] = other;
        }
    qsort(met, (size_t)count, sizeof *met, by_label);
    for (int64_t i = 0; i < count; i++) different += i == 0 || met[i] != met[i - 1];
    free(met);
    return different;
}

static double distance_of(const int64_t a[3], const int64_t b[3], const double voxel[3]) {
    double largest = 0;
    for (int longer = 0; longer < 3; longer++) {
        double sum = 0;
        for (int k = 0; k < 3; k++) {
            const double d = (double)(llabs(a[k] - b[k]) + (k == longer)) * voxel[k];
            sum += d * d;
        }
        largest = fmax(largest, sqrt(sum));
    }
    return largest;
}

double ref_feret(const uint32_t *labels, const int64_t size[3], uint32_t label, const double voxel[3]) {
    double largest = 0;
    for (int64_t i = 0; i < count_of(size); i++)
        for (int64_t k = 0; k <= i && labels[i] == label; k++) {
            int64_t a[3], b[3];
            place_of(i, size, a);
            place_of(k, size, b);
            if (labels[k] == label) largest = fmax(largest, distance_of(a, b, voxel));
        }
    return largest;
}
