/* The cost of one-dimensional transforms, from a table and beyond it from a model, and the cheapest padded size. */
#include "kernels/fft/size.h"

#include "kernels/common/view.h"
#include "kernels/fft/cost_table.h"
#include "kernels/fft/fft.h"

enum { TABLE_SIZES = sizeof cost_table / sizeof cost_table[0], MOST_CANDIDATES = 64 };

/* Picoseconds a value for gathering columns and passing over rows, beside the transforms proper. */
static const double sweep_ps = 400;

/* The model, fitted to the table: picoseconds a value = constant + a share for each prime factor. */
typedef struct cost_model {
    double constant, two, three, five, seven;
} cost_model;
static const cost_model row_model = {602, 8, 137, 114, 273};
static const cost_model column_model = {1, 202, 389, 436, 740};

static double model_ps(const cost_model *model, int64_t size) {
    const double share[] = {0, 0, model->two, model->three, 0, model->five, 0, model->seven};
    double cost = model->constant;
    for (int p = 2; p <= 7; p++)
        for (; share[p] > 0 && size % p == 0; size /= p) cost += share[p];
    return cost + (double)(size - 1) * model->seven; /* what is left has large primes */
}

/* The first entry of the table that is not smaller; TABLE_SIZES when there is none. */
static int first_entry(int64_t size) {
    int low = 0, high = TABLE_SIZES;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (cost_table[middle].size < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double row_ps(int64_t size) {
    const int i = first_entry(size);
    const bool known = i < TABLE_SIZES && cost_table[i].size == size && cost_table[i].row > 0;
    return known ? cost_table[i].row : model_ps(&row_model, size);
}

static double column_ps(int64_t size) {
    const int i = first_entry(size);
    const bool known = i < TABLE_SIZES && cost_table[i].size == size;
    return known ? cost_table[i].column : model_ps(&column_model, size);
}

typedef struct candidates {
    int count;
    int64_t size[MOST_CANDIDATES];
    double ps[MOST_CANDIDATES]; /* a value: of a row on the axis x, of a complex column on the others */
} candidates;

static void add_candidate(candidates *all, int64_t size, double ps) {
    if (all->count == MOST_CANDIDATES) return;
    all->size[all->count] = size;
    all->ps[all->count++] = ps;
}

/* Sizes of the table in least … most, and the first one in any case. */
static void add_from_table(candidates *all, int axis, int64_t least, int64_t most) {
    for (int i = first_entry(least); i < TABLE_SIZES; i++) {
        if (all->count > 0 && cost_table[i].size > most) return;
        if (axis != TK_X)
            add_candidate(all, cost_table[i].size, cost_table[i].column);
        else if (cost_table[i].row > 0)
            add_candidate(all, cost_table[i].size, cost_table[i].row);
    }
}

/* Sizes 2^a 3^b 5^c 7^d in least … most, even ones on the axis x. */
static void add_smooth(candidates *all, int axis, int64_t least, int64_t most) {
    for (int64_t d = 1; d <= most; d *= 7)
        for (int64_t c = d; c <= most; c *= 5)
            for (int64_t b = c; b <= most; b *= 3)
                for (int64_t size = axis == TK_X ? 2 * b : b; size <= most; size *= 2)
                    if (size >= least) add_candidate(all, size, axis == TK_X ? row_ps(size) : column_ps(size));
}

static void find_candidates(candidates *all, int axis, int64_t least) {
    const int64_t addressable = INT64_MAX / 16, end = cost_table[TABLE_SIZES - 1].size;
    all->count = 0;
    if (least > addressable) { /* no volume has this size; whoever lays it out will say so */
        add_candidate(all, least, 0);
        return;
    }
    const int64_t most = least + least / 20 * 3 + least % 20 * 3 / 20;
    add_from_table(all, axis, least, most);
    if (most > end) add_smooth(all, axis, least > end ? least : end + 1, most);
}

/* Nanoseconds of a transform whose parts cost so many picoseconds a value. */
static double transform_ns(const int64_t size[3], double z_ps, double y_ps, double x_ps) {
    const int64_t spectrum = size[TK_X] / 2 + 1, blocks = (size[TK_X] / 2 + TK_FFT_COLUMNS) / TK_FFT_COLUMNS;
    const double rows = (double)size[TK_Z] * (double)size[TK_Y];
    const double columns = rows * (double)blocks * TK_FFT_COLUMNS;
    return 1e-3 * (rows * (double)size[TK_X] * x_ps + columns * (y_ps + z_ps) + 2 * rows * (double)spectrum * sweep_ps);
}

double tk_fft_plane_cost(const int64_t size[3]) {
    const int64_t plane[3] = {1, size[TK_Y], size[TK_X]};
    return transform_ns(plane, -sweep_ps, column_ps(size[TK_Y]), row_ps(size[TK_X]));
}

double tk_fft_columns_cost(const int64_t size[3]) {
    return tk_fft_cost(size) - (double)size[TK_Z] * tk_fft_plane_cost(size);
}

double tk_fft_cost(const int64_t size[3]) {
    return transform_ns(size, column_ps(size[TK_Z]), column_ps(size[TK_Y]), row_ps(size[TK_X]));
}

void tk_fft_padded_size(const int64_t least[3], int64_t padded[3]) {
    candidates axis[3];
    for (int i = 0; i < 3; i++) find_candidates(&axis[i], i, least[i]);
    double best = -1;
    for (int z = 0; z < axis[TK_Z].count; z++)
        for (int y = 0; y < axis[TK_Y].count; y++)
            for (int x = 0; x < axis[TK_X].count; x++) {
                const int64_t size[3] = {axis[TK_Z].size[z], axis[TK_Y].size[y], axis[TK_X].size[x]};
                const double cost = transform_ns(size, axis[TK_Z].ps[z], axis[TK_Y].ps[y], axis[TK_X].ps[x]);
                if (best >= 0 && cost >= best) continue;
                best = cost;
                for (int i = 0; i < 3; i++) padded[i] = size[i];
            }
}
