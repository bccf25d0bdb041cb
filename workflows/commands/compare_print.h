/* What compare says, to people and as JSON. */
#ifndef TK_WORKFLOWS_COMMANDS_COMPARE_PRINT_H
#define TK_WORKFLOWS_COMMANDS_COMPARE_PRINT_H

#include <stdbool.h>

#include "kernels/metrics/image.h"
#include "kernels/metrics/labels.h"
#include "workflows/commands/source.h"

typedef struct tk_comparison {
    tk_source result, truth;
    bool as_labels;
    const char *reason; /* why it was compared as labels or as an image */
    tk_image_sums sums;
    double ssim; /* NaN when it does not exist */
    tk_label_metrics labels;
} tk_comparison;

/* Prints the comparison to standard output. Errors: TK_NO_MEMORY. */
tk_status tk_comparison_print(const tk_comparison *comparison, bool json, tk_error *error);

#endif
