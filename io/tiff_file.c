/* Opening a TIFF file and examining its pages. Everything that a header can lie about is held against the size of the
 * file here, before memory is asked for and before work begins. */
#include "io/tiff_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* libtiff may not ask for more than this beyond the size of the file. */
enum { HEADROOM = 64 << 20 };

/* More than deflate (1032), LZW (2730) and PackBits (64) can save: a page that claims more holds no such data. */
enum { LARGEST_RATIO = 4096 };

static int keep_reason(TIFF *tiff, void *data, const char *module, const char *format, va_list arguments) {
    (void)tiff;
    (void)module;
    tk_tiff *owner = data;
    vsnprintf(owner->reason, sizeof owner->reason, format, arguments);
    return 1; /* dealt with: libtiff prints nothing */
}

static int ignore_warning(TIFF *tiff, void *data, const char *module, const char *format, va_list arguments) {
    (void)tiff;
    (void)data;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

tk_status tk_tiff_fail(tk_tiff *tiff, int64_t page, const char *what, tk_error *error) {
    const char *reason = tiff->reason[0] ? tiff->reason : "the file is damaged or truncated";
    return tk_fail(error, TK_UNREADABLE, "%s: page %lld %s: %s", tiff->file, (long long)page, what, reason);
}

static bool find_type(unsigned bits, unsigned format, tk_dtype *type) {
    static const struct {
        unsigned bits, format;
        tk_dtype type;
    } types[] = {
        {8, SAMPLEFORMAT_UINT, TK_U8},     {16, SAMPLEFORMAT_UINT, TK_U16}, {32, SAMPLEFORMAT_UINT, TK_U32},
        {64, SAMPLEFORMAT_UINT, TK_U64},   {8, SAMPLEFORMAT_INT, TK_I8},    {16, SAMPLEFORMAT_INT, TK_I16},
        {32, SAMPLEFORMAT_INT, TK_I32},    {64, SAMPLEFORMAT_INT, TK_I64},  {32, SAMPLEFORMAT_IEEEFP, TK_F32},
        {64, SAMPLEFORMAT_IEEEFP, TK_F64},
    };
    if (format == SAMPLEFORMAT_VOID) format = SAMPLEFORMAT_UINT;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].bits == bits && types[i].format == format) {
            *type = types[i].type;
            return true;
        }
    return false;
}

/* Type and geometry of the current page. Answers what is wrong with it, or NULL. */
static const char *describe_page(TIFF *tiff, tk_tiff_page *page) {
    uint32_t width = 0, height = 0, rows = 0, columns = 0, depth = 1, subfile = 0;
    uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, compression = COMPRESSION_NONE;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &subfile);
    page->reduced = (subfile & FILETYPE_REDUCEDIMAGE) != 0;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) ||
        width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX)
        return "states no valid size";
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_IMAGEDEPTH, &depth);
    page->width = width;
    page->height = height;
    if (samples != 1) return "is a colour image (several samples a pixel); split its channels first";
    if (!find_type(bits, format, &page->type))
        return "has elements that are neither integers nor floats of 8 to 64 bits; convert it to 8 or 16 bits first";
    if (depth > 1) return "uses the tag ImageDepth, which is not read; write one page for each plane";
    if (!TIFFIsCODECConfigured(compression)) return "is compressed in a way that libtiff cannot decode";
    if (TIFFIsTiled(tiff)) {
        if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &columns) || !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &rows) ||
            columns < 1 || rows < 1 || columns > INT32_MAX || rows > INT32_MAX)
            return "states no valid tile size";
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
        if (rows < 1 || rows > height) rows = height;
        columns = width;
    }
    page->rows = rows;
    page->columns = columns;
    return NULL;
}

/* Decoded bytes of the strip or tile of that index; -1 when they do not fit in an int64_t. Border tiles are stored
 * whole, the last strip is shorter. */
static int64_t block_bytes(const tk_tiff_page *page, bool tiled, int64_t index) {
    int64_t rows = page->rows, bytes;
    if (!tiled && page->height - index * page->rows < rows) rows = page->height - index * page->rows;
    if (__builtin_mul_overflow(rows * page->columns, (int64_t)tk_dtype_size(page->type), &bytes)) return -1;
    return bytes;
}

/* Do the strips or tiles of the current page lie inside the file, and can they hold what they claim? */
static const char *check_blocks(const tk_tiff *owner, const tk_tiff_page *page) {
    TIFF *tiff = owner->tiff;
    const bool tiled = TIFFIsTiled(tiff) != 0;
    const int64_t down = (page->height - 1) / page->rows + 1, across = (page->width - 1) / page->columns + 1;
    const int64_t count = tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
    uint16_t compression = COMPRESSION_NONE;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    const bool raw = compression == COMPRESSION_NONE;
    const bool bounded = compression == COMPRESSION_ADOBE_DEFLATE || compression == COMPRESSION_DEFLATE ||
                         compression == COMPRESSION_LZW || compression == COMPRESSION_PACKBITS;
    if (count != down * across) return "is cut into strips or tiles whose number does not fit its size";
    for (int64_t i = 0; i < count; i++) {
        int missing = 0;
        const uint64_t offset = TIFFGetStrileOffsetWithErr(tiff, (uint32_t)i, &missing);
        const uint64_t bytes = missing ? 0 : TIFFGetStrileByteCountWithErr(tiff, (uint32_t)i, &missing);
        const int64_t decoded = block_bytes(page, tiled, i);
        if (missing || offset == 0 || bytes == 0) return "lacks some of its strips or tiles";
        if (offset > (uint64_t)owner->file_bytes || bytes > (uint64_t)owner->file_bytes - offset)
            return "lies beyond the end of the file, which is truncated";
        if (decoded < 0 || (raw && bytes < (uint64_t)decoded) ||
            (bounded && (uint64_t)decoded / LARGEST_RATIO > bytes + 16))
            return "claims to be larger than its data can be";
    }
    return NULL;
}

static tk_status add_page(tk_tiff *owner, int64_t *room, tk_error *error) {
    if (owner->pages == *room) {
        const int64_t more = *room < 16 ? 16 : *room * 2;
        tk_tiff_page *grown = realloc(owner->page, (size_t)more * sizeof *grown);
        if (!grown) return tk_fail_memory(error, "the pages of a TIFF file");
        owner->page = grown;
        *room = more;
    }
    tk_tiff_page *page = &owner->page[owner->pages++];
    *page = (tk_tiff_page){.offset = TIFFCurrentDirOffset(owner->tiff)};
    page->problem = describe_page(owner->tiff, page);
    if (!page->problem) page->problem = check_blocks(owner, page);
    return TK_OK;
}

static tk_status examine_pages(tk_tiff *owner, tk_error *error) {
    int64_t room = 0;
    for (;;) {
        TK_TRY(add_page(owner, &room, error));
        owner->current = owner->pages - 1;
        if (TIFFLastDirectory(owner->tiff)) return TK_OK;
        owner->reason[0] = '\0';
        if (!TIFFReadDirectory(owner->tiff)) return tk_tiff_fail(owner, owner->pages, "cannot be read", error);
    }
}

static tk_status open_tiff(tk_tiff *owner, tk_error *error) {
    struct stat about;
    if (stat(owner->file, &about) != 0) return tk_fail_errno(error, TK_UNREADABLE, owner->file, "cannot be opened");
    owner->file_bytes = about.st_size;
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return tk_fail_memory(error, "opening a TIFF file");
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_reason, owner);
    TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_warning, owner);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)(owner->file_bytes + HEADROOM));
    /* "m": no memory map, through which a file that shrinks meanwhile would kill the process. */
    owner->tiff = TIFFOpenExt(owner->file, "rm", options);
    TIFFOpenOptionsFree(options);
    if (!owner->tiff) return tk_tiff_fail(owner, 0, "cannot be read", error);
    return examine_pages(owner, error);
}

tk_status tk_tiff_open(const char *file, tk_tiff **tiff, tk_error *error) {
    *tiff = NULL;
    tk_tiff *made = calloc(1, sizeof *made);
    if (!made || !(made->file = strdup(file))) {
        free(made);
        return tk_fail_memory(error, "opening a TIFF file");
    }
    const tk_status status = open_tiff(made, error);
    if (status == TK_OK)
        *tiff = made;
    else
        tk_tiff_close(made);
    return status;
}

void tk_tiff_close(tk_tiff *tiff) {
    if (!tiff) return;
    if (tiff->tiff) TIFFClose(tiff->tiff);
    for (int i = 0; i < tiff->blocks; i++) free(tiff->block[i].data);
    free(tiff->page);
    free(tiff->file);
    free(tiff);
}

tk_status tk_tiff_select(tk_tiff *tiff, int64_t page, tk_error *error) {
    tiff->reason[0] = '\0';
    if (tiff->current == page) return TK_OK;
    tiff->current = -1; /* after a failure libtiff stands nowhere */
    if (!TIFFSetSubDirectory(tiff->tiff, tiff->page[page].offset))
        return tk_tiff_fail(tiff, page, "cannot be read", error);
    tiff->current = page;
    return TK_OK;
}
