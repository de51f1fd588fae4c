// Fast, for at most four filters, as on the last step back to the pixels: where the others would
// compute 64 filters to keep three. A thread has one position and all four filters; a block brings 16
// channels of its 16 x 16 positions to shared memory at a time.
#include "convolution.cuh"

template <int taps>
__device__ void convolve_to_few(const Convolution& s, const real* w) {
    const int CHANNELS = 16, BORDER = taps == 9, SIDE = 16 + 2 * BORDER;
    __shared__ __align__(16) real patch[SIDE * SIDE][CHANNELS + 4];
    __shared__ __align__(16) real filters[taps][CHANNELS][4];

    const int Cp = padded(s.C, CHANNELS_PADDED_TO), Kp = padded(s.K, FILTERS_PADDED_TO);
    const int across = ceiling(s.W, 16);
    const int top = blockIdx.x / across * 16, left = blockIdx.x % across * 16;
    const int down = threadIdx.x / 16, right = threadIdx.x % 16;

    real sums[4] = {};
    for (int c0 = 0; c0 < s.C; c0 += CHANNELS) {
        __syncthreads();
        for (int n = threadIdx.x; n < SIDE * SIDE * CHANNELS / 4; n += 256) {
            const int c = n % (CHANNELS / 4) * 4, position = n / (CHANNELS / 4);
            four_at(&patch[position][c]) = source_four_at(
                s, top + position / SIDE - BORDER, left + position % SIDE - BORDER, c0 + c
            );
        }
        for (int n = threadIdx.x; n < taps * CHANNELS; n += 256)
            four_at(&filters[n / CHANNELS][n % CHANNELS][0]) =
                four_at(w + ((long long)(n / CHANNELS) * Cp + c0 + n % CHANNELS) * Kp);
        __syncthreads();
        for (int tap = 0; tap < taps; tap++) {
            const int u = taps == 9 ? tap / 3 : 0, v = taps == 9 ? tap % 3 : 0;
            const real(*own)[CHANNELS + 4] = &patch[(down + u) * SIDE + right + v];
#pragma unroll
            for (int c = 0; c < CHANNELS; c += 4) {
                const Four a = four_at(&own[0][c]);
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    const Four f = four_at(&filters[tap][c + e][0]);
#pragma unroll
                    for (int k = 0; k < 4; k++) sums[k] += a.v[e] * f.v[k];
                }
            }
        }
    }
    const int i = top + down, j = left + right;
    if (i >= s.H || j >= s.W) return;
#pragma unroll
    for (int k = 0; k < 4; k++)
        if (k < s.K) put(s, i, j, k, sums[k] + bias_of(s, k));
}

// Neither takes a ReLU or pools: nothing that has so few channels does.
#ifndef DOUBLE
KERNEL __launch_bounds__(256) convolution_few(CONVOLUTION_PARAMETERS(real)) {
    convolve_to_few<9>(CONVOLUTION, w);
}
KERNEL __launch_bounds__(256) product_few(CONVOLUTION_PARAMETERS(real)) {
    convolve_to_few<1>(CONVOLUTION, w);
}
#endif
