/* What the picture of a result shows, as its own record tells. */
#ifndef TK_WORKFLOWS_COMMANDS_PICTURE_RESULT_H
#define TK_WORKFLOWS_COMMANDS_PICTURE_RESULT_H

#include <stdbool.h>

#include "workflows/commands/picture_panels.h"

typedef struct tk_picture_result {
    tk_picture_source image, labels; /* labels.spec NULL: the result has none */
    char *texts[3];                  /* what they point to; owned */
    char *output;                    /* RESULT.png; owned */
} tk_picture_result;

/* Is the file a result of tarkka? */
bool tk_picture_is_result(const char *file);

/* The first time point and channel that a result is of: the image that it was made from, where that can still be
 * opened, else the last image that it keeps; and its last labels. To be freed in any case. Errors: TK_UNREADABLE when
 * there is no image, TK_NO_MEMORY. */
tk_status tk_picture_of_result(const char *file, tk_picture_result *result, tk_error *error);

void tk_picture_result_free(tk_picture_result *result);

#endif
