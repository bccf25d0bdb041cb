/* Half precision: every half, and floats around every half, against the definition of IEEE 754 binary16. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/common/half.h"
#include "kernels/fft/multiply.h"

enum { HALVES = 1 << 16 };

/* The value by the definition: sign, 5 bits of exponent with bias 15, 10 bits of fraction. */
static double value_of(int half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

/* The nearest half by search: the first whose midpoint with the next one is not below; ties to the even one. */
static uint16_t nearest(double value) {
    const double magnitude = fabs(value);
    int low = 0, high = 0x7C00;
    while (low < high) {
        const int middle = (low + high) / 2;
        const double next = middle + 1 == 0x7C00 ? 65536 : value_of(middle + 1);
        const double between = (value_of(middle) + next) / 2;
        if (magnitude < between || (magnitude == between && middle % 2 == 0))
            high = middle;
        else
            low = middle + 1;
    }
    return (uint16_t)(low | (signbit(value) ? 0x8000 : 0));
}

static void test_every_half_becomes_its_value(void **state) {
    (void)state;
    for (int half = 0; half < HALVES; half++) {
        const double value = value_of(half);
        const float made = tk_half_to_float((uint16_t)half);
        if (isnan(value)) {
            assert_true(isnan(made));
            assert_true(isnan(tk_half_to_float(tk_half_of_float(made))));
            continue;
        }
        assert_true((double)made == value && !signbit(made) == !(half & 0x8000));
        assert_int_equal(tk_half_of_float(made), half);
    }
}

static void check_float(float value) {
    if (isnan(value)) return;
    assert_int_equal(tk_half_of_float(value), nearest((double)value));
    assert_int_equal(tk_half_of_float(-value), nearest(-(double)value));
}

/* Each half, the midpoint to the next one, and what lies just beside both. */
static void test_floats_become_the_nearest_half(void **state) {
    (void)state;
    for (int half = 0; half < 0x7C00; half++) {
        const float value = (float)value_of(half);
        const float next = half == 0x7BFF ? 65536 : (float)value_of(half + 1), middle = value + (next - value) / 2;
        const float points[] = {value, middle};
        for (int i = 0; i < 2; i++) {
            check_float(points[i]);
            check_float(nextafterf(points[i], 0));
            check_float(nextafterf(points[i], INFINITY));
        }
    }
    for (int exponent = -149; exponent < 128; exponent++) check_float(ldexpf(1.7F, exponent));
    assert_int_equal(tk_half_of_float(INFINITY), 0x7C00);
    assert_int_equal(tk_half_of_float(-INFINITY), 0xFC00);
    assert_true(isnan(tk_half_to_float(tk_half_of_float(NAN))));
}

static void test_same_bits_on_every_instruction_set(void **state) {
    (void)state;
    static uint16_t halves[HALVES], packed[HALVES];
    static float floats[HALVES];
    for (int i = 0; i < HALVES; i++) halves[i] = (uint16_t)i;
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        const tk_fft_multiply *table = TK_ISA_SELECT(tk_fft_multiply_table, (tk_isa)isa);
        table->unpack(HALVES, floats, halves, 1);
        for (int i = 0; i < HALVES; i++) {
            const float one = tk_half_to_float((uint16_t)i);
            assert_true(isnan(one) ? isnan(floats[i]) : tk_bits_of_float(floats[i]) == tk_bits_of_float(one));
        }
        for (int i = 0; i < HALVES; i++) floats[i] = tk_bits_to_float((uint32_t)i << 16 | (uint32_t)i);
        table->pack(HALVES, packed, floats, 1);
        for (int i = 0; i < HALVES; i++)
            assert_true(isnan(floats[i]) ? (packed[i] & 0x7FFF) > 0x7C00 : packed[i] == tk_half_of_float(floats[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_becomes_its_value),
        cmocka_unit_test(test_floats_become_the_nearest_half),
        cmocka_unit_test(test_same_bits_on_every_instruction_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
