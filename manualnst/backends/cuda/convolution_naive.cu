// Naive: a thread for each number of y. It fetches all that the equation names from the card's memory:
// for each multiplication two numbers, which its neighbours fetch again.
#include "convolution.cuh"

__device__ inline real convolved_at(const Convolution& s, const real* w, int taps, int i, int j, int k) {
    const int Cp = padded(s.C, CHANNELS_PADDED_TO), Kp = padded(s.K, FILTERS_PADDED_TO);
    real sum = bias_of(s, k);
    for (int tap = 0; tap < taps; tap++) {
        const int p = taps == 9 ? i + tap / 3 - 1 : i, q = taps == 9 ? j + tap % 3 - 1 : j;
        for (int c = 0; c < s.C; c++)
            sum += source_at(s, p, q, c) * w[((long long)tap * Cp + c) * Kp + k];
    }
    return sum;
}

// ReLU; the mask, which must be zeros, gets its bit.
__device__ inline real rectified_at(const Convolution& s, int i, int j, int k, real value) {
    if (!s.y_mask) return value;
    if (!passes(value)) return 0;
    atomicOr(&s.y_mask[((long long)i * s.W + j) * mask_words(s.K) + k / 32], 1u << k % 32);
    return value;
}

__device__ inline void convolve_naive(const Convolution& s, const real* w, int taps) {
    const int side = s.y_pooled ? 2 : 1;  // of what one number of y is made of
    const int rows = s.H / side, columns = s.W / side;
    const long long n = first_index();
    if (n >= (long long)rows * columns * s.K) return;
    const int k = int(n % s.K), j = int(n / s.K % columns), i = int(n / s.K / columns);
    real sum = 0;
    for (int e = 0; e < side * side; e++) {
        const int p = side * i + e / 2, q = side * j + e % 2;
        sum += rectified_at(s, p, q, k, convolved_at(s, w, taps, p, q, k));
    }
    put(s, side * i, side * j, k, s.y_pooled ? real(0.25) * sum : sum);
}

KERNEL convolution_naive(CONVOLUTION_PARAMETERS(real)) {
    convolve_naive(CONVOLUTION, w, 9);
}
KERNEL product_naive(CONVOLUTION_PARAMETERS(real)) {
    convolve_naive(CONVOLUTION, w, 1);
}
