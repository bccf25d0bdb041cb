/* An image without a file, to try plans and to measure without a disk: "null:ZxYxX", "null:ZxYxX:TYPE" or
 * "null:ZxYxX:TYPE:PATTERN", TYPE being u8 i8 u16 (the default) i16 u32 i32 u64 i64 f32 f64. Its voxels are
 * 0.3 x 0.1 x 0.1 micrometres large (z y x).
 *
 * Pattern balls (the default): balls on a lattice over a smooth background. The image is divided into cells of 16 x 16
 * x 16 voxels, and each cell that lies wholly inside it has one ball of radius 3 to 6 voxels about its middle: (Z/16)
 * (Y/16) (X/16) objects, each factor rounded down, under any connectivity and for any threshold from 26 to 59. The
 * background has 10 to 25, the balls have 60 to 116.
 *
 * Patterns specks and bars: single voxels, at the even places of each axis, and bars through all planes, one voxel
 * thick, at the even places of y and x, have 100; all else has 10. So no two objects touch, and there are as many as
 * their axes have even places, all multiplied.
 *
 * A voxel's value is a function of its place and the image's size alone. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "io/formats.h"
#include "io/image.h"

enum { CELL = 16, MIDDLE = CELL / 2, LEAST_RADIUS = 3, RADII = 4, TINTS = 21 };
enum { BACKGROUND = 10, RIM = 60, SPECK = 100 };
enum { BALLS, SPECKS, BARS, PATTERNS };

static const char *const pattern_texts[PATTERNS] = {"balls", "specks", "bars"};

static const struct {
    const char *text;
    tk_dtype type;
} types[] = {{"u8", TK_U8},   {"i8", TK_I8},   {"u16", TK_U16}, {"i16", TK_I16}, {"u32", TK_U32},
             {"i32", TK_I32}, {"u64", TK_U64}, {"i64", TK_I64}, {"f32", TK_F32}, {"f64", TK_F64}};

typedef struct pattern {
    int64_t size[3];
    tk_dtype type;
    int kind; /* BALLS, … */
} pattern;

static tk_status refuse(const char *spec, tk_error *error) {
    return tk_fail(
        error, TK_UNREADABLE,
        "null:%s: expected null:ZxYxX, null:ZxYxX:TYPE or null:ZxYxX:TYPE:PATTERN, as in null:100x2000x2000:u16 "
        "(types: u8 i8 u16 i16 u32 i32 u64 i64 f32 f64; patterns: balls specks bars)",
        spec);
}

static tk_status read_size(const char *spec, const char **rest, int64_t size[3], tk_error *error) {
    const char *at = spec;
    for (int axis = 0; axis < 3; axis++) {
        char *end = NULL;
        const bool is_number = *at >= '1' && *at <= '9';
        const long long count = is_number ? strtoll(at, &end, 10) : 0;
        if (count < 1 || count > INT_MAX || (axis < 2 && *end != 'x')) return refuse(spec, error);
        size[axis] = count;
        at = axis < 2 ? end + 1 : end;
    }
    *rest = at;
    return TK_OK;
}

/* Is `text` the next word of a spec, which begins with a colon and ends with the spec or before the next colon? */
static bool is_next(const char *rest, const char *text) {
    const size_t length = strlen(text);
    return *rest == ':' && !strncmp(rest + 1, text, length) && (rest[1 + length] == ':' || !rest[1 + length]);
}

static tk_status read_type(const char *spec, const char **rest, tk_dtype *type, tk_error *error) {
    *type = TK_U16;
    if (!**rest) return TK_OK;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_next(*rest, types[i].text)) {
            *type = types[i].type;
            *rest += 1 + strlen(types[i].text);
            return TK_OK;
        }
    return refuse(spec, error);
}

static tk_status read_kind(const char *spec, const char *rest, int *kind, tk_error *error) {
    *kind = BALLS;
    if (!*rest) return TK_OK;
    for (int i = 0; i < PATTERNS; i++)
        if (*rest == ':' && !strcmp(rest + 1, pattern_texts[i])) {
            *kind = i;
            return TK_OK;
        }
    return refuse(spec, error);
}

static tk_status null_open(const char *spec, const char *dataset, const char *axes, tk_image_info *info, void **handle,
                           tk_error *error) {
    (void)dataset;
    if (axes) return tk_fail(error, TK_UNREADABLE, "null:%s: axes cannot be given here; they are z y x", spec);
    pattern made;
    const char *rest = NULL;
    TK_TRY(read_size(spec, &rest, made.size, error));
    TK_TRY(read_type(spec, &rest, &made.type, error));
    TK_TRY(read_kind(spec, rest, &made.kind, error));
    pattern *kept = malloc(sizeof *kept);
    if (!kept) return tk_fail_memory(error, "opening an image");
    *kept = made;
    *info = (tk_image_info){.format = "null",
                            .type = made.type,
                            .times = 1,
                            .channels = 1,
                            .size = {made.size[0], made.size[1], made.size[2]},
                            .chunk = {1, 1, made.size[2]},
                            .voxel_um = {0.3, 0.1, 0.1}};
    *handle = kept;
    return TK_OK;
}

/* 64 well mixed bits of a cell's place (the finaliser of MurmurHash3). */
static uint64_t mix(int64_t z, int64_t y, int64_t x) {
    uint64_t h = (uint64_t)z << 42 ^ (uint64_t)y << 21 ^ (uint64_t)x;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* The row from x = lo to hi − 1 of the background: a triangular wave along the diagonal. */
static void draw_background(int64_t z, int64_t y, int64_t lo, int64_t hi, uint8_t *row) {
    const uint8_t first = (uint8_t)(lo + 3 * z + 2 * y);
    for (int64_t i = 0; i < hi - lo; i++) {
        const uint8_t phase = (uint8_t)(first + (uint8_t)i), wave = phase < 128 ? phase : (uint8_t)(255 - phase);
        row[i] = (uint8_t)(BACKGROUND + (wave >> 3));
    }
}

/* The part of one cell's ball that lies in that row. */
static void draw_ball(const int64_t at[2], int64_t cell, int64_t lo, int64_t hi, uint8_t *row) {
    const uint64_t bits = mix(at[0] / CELL, at[1] / CELL, cell);
    const int64_t radius = LEAST_RADIUS + (int64_t)(bits % RADII), tint = (int64_t)((bits >> 32) % TINTS);
    const int64_t dz = at[0] % CELL - MIDDLE, dy = at[1] % CELL - MIDDLE;
    const int64_t chord = radius * radius - dz * dz - dy * dy, middle = cell * CELL + MIDDLE;
    for (int64_t dx = 0; dx * dx <= chord; dx++) {
        const uint8_t value = (uint8_t)(RIM + tint + chord - dx * dx);
        if (middle - dx >= lo && middle - dx < hi) row[middle - dx - lo] = value;
        if (middle + dx >= lo && middle + dx < hi) row[middle + dx - lo] = value;
    }
}

/* A row of specks or bars. */
static void draw_lattice(const pattern *p, int64_t z, int64_t y, int64_t lo, int64_t hi, uint8_t *row) {
    const bool empty = y % 2 != 0 || (p->kind == SPECKS && z % 2 != 0);
    for (int64_t i = 0; i < hi - lo; i++) row[i] = empty || (lo + i) % 2 != 0 ? BACKGROUND : SPECK;
}

static void draw_balls(const pattern *p, int64_t z, int64_t y, int64_t lo, int64_t hi, uint8_t *row) {
    const int64_t at[2] = {z, y};
    draw_background(z, y, lo, hi, row);
    if (z / CELL >= p->size[TK_Z] / CELL || y / CELL >= p->size[TK_Y] / CELL) return; /* a cell that is cut off */
    const int64_t last = p->size[TK_X] / CELL - 1;
    for (int64_t cell = lo / CELL; cell <= last && cell * CELL < hi; cell++) draw_ball(at, cell, lo, hi, row);
}

#define STORE_CASE(name, T)                                                                                            \
    case TK_##name:                                                                                                    \
        for (int64_t i = 0; i < count; i++) ((T *)out)[i] = (T)row[i];                                                 \
        break

static void store(tk_dtype type, const uint8_t *row, int64_t count, void *out) {
    switch (type) {
        STORE_CASE(U8, uint8_t);
        STORE_CASE(I8, int8_t);
        STORE_CASE(U16, uint16_t);
        STORE_CASE(I16, int16_t);
        STORE_CASE(U32, uint32_t);
        STORE_CASE(I32, int32_t);
        STORE_CASE(U64, uint64_t);
        STORE_CASE(I64, int64_t);
        STORE_CASE(F32, float);
        STORE_CASE(F64, double);
    case TK_DTYPE_COUNT:
        break;
    }
}

static tk_status null_read(void *handle, int64_t time, int64_t channel, const tk_box *box, void *out, tk_error *error) {
    (void)time;
    (void)channel;
    const pattern *p = handle;
    const int64_t width = tk_box_size(box, TK_X), bytes = width * (int64_t)tk_dtype_size(p->type);
    if (width < 1) return TK_OK;
    uint8_t *row = calloc((size_t)width, 1);
    if (!row) return tk_fail_memory(error, "reading an image");
    char *to = out;
    for (int64_t z = box->lo[TK_Z]; z < box->hi[TK_Z]; z++)
        for (int64_t y = box->lo[TK_Y]; y < box->hi[TK_Y]; y++, to += bytes) {
            (p->kind == BALLS ? draw_balls : draw_lattice)(p, z, y, box->lo[TK_X], box->hi[TK_X], row);
            store(p->type, row, width, to);
        }
    free(row);
    return TK_OK;
}

const tk_image_format tk_format_null = {
    .name = "null", .prefix = "null:", .open = null_open, .read = null_read, .close = free};
