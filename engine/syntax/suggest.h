/* The nearest known name for a misspelt one. */
#ifndef TK_ENGINE_SUGGEST_H
#define TK_ENGINE_SUGGEST_H

/* Offers `candidate` as what `wanted` may have meant; *best and *apart keep the nearest so far (start with NULL
 * and 0). */
void tk_suggest(const char *wanted, const char *candidate, const char **best, int *apart);

/* Is a name at this apart near enough to be worth saying? */
int tk_suggest_is_near(const char *wanted, const char *best, int apart);

#endif
