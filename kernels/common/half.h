/* IEEE 754 binary16 kept in uint16_t. Plain integer and float32 operations without branches, so that loops over them
 * vectorise, and give the same bits on every instruction set (F16C is not used). Subnormals, infinities and NaN are as
 * the standard says; rounding is to nearest, ties to even. */
#ifndef TK_KERNELS_COMMON_HALF_H
#define TK_KERNELS_COMMON_HALF_H

#include <stdint.h>
#include <string.h>

static inline float tk_bits_to_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t tk_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The value of a half: exact. */
static inline float tk_half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    const int32_t magnitude = half & 0x7FFF;
    /* The exponent's bias is 127 instead of 15; that of infinities and NaN grows once more. */
    const int32_t bias = magnitude >= 0x7C00 ? 224 << 23 : 112 << 23;
    const uint32_t normal = (uint32_t)((magnitude << 13) + bias);
    /* A subnormal counts steps of 2^-24, which is the step of floats from 1/2 on. */
    const uint32_t subnormal = tk_bits_of_float(tk_bits_to_float(0x3F000000U + (uint32_t)magnitude) - 0.5F);
    return tk_bits_to_float((magnitude < 0x0400 ? subnormal : normal) | sign);
}

/* The nearest half. Magnitudes from 65520 on become infinite, those up to 2^-25 zero. */
static inline uint16_t tk_half_of_float(float value) {
    const uint32_t bits = tk_bits_of_float(value);
    const uint32_t sign = bits >> 16 & 0x8000U;
    const int32_t magnitude = (int32_t)(bits & 0x7FFFFFFFU);
    const int32_t tie = (magnitude >> 13) & 1;
    const int32_t normal = (magnitude - (112 << 23) + 0xFFF + tie) >> 13;
    /* Below 2^-14, adding 1/2 rounds to steps of 2^-24. A larger magnitude is cut off first: its sum is not used. */
    const int32_t small = magnitude < 0x38800000 ? magnitude : 0;
    const int32_t subnormal = (int32_t)(tk_bits_of_float(tk_bits_to_float((uint32_t)small) + 0.5F) - 0x3F000000U);
    const int32_t beyond = magnitude > 0x7F800000 ? 0x7E00 : 0x7C00; /* NaN or infinity */
    const int32_t finite = magnitude < 0x38800000 ? subnormal : normal;
    return (uint16_t)(sign | (uint32_t)(magnitude >= 0x477FF000 ? beyond : finite));
}

#endif
