/* Sums become moments about the centre in integers, where nothing cancels, and doubles only then. */
#include "kernels/measure/shape.h"

#include <math.h>
#include <string.h>

enum { QUANTUM_BITS = 62, COARSE_BITS = 44, SWEEPS = 30 };

static const double PI = 3.14159265358979323846;

/* Quotient and remainder apart, so that large sums lose nothing. */
double tk_object_centroid(const tk_object *o, int axis) {
    const tk_int128 n = o->count;
    return (double)(int64_t)(o->coordinates[axis] / n) + (double)(int64_t)(o->coordinates[axis] % n) / (double)o->count;
}

/* The mean product of two deviations from the mean: sums about the integers r and s next to the means, and what is left
 * of the means. */
static double central(tk_int128 sum_ab, tk_int128 sum_a, tk_int128 sum_b, int64_t count) {
    const tk_int128 n = count, r = sum_a / n, s = sum_b / n;
    const tk_int128 about = sum_ab - r * sum_b - s * sum_a + r * s * n;
    return ((double)about - (double)(sum_a - r * n) * (double)(sum_b - s * n) / (double)n) / (double)n;
}

/* Which coordinates the products of tk_object_moments are of. */
static const int factor[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};

/* The matrix of mean products of deviations, in the voxel's unit. */
static void covariance(const tk_object *o, const tk_object_moments *m, const double voxel[3], double c[3][3]) {
    for (int i = 0; i < 6; i++) {
        const int a = factor[i][0], b = factor[i][1];
        c[a][b] = central(m->products[i], o->coordinates[a], o->coordinates[b], o->count) * (voxel[a] * voxel[b]);
        c[b][a] = c[a][b];
    }
}

/* One rotation that makes c[p][q] vanish (Jacobi); the columns of v turn along. */
static void rotate(double c[3][3], double v[3][3], int p, int q) {
    if (c[p][q] == 0) return;
    const double theta = (c[q][q] - c[p][p]) / (2 * c[p][q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double cosine = 1 / sqrt(t * t + 1), sine = t * cosine;
    for (int k = 0; k < 3; k++) {
        const double a = c[k][p], b = c[k][q];
        c[k][p] = cosine * a - sine * b;
        c[k][q] = sine * a + cosine * b;
    }
    for (int k = 0; k < 3; k++) {
        const double a = c[p][k], b = c[q][k];
        c[p][k] = cosine * a - sine * b;
        c[q][k] = sine * a + cosine * b;
    }
    c[p][q] = c[q][p] = 0;
    for (int k = 0; k < 3; k++) {
        const double a = v[k][p], b = v[k][q];
        v[k][p] = cosine * a - sine * b;
        v[k][q] = sine * a + cosine * b;
    }
}

/* Eigenvalues on the diagonal of c, eigenvectors in the columns of v. */
static void diagonalise(double c[3][3], double v[3][3]) {
    memset(v, 0, 9 * sizeof v[0][0]);
    for (int a = 0; a < 3; a++) v[a][a] = 1;
    for (int sweep = 0; sweep < SWEEPS && (c[0][1] != 0 || c[0][2] != 0 || c[1][2] != 0); sweep++) {
        rotate(c, v, 0, 1);
        rotate(c, v, 0, 2);
        rotate(c, v, 1, 2);
    }
}

/* The order of three values, the largest first; of equal ones the first. */
static void sort_down(const double value[3], int order[3]) {
    for (int i = 0; i < 3; i++) {
        int rank = 0;
        for (int k = 0; k < 3; k++) rank += value[k] > value[i] || (k < i && value[k] == value[i]);
        order[rank] = i;
    }
}

static void set_direction(double v[3][3], int column, double direction[3]) {
    int largest = 0;
    for (int a = 1; a < 3; a++)
        if (fabs(v[a][column]) > fabs(v[largest][column])) largest = a;
    for (int a = 0; a < 3; a++) direction[a] = v[largest][column] < 0 ? -v[a][column] : v[a][column];
}

/* Of a circle 0, which scikit-image gives as pi / 4; adding 0 makes one zero of two. */
static double orientation_of(double c[3][3]) {
    return 0.5 * atan2(2 * c[TK_Y][TK_X] + 0.0, c[TK_Y][TK_Y] - c[TK_X][TK_X] + 0.0);
}

/* Axes of an ellipsoid are sqrt(20 l), of an ellipse 4 sqrt(l), where l are the mean squares along them; the inertia
 * about an axis is the sum of those along the others. */
tk_object_axes tk_object_axes_of(const tk_object *o, const tk_object_moments *m, const double voxel[3], bool planar) {
    tk_object_axes axes = {.orientation = 0};
    double c[3][3], v[3][3], value[3];
    int order[3];
    covariance(o, m, voxel, c);
    axes.orientation = orientation_of(c);
    diagonalise(c, v);
    for (int a = 0; a < 3; a++) value[a] = c[a][a] > 0 ? c[a][a] : 0;
    sort_down(value, order);
    set_direction(v, order[0], axes.direction);
    for (int i = 0; i < 3; i++) {
        const double along = value[order[i]];
        axes.axis[i] = planar ? 4 * sqrt(along) : sqrt(20 * along);
        axes.inertia[i] = planar   ? along
                          : i == 0 ? along + value[order[1]]
                          : i == 1 ? value[order[0]] + value[order[2]]
                                   : value[order[1]] + value[order[2]];
    }
    return axes;
}

double tk_equivalent_diameter(double volume, bool planar) {
    return planar ? sqrt(4 * volume / PI) : cbrt(6 * volume / PI);
}

double tk_sphericity(double volume, double surface, bool planar) {
    if (planar) return 4 * PI * volume / (surface * surface);
    const double root = cbrt(6 * volume);
    return cbrt(PI) * root * root / surface;
}

enum { HALF = TK_OBJECTS_EXTREMES / 2, SCALE = 1000 };

/* One of each pair of opposite corners and of opposite faces of an icosahedron, with the golden ratio p: (0, 1, p) in
 * cyclic order, and (1, 1, 1), (0, 1/p, p). */
static void space_direction(int i, double n[3]) {
    const double p = 1.618033988749895, sign = i & 1 ? -1 : 1;
    const double corner[3] = {0, sign, p}, face[3] = {0, sign / p, p};
    for (int a = 0; a < 3; a++) {
        if (i < 6) n[(a + i / 2) % 3] = corner[a];
        if (i >= 6 && i < 12) n[(a + i / 2) % 3] = face[a];
        if (i >= 12) n[a] = a == 0 ? 1 : (i >> (a - 1) & 1) ? -1 : 1;
    }
}

/* Evenly around half of a circle, the axes among them: tangents of multiples of 180 / 16 degrees. */
static void plane_direction(int i, double n[3]) {
    static const double cosine[9] = {1,
                                     0.98078528040323044,
                                     0.92387953251128676,
                                     0.83146961230254524,
                                     0.70710678118654752,
                                     0.55557023301960222,
                                     0.38268343236508977,
                                     0.19509032201612827,
                                     0};
    n[0] = 0;
    n[1] = i <= 8 ? cosine[8 - i] : cosine[i - 8];
    n[2] = i <= 8 ? cosine[i] : -cosine[16 - i];
}

/* Indices have the scalar product with n voxel that places in space have with n. */
void tk_extreme_directions(const double voxel[3], bool planar, int32_t direction[3][TK_OBJECTS_EXTREMES]) {
    double largest = 0;
    for (int a = planar ? 1 : 0; a < 3; a++) largest = voxel[a] > largest ? voxel[a] : largest;
    for (int k = 0; k < TK_OBJECTS_EXTREMES; k++) {
        double n[3];
        if (planar)
            plane_direction(k % HALF, n);
        else
            space_direction(k % HALF, n);
        for (int a = 0; a < 3; a++)
            direction[a][k] = (int32_t)floor((k < HALF ? 1 : -1) * SCALE * n[a] * (voxel[a] / largest) + 0.5);
    }
}

/* Squared, of two voxels; one voxel longer along the axis where that makes it longest. */
static double distance_of(const tk_object_extremes *e, int i, int k, const double voxel[3]) {
    double sum = 0, gain = 0;
    for (int a = 0; a < 3; a++) {
        const double d = fabs((double)(e->axis[a][i] - e->axis[a][k])) * voxel[a],
                     longer = (2 * d + voxel[a]) * voxel[a];
        sum += d * d;
        gain = longer > gain ? longer : gain;
    }
    return sum + gain;
}

double tk_object_feret(const tk_object_extremes *e, const double voxel[3]) {
    double largest = 0;
    for (int i = 0; i < TK_OBJECTS_EXTREMES; i++)
        for (int k = 0; k <= i; k++) {
            const double d = distance_of(e, i, k, voxel);
            largest = d > largest ? d : largest;
        }
    return sqrt(largest);
}

double tk_intensity_sum(const tk_object_intensity *o, int exponent) {
    return o->not_finite ? NAN : ldexp((double)o->sum, exponent - QUANTUM_BITS);
}

double tk_intensity_deviation(int64_t count, const tk_object_spread *s, int exponent) {
    const double variance = central(s->squares, s->coarse, s->coarse, count);
    return ldexp(sqrt(variance > 0 ? variance : 0), exponent - COARSE_BITS);
}

double tk_intensity_centre(const tk_object_intensity *o, const tk_object_spread *s, int axis) {
    return o->not_finite || o->sum == 0 ? NAN : (double)s->weighted[axis] / (double)o->sum;
}
