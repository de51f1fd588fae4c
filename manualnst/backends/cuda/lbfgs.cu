// What L-BFGS computes with whole pictures; with the few numbers that come out the host goes on.
#include "reduce.cuh"

// A pixel at a bound stays there if the gradient pushes it outwards.
__device__ inline bool is_free(real x, real g) {
    return !((x <= 0 && g > 0) || (x >= 1 && g < 0));
}

// The gradient of the free pixels.
KERNEL free_gradient(const real* x, const real* g, real* out, long long n) {
    for (long long i = first_index(); i < n; i += index_step())
        out[i] = is_free(x[i], g[i]) ? g[i] : real(0);
}

// The scalar products of a with each of `count` vectors, whose addresses are listed: a block adds up
// a part of four of them, for which it reads a only once. partial (blocks / groups, count).
KERNEL products_with(
    const real* a, const unsigned long long* vectors, double* partial, long long n, int count
) {
    const int groups = ceiling(count, 4), group = blockIdx.x % groups * 4;
    const long long block = blockIdx.x / groups, blocks = gridDim.x / groups;
    double sums[4] = {};
    for (long long i = block * blockDim.x + threadIdx.x; i < n; i += blocks * blockDim.x) {
        const double value = double(a[i]);
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (group + e < count)
                sums[e] += value * double(reinterpret_cast<const real*>(vectors[group + e])[i]);
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const double sum = block_sum(sums[e]);
        if (threadIdx.x == 0 && group + e < count) partial[block * count + group + e] = sum;
    }
}

// d = - sum of coefficients[r] * vector r, where pixels are free; 0 where not.
KERNEL direction(
    const real* x, const real* g, const unsigned long long* vectors, const double* coefficients,
    real* d, long long n, int count
) {
    for (long long i = first_index(); i < n; i += index_step()) {
        double sum = 0;
        for (int r = 0; r < count; r++)
            sum += coefficients[r] * double(reinterpret_cast<const real*>(vectors[r])[i]);
        d[i] = is_free(x[i], g[i]) ? real(-sum) : real(0);
    }
}

// x' = x + t d, in the box.
KERNEL moved(const real* x, double t, const real* d, real* x_new, long long n) {
    for (long long i = first_index(); i < n; i += index_step()) {
        const real value = x[i] + real(t) * d[i];
        x_new[i] = value < 0 ? real(0) : value > 1 ? real(1) : value;
    }
}

// s = x' - x and y = g' - g; and the sums of g * s and of how many of g' are no finite numbers.
// partial (blocks, 2).
KERNEL way(
    const real* x, const real* x_new, const real* g, const real* g_new, real* s, real* y,
    double* partial, long long n
) {
    double slope = 0, not_finite = 0;
    for (long long i = first_index(); i < n; i += index_step()) {
        s[i] = x_new[i] - x[i];
        y[i] = g_new[i] - g[i];
        slope += double(g[i]) * double(s[i]);
        if (!(g_new[i] - g_new[i] == 0)) not_finite += 1;
    }
    slope = block_sum(slope);
    not_finite = block_sum(not_finite);
    if (threadIdx.x == 0) {
        partial[2 * blockIdx.x] = slope;
        partial[2 * blockIdx.x + 1] = not_finite;
    }
}
