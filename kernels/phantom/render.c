/* Objects into voxels. The value of a voxel is the brightest object's there, with an edge that is soft over one
 * length: weight = 1/2 - (signed distance to the surface), clipped to 0 … 1. For an ellipsoid with q = p^T S p the
 * distance is, to first order, (q - sqrt q) / |S p|. */
#include <math.h>

#include "kernels/common/rng.h"
#include "kernels/phantom/scene.h"

/* Lengths of features; the darkest is 1 - depth. */
static const double TEXTURE_COARSE = 8, TEXTURE_FINE = 4, TEXTURE_DEPTH = 0.6;

static double clip_unit(double w) { return w < 0 ? 0 : w > 1 ? 1 : w; }

/* Uniform random number of a lattice point. */
static double lattice(uint64_t seed, const int64_t at[3]) {
    const uint64_t mask = (1 << 21) - 1;
    const uint64_t index = ((uint64_t)at[0] & mask) << 42 | ((uint64_t)at[1] & mask) << 21 | ((uint64_t)at[2] & mask);
    tk_rng rng = tk_rng_stream(seed, TK_DRAW_TEXTURE, index);
    return tk_rng_uniform(&rng);
}

/* Value noise in 0 … 1: random numbers on a lattice, interpolated with the smooth step 3 t^2 - 2 t^3. */
static double value_noise(uint64_t seed, const double p[3]) {
    int64_t base[3];
    double t[3], sum = 0;
    for (int a = 0; a < 3; a++) {
        const double f = floor(p[a]);
        base[a] = (int64_t)f;
        t[a] = (p[a] - f) * (p[a] - f) * (3 - 2 * (p[a] - f));
    }
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int64_t at[3];
        for (int a = 0; a < 3; a++) {
            const int up = corner >> a & 1;
            at[a] = base[a] + up;
            weight *= up ? t[a] : 1 - t[a];
        }
        sum += weight * lattice(seed, at);
    }
    return sum;
}

/* Chromatin, roughly: the mean of two octaves of noise, on lattices turned so that no axis of the image shows. */
static double texture(uint64_t seed, const double p[3]) {
    static const double turn[3][3] = {{2. / 3, -1. / 3, 2. / 3}, {2. / 3, 2. / 3, -1. / 3}, {-1. / 3, 2. / 3, 2. / 3}};
    double coarse[3] = {0, 0, 0}, fine[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) coarse[i] += turn[i][j] * p[j] / TEXTURE_COARSE;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) fine[i] += turn[i][j] * coarse[j] * (TEXTURE_COARSE / TEXTURE_FINE);
    return 0.5 * value_noise(seed, coarse) + 0.5 * value_noise(~seed, fine);
}

/* The voxels lo <= i < hi of an axis that are within `reach` lengths of `centre` (voxels), inside [from, to). */
static void range_of(double centre, double reach, double scale, int64_t from, int64_t to, int64_t *lo, int64_t *hi) {
    const double first = ceil(centre - reach / scale), last = floor(centre + reach / scale);
    *lo = first > (double)from ? (int64_t)fmin(first, (double)to) : from;
    *hi = last < (double)(to - 1) ? (int64_t)fmax(last + 1, (double)from) : to;
}

static void put(float *voxel, double value) {
    if ((float)value > *voxel) *voxel = (float)value;
}

/* The voxel at index (z, y, x), p lengths from the centre: its weight, and whether it is inside. */
static double ellipsoid_weight(const tk_ellipsoid *e, const double p[3], bool *is_inside) {
    double q = 0, gradient2 = 0;
    for (int i = 0; i < 3; i++) {
        const double g = e->shape[i][0] * p[0] + e->shape[i][1] * p[1] + e->shape[i][2] * p[2];
        q += g * p[i];
        gradient2 += g * g;
    }
    *is_inside = q <= 1;
    return gradient2 > 0 ? clip_unit(0.5 - (q - sqrt(q)) / sqrt(gradient2)) : 1;
}

static void render_ellipsoid(const tk_phantom *phantom, const tk_scene *scene, int64_t number, int64_t z, float *truth,
                             const tk_view_u32 *labels) {
    const tk_ellipsoid *e = &scene->ellipsoid[number];
    const tk_box *domain = &scene->domain;
    const double *scale = phantom->scale;
    const int64_t width = tk_box_size(domain, TK_X);
    int64_t y0, y1, x0, x1;
    range_of(e->centre[TK_Y], e->reach[TK_Y] + 1, scale[TK_Y], domain->lo[TK_Y], domain->hi[TK_Y], &y0, &y1);
    range_of(e->centre[TK_X], e->reach[TK_X] + 1, scale[TK_X], domain->lo[TK_X], domain->hi[TK_X], &x0, &x1);
    for (int64_t y = y0; y < y1; y++) {
        float *row = truth + (y - domain->lo[TK_Y]) * width - domain->lo[TK_X];
        for (int64_t x = x0; x < x1; x++) {
            const double p[3] = {((double)z - e->centre[0]) * scale[0], ((double)y - e->centre[1]) * scale[1],
                                 ((double)x - e->centre[2]) * scale[2]};
            bool is_inside = false;
            double value = e->brightness * ellipsoid_weight(e, p, &is_inside);
            if (value > 0 && phantom->kind == TK_PHANTOM_NUCLEI) {
                const double at[3] = {(double)z * scale[0], (double)y * scale[1], (double)x * scale[2]};
                value *= 1 - TEXTURE_DEPTH * texture(phantom->seed, at);
            }
            put(&row[x], value);
            if (is_inside && labels && y >= 0 && y < labels->size[TK_Y] && x >= 0 && x < labels->size[TK_X])
                labels->data[z * labels->stride[TK_Z] + y * labels->stride[TK_Y] + x] = (uint32_t)(number + 1);
        }
    }
}

static double distance_to_segment(const double from[3], const double to[3], const double p[3]) {
    double along = 0, length2 = 0, distance2 = 0;
    for (int a = 0; a < 3; a++) {
        along += (p[a] - from[a]) * (to[a] - from[a]);
        length2 += (to[a] - from[a]) * (to[a] - from[a]);
    }
    const double t = length2 > 0 ? clip_unit(along / length2) : 0;
    for (int a = 0; a < 3; a++) {
        const double d = p[a] - from[a] - t * (to[a] - from[a]);
        distance2 += d * d;
    }
    return sqrt(distance2);
}

static void render_segment(const tk_phantom *phantom, const tk_box *domain, const double from[3], const double to[3],
                           double radius, double brightness, int64_t z, float *truth) {
    const double *scale = phantom->scale;
    int64_t lo[3], hi[3];
    for (int a = 0; a < 3; a++)
        range_of((from[a] + to[a]) / 2 / scale[a], fabs(to[a] - from[a]) / 2 + radius + 0.5, scale[a], domain->lo[a],
                 domain->hi[a], &lo[a], &hi[a]);
    if (z < lo[TK_Z] || z >= hi[TK_Z]) return;
    for (int64_t y = lo[TK_Y]; y < hi[TK_Y]; y++)
        for (int64_t x = lo[TK_X]; x < hi[TK_X]; x++) {
            const double p[3] = {(double)z * scale[0], (double)y * scale[1], (double)x * scale[2]};
            const double weight = clip_unit(0.5 + radius - distance_to_segment(from, to, p));
            put(&truth[(y - domain->lo[TK_Y]) * tk_box_size(domain, TK_X) + x - domain->lo[TK_X]], brightness * weight);
        }
}

static void render_filament(const tk_phantom *phantom, const tk_box *domain, const tk_filament *f, int64_t z,
                            float *truth) {
    /* at least half the distance of the planes: a tube between two of them must not disappear */
    const double radius = fmax(1, fmax(phantom->scale[0], fmax(phantom->scale[1], phantom->scale[2])) / 2);
    const double height = (double)z * phantom->scale[TK_Z];
    if (height < f->least - radius - 1 || height > f->most + radius + 1) return;
    for (int n = 0; n + 1 < f->points; n++)
        render_segment(phantom, domain, f->point[n], f->point[n + 1], radius, f->brightness, z, truth);
}

void tk_scene_render_plane(const tk_phantom *phantom, const tk_scene *scene, int64_t z, float *truth,
                           const tk_view_u32 *labels) {
    for (int64_t i = 0; i < scene->count; i++) {
        if (scene->filament) {
            render_filament(phantom, &scene->domain, &scene->filament[i], z, truth);
            continue;
        }
        const tk_ellipsoid *e = &scene->ellipsoid[i];
        if (fabs((double)z - e->centre[TK_Z]) * phantom->scale[TK_Z] > e->reach[TK_Z] + 1) continue;
        render_ellipsoid(phantom, scene, i, z, truth, labels);
    }
}
