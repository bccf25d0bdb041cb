/* One filtered image after the other. */
#include "tests/reference/features.h"

#include <math.h>
#include <stdlib.h>

#include "tests/reference/gaussian.h"

static void rotate(double m[3][3], int n, int p, int q) {
    if (m[p][q] == 0) return;
    const double angle = 0.5 * atan2(2 * m[p][q], m[q][q] - m[p][p]), c = cos(angle), s = sin(angle);
    for (int k = 0; k < n; k++) {
        const double a = m[k][p], b = m[k][q];
        m[k][p] = c * a - s * b;
        m[k][q] = s * a + c * b;
    }
    for (int k = 0; k < n; k++) {
        const double a = m[p][k], b = m[q][k];
        m[p][k] = c * a - s * b;
        m[q][k] = s * a + c * b;
    }
}

void ref_eigenvalues(double matrix[3][3], int n, double *values) {
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) rotate(matrix, n, p, q);
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && values[at - 1] < matrix[i][i]; at--) values[at] = values[at - 1];
        values[at] = matrix[i][i];
    }
}

/* A copy of the image, filtered; derivatives along the n axes of `axes` (-1: none). */
static double *filtered(const double *in, const int64_t size[3], const double sigma[3], const double unit[3], int one,
                        int two) {
    const int64_t count = size[0] * size[1] * size[2];
    double *out = malloc((size_t)count * sizeof *out), scale = 1;
    if (!out) abort();
    int order[3] = {0, 0, 0};
    if (one >= 0) order[one]++, scale /= unit[one];
    if (two >= 0) order[two]++, scale /= unit[two];
    for (int a = 0; a < 3; a++)
        if (order[a] && size[a] == 1) scale = 0;
    double width[3];
    for (int a = 0; a < 3; a++) width[a] = size[a] == 1 ? 0 : sigma[a];
    for (int a = 0; a < 3; a++)
        if (size[a] == 1) order[a] = 0;
    for (int64_t i = 0; i < count; i++) out[i] = scale * in[i];
    ref_gaussian_derivative(out, size, width, order);
    return out;
}

/* Eigenvalues at each voxel of the matrix image entry[a][b], a <= b; frees the entries. */
static void eigen_images(double *entry[3][3], int first, int64_t count, double *const out[3]) {
    const int n = 3 - first;
    for (int64_t i = 0; i < count; i++) {
        double m[3][3] = {{0}}, values[3] = {0};
        for (int a = 0; a < n; a++)
            for (int b = 0; b < n; b++) m[a][b] = entry[first + (a < b ? a : b)][first + (a < b ? b : a)][i];
        ref_eigenvalues(m, n, values);
        for (int k = 0; k < n; k++) out[k][i] = values[k];
    }
    for (int a = first; a < 3; a++)
        for (int b = a; b < 3; b++) free(entry[a][b]);
}

static void first_derivatives(const double *image, const int64_t size[3], const double sigma[3], const double outer[3],
                              const double unit[3], double *gradient, double *const structure[3]) {
    static const double same[3] = {1, 1, 1};
    const int64_t count = size[0] * size[1] * size[2];
    const int first = size[0] == 1;
    double *d[3], *entry[3][3];
    for (int a = first; a < 3; a++) d[a] = filtered(image, size, sigma, unit, a, -1);
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int a = first; a < 3; a++) sum += d[a][i] * d[a][i];
        gradient[i] = sqrt(sum);
    }
    double *product = malloc((size_t)count * sizeof *product);
    if (!product) abort();
    for (int a = first; a < 3; a++)
        for (int b = a; b < 3; b++) {
            for (int64_t i = 0; i < count; i++) product[i] = d[a][i] * d[b][i];
            entry[a][b] = filtered(product, size, outer, same, -1, -1);
        }
    for (int a = first; a < 3; a++) free(d[a]);
    free(product);
    eigen_images(entry, first, count, structure);
}

static void second_derivatives(const double *image, const int64_t size[3], const double sigma[3], const double unit[3],
                               double *laplacian, double *const hessian[3]) {
    const int64_t count = size[0] * size[1] * size[2];
    const int first = size[0] == 1;
    double *entry[3][3];
    for (int a = first; a < 3; a++)
        for (int b = a; b < 3; b++) entry[a][b] = filtered(image, size, sigma, unit, a, b);
    for (int64_t i = 0; i < count; i++) {
        laplacian[i] = 0;
        for (int a = first; a < 3; a++) laplacian[i] += entry[a][a][i];
    }
    eigen_images(entry, first, count, hessian);
}

void ref_features(const float *in, const int64_t size[3], const double sigma[3], const double second[3],
                  const double outer[3], const double unit[3], double *const out[10]) {
    const int64_t count = size[0] * size[1] * size[2];
    double *image = calloc((size_t)count, sizeof *image);
    if (!image) abort();
    for (int64_t i = 0; i < count; i++) image[i] = (double)in[i];
    double *one = filtered(image, size, sigma, unit, -1, -1), *two = filtered(image, size, second, unit, -1, -1);
    for (int64_t i = 0; i < count; i++) {
        out[0][i] = one[i];
        out[3][i] = one[i] - two[i];
    }
    second_derivatives(image, size, sigma, unit, out[1], out + 4);
    first_derivatives(image, size, sigma, outer, unit, out[2], out + (size[0] == 1 ? 6 : 7));
    free(one);
    free(two);
    free(image);
}
