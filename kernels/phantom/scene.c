/* Placing ellipsoids by random sequential rejection, with a grid of cells to find neighbours. Positions in voxels z y
 * x, shapes in units of the smallest voxel edge. */
#include "kernels/phantom/scene.h"

#include <math.h>

#include "kernels/common/rng.h"
#include "kernels/phantom/psf.h"

/* Radii in lengths, before the enlargement that coarse voxels ask for. */
static const double BEAD_RADIUS = 1.5, NUCLEUS_LEAST = 12.5, NUCLEUS_MOST = 18;
static const double NUCLEUS_DIMMEST = 0.6; /* of the brightest */

/* The cells of the neighbour grid: lists of the ellipsoids whose centre lies in them. */
typedef struct cell_grid {
    double edge[3]; /* voxels */
    int64_t size[3];
    int64_t *head; /* first ellipsoid of each cell, or -1 */
    int64_t *next; /* of each ellipsoid, the next of its cell, or -1 */
} cell_grid;

/* Half the diagonal of a voxel: a sphere of this radius holds a voxel's centre wherever it is. */
static double half_diagonal(const double scale[3]) {
    return 0.5 * sqrt(scale[0] * scale[0] + scale[1] * scale[1] + scale[2] * scale[2]);
}

static double largest_radius(const tk_phantom *phantom) {
    const double radius = phantom->kind == TK_PHANTOM_BEADS ? BEAD_RADIUS : NUCLEUS_MOST;
    return fmax(radius, half_diagonal(phantom->scale));
}

/* The gap in lengths: as many voxels along the axis whose voxels are longest. */
static double gap_length(const tk_phantom *phantom) {
    return phantom->gap * fmax(phantom->scale[0], fmax(phantom->scale[1], phantom->scale[2]));
}

tk_scene tk_scene_layout(const tk_phantom *phantom) {
    tk_scene scene = {0};
    double ratio = 1;
    for (int a = 0; a < 3; a++) {
        const int64_t margin = tk_psf_radius(phantom->sigma[a]);
        scene.domain.lo[a] = -margin;
        scene.domain.hi[a] = phantom->size[a] + margin;
        ratio *= (double)tk_box_size(&scene.domain, a) / (double)phantom->size[a];
    }
    const double most = 1e8; /* thin fields with a wide PSF have nearly all objects outside */
    scene.capacity = (int64_t)fmin(ceil((double)phantom->objects * ratio), most);
    return scene;
}

/* Cells at least as wide as neighbours can be apart, and hardly more of them than objects. */
static cell_grid grid_layout(const tk_phantom *phantom, const tk_scene *scene) {
    cell_grid grid = {0};
    double volume = 1;
    for (int a = 0; a < 3; a++) volume *= (double)tk_box_size(&scene->domain, a) * phantom->scale[a];
    const double spread = cbrt(volume / (double)(scene->capacity + 1));
    const double edge = fmax(2 * largest_radius(phantom) + gap_length(phantom), spread);
    for (int a = 0; a < 3; a++) {
        grid.edge[a] = edge / phantom->scale[a];
        grid.size[a] = (int64_t)((double)tk_box_size(&scene->domain, a) / grid.edge[a]) + 1;
    }
    return grid;
}

static int64_t grid_cells(const cell_grid *grid) { return grid->size[0] * grid->size[1] * grid->size[2]; }

size_t tk_scene_scratch(const tk_phantom *phantom) {
    const tk_scene scene = tk_scene_layout(phantom);
    if (phantom->kind == TK_PHANTOM_FILAMENTS) return tk_scratch_cost(scene.capacity, sizeof(tk_filament));
    const cell_grid grid = grid_layout(phantom, &scene);
    const size_t lists = tk_size_add(tk_scratch_cost(grid_cells(&grid), sizeof *grid.head),
                                     tk_scratch_cost(scene.capacity, sizeof *grid.next));
    return tk_size_add(tk_scratch_cost(scene.capacity, sizeof(tk_ellipsoid)), lists);
}

/* Three orthonormal axes, evenly distributed: the rotation of a random unit quaternion (Marsaglia 1972, by rejection
 * from the square, with basic arithmetic only). */
static void random_axes(tk_rng *rng, double axis[3][3]) {
    double a[2], b[2], sa, sb;
    do {
        for (int i = 0; i < 2; i++) a[i] = 2 * tk_rng_uniform(rng) - 1;
        sa = a[0] * a[0] + a[1] * a[1];
    } while (sa >= 1);
    do {
        for (int i = 0; i < 2; i++) b[i] = 2 * tk_rng_uniform(rng) - 1;
        sb = b[0] * b[0] + b[1] * b[1];
    } while (sb >= 1 || sb == 0);
    const double f = sqrt((1 - sa) / sb), w = a[0], x = a[1], y = b[0] * f, z = b[1] * f;
    const double rotation[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
                                   {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
                                   {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++) axis[k][i] = rotation[k][i];
}

static void shape_ellipsoid(double axis[3][3], const double radius[3], tk_ellipsoid *e) {
    e->radius = fmax(radius[0], fmax(radius[1], radius[2]));
    for (int i = 0; i < 3; i++) {
        double reach2 = 0;
        for (int k = 0; k < 3; k++) reach2 += radius[k] * radius[k] * axis[k][i] * axis[k][i];
        e->reach[i] = sqrt(reach2);
        for (int j = 0; j < 3; j++) {
            e->shape[i][j] = 0;
            for (int k = 0; k < 3; k++) e->shape[i][j] += axis[k][i] * axis[k][j] / (radius[k] * radius[k]);
        }
    }
}

/* The ellipsoid of the n-th attempt, its centre anywhere in `box`. */
static tk_ellipsoid draw_ellipsoid(const tk_phantom *phantom, const tk_box *box, uint64_t attempt) {
    tk_rng rng = tk_rng_stream(phantom->seed, TK_DRAW_PLACE, attempt);
    tk_ellipsoid e = {0};
    for (int a = 0; a < 3; a++)
        e.centre[a] = (double)box->lo[a] - 0.5 + tk_rng_uniform(&rng) * (double)tk_box_size(box, a);
    double axis[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, radius[3];
    const double least = half_diagonal(phantom->scale);
    for (int k = 0; k < 3; k++) radius[k] = largest_radius(phantom);
    e.brightness = phantom->photons;
    if (phantom->kind == TK_PHANTOM_NUCLEI) {
        for (int k = 0; k < 3; k++)
            radius[k] = fmax(least, NUCLEUS_LEAST + tk_rng_uniform(&rng) * (NUCLEUS_MOST - NUCLEUS_LEAST));
        random_axes(&rng, axis);
        e.brightness *= NUCLEUS_DIMMEST + (1 - NUCLEUS_DIMMEST) * tk_rng_uniform(&rng);
    }
    shape_ellipsoid(axis, radius, &e);
    return e;
}

static void cell_of(const cell_grid *grid, const tk_box *domain, const double centre[3], int64_t cell[3]) {
    for (int a = 0; a < 3; a++) {
        const int64_t at = (int64_t)((centre[a] + 0.5 - (double)domain->lo[a]) / grid->edge[a]);
        cell[a] = at < grid->size[a] ? at : grid->size[a] - 1;
    }
}

static bool apart(const tk_phantom *phantom, const tk_ellipsoid *a, const tk_ellipsoid *b) {
    const double least = a->radius + b->radius + gap_length(phantom);
    double distance2 = 0;
    for (int i = 0; i < 3; i++) {
        const double d = (a->centre[i] - b->centre[i]) * phantom->scale[i];
        distance2 += d * d;
    }
    return distance2 >= least * least;
}

/* Is the ellipsoid apart from all that have been placed? */
static bool fits(const tk_phantom *phantom, const tk_scene *scene, const cell_grid *grid, const tk_ellipsoid *e) {
    int64_t cell[3], lo[3], hi[3];
    cell_of(grid, &scene->domain, e->centre, cell);
    for (int a = 0; a < 3; a++) {
        lo[a] = cell[a] > 0 ? cell[a] - 1 : 0;
        hi[a] = cell[a] + 1 < grid->size[a] ? cell[a] + 1 : cell[a];
    }
    for (int64_t z = lo[0]; z <= hi[0]; z++)
        for (int64_t y = lo[1]; y <= hi[1]; y++)
            for (int64_t x = lo[2]; x <= hi[2]; x++) {
                int64_t i = grid->head[(z * grid->size[1] + y) * grid->size[2] + x];
                for (; i >= 0; i = grid->next[i])
                    if (!apart(phantom, e, &scene->ellipsoid[i])) return false;
            }
    return true;
}

static void add_ellipsoid(tk_scene *scene, cell_grid *grid, const tk_ellipsoid *e) {
    int64_t cell[3];
    cell_of(grid, &scene->domain, e->centre, cell);
    int64_t *head = &grid->head[(cell[0] * grid->size[1] + cell[1]) * grid->size[2] + cell[2]];
    grid->next[scene->count] = *head;
    *head = scene->count;
    scene->ellipsoid[scene->count++] = *e;
}

static bool inside(const tk_box *box, const double centre[3]) {
    for (int a = 0; a < 3; a++)
        if (centre[a] < (double)box->lo[a] - 0.5 || centre[a] >= (double)box->hi[a] - 0.5) return false;
    return true;
}

static tk_status place_ellipsoids(const tk_phantom *phantom, tk_scene *scene, cell_grid *grid) {
    const tk_box field = tk_box_of_size(phantom->size);
    const uint64_t field_attempts = 20000 + 500 * (uint64_t)phantom->objects;
    uint64_t attempt = 0;
    for (; scene->count < phantom->objects && attempt < field_attempts; attempt++) {
        const tk_ellipsoid e = draw_ellipsoid(phantom, &field, attempt);
        if (fits(phantom, scene, grid, &e)) add_ellipsoid(scene, grid, &e);
    }
    if (scene->count < phantom->objects) return TK_UNSOLVABLE;
    const uint64_t last = field_attempts + 50 * (uint64_t)scene->capacity;
    for (attempt = field_attempts; scene->count < scene->capacity && attempt < last; attempt++) {
        const tk_ellipsoid e = draw_ellipsoid(phantom, &scene->domain, attempt);
        if (!inside(&field, e.centre) && fits(phantom, scene, grid, &e)) add_ellipsoid(scene, grid, &e);
    }
    return TK_OK;
}

static tk_status make_ellipsoids(const tk_phantom *phantom, tk_scratch *scratch, tk_scene *scene) {
    scene->ellipsoid = tk_scratch_take(scratch, scene->capacity, sizeof *scene->ellipsoid);
    const size_t mark = tk_scratch_mark(scratch);
    cell_grid grid = grid_layout(phantom, scene);
    grid.head = tk_scratch_take(scratch, grid_cells(&grid), sizeof *grid.head);
    grid.next = tk_scratch_take(scratch, scene->capacity, sizeof *grid.next);
    if (!scene->ellipsoid || !grid.head || !grid.next) return TK_NO_MEMORY;
    for (int64_t i = 0; i < grid_cells(&grid); i++) grid.head[i] = -1;
    const tk_status status = place_ellipsoids(phantom, scene, &grid);
    tk_scratch_rewind(scratch, mark);
    return status;
}

tk_status tk_scene_make(const tk_phantom *phantom, tk_scratch *scratch, tk_scene *scene) {
    *scene = tk_scene_layout(phantom);
    if (phantom->kind != TK_PHANTOM_FILAMENTS) return make_ellipsoids(phantom, scratch, scene);
    scene->filament = tk_scratch_take(scratch, scene->capacity, sizeof *scene->filament);
    if (!scene->filament) return TK_NO_MEMORY;
    for (; scene->count < scene->capacity; scene->count++)
        tk_filament_make(phantom, &scene->domain, scene->count, &scene->filament[scene->count]);
    return TK_OK;
}
