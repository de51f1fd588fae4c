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
