/* Writing an image as OME-TIFF, for Fiji and Python. */
#ifndef TK_IO_TIFF_WRITE_H
#define TK_IO_TIFF_WRITE_H

#include <stdint.h>

#include "io/dtype.h"
#include "io/error.h"

/* Writes a z stack of `size` (z y x) voxels of `type` (u8, u16, u32 or f32), densely packed in `dense`, as an OME-TIFF
 * file: one page a plane, deflate (integers with a predictor), BigTIFF when it may exceed 4 GiB. `voxel_um` is the
 * voxel size in micrometres, z y x, 0 = unknown; `name` is the image's name in the metadata (UTF-8). The file appears
 * only when it is whole. Errors: TK_UNWRITABLE, TK_NO_MEMORY, TK_FAILED for a type or size that cannot be written. */
tk_status tk_ome_tiff_write(const char *file, tk_dtype type, const int64_t size[3], const void *dense,
                            const double voxel_um[3], const char *name, tk_error *error);

#endif
