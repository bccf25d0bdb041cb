/* PNG through libpng's simplified interface, encoded in memory so that a full disk is met by our own write. */
#include "io/png.h"

#include <png.h>
#include <stdlib.h>

#include "io/publish.h"

/* Encodes into *data, which the caller frees. */
static tk_status encode(const char *file, int64_t width, int64_t height, const unsigned char *rgb, unsigned char **data,
                        png_alloc_size_t *size, tk_error *error) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    *size = PNG_IMAGE_PNG_SIZE_MAX(image);
    *data = malloc(*size);
    if (!*data) return tk_fail_memory(error, "a picture");
    if (png_image_write_to_memory(&image, *data, size, 0, rgb, 0, NULL)) return TK_OK;
    const tk_status status = tk_fail(error, TK_FAILED, "%s: libpng: %s", file, image.message);
    png_image_free(&image);
    return status;
}

tk_status tk_png_write(const char *file, int64_t width, int64_t height, const unsigned char *rgb, tk_error *error) {
    const int64_t limit = 1 << 20; /* libpng's own limit is one million pixels a side */
    if (width < 1 || height < 1 || width > limit || height > limit || width > INT32_MAX / 3 / height)
        return tk_fail(error, TK_FAILED, "%s: a picture of %lld x %lld pixels is not possible (choose a smaller one)",
                       file, (long long)width, (long long)height);
    unsigned char *data = NULL;
    png_alloc_size_t size = 0;
    tk_part part = {.fd = -1};
    tk_status status = encode(file, width, height, rgb, &data, &size, error);
    if (status == TK_OK) status = tk_part_open(file, &part, error);
    if (status == TK_OK) {
        status = tk_part_write(&part, data, size, error);
        if (status == TK_OK)
            status = tk_part_publish(&part, error);
        else
            tk_part_discard(&part);
    }
    free(data);
    return status;
}
