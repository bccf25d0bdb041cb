/* TIFF stacks: which page holds which plane, and what the image is, from OME-XML (OME-TIFF), from ImageJ's
 * description, or, with neither, one plane after the other along z. BigTIFF is read alike. Of an OME-TIFF with several
 * images the first is read; reduced versions (SubIFDs) are passed over. */
#include <libxml/xmlstring.h>
#include <stdlib.h>
#include <string.h>

#include "io/formats.h"
#include "io/imagej.h"
#include "io/ome_xml.h"
#include "io/tiff_file.h"

typedef struct tiff_stack {
    tk_tiff *tiff;
    int64_t slices, channels;
    int64_t *page;       /* of plane (t, c, z); NULL: planes lie behind each other from page 0 on */
    int64_t plane_bytes; /* of these */
} tiff_stack;

static bool tiff_probe(const unsigned char *head, size_t size) {
    static const char signatures[4][4] = {{'I', 'I', 42, 0}, {'M', 'M', 0, 42}, {'I', 'I', 43, 0}, {'M', 'M', 0, 43}};
    for (int i = 0; size >= 4 && i < 4; i++)
        if (memcmp(head, signatures[i], 4) == 0) return true;
    return false;
}

/* Checks a page that the image needs against the first one of it. */
static tk_status check_page(const tiff_stack *stack, int64_t first, int64_t at, tk_error *error) {
    const tk_tiff_page *page = &stack->tiff->page[at], *model = &stack->tiff->page[first];
    if (page->problem)
        return tk_fail(error, TK_UNREADABLE, "%s: page %lld %s", stack->tiff->file, (long long)at, page->problem);
    if (page->width == model->width && page->height == model->height && page->type == model->type) return TK_OK;
    return tk_fail(
        error, TK_UNREADABLE, "%s: page %lld (%lld x %lld %s) differs from page %lld (%lld x %lld %s): not one stack",
        stack->tiff->file, (long long)at, (long long)page->width, (long long)page->height, tk_dtype_text(page->type),
        (long long)first, (long long)model->width, (long long)model->height, tk_dtype_text(model->type));
}

static tk_status check_pages(const tiff_stack *stack, int64_t planes, tk_error *error) {
    for (int64_t i = 0; i < planes; i++) TK_TRY(check_page(stack, stack->page[0], stack->page[i], error));
    return TK_OK;
}

/* Room for the pages of a stack; a stack with more planes than the file has pages is refused before. */
static tk_status make_map(tiff_stack *stack, const tk_image_info *info, int64_t *planes, tk_error *error) {
    if (__builtin_mul_overflow(info->size[TK_Z], info->channels, planes) ||
        __builtin_mul_overflow(*planes, info->times, planes) || *planes > stack->tiff->pages)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: planes are missing: %lld x %lld x %lld (z x channels x times) are promised, %lld pages are "
                       "there (truncated?)",
                       stack->tiff->file, (long long)info->size[TK_Z], (long long)info->channels,
                       (long long)info->times, (long long)stack->tiff->pages);
    stack->page = calloc((size_t)*planes, sizeof *stack->page);
    return stack->page ? TK_OK : tk_fail_memory(error, "the pages of a TIFF file");
}

static tk_status map_ome(tiff_stack *stack, const tk_ome *ome, const tk_image_info *info, tk_error *error) {
    int64_t planes;
    TK_TRY(make_map(stack, info, &planes, error));
    TK_TRY(tk_ome_map(ome, stack->tiff->file, stack->tiff->pages, stack->page, error));
    TK_TRY(check_pages(stack, planes, error));
    const tk_tiff_page *page = &stack->tiff->page[stack->page[0]];
    if (page->width == ome->width && page->height == ome->height) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s: the OME-XML states %lld x %lld pixels, the pages have %lld x %lld",
                   stack->tiff->file, (long long)ome->width, (long long)ome->height, (long long)page->width,
                   (long long)page->height);
}

static tk_status open_ome(tiff_stack *stack, const char *description, tk_image_info *info, tk_error *error) {
    tk_ome ome;
    info->format = "OME-TIFF";
    TK_TRY(tk_ome_parse(description, stack->tiff->file, &ome, info, error));
    const tk_status status = map_ome(stack, &ome, info, error);
    tk_ome_clear(&ome);
    return status;
}

/* Pixels of ImageJ: XResolution is pixels in one of its units. */
static void read_imagej_voxel(TIFF *tiff, const tk_imagej *imagej, tk_image_info *info) {
    float x = 0, y = 0;
    info->voxel_um[TK_Z] = imagej->spacing * imagej->unit_um;
    if (TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &x) && x > 0) info->voxel_um[TK_X] = imagej->unit_um / (double)x;
    if (TIFFGetField(tiff, TIFFTAG_YRESOLUTION, &y) && y > 0) info->voxel_um[TK_Y] = imagej->unit_um / (double)y;
    info->time_step_s = imagej->frame_interval_s;
}

/* All planes behind one directory, as ImageJ writes stacks of more than 4 GiB. */
static tk_status open_run(tiff_stack *stack, const tk_imagej *imagej, tk_error *error) {
    const tk_tiff *tiff = stack->tiff;
    TK_TRY(check_page(stack, 0, 0, error));
    const tk_tiff_page *page = &tiff->page[0];
    const int64_t start = tk_tiff_run_start(stack->tiff);
    int64_t bytes;
    /* A page whose rows lie in one run is no larger than the file, so this does not overflow. */
    if (start >= 0) stack->plane_bytes = page->width * page->height * (int64_t)tk_dtype_size(page->type);
    if (start < 0 || __builtin_mul_overflow(stack->plane_bytes, imagej->images, &bytes) ||
        bytes > tiff->file_bytes - start)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: planes are missing: ImageJ's description promises %lld, the file holds fewer (truncated?)",
                       tiff->file, (long long)imagej->images);
    return TK_OK;
}

static tk_status open_imagej(tiff_stack *stack, const tk_imagej *imagej, tk_image_info *info, tk_error *error) {
    int64_t planes;
    info->format = "ImageJ TIFF";
    info->size[TK_Z] = imagej->slices;
    info->channels = imagej->channels;
    info->times = imagej->frames;
    read_imagej_voxel(stack->tiff->tiff, imagej, info);
    if (stack->tiff->pages == 1 && imagej->images > 1) return open_run(stack, imagej, error);
    TK_TRY(make_map(stack, info, &planes, error));
    for (int64_t t = 0, i = 0; t < info->times; t++)
        for (int64_t c = 0; c < info->channels; c++)
            for (int64_t z = 0; z < info->size[TK_Z]; z++, i++)
                stack->page[i] = (t * info->size[TK_Z] + z) * info->channels + c;
    return check_pages(stack, planes, error);
}

static tk_status open_plain(tiff_stack *stack, tk_image_info *info, tk_error *error) {
    const tk_tiff *tiff = stack->tiff;
    info->format = "TIFF";
    info->channels = info->times = 1;
    stack->page = calloc((size_t)tiff->pages, sizeof *stack->page);
    if (!stack->page) return tk_fail_memory(error, "the pages of a TIFF file");
    int64_t planes = 0;
    for (int64_t i = 0; i < tiff->pages; i++)
        if (i == 0 || !tiff->page[i].reduced) stack->page[planes++] = i;
    info->size[TK_Z] = planes;
    return check_pages(stack, planes, error);
}

static tk_status open_stack(tiff_stack *stack, tk_image_info *info, tk_error *error) {
    char *description = NULL;
    tk_imagej imagej;
    TK_TRY(tk_tiff_select(stack->tiff, 0, error));
    if (TIFFGetField(stack->tiff->tiff, TIFFTAG_IMAGEDESCRIPTION, &description) && description &&
        xmlCheckUTF8((const unsigned char *)description)) {
        info->metadata = strdup(description);
        if (!info->metadata) return tk_fail_memory(error, "metadata");
    }
    if (info->metadata && tk_ome_is_xml(info->metadata))
        TK_TRY(open_ome(stack, info->metadata, info, error));
    else if (description && tk_imagej_parse(description, &imagej))
        TK_TRY(open_imagej(stack, &imagej, info, error));
    else
        TK_TRY(open_plain(stack, info, error));
    const tk_tiff_page *page = &stack->tiff->page[stack->page ? stack->page[0] : 0];
    info->type = page->type;
    info->size[TK_Y] = page->height;
    info->size[TK_X] = page->width;
    info->chunk[TK_Z] = 1;
    info->chunk[TK_Y] = page->rows < page->height ? page->rows : page->height;
    info->chunk[TK_X] = page->columns < page->width ? page->columns : page->width;
    stack->slices = info->size[TK_Z];
    stack->channels = info->channels;
    return TK_OK;
}

static void tiff_close(void *handle) {
    tiff_stack *closing = handle;
    tk_tiff_close(closing->tiff);
    free(closing->page);
    free(closing);
}

static tk_status tiff_open(const char *file, const char *dataset, const char *axes, tk_image_info *info, void **handle,
                           tk_error *error) {
    if (dataset || axes)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: a TIFF file has neither datasets nor axes to name (write only its "
                       "name)",
                       file);
    tiff_stack *made = calloc(1, sizeof *made);
    if (!made) return tk_fail_memory(error, "opening a TIFF file");
    tk_status status = tk_tiff_open(file, &made->tiff, error);
    if (status == TK_OK) status = open_stack(made, info, error);
    if (status == TK_OK)
        *handle = made;
    else
        tiff_close(made);
    return status;
}

static tk_status tiff_read(void *handle, int64_t time, int64_t channel, const tk_box *box, void *out, tk_error *error) {
    const tiff_stack *from = handle;
    const tk_tiff_area area = {{box->lo[TK_Y], box->lo[TK_X]}, {box->hi[TK_Y], box->hi[TK_X]}};
    unsigned char *to = out;
    const int64_t first = (time * from->channels + channel) * from->slices;
    for (int64_t z = box->lo[TK_Z]; z < box->hi[TK_Z]; z++) {
        const int64_t in_file = (time * from->slices + z) * from->channels + channel; /* ImageJ's order */
        const int64_t page = from->page ? from->page[first + z] : 0;
        if (from->page)
            TK_TRY(tk_tiff_read(from->tiff, page, &area, to, error));
        else
            TK_TRY(tk_tiff_read_behind(from->tiff, in_file * from->plane_bytes, &area, to, error));
        to += tk_box_size(box, TK_Y) * tk_box_size(box, TK_X) * (int64_t)tk_dtype_size(from->tiff->page[page].type);
    }
    return TK_OK;
}

const tk_image_format tk_format_tiff = {"TIFF", NULL, tiff_probe, tiff_open, tiff_read, tiff_close};
