// [T1] the sum of squared differences of neighbours, and [T2] its gradient.
#include "reduce.cuh"

// The squared differences to the neighbours below and to the right, if there are any.
__device__ inline double squares_of_pairs(const real* x, long long i, int H, int W, int C) {
    const long long position = i / C;
    double sum = 0;
    if (position / W + 1 < H) {
        const double d = double(x[i + (long long)W * C]) - double(x[i]);
        sum += d * d;
    }
    if (position % W + 1 < W) {
        const double d = double(x[i + C]) - double(x[i]);
        sum += d * d;
    }
    return sum;
}

// Naive: one thread, pair by pair.
KERNEL total_variation_forward_naive(const real* x, double* partial, int H, int W, int C) {
    double sum = 0;
    for (long long i = 0; i < (long long)H * W * C; i++) sum += squares_of_pairs(x, i, H, W, C);
    partial[0] = sum;
}

// Fast: threads side by side read numbers side by side; sums stay in registers (see
// squared_error.cu for the step between the two).
KERNEL total_variation_forward_fast(const real* x, double* partial, int H, int W, int C) {
    double sum = 0;
    for (long long i = first_index(); i < (long long)H * W * C; i += index_step())
        sum += squares_of_pairs(x, i, H, W, C);
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// A pair gives to both of its ends. Here every end collects from its up to four pairs instead, so
// that no two threads add to one number.
KERNEL total_variation_backward(
    const real* x, const double* dL_dloss, real* dL_dx, int H, int W, int C
) {
    const real factor = real(2 * *dL_dloss);
    const long long row = (long long)W * C;
    for (long long i = first_index(); i < H * row; i += index_step()) {
        const long long p = i / row, q = i / C % W;
        real sum = 0;
        if (p > 0) sum += x[i] - x[i - row];
        if (p + 1 < H) sum += x[i] - x[i + row];
        if (q > 0) sum += x[i] - x[i - C];
        if (q + 1 < W) sum += x[i] - x[i + C];
        dL_dx[i] = factor * sum;
    }
}
