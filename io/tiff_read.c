/* Reading an area of a TIFF page: uncompressed strips straight from the file, everything else by decoding the strips
 * or tiles that the area touches, the last of which are kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/image.h"
#include "io/tiff_file.h"

enum { PIECE = 1 << 20 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* To native byte order, in place. */
static void swap_bytes(tk_dtype type, void *data, int64_t count) {
    switch (tk_dtype_size(type)) {
    case 2:
        TIFFSwabArrayOfShort(data, count);
        break;
    case 4:
        TIFFSwabArrayOfLong(data, count);
        break;
    case 8:
        TIFFSwabArrayOfLong8(data, count);
        break;
    default:
        break;
    }
}

static tk_status read_bytes(tk_tiff *tiff, int64_t page, int64_t offset, void *out, int64_t bytes, tk_error *error) {
    unsigned char *to = out;
    while (bytes > 0) {
        const ssize_t got = pread(TIFFFileno(tiff->tiff), to, (size_t)bytes, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tk_fail_errno(error, TK_UNREADABLE, tiff->file, "cannot be read");
        if (got == 0) return tk_tiff_fail(tiff, page, "ends early", error);
        to += got;
        offset += got;
        bytes -= got;
    }
    return TK_OK;
}

/* Reads `rows` rows of `take` bytes that lie `pitch` bytes apart from `offset` on. Rows of which much is wanted are
 * read through, a piece at a time; others one by one. */
static tk_status read_rows(tk_tiff *tiff, int64_t page, int64_t offset, int64_t pitch, int64_t rows, int64_t take,
                           unsigned char *out, tk_error *error) {
    if (take == pitch) return read_bytes(tiff, page, offset, out, rows * take, error);
    if (take < pitch / 4 || pitch > PIECE) {
        for (int64_t y = 0; y < rows; y++)
            TK_TRY(read_bytes(tiff, page, offset + y * pitch, out + y * take, take, error));
        return TK_OK;
    }
    unsigned char *piece = malloc(PIECE);
    if (!piece) return tk_fail_memory(error, "reading a TIFF file");
    tk_status status = TK_OK;
    const int64_t most = PIECE / pitch;
    for (int64_t y = 0; y < rows && status == TK_OK; y += most) {
        const int64_t count = smaller(most, rows - y);
        status = read_bytes(tiff, page, offset + y * pitch, piece, (count - 1) * pitch + take, error);
        for (int64_t i = 0; i < count && status == TK_OK; i++)
            memcpy(out + (y + i) * take, piece + i * pitch, (size_t)take);
    }
    free(piece);
    return status;
}

/* Is the current page made of uncompressed strips with the usual order of bits? */
static bool is_raw(TIFF *tiff) {
    uint16_t compression = COMPRESSION_NONE, order = FILLORDER_MSB2LSB;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_FILLORDER, &order);
    return compression == COMPRESSION_NONE && order == FILLORDER_MSB2LSB && !TIFFIsTiled(tiff);
}

static tk_status read_raw(tk_tiff *tiff, int64_t at, const tk_tiff_area *area, unsigned char *out, tk_error *error) {
    const tk_tiff_page *page = &tiff->page[at];
    const int64_t element = (int64_t)tk_dtype_size(page->type), pitch = page->width * element;
    const int64_t take = (area->hi[1] - area->lo[1]) * element;
    unsigned char *to = out;
    for (int64_t y = area->lo[0]; y < area->hi[0];) {
        const int64_t strip = y / page->rows, end = smaller((strip + 1) * page->rows, area->hi[0]);
        const int64_t offset = (int64_t)TIFFGetStrileOffset(tiff->tiff, (uint32_t)strip) +
                               (y - strip * page->rows) * pitch + area->lo[1] * element;
        TK_TRY(read_rows(tiff, at, offset, pitch, end - y, take, to, error));
        to += (end - y) * take;
        y = end;
    }
    if (TIFFIsByteSwapped(tiff->tiff)) swap_bytes(page->type, out, (to - out) / element);
    return TK_OK;
}

/* Drops the block that has not been used for longest. */
static void drop_oldest(tk_tiff *tiff) {
    int oldest = 0;
    for (int i = 1; i < tiff->blocks; i++)
        if (tiff->block[i].used < tiff->block[oldest].used) oldest = i;
    tiff->block_bytes -= tiff->block[oldest].bytes;
    free(tiff->block[oldest].data);
    tiff->block[oldest] = tiff->block[--tiff->blocks];
}

static tk_status decode(tk_tiff *tiff, int64_t page, int64_t index, unsigned char *data, size_t bytes,
                        tk_error *error) {
    const bool tiled = TIFFIsTiled(tiff->tiff) != 0;
    const tmsize_t expected =
        tiled ? TIFFTileSize(tiff->tiff)
              : TIFFVStripSize(tiff->tiff, (uint32_t)smaller(tiff->page[page].rows,
                                                             tiff->page[page].height - index * tiff->page[page].rows));
    if (expected < 0 || (size_t)expected > bytes) return tk_tiff_fail(tiff, page, "does not decode", error);
    const tmsize_t got = tiled ? TIFFReadEncodedTile(tiff->tiff, (uint32_t)index, data, (tmsize_t)bytes)
                               : TIFFReadEncodedStrip(tiff->tiff, (uint32_t)index, data, expected);
    return got == expected ? TK_OK : tk_tiff_fail(tiff, page, "does not decode", error);
}

/* The decoded strip or tile, from those that are kept or from the file; it stays valid until the next call. */
static tk_status find_block(tk_tiff *tiff, int64_t page, int64_t index, const unsigned char **data, tk_error *error) {
    for (int i = 0; i < tiff->blocks; i++)
        if (tiff->block[i].page == page && tiff->block[i].index == index) {
            tiff->block[i].used = ++tiff->clock;
            *data = tiff->block[i].data;
            return TK_OK;
        }
    const tk_tiff_page *from = &tiff->page[page];
    const size_t bytes = (size_t)(from->rows * from->columns) * tk_dtype_size(from->type);
    while (tiff->blocks > 0 && (tiff->blocks == TK_TIFF_BLOCKS || tiff->block_bytes + bytes > TK_IMAGE_CACHE))
        drop_oldest(tiff);
    unsigned char *decoded = malloc(bytes);
    if (!decoded) return tk_fail_memory(error, "a strip or tile of a TIFF file");
    const tk_status status = decode(tiff, page, index, decoded, bytes, error);
    if (status != TK_OK) {
        free(decoded);
        return status;
    }
    tiff->block[tiff->blocks++] = (tk_tiff_block){page, index, bytes, ++tiff->clock, decoded};
    tiff->block_bytes += bytes;
    *data = decoded;
    return TK_OK;
}

/* Copies what the block at grid place (down, across) holds of the area. */
static tk_status copy_block(tk_tiff *tiff, int64_t at, int64_t down, int64_t across, const tk_tiff_area *area,
                            unsigned char *out, tk_error *error) {
    const tk_tiff_page *page = &tiff->page[at];
    const int64_t element = (int64_t)tk_dtype_size(page->type), pitch = page->columns * element;
    const int64_t top = down * page->rows, left = across * page->columns;
    const int64_t y0 = larger(area->lo[0], top), y1 = smaller(area->hi[0], top + page->rows);
    const int64_t x0 = larger(area->lo[1], left), x1 = smaller(area->hi[1], left + page->columns);
    const int64_t out_pitch = (area->hi[1] - area->lo[1]) * element;
    const unsigned char *data = NULL;
    TK_TRY(find_block(tiff, at, down * ((page->width - 1) / page->columns + 1) + across, &data, error));
    for (int64_t y = y0; y < y1; y++)
        memcpy(out + (y - area->lo[0]) * out_pitch + (x0 - area->lo[1]) * element,
               data + (y - top) * pitch + (x0 - left) * element, (size_t)((x1 - x0) * element));
    return TK_OK;
}

tk_status tk_tiff_read(tk_tiff *tiff, int64_t at, const tk_tiff_area *area, void *out, tk_error *error) {
    const tk_tiff_page *page = &tiff->page[at];
    TK_TRY(tk_tiff_select(tiff, at, error));
    if (is_raw(tiff->tiff)) return read_raw(tiff, at, area, out, error);
    for (int64_t down = area->lo[0] / page->rows; down <= (area->hi[0] - 1) / page->rows; down++)
        for (int64_t across = area->lo[1] / page->columns; across <= (area->hi[1] - 1) / page->columns; across++)
            TK_TRY(copy_block(tiff, at, down, across, area, out, error));
    return TK_OK;
}

int64_t tk_tiff_run_start(tk_tiff *tiff) {
    const tk_tiff_page *page = &tiff->page[0];
    tk_error unused = TK_ERROR_NONE;
    if (tk_tiff_select(tiff, 0, &unused) != TK_OK || !is_raw(tiff->tiff)) return -1;
    const uint64_t start = TIFFGetStrileOffset(tiff->tiff, 0);
    const uint64_t strip = (uint64_t)(page->rows * page->width) * tk_dtype_size(page->type);
    const int64_t strips = (page->height - 1) / page->rows + 1;
    for (int64_t i = 1; i < strips; i++)
        if (TIFFGetStrileOffset(tiff->tiff, (uint32_t)i) != start + (uint64_t)i * strip) return -1;
    return (int64_t)start;
}

tk_status tk_tiff_read_behind(tk_tiff *tiff, int64_t skip, const tk_tiff_area *area, void *out, tk_error *error) {
    const tk_tiff_page *page = &tiff->page[0];
    const int64_t element = (int64_t)tk_dtype_size(page->type), pitch = page->width * element;
    const int64_t rows = area->hi[0] - area->lo[0], take = (area->hi[1] - area->lo[1]) * element;
    const int64_t offset = tk_tiff_run_start(tiff) + skip + area->lo[0] * pitch + area->lo[1] * element;
    TK_TRY(read_rows(tiff, 0, offset, pitch, rows, take, out, error));
    if (TIFFIsByteSwapped(tiff->tiff)) swap_bytes(page->type, out, rows * take / element);
    return TK_OK;
}
