/* The dispatcher in front of the input formats: which file and format a spec means, and blocks in pieces of
 * bounded memory, converted to what the engine computes with. Axis order z y x. */
#include "io/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/convert.h"
#include "io/formats.h"

/* Bytes read and converted at a time. */
enum { PIECE = 16 << 20 };

struct tk_image {
    char *spec;
    const tk_image_format *format;
    void *handle;
    tk_image_info info;
    void *piece; /* what is being converted; kept for the next read */
    size_t piece_bytes;
};

static const tk_image_format *const formats[] = {
#define X(format) &format,
#include "io/formats.def"
#undef X
};

/* The format that computes images with this spec; NULL: it names a file. */
static const tk_image_format *computing_format(const char *spec) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->prefix && !strncmp(spec, formats[i]->prefix, strlen(formats[i]->prefix))) return formats[i];
    return NULL;
}

bool tk_image_is_computed(const char *spec) { return computing_format(spec) != NULL; }

static bool exists(const char *path) {
    struct stat about;
    return stat(path, &about) == 0;
}

/* Splits a spec at the first ":" after which a file is left of it; a path that exists as it stands wins. Returns the
 * file (the caller frees it) and points *dataset into `spec`, or sets it to NULL. */
static char *split_spec(const char *spec, const char **dataset) {
    *dataset = NULL;
    if (exists(spec)) return strdup(spec);
    for (const char *colon = strchr(spec, ':'); colon; colon = strchr(colon + 1, ':')) {
        char *file = strndup(spec, (size_t)(colon - spec));
        if (!file) return NULL;
        *dataset = colon + 1;
        if (exists(file)) return file;
        free(file);
    }
    /* Nothing exists: the text before ":/" is most likely what was meant. */
    const char *colon = strstr(spec, ":/");
    *dataset = colon ? colon + 1 : NULL;
    return colon ? strndup(spec, (size_t)(colon - spec)) : strdup(spec);
}

char *tk_image_file(const char *spec) {
    const char *dataset;
    return split_spec(spec, &dataset);
}

/* Reads up to `room` bytes from the start of a regular file. */
static tk_status read_head(const char *file, unsigned char *head, size_t room, size_t *size, tk_error *error) {
    struct stat about;
    if (stat(file, &about) != 0) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be opened");
    if (S_ISDIR(about.st_mode))
        return tk_fail(error, TK_UNREADABLE, "%s: this is a directory (name an image file in it)", file);
    if (!S_ISREG(about.st_mode)) return tk_fail(error, TK_UNREADABLE, "%s: this is not a regular file", file);
    if (about.st_size == 0)
        return tk_fail(error, TK_UNREADABLE, "%s: the file is empty (was its copy interrupted?)", file);
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be opened");
    tk_status status = TK_OK;
    *size = 0;
    while (*size < room) {
        const ssize_t got = read(fd, head + *size, room - *size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
        if (got <= 0) break;
        *size += (size_t)got;
    }
    close(fd);
    return status;
}

static tk_status find_format(const char *file, const tk_image_format **format, tk_error *error) {
    unsigned char head[1024];
    size_t size = 0;
    TK_TRY(read_head(file, head, sizeof head, &size, error));
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->probe && formats[i]->probe(head, size)) {
            *format = formats[i];
            return TK_OK;
        }
    return tk_fail(error, TK_UNREADABLE, "%s: the format of this file is unknown (TIFF, OME-TIFF and HDF5 are read)",
                   file);
}

/* What a reader says about an image is what allocations and indices rest on, so it is checked here once for all. */
static tk_status check_info(const char *spec, const tk_image_info *info, tk_error *error) {
    int64_t bytes = (int64_t)tk_dtype_size(info->type);
    const int64_t extent[5] = {info->times, info->channels, info->size[0], info->size[1], info->size[2]};
    for (int i = 0; i < 5; i++)
        if (extent[i] < 1 || __builtin_mul_overflow(bytes, extent[i], &bytes))
            return tk_fail(error, TK_UNREADABLE, "%s: the file states an impossible image size", spec);
    return TK_OK;
}

static tk_status open_file(tk_image *image, const char *axes, tk_error *error) {
    const char *dataset;
    char *file = split_spec(image->spec, &dataset);
    if (!file) return tk_fail_memory(error, "opening an image");
    tk_status status = find_format(file, &image->format, error);
    if (status == TK_OK) status = image->format->open(file, dataset, axes, &image->info, &image->handle, error);
    free(file);
    return status;
}

tk_status tk_image_open(const char *spec, const char *axes, tk_image **image, tk_error *error) {
    *image = NULL;
    tk_image *made = calloc(1, sizeof *made);
    tk_status status = TK_OK;
    if (!made || !(made->spec = strdup(spec))) status = tk_fail_memory(error, "opening an image");
    if (made) made->format = computing_format(spec);
    if (status == TK_OK && made->format)
        status = made->format->open(spec + strlen(made->format->prefix), NULL, axes, &made->info, &made->handle, error);
    else if (status == TK_OK)
        status = open_file(made, axes, error);
    if (status == TK_OK) status = check_info(spec, &made->info, error);
    if (status == TK_OK)
        *image = made;
    else
        tk_image_close(made);
    return status;
}

const tk_image_info *tk_image_info_of(const tk_image *image) { return &image->info; }

void tk_image_close(tk_image *image) {
    if (!image) return;
    if (image->handle) image->format->close(image->handle);
    tk_image_info_clear(&image->info);
    free(image->spec);
    free(image->piece);
    free(image);
}

void tk_image_info_clear(tk_image_info *info) {
    for (int64_t i = 0; info->channel && i < info->channels; i++) free(info->channel[i].name);
    free(info->channel);
    free(info->metadata);
    *info = (tk_image_info){0};
}

static tk_status check_request(const tk_image *image, int64_t time, int64_t channel, const tk_box *box,
                               const int64_t size[3], tk_error *error) {
    const tk_image_info *info = &image->info;
    if (time < 0 || time >= info->times || channel < 0 || channel >= info->channels)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: there is no time point %lld with channel %lld (it has %lld and %lld, counted from 0)",
                       image->spec, (long long)time, (long long)channel, (long long)info->times,
                       (long long)info->channels);
    const tk_box all = tk_box_of_size(info->size);
    bool fits = tk_box_contains(&all, box);
    for (int axis = 0; axis < 3; axis++) fits = fits && size[axis] == tk_box_size(box, axis);
    if (fits) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s: a box outside the image of %lld x %lld x %lld voxels was asked for",
                   image->spec, (long long)info->size[0], (long long)info->size[1], (long long)info->size[2]);
}

/* Where the run of at most `most` planes or rows that starts at `from` ends: at a border of the file's chunks if it
 * reaches one, so that few chunks are decoded twice. */
static int64_t piece_end(int64_t from, int64_t most, int64_t chunk, int64_t end) {
    int64_t to = from + (most < 1 ? 1 : most);
    if (to >= end) return end;
    const int64_t border = to / chunk * chunk;
    return border > from ? border : to;
}

/* The piece of `box` that starts at lo: as many planes as PIECE allows; within one layer of chunks, also rows. */
static tk_box next_piece(const tk_image *image, const tk_box *box, int64_t z, int64_t y) {
    const int64_t row = tk_box_size(box, TK_X) * (int64_t)tk_dtype_size(image->info.type);
    const int64_t plane = row * tk_box_size(box, TK_Y);
    const int64_t layer = image->info.chunk[TK_Z] < 1 ? 1 : image->info.chunk[TK_Z];
    const int64_t strip = image->info.chunk[TK_Y] < 1 ? 1 : image->info.chunk[TK_Y];
    tk_box piece = *box;
    piece.lo[TK_Z] = z;
    piece.lo[TK_Y] = y;
    if (PIECE / plane >= layer) {
        piece.hi[TK_Z] = piece_end(z, PIECE / plane, layer, box->hi[TK_Z]);
        return piece;
    }
    const int64_t planes = PIECE / row / strip >= layer ? layer : PIECE / row / strip;
    piece.hi[TK_Z] = piece_end(z, planes, layer, box->hi[TK_Z]);
    piece.hi[TK_Y] = piece_end(y, PIECE / row / tk_box_size(&piece, TK_Z), strip, box->hi[TK_Y]);
    return piece;
}

/* Takes one piece of a box in the file's own type. */
typedef tk_status (*take_piece)(const tk_image *image, const tk_box *box, const tk_box *piece, const void *dense,
                                void *view, tk_error *error);

/* Room for a piece: large buffers that come and go cost more in page faults than what is done with them. */
static tk_status reserve_piece(tk_image *image, size_t bytes, tk_error *error) {
    if (bytes <= image->piece_bytes) return TK_OK;
    free(image->piece);
    image->piece = malloc(bytes);
    image->piece_bytes = image->piece ? bytes : 0;
    return image->piece ? TK_OK : tk_fail_memory(error, "reading an image");
}

static tk_status read_piece(tk_image *image, int64_t time, int64_t channel, const tk_box *box, const tk_box *piece,
                            take_piece take, void *view, tk_error *error) {
    TK_TRY(reserve_piece(image, (size_t)tk_box_count(piece) * tk_dtype_size(image->info.type), error));
    TK_TRY(image->format->read(image->handle, time, channel, piece, image->piece, error));
    return take(image, box, piece, image->piece, view, error);
}

static tk_status read_pieces(tk_image *image, int64_t time, int64_t channel, const tk_box *box, take_piece take,
                             void *view, tk_error *error) {
    if (tk_box_count(box) == 0) return TK_OK;
    for (int64_t z = box->lo[TK_Z]; z < box->hi[TK_Z];) {
        tk_box piece = *box;
        for (int64_t y = box->lo[TK_Y]; y < box->hi[TK_Y]; y = piece.hi[TK_Y]) {
            piece = next_piece(image, box, z, y);
            TK_TRY(read_piece(image, time, channel, box, &piece, take, view, error));
        }
        z = piece.hi[TK_Z];
    }
    return TK_OK;
}

static tk_status take_f32(const tk_image *image, const tk_box *box, const tk_box *piece, const void *dense, void *view,
                          tk_error *error) {
    (void)error;
    tk_convert_f32(image->info.type, dense, tk_crop_f32(*(tk_view_f32 *)view, box, piece));
    return TK_OK;
}

static tk_status take_labels(const tk_image *image, const tk_box *box, const tk_box *piece, const void *dense,
                             void *view, tk_error *error) {
    double value;
    const int64_t bad =
        tk_convert_labels(image->info.type, dense, tk_crop_u32(*(tk_view_u32 *)view, box, piece), &value);
    if (bad < 0) return TK_OK;
    const int64_t width = tk_box_size(piece, TK_X), height = tk_box_size(piece, TK_Y);
    const int64_t z = piece->lo[TK_Z] + bad / width / height, y = piece->lo[TK_Y] + bad / width % height;
    const int64_t x = piece->lo[TK_X] + bad % width;
    return tk_fail(
        error, TK_UNREADABLE,
        "%s: voxel z y x = %lld %lld %lld holds %g, which is no label (labels are integers from 0 to 2^32-1)",
        image->spec, (long long)z, (long long)y, (long long)x, value);
}

tk_status tk_image_read(tk_image *image, int64_t time, int64_t channel, const tk_box *box, tk_view_f32 out,
                        tk_error *error) {
    TK_TRY(check_request(image, time, channel, box, out.size, error));
    return read_pieces(image, time, channel, box, take_f32, &out, error);
}

tk_status tk_image_read_labels(tk_image *image, int64_t time, int64_t channel, const tk_box *box, tk_view_u32 out,
                               tk_error *error) {
    TK_TRY(check_request(image, time, channel, box, out.size, error));
    return read_pieces(image, time, channel, box, take_labels, &out, error);
}
