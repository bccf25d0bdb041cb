/* A TIFF file opened for reading by region: its pages, checked, and boxes of them, decoded by libtiff. */
#ifndef TK_IO_TIFF_FILE_H
#define TK_IO_TIFF_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <tiffio.h>

#include "io/dtype.h"
#include "io/error.h"

/* One image file directory (IFD) of the main chain. */
typedef struct tk_tiff_page {
    uint64_t offset;     /* of the directory in the file */
    const char *problem; /* why this page cannot be read; NULL: it can. Static text */
    int64_t height, width;
    int64_t rows, columns; /* of what is stored together: strip or tile */
    tk_dtype type;
    bool reduced; /* a smaller version of another page */
} tk_tiff_page;

/* A decoded strip or tile that is kept for the next box. */
typedef struct tk_tiff_block {
    int64_t page, index;
    size_t bytes;
    uint64_t used; /* when it was last used */
    unsigned char *data;
} tk_tiff_block;

enum { TK_TIFF_BLOCKS = 512 };

typedef struct tk_tiff {
    char *file;
    TIFF *tiff;
    int64_t file_bytes;
    char reason[256]; /* libtiff's last error */
    tk_tiff_page *page;
    int64_t pages;
    int64_t current; /* page that libtiff stands at */
    tk_tiff_block block[TK_TIFF_BLOCKS];
    int blocks;
    size_t block_bytes;
    uint64_t clock;
} tk_tiff;

/* Opens a file and examines every page: its type and geometry, and whether its strips lie inside the file. The caller
 * closes it. Errors: TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_tiff_open(const char *file, tk_tiff **tiff, tk_error *error);

void tk_tiff_close(tk_tiff *tiff);

/* Makes `page` libtiff's current directory. Errors: TK_UNREADABLE. */
tk_status tk_tiff_select(tk_tiff *tiff, int64_t page, tk_error *error);

/* Notes "FILE: page PAGE WHAT: <libtiff's reason>". Returns TK_UNREADABLE. */
tk_status tk_tiff_fail(tk_tiff *tiff, int64_t page, const char *what, tk_error *error);

/* A rectangle of a page: lo <= index < hi, y x. */
typedef struct tk_tiff_area {
    int64_t lo[2], hi[2];
} tk_tiff_area;

/* Reads an area inside a page, densely packed y x, in native byte order. Errors: TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_tiff_read(tk_tiff *tiff, int64_t page, const tk_tiff_area *area, void *out, tk_error *error);

/* The same from uncompressed rows that lie `skip` bytes behind those of page 0: how ImageJ stores stacks
 * that are too large for one TIFF page each. */
tk_status tk_tiff_read_behind(tk_tiff *tiff, int64_t skip, const tk_tiff_area *area, void *out, tk_error *error);

/* Where the rows of page 0 begin when they lie uncompressed in one run, ready for tk_tiff_read_behind; else -1. */
int64_t tk_tiff_run_start(tk_tiff *tiff);

#endif
