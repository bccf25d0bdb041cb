/* Named arrays in memory: a list sorted by name, checked access, additions. Files: arrays_load.c, arrays_save.c. */
#include "io/arrays.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/arrays_list.h"

static void free_texts(char **texts, int64_t count) {
    for (int64_t i = 0; texts && i < count; i++) free(texts[i]);
    free(texts);
}

void tk_array_free(tk_array *array) {
    if (array->type == TK_ARRAY_TEXT)
        free_texts(array->texts, array->count);
    else
        free(array->data);
    free(array->name);
    *array = (tk_array){0};
}

void tk_arrays_free(tk_arrays *arrays) {
    for (int64_t i = 0; i < arrays->count; i++) tk_array_free(&arrays->array[i]);
    free(arrays->array);
    free(arrays->file);
    *arrays = (tk_arrays){0};
}

/* Where an array of this name is, or belongs. */
static int64_t place_of(const tk_arrays *arrays, const char *name) {
    int64_t lo = 0, hi = arrays->count;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (strcmp(arrays->array[middle].name, name) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

const tk_array *tk_arrays_find(const tk_arrays *arrays, const char *name) {
    const int64_t place = place_of(arrays, name);
    return place < arrays->count && strcmp(arrays->array[place].name, name) == 0 ? &arrays->array[place] : NULL;
}

static const char *file_of(const tk_arrays *arrays) { return arrays->file ? arrays->file : "arrays"; }

/* Bytes that the data of an array take. */
static int64_t bytes_of(const tk_array *array) {
    int64_t bytes = array->count * (int64_t)sizeof(int64_t);
    if (array->type == TK_ARRAY_TEXT)
        for (int64_t i = 0; i < array->count; i++) bytes += (int64_t)strlen(array->texts[i]) + 1;
    return array->type == TK_ARRAY_OTHER ? 0 : bytes;
}

static bool make_room(tk_arrays *arrays) {
    if (arrays->count < arrays->room) return true;
    const int64_t room = arrays->room > 0 ? 2 * arrays->room : 16;
    tk_array *larger = realloc(arrays->array, (size_t)room * sizeof *larger);
    if (!larger) return false;
    arrays->array = larger;
    arrays->room = room;
    return true;
}

tk_status tk_arrays_insert(tk_arrays *arrays, tk_array *array, tk_error *error) {
    tk_status status = TK_OK;
    if (tk_arrays_find(arrays, array->name))
        status = tk_fail(error, TK_FAILED, "%s: two arrays are named '%s'", file_of(arrays), array->name);
    else if (!make_room(arrays))
        status = tk_fail_memory(error, "arrays");
    if (status != TK_OK) {
        tk_array_free(array);
        return status;
    }
    const int64_t place = place_of(arrays, array->name);
    memmove(arrays->array + place + 1, arrays->array + place, (size_t)(arrays->count - place) * sizeof *arrays->array);
    arrays->array[place] = *array;
    arrays->count++;
    arrays->bytes += bytes_of(array);
    return TK_OK;
}

/* --- checked access ------------------------------------------------------------------------------------------- */

static const char *text_of_type(tk_array_type type) {
    static const char *const texts[] = {"whole numbers", "real numbers", "texts", "a type that is not read"};
    return texts[type];
}

static tk_status refuse(const tk_arrays *arrays, const char *name, const char *what, tk_error *error) {
    return tk_fail(error, TK_UNREADABLE, "%s: array '%s' %s (is this the right file, and whole?)", file_of(arrays),
                   name, what);
}

static tk_status check_sizes(const tk_arrays *arrays, const tk_array *found, int rank, const int64_t size[],
                             tk_error *error) {
    if (rank >= 0 && found->rank != rank)
        return tk_fail(error, TK_UNREADABLE, "%s: array '%s' has %d axes where %d are right", file_of(arrays),
                       found->name, found->rank, rank);
    for (int axis = 0; axis < rank; axis++)
        if (size[axis] >= 0 && found->size[axis] != size[axis])
            return tk_fail(error, TK_UNREADABLE, "%s: array '%s' has %lld elements along axis %d where %lld are right",
                           file_of(arrays), found->name, (long long)found->size[axis], axis, (long long)size[axis]);
    return TK_OK;
}

static tk_status find(const tk_arrays *arrays, const char *name, const tk_array **array, tk_error *error) {
    *array = tk_arrays_find(arrays, name);
    return *array ? TK_OK : refuse(arrays, name, "is missing", error);
}

tk_status tk_arrays_get(const tk_arrays *arrays, const char *name, tk_array_type type, int rank, const int64_t size[],
                        const tk_array **array, tk_error *error) {
    TK_TRY(find(arrays, name, array, error));
    if ((*array)->type != type)
        return tk_fail(error, TK_UNREADABLE, "%s: array '%s' has %s where %s are right", file_of(arrays), name,
                       text_of_type((*array)->type), text_of_type(type));
    return check_sizes(arrays, *array, rank, size, error);
}

/* An array of one element. */
static tk_status find_one(const tk_arrays *arrays, const char *name, const tk_array **array, tk_error *error) {
    TK_TRY(find(arrays, name, array, error));
    return (*array)->count == 1 && (*array)->data ? TK_OK : refuse(arrays, name, "is not one value", error);
}

tk_status tk_arrays_number(const tk_arrays *arrays, const char *name, double *value, tk_error *error) {
    const tk_array *array;
    TK_TRY(find_one(arrays, name, &array, error));
    if (array->type == TK_ARRAY_INT) {
        *value = (double)array->ints[0];
        return TK_OK;
    }
    if (array->type != TK_ARRAY_REAL || !isfinite(array->reals[0]))
        return refuse(arrays, name, "is not a finite number", error);
    *value = array->reals[0];
    return TK_OK;
}

tk_status tk_arrays_integer(const tk_arrays *arrays, const char *name, int64_t lo, int64_t hi, int64_t *value,
                            tk_error *error) {
    const tk_array *array;
    double number;
    TK_TRY(find_one(arrays, name, &array, error));
    TK_TRY(tk_arrays_number(arrays, name, &number, error));
    /* Reals beyond 2^53 are no exact integers. */
    if (array->type == TK_ARRAY_REAL && (number != floor(number) || fabs(number) > 0x1p53))
        return refuse(arrays, name, "is not a whole number", error);
    *value = array->type == TK_ARRAY_INT ? array->ints[0] : (int64_t)number;
    if (*value >= lo && *value <= hi) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s: array '%s' is %lld, which is not from %lld to %lld", file_of(arrays),
                   name, (long long)*value, (long long)lo, (long long)hi);
}

tk_status tk_arrays_text(const tk_arrays *arrays, const char *name, const char **text, tk_error *error) {
    const tk_array *array;
    TK_TRY(find_one(arrays, name, &array, error));
    if (array->type != TK_ARRAY_TEXT) return refuse(arrays, name, "is not a text", error);
    *text = array->texts[0];
    return TK_OK;
}

/* Room for an array of `count` elements, also of none. */
static void *room_for(int64_t count, size_t element) { return calloc(count > 0 ? (size_t)count : 1, element); }

tk_status tk_arrays_copy_i32(const tk_arrays *arrays, const char *name, int rank, const int64_t size[], int32_t lo,
                             int32_t hi, int32_t **copy, tk_error *error) {
    const tk_array *array;
    *copy = NULL;
    TK_TRY(tk_arrays_get(arrays, name, TK_ARRAY_INT, rank, size, &array, error));
    for (int64_t i = 0; i < array->count; i++)
        if (array->ints[i] < lo || array->ints[i] > hi)
            return tk_fail(error, TK_UNREADABLE, "%s: array '%s' has %lld, which is not from %d to %d", file_of(arrays),
                           name, (long long)array->ints[i], lo, hi);
    int32_t *made = room_for(array->count, sizeof *made);
    if (!made) return tk_fail_memory(error, "arrays");
    for (int64_t i = 0; i < array->count; i++) made[i] = (int32_t)array->ints[i];
    *copy = made;
    return TK_OK;
}

tk_status tk_arrays_copy_f32(const tk_arrays *arrays, const char *name, int rank, const int64_t size[], float **copy,
                             tk_error *error) {
    const tk_array *array;
    *copy = NULL;
    TK_TRY(tk_arrays_get(arrays, name, TK_ARRAY_REAL, rank, size, &array, error));
    for (int64_t i = 0; i < array->count; i++)
        if (!isfinite((float)array->reals[i])) return refuse(arrays, name, "has values that are not finite", error);
    float *made = room_for(array->count, sizeof *made);
    if (!made) return tk_fail_memory(error, "arrays");
    for (int64_t i = 0; i < array->count; i++) made[i] = (float)array->reals[i];
    *copy = made;
    return TK_OK;
}

/* --- additions ------------------------------------------------------------------------------------------------ */

static void widen(tk_array *array, const void *data) {
    for (int64_t i = 0; i < array->count; i++) {
        if (array->stored == TK_I32)
            array->ints[i] = ((const int32_t *)data)[i];
        else if (array->stored == TK_I64)
            array->ints[i] = ((const int64_t *)data)[i];
        else if (array->stored == TK_F32)
            array->reals[i] = ((const float *)data)[i];
        else
            array->reals[i] = ((const double *)data)[i];
    }
}

tk_status tk_arrays_add(tk_arrays *arrays, const char *name, tk_dtype stored, int rank, const int64_t size[],
                        const void *data, tk_error *error) {
    tk_array array = {
        .type = tk_dtype_is_integer(stored) ? TK_ARRAY_INT : TK_ARRAY_REAL, .stored = stored, .rank = rank, .count = 1};
    for (int axis = 0; axis < rank; axis++) {
        array.size[axis] = size[axis];
        array.count *= size[axis];
    }
    array.name = strdup(name);
    array.data = room_for(array.count, sizeof(int64_t));
    if (!array.name || !array.data) {
        tk_array_free(&array);
        return tk_fail_memory(error, "arrays");
    }
    widen(&array, data);
    return tk_arrays_insert(arrays, &array, error);
}

/* Copies of all of them; NULL: no memory. */
static char **copy_texts(int64_t count, const char *const *texts) {
    char **copies = room_for(count, sizeof *copies);
    for (int64_t i = 0; copies && i < count; i++) {
        copies[i] = strdup(texts[i]);
        if (copies[i]) continue;
        free_texts(copies, i);
        return NULL;
    }
    return copies;
}

tk_status tk_arrays_add_texts(tk_arrays *arrays, const char *name, int64_t count, const char *const *texts,
                              tk_error *error) {
    tk_array array = {.type = TK_ARRAY_TEXT, .rank = count < 0 ? 0 : 1, .count = count < 0 ? 1 : count};
    if (array.rank == 1) array.size[0] = array.count;
    array.texts = copy_texts(array.count, texts);
    array.name = strdup(name);
    if (array.name && array.texts) return tk_arrays_insert(arrays, &array, error);
    tk_array_free(&array);
    return tk_fail_memory(error, "arrays");
}
