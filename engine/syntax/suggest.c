/* Edit apart with transpositions (Damerau 1964, optimal string alignment). */
#include "engine/syntax/suggest.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 63 };

static int least(int a, int b) { return a < b ? a : b; }

static int edit_distance(const char *a, const char *b) {
    int d[LONGEST + 1][LONGEST + 1];
    const int m = (int)strnlen(a, LONGEST), n = (int)strnlen(b, LONGEST);
    for (int i = 0; i <= m; i++) d[i][0] = i;
    for (int j = 0; j <= n; j++) d[0][j] = j;
    for (int i = 1; i <= m; i++)
        for (int j = 1; j <= n; j++) {
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[m][n];
}

void tk_suggest(const char *wanted, const char *candidate, const char **best, int *apart) {
    const int d = edit_distance(wanted, candidate);
    if (*best && d >= *apart) return;
    *best = candidate;
    *apart = d;
}

int tk_suggest_is_near(const char *wanted, const char *best, int apart) {
    if (!best) return 0;
    const int length = (int)strlen(wanted);
    return apart <= (length < 5 ? 2 : length / 2);
}
