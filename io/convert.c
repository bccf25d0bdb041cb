/* Conversion of element types, one row (x) at a time; the compiler vectorises the rows. */
#include "io/convert.h"

/* The C type of each element type. */
#define TK_CTYPE_LIST(X)                                                                                               \
    X(U8, uint8_t)                                                                                                     \
    X(I8, int8_t)                                                                                                      \
    X(U16, uint16_t)                                                                                                   \
    X(I16, int16_t)                                                                                                    \
    X(U32, uint32_t)                                                                                                   \
    X(I32, int32_t)                                                                                                    \
    X(U64, uint64_t)                                                                                                   \
    X(I64, int64_t)                                                                                                    \
    X(F32, float)                                                                                                      \
    X(F64, double)

/* Labels of 53 bits and less are exact in a double; larger integers are out of range anyway. */
static int is_label(double value) { return value >= 0 && value <= UINT32_MAX && value == (double)(uint32_t)value; }

#define TK_CONVERT_ROW(name, T)                                                                                        \
    static void row_f32_##name(const void *from, int64_t count, float *restrict to) {                                  \
        const T *restrict source = from;                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = (float)source[i];                                                  \
    }                                                                                                                  \
    static int64_t row_label_##name(const void *from, int64_t count, uint32_t *restrict to, double *value) {           \
        const T *restrict source = from;                                                                               \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            *value = (double)source[i];                                                                                \
            if (!is_label(*value)) return i;                                                                           \
            to[i] = (uint32_t)source[i];                                                                               \
        }                                                                                                              \
        return -1;                                                                                                     \
    }
TK_CTYPE_LIST(TK_CONVERT_ROW)

#define TK_CONVERT_CASE(name, T) [TK_##name] = {row_f32_##name, row_label_##name},
static const struct {
    void (*f32)(const void *from, int64_t count, float *restrict to);
    int64_t (*label)(const void *from, int64_t count, uint32_t *restrict to, double *value);
} row[TK_DTYPE_COUNT] = {TK_CTYPE_LIST(TK_CONVERT_CASE)};

void tk_convert_f32(tk_dtype type, const void *dense, tk_view_f32 out) {
    const unsigned char *from = dense;
    const int64_t bytes = out.size[TK_X] * (int64_t)tk_dtype_size(type);
    for (int64_t z = 0; z < out.size[TK_Z]; z++)
        for (int64_t y = 0; y < out.size[TK_Y]; y++, from += bytes)
            row[type].f32(from, out.size[TK_X], out.data + z * out.stride[TK_Z] + y * out.stride[TK_Y]);
}

int64_t tk_convert_labels(tk_dtype type, const void *dense, tk_view_u32 out, double *value) {
    const unsigned char *from = dense;
    const int64_t width = out.size[TK_X], bytes = width * (int64_t)tk_dtype_size(type);
    for (int64_t z = 0; z < out.size[TK_Z]; z++)
        for (int64_t y = 0; y < out.size[TK_Y]; y++, from += bytes) {
            const int64_t bad =
                row[type].label(from, width, out.data + z * out.stride[TK_Z] + y * out.stride[TK_Y], value);
            if (bad >= 0) return (z * out.size[TK_Y] + y) * width + bad;
        }
    return -1;
}
