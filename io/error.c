/* Messages of errors. The names in parentheses are not taken for the macros that the analyser sees. */
#include "io/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tk_status(tk_fail)(tk_error *error, tk_status status, const char *format, ...) {
    if (error->status != TK_OK) return error->status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

tk_status(tk_fail_errno)(tk_error *error, tk_status status, const char *file, const char *what) {
    const int number = errno;
    const char *remedy = "";
    if (number == ENOSPC) remedy = " (free some space, or write elsewhere with --output)";
    if (number == EDQUOT) remedy = " (your quota is used up: free some space, or write elsewhere with --output)";
    return tk_fail(error, status, "%s: %s: %s%s", file, what, strerror(number), remedy);
}

tk_status(tk_fail_memory)(tk_error *error, const char *what) {
    return tk_fail(error, TK_NO_MEMORY, "no memory left for %s (a smaller --tile or --memory needs less)", what);
}
