/* Filaments as random walks with persistence: steps of constant length whose direction changes a little each time.
 * Positions and lengths in units of the smallest voxel edge. */
#include <math.h>

#include "kernels/common/rng.h"
#include "kernels/phantom/scene.h"

static const double STEP = 4, BEND = 0.14;  /* length, and standard deviation of the change of direction, of a step */
static const double FLATTEN = 0.35;         /* of directions along z: cells on a coverslip are flat */
static const double FILAMENT_DIMMEST = 0.5; /* of the brightest */

enum { HALF = TK_FILAMENT_POINTS / 2 };

static void bend(tk_rng *rng, double amount, double direction[3]) {
    double norm2 = 0;
    for (int a = 0; a < 3; a++) {
        direction[a] += amount * (a == TK_Z ? FLATTEN : 1) * tk_rng_normal(rng);
        norm2 += direction[a] * direction[a];
    }
    for (int a = 0; a < 3; a++) direction[a] /= sqrt(norm2);
}

static bool within(const tk_box *domain, const double scale[3], const double point[3]) {
    for (int a = 0; a < 3; a++)
        if (point[a] < ((double)domain->lo[a] - 0.5) * scale[a] || point[a] > ((double)domain->hi[a] - 0.5) * scale[a])
            return false;
    return true;
}

/* Walks from walk[0] until the domain ends (the first point outside included); returns the number of points. */
static int walk_along(const tk_phantom *phantom, const tk_box *domain, tk_rng *rng, double direction[3],
                      double walk[HALF + 1][3]) {
    int n = 1;
    while (n <= HALF && within(domain, phantom->scale, walk[n - 1])) {
        bend(rng, BEND, direction);
        for (int a = 0; a < 3; a++) walk[n][a] = walk[n - 1][a] + STEP * direction[a];
        n++;
    }
    return n;
}

void tk_filament_make(const tk_phantom *phantom, const tk_box *domain, int64_t i, tk_filament *filament) {
    tk_rng rng = tk_rng_stream(phantom->seed, TK_DRAW_FILAMENT, (uint64_t)i);
    filament->brightness = phantom->photons * (FILAMENT_DIMMEST + (1 - FILAMENT_DIMMEST) * tk_rng_uniform(&rng));
    double start[3], ahead[3] = {0, 0, 0}, walk[HALF + 1][3];
    for (int a = 0; a < 3; a++)
        start[a] =
            ((double)domain->lo[a] - 0.5 + tk_rng_uniform(&rng) * (double)tk_box_size(domain, a)) * phantom->scale[a];
    bend(&rng, 1, ahead);
    double behind[3] = {-ahead[0], -ahead[1], -ahead[2]};
    for (int a = 0; a < 3; a++) walk[0][a] = start[a];
    const int back = walk_along(phantom, domain, &rng, behind, walk);
    filament->points = 0;
    for (int n = back - 1; n > 0; n--, filament->points++)
        for (int a = 0; a < 3; a++) filament->point[filament->points][a] = walk[n][a];
    filament->points += walk_along(phantom, domain, &rng, ahead, walk);
    for (int n = back - 1; n < filament->points; n++)
        for (int a = 0; a < 3; a++) filament->point[n][a] = walk[n - back + 1][a];
    filament->least = filament->most = start[TK_Z];
    for (int n = 0; n < filament->points; n++) {
        filament->least = fmin(filament->least, filament->point[n][TK_Z]);
        filament->most = fmax(filament->most, filament->point[n][TK_Z]);
    }
}
