// Filters as the convolutions want them: (taps, channels in, filters), zeros up to multiples of 32
// and 128 so that nothing need be asked while they are read. They are laid out once for a network.
#include "convolution.cuh"
#include "matrix_unit.cuh"

enum Layout {
    PLAIN,    // w (taps, C, K) as it is
    TURNED,   // w (taps, K, C), for [C2]: by 180 degrees, channels in and out exchanged
    SYMMETRIC // w (C, C): w + its transpose, for [G1]
};

__device__ inline real filter_at(const real* w, int layout, int taps, int tap, int c, int k, int C, int K) {
    if (c >= C || k >= K) return 0;
    if (layout == PLAIN) return w[((long long)tap * C + c) * K + k];
    if (layout == TURNED) return w[((long long)(taps - 1 - tap) * K + k) * C + c];
    return w[(long long)c * C + k] + w[(long long)k * C + c];
}

KERNEL filters(const real* w, int layout, double factor, real* out, int taps, int C, int K) {
    const int Cp = padded(C, CHANNELS_PADDED_TO), Kp = padded(K, FILTERS_PADDED_TO);
    for (long long n = first_index(); n < (long long)taps * Cp * Kp; n += index_step()) {
        const int k = int(n % Kp), c = int(n / Kp % Cp), tap = int(n / Kp / Cp);
        out[n] = real(factor) * filter_at(w, layout, taps, tap, c, k, C, K);
    }
}

#ifdef MATRIX_UNITS

// The same, rounded, as words of one or two channels: (taps, channels in / numbers in a word,
// filters).
template <int arithmetic>
__device__ void pack_filters(
    const real* w, int layout, double factor, word* out, int taps, int C, int K
) {
    const int numbers = numbers_in_a_word(arithmetic);
    const int Cp = padded(C, CHANNELS_PADDED_TO) / numbers, Kp = padded(K, FILTERS_PADDED_TO);
    for (long long n = first_index(); n < (long long)taps * Cp * Kp; n += index_step()) {
        const int k = int(n % Kp), c = int(n / Kp % Cp) * numbers, tap = int(n / Kp / Cp);
        out[n] = packed<arithmetic>(
            float(factor) * filter_at(w, layout, taps, tap, c, k, C, K),
            float(factor) * filter_at(w, layout, taps, tap, c + 1, k, C, K)
        );
    }
}

#define PACK(name, arithmetic)                                                                  \
    KERNEL name(const real* w, int layout, double factor, word* out, int taps, int C, int K) {  \
        pack_filters<arithmetic>(w, layout, factor, out, taps, C, K);                           \
    }
PACK(filters_tf32, TF32)
PACK(filters_float16, FLOAT16)
PACK(filters_bfloat16, BFLOAT16)
PACK(filters_tf32x3, TF32X3)

#endif
