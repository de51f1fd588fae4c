// [M3] the inside of a map, and [M4] back: every thread copies numbers, on one rung.
#include "common.cuh"

// Where number n of the inside, W wide, lies in the map with its margin.
__device__ inline long long place_in_map(long long n, int W, int N, int margin) {
    const long long i = n / N / W + margin, j = n / N % W + margin;
    return (i * (W + 2 * margin) + j) * N + n % N;
}

KERNEL crop_forward(const real* y, real* F, int H, int W, int N, int margin) {
    for (long long n = first_index(); n < (long long)H * W * N; n += index_step())
        F[n] = y[place_in_map(n, W, N, margin)];
}

// Adds to what lies there; the margin is left as it is.
KERNEL crop_backward(const real* dL_dF, real* dL_dy, int H, int W, int N, int margin) {
    for (long long n = first_index(); n < (long long)H * W * N; n += index_step())
        dL_dy[place_in_map(n, W, N, margin)] += dL_dF[n];
}
