/* Sizes and names of element types, from the one list in dtype.h. */
#include "io/dtype.h"

static const struct {
    size_t size;
    const char *text;
} dtypes[] = {
#define TK_DTYPE_ROW(name, bytes, text) {bytes, text},
    TK_DTYPE_LIST(TK_DTYPE_ROW)
#undef TK_DTYPE_ROW
};

size_t tk_dtype_size(tk_dtype type) { return dtypes[type].size; }

const char *tk_dtype_text(tk_dtype type) { return dtypes[type].text; }

bool tk_dtype_is_integer(tk_dtype type) { return type != TK_F32 && type != TK_F64; }
