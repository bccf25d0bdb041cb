/* Levels that separate objects from background, from the histogram of a whole image: scikit-image's threshold_* on the
 * same histogram. A level is the position of a bin, which may be a fraction; objects are the voxels above it.
 *
 * Counts are integers and each method is one thread of arithmetic in double, so a level depends on the image alone. */
#ifndef TK_KERNELS_SEGMENT_LEVEL_H
#define TK_KERNELS_SEGMENT_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/scratch.h"

enum { TK_LEVEL_CLASSES_MOST = 5 };

/* Counts of `bins` bins of equal width. The first and the last are not empty. */
typedef struct tk_level_histogram {
    const int64_t *counts;
    int64_t bins;
    bool whole_numbers; /* a bin is one value, not an interval */
} tk_level_histogram;

/* A method: false when it finds no level, as when all counts are in one bin. */
typedef bool (*tk_level_method)(const tk_level_histogram *histogram, double *level);

/* Otsu: the largest variance between two classes (N. Otsu, IEEE Trans. SMC 9, 1979); the first of equals. */
bool tk_level_otsu(const tk_level_histogram *histogram, double *level);

/* Li: least cross entropy, by iteration from the mean (C. H. Li and P. K. S. Tam, Pattern Recognition Letters 19,
 * 1998). */
bool tk_level_li(const tk_level_histogram *histogram, double *level);

/* Triangle: the bin farthest from the line between the peak and the farther end (G. W. Zack et al., J. Histochemistry
 * and Cytochemistry 25, 1977). */
bool tk_level_triangle(const tk_level_histogram *histogram, double *level);

/* Isodata: the first bin that is half-way between the means of the two classes it makes (T. W. Ridler and S. Calvard,
 * IEEE Trans. SMC 8, 1978). */
bool tk_level_isodata(const tk_level_histogram *histogram, double *level);

/* Yen: the largest entropic correlation (J. C. Yen et al., IEEE Trans. Image Processing 4, 1995). */
bool tk_level_yen(const tk_level_histogram *histogram, double *level);

/* The mean of all voxels. */
bool tk_level_mean(const tk_level_histogram *histogram, double *level);

/* Scratch bytes for tk_level_multi_otsu. */
size_t tk_level_multi_otsu_scratch(int64_t bins, int classes);

/* The classes - 1 levels, from low to high, that part the counts into 2 .. TK_LEVEL_CLASSES_MOST classes with the
 * largest variance between them (P.-S. Liao et al., J. Information Science and Engineering 17, 2001), found exactly in
 * O(classes bins log bins). Errors: TK_UNSOLVABLE when fewer than `classes` bins have counts, TK_NO_MEMORY when the
 * scratch is too small. */
tk_status tk_level_multi_otsu(const tk_level_histogram *histogram, int classes, int64_t *levels, tk_scratch *scratch);

#endif
