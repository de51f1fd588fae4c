// Fast, in float32: a block makes 8 x 16 positions of 64 or 128 filters, a thread 2 x 4 positions of 8
// filters. The tiled kernel fetches a number from shared memory for nearly every multiplication; here 8
// + 8 numbers that were fetched (four in one instruction) make 64 products, and all sums stay in
// registers, so that the multipliers are the limit and no longer shared memory.
#include "convolution.cuh"

#ifndef DOUBLE

template <int taps, int FILTERS>
__device__ void convolve_in_registers(const Convolution& s, const real* w) {
    const int CHANNELS = 8, BORDER = taps == 9, THREADS = 2 * FILTERS;
    const int ROWS = 8 + 2 * BORDER, COLUMNS = 16 + 2 * BORDER;
    // Four numbers beside the channels of each position keep neighbours in different banks.
    __shared__ __align__(16) real patch[ROWS * COLUMNS][CHANNELS + 4];
    __shared__ __align__(16) real filters[taps][CHANNELS][FILTERS];

    const int Cp = padded(s.C, CHANNELS_PADDED_TO), Kp = padded(s.K, FILTERS_PADDED_TO);
    const int k_tiles = ceiling(s.K, FILTERS), across = ceiling(s.W, 16);
    const int k0 = blockIdx.x % k_tiles * FILTERS, tile = blockIdx.x / k_tiles;
    const int top = tile / across * 8, left = tile % across * 16;
    const int own_k = threadIdx.x % (FILTERS / 8) * 8, own = threadIdx.x / (FILTERS / 8);
    const int down = own / 4 * 2, right = own % 4 * 4;

    real sums[8][8] = {};  // position, filter
    for (int c0 = 0; c0 < s.C; c0 += CHANNELS) {
        __syncthreads();
        for (int n = threadIdx.x; n < ROWS * COLUMNS * CHANNELS / 4; n += THREADS) {
            const int c = n % (CHANNELS / 4) * 4, position = n / (CHANNELS / 4);
            four_at(&patch[position][c]) = source_four_at(
                s, top + position / COLUMNS - BORDER, left + position % COLUMNS - BORDER, c0 + c
            );
        }
        for (int n = threadIdx.x; n < taps * CHANNELS * FILTERS / 4; n += THREADS) {
            const int k = n % (FILTERS / 4) * 4, row = n / (FILTERS / 4);
            const int tap = row / CHANNELS, c = row % CHANNELS;
            four_at(&filters[tap][c][k]) = four_at(w + ((long long)tap * Cp + c0 + c) * Kp + k0 + k);
        }
        __syncthreads();
        for (int tap = 0; tap < taps; tap++) {
            const int u = taps == 9 ? tap / 3 : 0, v = taps == 9 ? tap % 3 : 0;
            const int corner = (down + u) * COLUMNS + right + v;
#pragma unroll
            for (int c = 0; c < CHANNELS; c += 4) {
                Four a[8];
#pragma unroll
                for (int p = 0; p < 8; p++)
                    a[p] = four_at(&patch[corner + p / 4 * COLUMNS + p % 4][c]);
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    const Four f = four_at(&filters[tap][c + e][own_k]);
                    const Four g = four_at(&filters[tap][c + e][own_k + 4]);
#pragma unroll
                    for (int p = 0; p < 8; p++)
#pragma unroll
                        for (int k = 0; k < 4; k++) {
                            sums[p][k] += a[p].v[e] * f.v[k];
                            sums[p][k + 4] += a[p].v[e] * g.v[k];
                        }
                }
            }
        }
    }

    if (k0 + own_k >= s.K) return;
#pragma unroll
    for (int p = 0; p < 8; p++) {
        const int i = top + down + p / 4, j = left + right + p % 4;
        const bool inside = i < s.H && j < s.W;
        word bits = 0;
#pragma unroll
        for (int k = 0; k < 8; k++) {
            real value = sums[p][k] + bias_of(s, k0 + own_k + k);
            if (s.y_mask) {
                if (passes(value) && k0 + own_k + k < s.K) bits |= 1u << k;
                value = passes(value) ? value : real(0);
            }
            sums[p][k] = value;
            if (!s.y_pooled && inside && k0 + own_k + k < s.K) put(s, i, j, k0 + own_k + k, value);
        }
        if (s.y_mask && inside) {  // eight filters are a byte of the mask
            const long long first_word = ((long long)i * s.W + j) * mask_words(s.K);
            reinterpret_cast<unsigned char*>(s.y_mask + first_word)[(k0 + own_k) / 8] =
                (unsigned char)bits;
        }
    }
    if (!s.y_pooled) return;
#pragma unroll
    for (int n = 0; n < 2; n++) {  // its windows
        const int i = top + down, j = left + right + 2 * n;
        if (!has_window(s, i, j)) continue;
#pragma unroll
        for (int k = 0; k < 8; k++) {
            const real sum = sums[2 * n][k] + sums[2 * n + 1][k] + sums[2 * n + 4][k] + sums[2 * n + 5][k];
            if (k0 + own_k + k < s.K) put(s, i, j, k0 + own_k + k, real(0.25) * sum);
        }
    }
}

#define IN_REGISTERS(name, taps, filters)                                                \
    KERNEL __launch_bounds__(2 * filters, 256 / filters) name(CONVOLUTION_PARAMETERS(real)) {        \
        convolve_in_registers<taps, filters>(CONVOLUTION, w);                            \
    }
IN_REGISTERS(convolution_registers_64, 9, 64)
IN_REGISTERS(convolution_registers_128, 9, 128)
IN_REGISTERS(product_registers_64, 1, 64)
IN_REGISTERS(product_registers_128, 1, 128)

#endif
