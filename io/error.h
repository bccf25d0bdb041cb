/* An error with its message. A tk_error is made by the caller (TK_ERROR_NONE), filled once by whoever finds the
 * error, and handed up unchanged; the message names file, place and remedy. */
#ifndef TK_IO_ERROR_H
#define TK_IO_ERROR_H

#include "kernels/common/status.h"

typedef struct tk_error {
    tk_status status;
    char text[1024];
} tk_error;

#define TK_ERROR_NONE ((tk_error){TK_OK, ""})

/* Notes the status and the formatted message, unless an earlier error is noted already, and returns the status. */
__attribute__((format(printf, 3, 4))) tk_status tk_fail(tk_error *error, tk_status status, const char *format, ...);

/* Notes "FILE: WHAT: <system's text for errno>"; full disks and exhausted quotas get their remedy. Returns the status.
 */
tk_status tk_fail_errno(tk_error *error, tk_status status, const char *file, const char *what);

/* Notes that memory for `what` could not be had. Returns TK_NO_MEMORY. */
tk_status tk_fail_memory(tk_error *error, const char *what);

/* clang's analyser looks at one file at a time: this tells it that these functions never answer TK_OK. */
#ifdef __clang_analyzer__
static inline tk_status tk_never_ok(tk_status status) {
    __builtin_assume(status != TK_OK);
    return status;
}
#define tk_fail(...)        tk_never_ok((tk_fail)(__VA_ARGS__))
#define tk_fail_errno(...)  tk_never_ok((tk_fail_errno)(__VA_ARGS__))
#define tk_fail_memory(...) tk_never_ok((tk_fail_memory)(__VA_ARGS__))
#endif

#endif
