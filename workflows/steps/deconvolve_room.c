/* Is there memory? The plan can only refuse what has been bound already. */
#include "workflows/steps/deconvolve_room.h"

#include <math.h>

tk_status tk_deconvolve_room(const tk_binding *binding, const char *name, size_t bytes, tk_error *error) {
    const double mib = 1048576, left = (double)binding->memory;
    if (binding->memory == 0 || (double)bytes <= left) return TK_OK;
    return tk_params_fail(binding->params, name, error,
                          "nothing fits: this alone takes %.0f MiB while it is read or computed, and %.0f MiB are left "
                          "of --memory: give at least %.0f MiB more",
                          ceil((double)bytes / mib), floor(left / mib), ceil(((double)bytes - left) / mib));
}
