/* FFTW's wisdom for the step deconvolve. */
#include "workflows/steps/deconvolve_plans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cache.h"
#include "kernels/common/cpu.h"
#include "kernels/common/view.h"

static const double planning_seconds = 5; /* for each of six plans, at most */

/* Name in the cache: plans depend on FFTW's build, the CPU and the padded size. */
static void wisdom_name(const tk_fft *fft, char *name, size_t size) {
    (void)snprintf(name, size, "%s-%s-%" PRId64 "x%" PRId64 "x%" PRId64 ".wisdom", tk_fft_library(),
                   tk_isa_text(tk_isa_detect()), fft->size[TK_Z], fft->size[TK_Y], fft->size[TK_X]);
}

/* Is this a text (ended by 0) that says all plans? */
static bool is_wisdom(const tk_fft *layout, const tk_bytes *text) {
    tk_fft trial = *layout;
    if (text->size < 2 || memchr(text->data, 0, text->size) != text->data + text->size - 1) return false;
    if (tk_fft_plan(&trial, (const char *)text->data) != TK_OK) return false;
    tk_fft_free(&trial);
    return true;
}

tk_status tk_deconvolve_plans_decide(const tk_fft *layout, tk_bytes *decision, tk_error *error) {
    char name[200];
    tk_bytes cached = {0};
    tk_error ignored = TK_ERROR_NONE;
    wisdom_name(layout, name, sizeof name);
    if (tk_cache_load(name, &cached, &ignored) == TK_OK && is_wisdom(layout, &cached)) {
        const tk_status status = tk_bytes_append(decision, cached.data, cached.size);
        tk_bytes_free(&cached);
        return status == TK_OK ? TK_OK : tk_fail_memory(error, "FFT plans");
    }
    tk_bytes_free(&cached);
    char *text = NULL;
    if (tk_fft_measure(layout, planning_seconds, &text) != TK_OK) return tk_fail_memory(error, "FFT plans");
    const size_t size = strlen(text) + 1;
    if (size > 1) (void)tk_cache_store(name, text, size, &ignored);
    const tk_status status = tk_bytes_append(decision, text, size);
    free(text);
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "FFT plans");
}
