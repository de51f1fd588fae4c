// A warp's matrix unit: D (16, 8) += A (16, k) * B (k, 8). Sums are kept in float32, but it cuts off
// as it adds, where other additions round.
//
// It takes words of 32 bits, 8 words of each row of A and each column of B at a time. A word is one
// number in TF32 (8 bits of exponent, 10 of fraction), k = 8, or two in float16 (5 and 10) or
// bfloat16 (8 and 7), k = 16. In words the three are alike, so all that is different is here.
//
// And a fourth, of those: a float32 is nearly the sum of two numbers in TF32, of what it is rounded to
// and of what is left over. Three products of these (the least, of both left-overs, is left out)
// come to 21 bits of fraction of what is multiplied, where float32 has 23; sums are as above.
//
// Who holds what, for lane = 4 g + t (g = 0 ... 7, t = 0 ... 3):
//     a[0], a[1]   words (row g, t) and (g + 8, t) of A        a[2], a[3]   the same, word t + 4
//     b[0], b[1]   words (t, column g) and (t + 4, g) of B
//     d[0], d[1]   numbers (g, 2t) and (g, 2t + 1) of D        d[2], d[3]   the same, row g + 8
#pragma once
#include "common.cuh"

#ifdef MATRIX_UNITS

enum Arithmetic { TF32, FLOAT16, BFLOAT16, TF32X3 };

__host__ __device__ constexpr int numbers_in_a_word(int arithmetic) {
    return arithmetic == TF32 || arithmetic == TF32X3 ? 1 : 2;
}

// Beyond 65504 float16 has only infinity: stop there instead. What is not a number passes.
__device__ inline float within_float16(float value) {
    return value < -65504.f ? -65504.f : value > 65504.f ? 65504.f : value;
}

#ifdef __CUDA_ARCH__

__device__ inline float as_number(word w) { return __uint_as_float(w); }
__device__ inline word as_word(float number) { return __float_as_uint(number); }

template <int arithmetic>
__device__ inline void multiply_add(float (&d)[4], const word (&a)[4], const word (&b)[2]) {
#define MULTIPLY_ADD(shape_and_types)                                                        \
    asm("mma.sync.aligned." shape_and_types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "       \
        "{%0,%1,%2,%3};"                                                                     \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                     \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
    if (arithmetic == TF32) MULTIPLY_ADD("m16n8k8.row.col.f32.tf32.tf32.f32");
    if (arithmetic == FLOAT16) MULTIPLY_ADD("m16n8k16.row.col.f32.f16.f16.f32");
    if (arithmetic == BFLOAT16) MULTIPLY_ADD("m16n8k16.row.col.f32.bf16.bf16.f32");
#undef MULTIPLY_ADD
}

// One or two numbers as a word, rounded to nearest; `second` does not matter to TF32.
template <int arithmetic>
__device__ inline word packed(float first, float second) {
    word w;
    if (arithmetic == TF32) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(w) : "f"(first));
    if (arithmetic == FLOAT16)
        asm("cvt.rn.f16x2.f32 %0, %1, %2;"
            : "=r"(w)
            : "f"(within_float16(second)), "f"(within_float16(first)));
    if (arithmetic == BFLOAT16)
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(second), "f"(first));
    return w;
}

// 16 bytes from the card's memory to shared memory, without waiting and without registers. Copies
// go by groups: close_group() ends one, and all_but<n>() waits until no more than the n latest
// groups are under way.
__device__ inline void copy_ahead(void* shared, const void* global) {
    const word to = (word)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}
__device__ inline void close_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n>
__device__ inline void all_but() {
    asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
}

#else
#include "matrix_unit_on_host.h"  // the same functions, for tests without a card
#endif

// A word's number as two in TF32.
__device__ inline void split(word w, word& rounded, word& rest) {
    const float number = as_number(w);
    rounded = packed<TF32>(number, 0);
    rest = packed<TF32>(number - as_number(rounded), 0);
}

template <>
__device__ inline word packed<TF32X3>(float first, float) {
    return as_word(first);
}
template <>
__device__ inline void multiply_add<TF32X3>(float (&d)[4], const word (&a)[4], const word (&b)[2]) {
    word rounded_a[4], rest_of_a[4], rounded_b[2], rest_of_b[2];
#pragma unroll
    for (int n = 0; n < 4; n++) split(a[n], rounded_a[n], rest_of_a[n]);
#pragma unroll
    for (int n = 0; n < 2; n++) split(b[n], rounded_b[n], rest_of_b[n]);
    multiply_add<TF32>(d, rest_of_a, rounded_b);  // the small ones first
    multiply_add<TF32>(d, rounded_a, rest_of_b);
    multiply_add<TF32>(d, rounded_a, rounded_b);
}

#endif
