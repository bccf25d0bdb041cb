/* Least-significant-digit radix sort; digits that are the same in all records cost one look. */
#include "kernels/segment/radix.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, INDEX_BITS = 63 };

static uint32_t digit_of(int64_t index, int shift) { return (uint32_t)(index >> shift) & (DIGITS - 1); }

/* One pass by one digit; false when all records have the same. */
static bool sort_by_digit(const tk_shell_run *from, tk_shell_run *to, int64_t count, int shift) {
    int64_t place[DIGITS] = {0}, next = 0;
    for (int64_t i = 0; i < count; i++) place[digit_of(from[i].index, shift)]++;
    if (place[digit_of(from[0].index, shift)] == count) return false;
    for (int d = 0; d < DIGITS; d++) {
        const int64_t here = place[d];
        place[d] = next;
        next += here;
    }
    for (int64_t i = 0; i < count; i++) to[place[digit_of(from[i].index, shift)]++] = from[i];
    return true;
}

tk_shell_run *tk_sort_by_index(tk_shell_run *records, tk_shell_run *spare, int64_t count) {
    for (int shift = 0; count > 1 && shift < INDEX_BITS; shift += DIGIT_BITS)
        if (sort_by_digit(records, spare, count, shift)) {
            tk_shell_run *sorted = spare;
            spare = records;
            records = sorted;
        }
    return records;
}
