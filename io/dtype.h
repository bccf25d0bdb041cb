/* Element types of images in files. */
#ifndef TK_IO_DTYPE_H
#define TK_IO_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

/*          name   bytes  text       */
#define TK_DTYPE_LIST(X)                                                                                               \
    X(U8, 1, "uint8")                                                                                                  \
    X(I8, 1, "int8")                                                                                                   \
    X(U16, 2, "uint16")                                                                                                \
    X(I16, 2, "int16")                                                                                                 \
    X(U32, 4, "uint32")                                                                                                \
    X(I32, 4, "int32")                                                                                                 \
    X(U64, 8, "uint64")                                                                                                \
    X(I64, 8, "int64")                                                                                                 \
    X(F32, 4, "float32")                                                                                               \
    X(F64, 8, "float64")

#define TK_DTYPE_ENUM(name, bytes, text) TK_##name,
typedef enum tk_dtype { TK_DTYPE_LIST(TK_DTYPE_ENUM) TK_DTYPE_COUNT } tk_dtype;
#undef TK_DTYPE_ENUM

/* Bytes of one element. */
size_t tk_dtype_size(tk_dtype type);

/* numpy's name of the type: "uint16". */
const char *tk_dtype_text(tk_dtype type);

/* Is it one of the integer types? */
bool tk_dtype_is_integer(tk_dtype type);

#endif
