/* OME-XML, the metadata of OME-TIFF (OME Data Model 2016-06), as far as reading an image needs it. */
#ifndef TK_IO_OME_XML_H
#define TK_IO_OME_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "io/image.h"

/* One TiffData element: `count` planes from page `ifd` on hold the planes from first[] on. */
typedef struct tk_ome_data {
    int64_t ifd, first[3]; /* z c t */
    int64_t count;         /* 0 = as many as there are */
} tk_ome_data;

/* The first Image of an OME-XML document. */
typedef struct tk_ome {
    char order[6];         /* DimensionOrder, "XYZCT" */
    int64_t width, height; /* SizeX, SizeY */
    int64_t planes[3];     /* SizeZ, SizeC, SizeT */
    tk_ome_data *data;     /* owned; NULL: pages in order */
    int64_t data_count;
} tk_ome;

/* Does this text look like OME-XML? */
bool tk_ome_is_xml(const char *text);

/* Parses a document that stands in `file`. Fills `ome` (freed with tk_ome_clear) and, of `info`, the sizes, voxel size,
 * time step, channels, aperture and refractive index. No network, no entities, at most 32 MiB.
 * Errors: TK_UNREADABLE: no valid document, no image in it, an image in another file or with several samples a
 * pixel; TK_NO_MEMORY. */
tk_status tk_ome_parse(const char *text, const char *file, tk_ome *ome, tk_image_info *info, tk_error *error);

/* Fills page[(t * SizeC + c) * SizeZ + z] for every plane, from `pages` pages.
 * Errors: TK_UNREADABLE when a plane has no page, or a page is named that does not exist. */
tk_status tk_ome_map(const tk_ome *ome, const char *file, int64_t pages, int64_t *page, tk_error *error);

void tk_ome_clear(tk_ome *ome);

#endif
