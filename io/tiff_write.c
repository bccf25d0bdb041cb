/* OME-TIFF through libtiff; its OME-XML (data model 2016-06) through libxml2's writer. Planes along z, so that the
 * dimension order is XYZCT. */
#include "io/tiff_write.h"

#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

#include "io/publish.h"

enum { STRIP_BYTES = 256 << 10 };

/* Above this many raw bytes the file is BigTIFF: deflate may fail to save anything, and directories come on top. */
static const int64_t classic_limit = 3500000000;

typedef struct writer {
    const char *file;
    TIFF *tiff;
    char reason[256];     /* libtiff's last error */
    unsigned char *strip; /* libtiff's predictor works in place, so strips are copied */
} writer;

static int keep_reason(TIFF *tiff, void *data, const char *module, const char *format, va_list arguments) {
    (void)tiff;
    (void)module;
    writer *owner = data;
    vsnprintf(owner->reason, sizeof owner->reason, format, arguments);
    return 1;
}

static tk_status fail(writer *to, tk_error *error) {
    return tk_fail(error, TK_UNWRITABLE, "%s: cannot be written (is the disk full?): %s", to->file, to->reason);
}

static const char *ome_type(tk_dtype type) {
    switch (type) {
    case TK_U8:
        return "uint8";
    case TK_U16:
        return "uint16";
    case TK_U32:
        return "uint32";
    case TK_F32:
        return "float";
    default:
        return NULL;
    }
}

static int write_attribute(xmlTextWriter *xml, const char *name, const char *text) {
    return xmlTextWriterWriteAttribute(xml, (const xmlChar *)name, (const xmlChar *)text);
}

static int write_size(xmlTextWriter *xml, const char *name, int64_t size) {
    return xmlTextWriterWriteFormatAttribute(xml, (const xmlChar *)name, "%lld", (long long)size);
}

static int start(xmlTextWriter *xml, const char *name) { return xmlTextWriterStartElement(xml, (const xmlChar *)name); }

/* Micrometres are the unit that needs no naming. The shortest of two forms that read back as the same number. */
static int write_voxel(xmlTextWriter *xml, const double voxel_um[3]) {
    static const char *const names[3] = {"PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"};
    char text[32];
    int sum = 0;
    for (int axis = 2; axis >= 0; axis--) {
        if (voxel_um[axis] <= 0) continue;
        snprintf(text, sizeof text, "%.15g", voxel_um[axis]);
        if (strtod(text, NULL) != voxel_um[axis]) snprintf(text, sizeof text, "%.17g", voxel_um[axis]);
        sum |= write_attribute(xml, names[axis], text);
    }
    return sum;
}

/* Negative when anything fails. */
static int write_pixels(xmlTextWriter *xml, tk_dtype type, const int64_t size[3], const double voxel_um[3]) {
    int sum = start(xml, "Pixels");
    sum |= write_attribute(xml, "ID", "Pixels:0");
    sum |= write_attribute(xml, "DimensionOrder", "XYZCT");
    sum |= write_attribute(xml, "Type", ome_type(type));
    sum |= write_size(xml, "SizeX", size[2]) | write_size(xml, "SizeY", size[1]) | write_size(xml, "SizeZ", size[0]);
    sum |= write_size(xml, "SizeC", 1) | write_size(xml, "SizeT", 1);
    sum |= write_voxel(xml, voxel_um);
    sum |= start(xml, "Channel") | write_attribute(xml, "ID", "Channel:0:0");
    sum |= write_attribute(xml, "SamplesPerPixel", "1") | xmlTextWriterEndElement(xml);
    sum |= start(xml, "TiffData") | write_size(xml, "IFD", 0) | write_size(xml, "PlaneCount", size[0]);
    return sum | xmlTextWriterEndElement(xml);
}

/* The OME-XML, or NULL; the caller frees it with xmlBufferFree. */
static xmlBuffer *make_xml(tk_dtype type, const int64_t size[3], const double voxel_um[3], const char *name) {
    xmlBuffer *buffer = xmlBufferCreate();
    xmlTextWriter *xml = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
    int sum = xml ? 0 : -1;
    if (xml) {
        sum |= xmlTextWriterStartDocument(xml, NULL, "UTF-8", NULL) | start(xml, "OME");
        sum |= write_attribute(xml, "xmlns", "http://www.openmicroscopy.org/Schemas/OME/2016-06");
        sum |= write_attribute(xml, "xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
        sum |= write_attribute(xml, "xsi:schemaLocation",
                               "http://www.openmicroscopy.org/Schemas/OME/2016-06 "
                               "http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd");
        sum |= start(xml, "Image") | write_attribute(xml, "ID", "Image:0") | write_attribute(xml, "Name", name);
        sum |= write_pixels(xml, type, size, voxel_um) | xmlTextWriterEndDocument(xml);
        xmlFreeTextWriter(xml);
    }
    if (sum >= 0) return buffer;
    if (buffer) xmlBufferFree(buffer);
    return NULL;
}

static int64_t strip_rows(tk_dtype type, const int64_t size[3]) {
    const int64_t rows = STRIP_BYTES / (size[2] * (int64_t)tk_dtype_size(type));
    return rows < 1 ? 1 : rows > size[1] ? size[1] : rows;
}

/* No predictor for floats: readers without an extra package do not know it. */
static int set_fields(TIFF *tiff, tk_dtype type, const int64_t size[3]) {
    const bool is_float = type == TK_F32;
    return TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)size[2]) &&
           TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)size[1]) &&
           TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, (int)(8 * tk_dtype_size(type))) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, is_float ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT) &&
           TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) &&
           TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
           TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
           TIFFSetField(tiff, TIFFTAG_PREDICTOR, is_float ? PREDICTOR_NONE : PREDICTOR_HORIZONTAL) &&
           TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, (uint32_t)strip_rows(type, size)) &&
           TIFFSetField(tiff, TIFFTAG_SOFTWARE, "tarkka");
}

static tk_status write_plane(writer *to, tk_dtype type, const int64_t size[3], const unsigned char *plane,
                             tk_error *error) {
    const int64_t row = size[2] * (int64_t)tk_dtype_size(type), rows = strip_rows(type, size);
    uint32_t strip = 0;
    for (int64_t y = 0; y < size[1]; y += rows, strip++) {
        const int64_t bytes = (size[1] - y < rows ? size[1] - y : rows) * row;
        memcpy(to->strip, plane + y * row, (size_t)bytes);
        if (TIFFWriteEncodedStrip(to->tiff, strip, to->strip, bytes) != bytes) return fail(to, error);
    }
    return TIFFWriteDirectory(to->tiff) ? TK_OK : fail(to, error);
}

static tk_status write_planes(writer *to, tk_dtype type, const int64_t size[3], const void *dense, const char *xml,
                              tk_error *error) {
    const int64_t plane = size[1] * size[2] * (int64_t)tk_dtype_size(type);
    to->strip = malloc((size_t)(strip_rows(type, size) * size[2]) * tk_dtype_size(type));
    if (!to->strip) return tk_fail_memory(error, "writing a TIFF file");
    for (int64_t z = 0; z < size[0]; z++) {
        if (!set_fields(to->tiff, type, size)) return fail(to, error);
        if (z == 0 && !TIFFSetField(to->tiff, TIFFTAG_IMAGEDESCRIPTION, xml)) return fail(to, error);
        TK_TRY(write_plane(to, type, size, (const unsigned char *)dense + z * plane, error));
    }
    return TIFFFlush(to->tiff) ? TK_OK : fail(to, error);
}

/* Has libtiff write to a descriptor of its own, so that `part` keeps one on which the end can be checked. */
static tk_status write_tiff(const tk_part *part, const char *file, tk_dtype type, const int64_t size[3],
                            const void *dense, const char *xml, tk_error *error) {
    writer to = {.file = file};
    const int64_t raw = size[0] * size[1] * size[2] * (int64_t)tk_dtype_size(type);
    const int fd = dup(part->fd);
    if (fd < 0) return tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written");
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options) {
        TIFFOpenOptionsSetErrorHandlerExtR(options, keep_reason, &to);
        TIFFOpenOptionsSetWarningHandlerExtR(options, keep_reason, &to);
        to.tiff = TIFFFdOpenExt(fd, file, raw > classic_limit ? "w8m" : "wm", options);
        TIFFOpenOptionsFree(options);
    }
    const tk_status status =
        to.tiff ? write_planes(&to, type, size, dense, xml, error) : tk_fail_memory(error, "writing a TIFF file");
    free(to.strip);
    if (to.tiff)
        TIFFClose(to.tiff); /* closes fd */
    else
        close(fd);
    return status;
}

tk_status tk_ome_tiff_write(const char *file, tk_dtype type, const int64_t size[3], const void *dense,
                            const double voxel_um[3], const char *name, tk_error *error) {
    int64_t bytes = (int64_t)tk_dtype_size(type);
    if (!ome_type(type)) return tk_fail(error, TK_FAILED, "%s: %s is not written to TIFF", file, tk_dtype_text(type));
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 1 || size[axis] > INT32_MAX || __builtin_mul_overflow(bytes, size[axis], &bytes))
            return tk_fail(error, TK_FAILED, "%s: this size cannot be written to TIFF", file);
    xmlBuffer *xml = make_xml(type, size, voxel_um, name);
    if (!xml) return tk_fail_memory(error, "metadata");
    tk_part part;
    tk_status status = tk_part_open(file, &part, error);
    if (status == TK_OK) {
        status = write_tiff(&part, file, type, size, dense, (const char *)xmlBufferContent(xml), error);
        if (status == TK_OK)
            status = tk_part_publish(&part, error);
        else
            tk_part_discard(&part);
    }
    xmlBufferFree(xml);
    return status;
}
