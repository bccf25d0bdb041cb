/* Quoting for POSIX shells. */
#include "slurm/quote.h"

#include <string.h>

#define WORD_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@"

static bool consists_of(const char *text, const char *letters) {
    return *text && strspn(text, letters) == strlen(text);
}

void tk_quote(FILE *out, const char *text) {
    if (consists_of(text, WORD_LETTERS "/:,=%")) {
        fputs(text, out);
        return;
    }
    putc('\'', out);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            putc(*text, out);
    putc('\'', out);
}

bool tk_quote_is_unfit(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127) return true;
    return false;
}

bool tk_quote_is_plain(const char *text) { return consists_of(text, WORD_LETTERS); }
