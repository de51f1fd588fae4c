// Tiled: a block makes 4 x 8 positions of 32 filters. Sixteen channels at a time it brings the patch of
// the source that they need (6 x 10 positions), and the filters, to its shared memory; there every
// number is fetched once for 32 threads. A warp is 32 filters, so a ballot is a word of the mask; a
// thread has the four positions of a window, so pooling is an addition. This is also what computes in
// double precision.
#include "convolution.cuh"

template <int taps>
__device__ void convolve_tiled(const Convolution& s, const real* w) {
    const int CHANNELS = 16, BORDER = taps == 9;
    const int ROWS = 4 + 2 * BORDER, COLUMNS = 8 + 2 * BORDER;
    __shared__ real patch[ROWS][COLUMNS][CHANNELS];
    __shared__ real filters[taps][CHANNELS][32];

    const int Cp = padded(s.C, CHANNELS_PADDED_TO), Kp = padded(s.K, FILTERS_PADDED_TO);
    const int k_tiles = ceiling(s.K, 32), across = ceiling(s.W, 8), tile = blockIdx.x / k_tiles;
    const int lane = threadIdx.x % 32, window = threadIdx.x / 32;
    const int k = blockIdx.x % k_tiles * 32 + lane;
    const int top = tile / across * 4, left = tile % across * 8;   // of the block
    const int down = window / 4 * 2, right = window % 4 * 2;       // of the thread, within it

    real sums[2][2] = {{0, 0}, {0, 0}};
    for (int c0 = 0; c0 < s.C; c0 += CHANNELS) {
        __syncthreads();  // nobody still reads what was there
        for (int n = threadIdx.x; n < ROWS * COLUMNS * CHANNELS; n += 256) {
            const int c = n % CHANNELS, q = n / CHANNELS % COLUMNS, p = n / CHANNELS / COLUMNS;
            patch[p][q][c] = source_at(s, top + p - BORDER, left + q - BORDER, c0 + c);
        }
        for (int n = window; n < taps * CHANNELS; n += 8) {
            const int c = n % CHANNELS, tap = n / CHANNELS;
            filters[tap][c][lane] = w[((long long)tap * Cp + c0 + c) * Kp + k];
        }
        __syncthreads();
        for (int tap = 0; tap < taps; tap++) {
            const int u = taps == 9 ? tap / 3 : 0, v = taps == 9 ? tap % 3 : 0;
            for (int c = 0; c < CHANNELS; c++) {
                const real filter = filters[tap][c][lane];
                for (int e = 0; e < 4; e++)
                    sums[e / 2][e % 2] += patch[down + e / 2 + u][right + e % 2 + v][c] * filter;
            }
        }
    }
    const real bias = bias_of(s, k);
    real of_window = 0;
    for (int e = 0; e < 4; e++) {
        const int i = top + down + e / 2, j = left + right + e % 2;
        real value = sums[e / 2][e % 2] + bias;
        const bool inside = i < s.H && j < s.W;
        if (s.y_mask) {
            const word bits = __ballot_sync(ALL_LANES, k < s.K && passes(value));
            if (lane == 0 && inside)
                s.y_mask[((long long)i * s.W + j) * mask_words(s.K) + k / 32] = bits;
            value = passes(value) ? value : real(0);
        }
        of_window += value;
        if (!s.y_pooled && inside && k < s.K) put(s, i, j, k, value);
    }
    const int i = top + down, j = left + right;
    if (s.y_pooled && has_window(s, i, j) && k < s.K) put(s, i, j, k, real(0.25) * of_window);
}

KERNEL __launch_bounds__(256) convolution_tiled(CONVOLUTION_PARAMETERS(real)) {
    convolve_tiled<9>(CONVOLUTION, w);
}
KERNEL __launch_bounds__(256) product_tiled(CONVOLUTION_PARAMETERS(real)) {
    convolve_tiled<1>(CONVOLUTION, w);
}
