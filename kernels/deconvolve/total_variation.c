/* Total variation, one step late (Dey et al. 2006, Microsc. Res. Tech. 69:260): the factor is made of x_k, row by row
 * as x_(k+1) is, from the planes z - 1, z and z + 1 of x, which that sweep only reads. Beyond the padded volume comes
 * its other side. */
#include "kernels/deconvolve/total_variation.h"

#include <string.h>

#include "kernels/deconvolve/block.h"

/* |grad x| is taken as at least this part of the start level, so that flat regions have a gradient of length > 0. */
static const double least_gradient = 1e-3;

static int64_t wrapped(int64_t i, int64_t size) { return (i + size) % size; }

/* The padded planes that a worker needs beside its own, in the order of halo planes: -1 where it has none of a kind. */
static void neighbours(const tk_fft *fft, const tk_fft_part *part, int64_t planes[4]) {
    const tk_fft_run runs[] = {part->data, part->rest};
    for (int i = 0; i < 2; i++) {
        const bool none = runs[i].first == runs[i].end;
        planes[2 * i] = none ? -1 : wrapped(runs[i].first - 1, fft->size[TK_Z]);
        planes[2 * i + 1] = none ? -1 : wrapped(runs[i].end, fft->size[TK_Z]);
    }
}

/* The number of a padded plane among a part's; -1 when it is not one of them. */
static int64_t local_plane(const tk_fft_part *part, int64_t z) {
    if (z >= part->data.first && z < part->data.end) return z - part->data.first;
    if (z >= part->rest.first && z < part->rest.end) return z - part->rest.first + tk_fft_part_data(part);
    return -1;
}

/* A padded plane of x_k: one of the worker's, or a halo plane. */
static const float *plane_of(const tk_deconvolve_block *b, int64_t z) {
    const int64_t local = local_plane(&b->part, wrapped(z, b->fft->size[TK_Z]));
    if (local >= 0) return b->x + local * b->fft->plane_stride;
    int64_t planes[4], slot = 0;
    neighbours(b->fft, &b->part, planes);
    while (planes[slot] != wrapped(z, b->fft->size[TK_Z])) slot++;
    return b->halo + b->halo_place[slot] * b->fft->plane_stride;
}

static tk_fft_part part_of_worker(const tk_deconvolve_block *b, int worker) {
    tk_fft_share share = *b->share;
    share.me = worker;
    return tk_fft_part_of(b->fft, &share, b->data_planes);
}

/* Packs my planes that a worker needs, from plane number `sent` of those that go out; tells how many. */
static int64_t pack_for(const tk_deconvolve_block *b, int worker, int64_t sent) {
    int64_t planes[4], count = 0;
    const tk_fft_part part = part_of_worker(b, worker);
    neighbours(b->fft, &part, planes);
    for (int slot = 0; slot < 4; slot++) {
        const int64_t local = planes[slot] < 0 || worker == b->share->me ? -1 : local_plane(&b->part, planes[slot]);
        if (local < 0) continue;
        memcpy(b->outgoing + (sent + count) * b->fft->plane_stride, b->x + local * b->fft->plane_stride,
               (size_t)b->fft->plane_stride * sizeof(float));
        count++;
    }
    return count;
}

/* Notes where the planes that come from a worker will be, from place `come` on; tells how many. */
static int64_t place_from(tk_deconvolve_block *b, int worker, int64_t come) {
    int64_t planes[4], count = 0;
    const tk_fft_part part = part_of_worker(b, worker);
    neighbours(b->fft, &b->part, planes);
    for (int slot = 0; slot < 4; slot++)
        if (worker != b->share->me && planes[slot] >= 0 && local_plane(&part, planes[slot]) >= 0)
            b->halo_place[slot] = come + count++;
    return count;
}

tk_status tk_deconvolve_fetch_halo(tk_deconvolve_block *b) {
    const int64_t bytes = b->fft->plane_stride * (int64_t)sizeof(float);
    int64_t sent = 0, come = 0, *out_bytes = b->halo_bytes, *in_bytes = out_bytes + b->share->workers;
    for (int worker = 0; worker < b->share->workers; worker++) {
        const int64_t out = pack_for(b, worker, sent), in = place_from(b, worker, come);
        out_bytes[worker] = out * bytes;
        in_bytes[worker] = in * bytes;
        sent += out;
        come += in;
    }
    return b->share->exchange(b->share->context, b->outgoing, out_bytes, b->halo, in_bytes);
}

static tk_tv_rows rows_at(const tk_deconvolve_block *b, int64_t z, int64_t y) {
    const int64_t rows = b->fft->size[TK_Y], row = wrapped(y, rows) * b->fft->row_stride;
    const float *plane = plane_of(b, z);
    return (tk_tv_rows){plane + row, plane + wrapped(y + 1, rows) * b->fft->row_stride, plane_of(b, z + 1) + row};
}

static float square_of(const tk_deconvolve_block *b) {
    const double least = least_gradient * b->options->start;
    return (float)(least * least);
}

void tk_deconvolve_smooth_from(const tk_deconvolve_block *b, int64_t plane, int64_t y) {
    if (!(b->options->tv > 0)) return;
    const tk_tv_rows rows = rows_at(b, tk_fft_part_plane(&b->part, plane), y - 1);
    const tk_tv *tv = TK_ISA_SELECT(tk_tv_table, b->isa);
    tv->unit_y(b->fft->size[TK_X], tk_deconvolve_line(b, LINE_Y + (y + 1) % 2), &rows, square_of(b));
}

const float *tk_deconvolve_smooth(const tk_deconvolve_block *b, int64_t plane, int64_t y) {
    if (!(b->options->tv > 0)) return NULL;
    const int64_t width = b->fft->size[TK_X];
    const int64_t z = tk_fft_part_plane(&b->part, plane);
    const tk_tv_rows here = rows_at(b, z, y), before = rows_at(b, z - 1, y);
    const tk_tv *tv = TK_ISA_SELECT(tk_tv_table, b->isa);
    float *u_y = tk_deconvolve_line(b, LINE_Y + y % 2), *factor = tk_deconvolve_line(b, LINE_FACTOR);
    tv->unit(width, tk_deconvolve_line(b, LINE_X), u_y, tk_deconvolve_line(b, LINE_Z), &here, square_of(b));
    tv->unit_z(width, tk_deconvolve_line(b, LINE_Z_BEFORE), &before, square_of(b));
    tv->factor(width, factor, tk_deconvolve_line(b, LINE_X), u_y, tk_deconvolve_line(b, LINE_Z),
               tk_deconvolve_line(b, LINE_Y + (y + 1) % 2), tk_deconvolve_line(b, LINE_Z_BEFORE),
               (float)b->options->tv);
    return factor;
}
