/* What the tests of io/ share: reproducible random numbers, a directory of their own, files as bytes. */
#ifndef TK_TEST_IO_FIXTURE_H
#define TK_TEST_IO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/error.h"
#include "kernels/common/view.h"

static uint64_t random_state = 88172645463325252u;

/* xorshift64 (Marsaglia 2003). */
static inline uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A whole number from lo to hi - 1. */
static inline int64_t random_between(int64_t lo, int64_t hi) {
    return lo + (int64_t)(random_bits() % (uint64_t)(hi - lo));
}

/* A random box inside an image, at least one voxel large. */
static inline tk_box random_box(const int64_t size[3]) {
    tk_box box;
    for (int axis = 0; axis < 3; axis++) {
        box.lo[axis] = random_between(0, size[axis]);
        box.hi[axis] = random_between(box.lo[axis] + 1, size[axis] + 1);
    }
    return box;
}

/* Makes a directory for this program and enters it; cmocka's group set-up. */
static inline int enter_directory(void **state) {
    static char name[] = "/tmp/tarkka-test-XXXXXX";
    (void)state;
    return mkdtemp(name) && chdir(name) == 0 ? 0 : -1;
}

/* Removes it again, with what lies in it; cmocka's group tear-down. */
static inline int leave_directory(void **state) {
    (void)state;
    char path[64], command[128];
    if (!getcwd(path, sizeof path) || strncmp(path, "/tmp/tarkka-test-", 17) != 0) return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return chdir("/tmp") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void assert_done(tk_status status, const tk_error *error) {
    if (status != TK_OK) fail_msg("%s", error->text);
}

/* The whole of a file; the caller frees it. */
static inline unsigned char *file_bytes(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static inline void write_bytes(const char *name, const void *data, size_t size) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
