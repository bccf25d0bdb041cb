/* Joins the components of blocks along their shells (reconcile.h). */
#include "kernels/segment/reconcile.h"

#include "kernels/segment/radix.h"
#include "kernels/segment/union_find.h"

/* The sweep's place among the runs: those of one row of the whole image. */
typedef struct row_cursor {
    int64_t begin, end;
} row_cursor;

typedef struct sweep {
    const tk_shell_run *run;
    int64_t runs, width;
    uint32_t *set;         /* of components by their position in the sorted `first` */
    const uint32_t *value; /* their labels, in the same order; NULL: runs are of a mask */
} sweep;

size_t tk_reconcile_scratch(int64_t components, int64_t runs) {
    const int64_t records = components > runs ? components : runs;
    const size_t spare = tk_scratch_cost(records, sizeof(tk_shell_run));
    return tk_size_add(tk_size_add(spare, spare), tk_scratch_cost(components, sizeof(uint32_t)));
}

/* Moves the cursor on to the runs of `row`; rows come in ascending order. */
static void seek_row(const sweep *s, row_cursor *at, int64_t row) {
    int64_t i = at->end;
    while (i < s->runs && s->run[i].index < row * s->width) i++;
    at->begin = i;
    while (i < s->runs && s->run[i].index < (row + 1) * s->width) i++;
    at->end = i;
}

/* Joins the components of two runs that touch: of labels, if they are equal. */
static void join(const sweep *s, int64_t a, int64_t b) {
    if (s->value && s->value[s->run[a].component] != s->value[s->run[b].component]) return;
    tk_set_join(s->set, tk_set_root(s->set, s->run[a].component), s->run[b].component);
}

/* Runs of one row that follow each other without a gap, from blocks side by side. */
static void join_within(const sweep *s, row_cursor at) {
    for (int64_t i = at.begin + 1; i < at.end; i++)
        if (s->run[i - 1].index + s->run[i - 1].length == s->run[i].index) join(s, i - 1, i);
}

/* Runs of two rows that touch; `offset` is how far the other row's indices lie before this one's. Where two runs end at
 * the same voxel, and reach diagonally, the next run of this row can touch the other one, too. */
static void join_across(const sweep *s, row_cursor at, row_cursor other, int64_t offset, int64_t reach) {
    int64_t a = at.begin, b = other.begin;
    while (a < at.end && b < other.end) {
        const int64_t a_lo = s->run[a].index, a_hi = a_lo + s->run[a].length;
        const int64_t b_lo = s->run[b].index + offset, b_hi = b_lo + s->run[b].length;
        if (b_lo < a_hi + reach && a_lo < b_hi + reach) join(s, a, b);
        if (b_hi == a_hi && reach > 0 && a + 1 < at.end && s->run[a + 1].index == a_hi) join(s, a + 1, b);
        if (b_hi <= a_hi)
            b++;
        else
            a++;
    }
}

/* Sweeps the rows that have runs, each against the rows before it that it can touch. */
static void sweep_rows(const sweep *s, const int64_t size[3], int connectivity) {
    const int64_t height = size[TK_Y];
    const struct {
        int64_t dz, dy, reach;
    } before[4] = {
        {0, -1, connectivity > 6}, {-1, 0, connectivity > 6}, {-1, -1, connectivity > 18}, {-1, 1, connectivity > 18}};
    const bool planes = connectivity == 4 || connectivity == 8;
    const int rows_before = planes ? 1 : connectivity > 6 ? 4 : 2;
    row_cursor here = {0, 0}, other[4] = {{0, 0}};
    for (int64_t i = 0; i < s->runs; i = here.end) {
        const int64_t row = s->run[i].index / s->width, z = row / height, y = row % height;
        seek_row(s, &here, row);
        join_within(s, here);
        for (int n = 0; n < rows_before; n++) {
            if (z + before[n].dz < 0 || y + before[n].dy < 0 || y + before[n].dy >= height) continue;
            const int64_t back = before[n].dz * height + before[n].dy;
            seek_row(s, &other[n], row + back);
            join_across(s, here, other[n], -back * s->width, before[n].reach);
        }
    }
}

/* Sorts the components by index; the runs then name theirs by its position in that order. */
static void sort_components(int64_t *first, int64_t components, tk_shell_run *run, int64_t runs, tk_shell_run *records,
                            tk_shell_run *spare, uint32_t *position) {
    for (int64_t i = 0; i < components; i++) records[i] = (tk_shell_run){first[i], 1, (uint32_t)i};
    const tk_shell_run *sorted = tk_sort_by_index(records, spare, components);
    for (int64_t i = 0; i < components; i++) {
        first[i] = sorted[i].index;
        position[sorted[i].component] = (uint32_t)i;
    }
    for (int64_t i = 0; i < runs; i++) run[i].component = position[run[i].component - 1];
}

/* Labels in the order of the sorted components. */
static void sort_values(const uint32_t *value, const uint32_t *position, int64_t components, uint32_t *sorted) {
    for (int64_t i = 0; i < components; i++) sorted[position[i]] = value[i];
}

/* Numbers the sets, in place of their parents. A root precedes all others of its set, so numbers rise with the smallest
 * index, and a parent that has its number already passes it on. */
static int64_t number_sets(uint32_t *set, int64_t components) {
    uint32_t count = 0;
    for (int64_t i = 0; i < components; i++) set[i] = set[i] == i ? ++count : set[set[i]];
    return count;
}

static tk_status reconcile(int64_t *first, const uint32_t *value, uint32_t *number, int64_t components,
                           tk_shell_run *run, int64_t runs, const int64_t size[3], int connectivity, int64_t *count,
                           tk_scratch *scratch) {
    const int64_t length = components > runs ? components : runs;
    tk_shell_run *records = tk_scratch_take(scratch, length, sizeof *records);
    tk_shell_run *spare = tk_scratch_take(scratch, length, sizeof *spare);
    uint32_t *position = tk_scratch_take(scratch, components, sizeof *position);
    if (!records || !spare || !position) return TK_NO_MEMORY;
    sort_components(first, components, run, runs, records, spare, position);
    uint32_t *sorted = (uint32_t *)(void *)records; /* which are not needed any more */
    if (value) sort_values(value, position, components, sorted);
    for (int64_t i = 0; i < components; i++) number[i] = (uint32_t)i;
    const sweep s = {tk_sort_by_index(run, spare, runs), runs, size[TK_X], number, value ? sorted : NULL};
    sweep_rows(&s, size, connectivity);
    *count = number_sets(number, components);
    return TK_OK;
}

tk_status tk_reconcile(int64_t *first, const uint32_t *value, uint32_t *number, int64_t components, tk_shell_run *run,
                       int64_t runs, const int64_t size[3], int connectivity, int64_t *count, tk_scratch *scratch) {
    *count = 0;
    if (components >= UINT32_MAX) return TK_UNSOLVABLE;
    if (components == 0) return TK_OK;
    const size_t mark = tk_scratch_mark(scratch);
    const tk_status status = reconcile(first, value, number, components, run, runs, size, connectivity, count, scratch);
    tk_scratch_rewind(scratch, mark);
    return status;
}

/* The position of the component with this first voxel; count: it is not there. */
static int64_t find(const tk_component *list, int64_t count, int64_t first) {
    int64_t lo = 0, hi = count;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (list[middle].first < first)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < count && list[lo].first == first ? lo : count;
}

/* Adds up in place: a whole component never stands behind its first part, which is met before all others. */
static void add_up(tk_component *list, int64_t components, const uint32_t *number) {
    for (int64_t i = 0, known = 0; i < components; i++) {
        if (number[i] > known) {
            list[known++] = list[i];
            continue;
        }
        tk_component *whole = &list[number[i] - 1];
        whole->voxels += list[i].voxels;
        whole->border |= list[i].border;
        whole->strong |= list[i].strong;
    }
}

tk_status tk_reconcile_pairs(tk_component *list, int64_t components, const tk_component_pair *pairs, int64_t pair_count,
                             uint32_t *number, int64_t *count) {
    *count = 0;
    if (components >= UINT32_MAX) return TK_UNSOLVABLE;
    for (int64_t i = 0; i < components; i++) number[i] = (uint32_t)i;
    for (int64_t p = 0; p < pair_count; p++) {
        const int64_t a = find(list, components, pairs[p].a), b = find(list, components, pairs[p].b);
        if (a == components || b == components) return TK_FAILED;
        tk_set_join(number, tk_set_root(number, (uint32_t)a), (uint32_t)b);
    }
    *count = number_sets(number, components);
    add_up(list, components, number);
    return TK_OK;
}
