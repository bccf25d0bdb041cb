/* Fractions of the sphere are spherical polygons: the directions to which one is the nearest are those where a few
 * planes through the origin leave them. Cut out of the plane that touches the sphere at this direction, the polygon's
 * corners give its area by triangles (A. Van Oosterom, J. Strackee, IEEE Trans. Biomed. Eng. 30:125, 1983). */
#include "kernels/measure/crofton.h"

#include <math.h>
#include <string.h>

enum { CORNERS_MOST = 4 + 2 * TK_OBJECTS_DIRECTIONS };

static const double PI = 3.14159265358979323846;

typedef struct polygon {
    int count;
    double corner[CORNERS_MOST][3];
} polygon;

static double dot(const double a[3], const double b[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double a[3], const double b[3], double out[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double length(const double a[3]) { return sqrt(dot(a, a)); }

/* A direction in space; returns its length before it is made 1. */
static double unit(const int step[3], const double voxel[3], double out[3]) {
    for (int a = 0; a < 3; a++) out[a] = step[a] * voxel[a];
    const double l = length(out);
    for (int a = 0; a < 3; a++) out[a] /= l;
    return l;
}

/* A large square around the unit vector n in the plane that touches the sphere there. */
static void square_around(const double n[3], polygon *p) {
    const double reach = 1e4, axis[3] = {fabs(n[0]) < 0.5, fabs(n[0]) >= 0.5, 0};
    double u[3], v[3];
    cross(n, axis, u);
    const double l = length(u);
    for (int a = 0; a < 3; a++) u[a] /= l;
    cross(n, u, v);
    p->count = 4;
    for (int i = 0; i < 4; i++) {
        const double along_u = i == 0 || i == 3 ? reach : -reach, along_v = i < 2 ? reach : -reach;
        for (int a = 0; a < 3; a++) p->corner[i][a] = n[a] + along_u * u[a] + along_v * v[a];
    }
}

/* Keeps of a convex polygon where normal . x >= 0. */
static void cut(polygon *p, const double normal[3]) {
    polygon out = {.count = 0};
    for (int i = 0; i < p->count; i++) {
        const double *from = p->corner[i], *to = p->corner[(i + 1) % p->count];
        const double before = dot(normal, from), behind = dot(normal, to);
        if (before >= 0) memcpy(out.corner[out.count++], from, sizeof out.corner[0]);
        if ((before < 0) == (behind < 0)) continue;
        const double at = before / (before - behind);
        for (int a = 0; a < 3; a++) out.corner[out.count][a] = from[a] + at * (to[a] - from[a]);
        out.count++;
    }
    *p = out;
}

/* The solid angle of a triangle: tan(angle / 2) = a (b x c) / (|a||b||c| + (a b)|c| + (a c)|b| + (b c)|a|). */
static double solid_angle(const double a[3], const double b[3], const double c[3]) {
    double bc[3];
    cross(b, c, bc);
    const double la = length(a), lb = length(b), lc = length(c);
    return fabs(2 * atan2(dot(a, bc), la * lb * lc + dot(a, b) * lc + dot(a, c) * lb + dot(b, c) * la));
}

static double area(const polygon *p, const double n[3]) {
    double sum = 0;
    for (int i = 0; i < p->count; i++) sum += solid_angle(n, p->corner[i], p->corner[(i + 1) % p->count]);
    return sum;
}

/* The solid angle of what is nearer to direction d than to any other, opposite ones included. */
static double share_of(int d, const double voxel[3]) {
    double n[3];
    polygon p;
    unit(tk_object_direction[d], voxel, n);
    square_around(n, &p);
    for (int k = 0; k < TK_OBJECTS_DIRECTIONS; k++)
        for (int sign = -1; sign <= 1 && k != d; sign += 2) {
            double other[3], normal[3];
            unit(tk_object_direction[k], voxel, other);
            for (int a = 0; a < 3; a++) normal[a] = n[a] - sign * other[a];
            cut(&p, normal);
        }
    return area(&p, n);
}

static void fractions_of_circle(const double voxel[3], double *fraction) {
    const double diagonal = atan2(voxel[TK_Y], voxel[TK_X]); /* its angle to the axis x */
    fraction[2] = diagonal / PI;
    fraction[1] = (PI / 2 - diagonal) / PI;
    fraction[3] = fraction[4] = 0.25;
}

void tk_crofton_fractions(const double voxel[3], bool planar, double fraction[TK_OBJECTS_DIRECTIONS]) {
    memset(fraction, 0, TK_OBJECTS_DIRECTIONS * sizeof *fraction);
    if (planar) {
        fractions_of_circle(voxel, fraction);
        return;
    }
    double sum = 0;
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) sum += fraction[d] = share_of(d, voxel);
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) fraction[d] /= sum;
}

/* In how many cells a pair of neighbours along a direction lies. */
static int cells_of_pair(const int step[3]) {
    const int axes = (step[0] != 0) + (step[1] != 0) + (step[2] != 0);
    return axes == 1 ? 4 : axes == 2 ? 2 : 1;
}

/* A line crosses the surface twice for each time that it enters. */
void tk_crofton_weights(const double voxel[3], bool planar, double weight[TK_OBJECTS_DIRECTIONS]) {
    const double factor = planar ? PI / 2 : 2;
    const double cell = planar ? voxel[TK_Y] * voxel[TK_X] : voxel[TK_Z] * voxel[TK_Y] * voxel[TK_X];
    tk_crofton_fractions(voxel, planar, weight);
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) {
        double n[3];
        if (weight[d] == 0) continue; /* not in the plane */
        const double step = unit(tk_object_direction[d], voxel, n);
        weight[d] *= factor * (cell / step) / cells_of_pair(tk_object_direction[d]);
    }
}

double tk_crofton_sum(const tk_object_cells *cells, const double weight[TK_OBJECTS_DIRECTIONS]) {
    double sum = 0;
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) sum += weight[d] * (double)cells->number[d];
    return sum;
}
