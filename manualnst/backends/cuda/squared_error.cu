// [E1] forward: D = F - P and 1/2 sum D^2.  [E2] backward: dL_dF = dL_dloss * D.
#include "reduce.cuh"

// Naive: one thread goes through everything, as the equation does.
KERNEL squared_error_forward_naive(
    const real* F, const real* P, real* D, double* partial, long long n
) {
    double sum = 0;
    for (long long i = 0; i < n; i++) {
        D[i] = F[i] - P[i];
        sum += 0.5 * double(D[i]) * double(D[i]);
    }
    partial[0] = sum;
}

// Tiled: a thread for each number, and a tree of additions in the block's shared memory: half of
// the threads add in each round, so 256 numbers take 8 rounds. The blocks' sums are left to
// sum_of_rows.
KERNEL squared_error_forward_tiled(
    const real* F, const real* P, real* D, double* partial, long long n
) {
    __shared__ double sums[256];
    const long long i = first_index();
    double square = 0;
    if (i < n) {
        D[i] = F[i] - P[i];
        square = 0.5 * double(D[i]) * double(D[i]);
    }
    sums[threadIdx.x] = square;
    for (int half = blockDim.x / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = sums[0];
}

// Fast: no more blocks than the card can hold, each thread adding up many numbers in a register
// first; then from lane to lane instead of through shared memory. Memory alone is the limit.
KERNEL squared_error_forward_fast(
    const real* F, const real* P, real* D, double* partial, long long n
) {
    double sum = 0;
    for (long long i = first_index(); i < n; i += index_step()) {
        const real d = F[i] - P[i];
        D[i] = d;
        sum += 0.5 * double(d) * double(d);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The factor is on the card: what it is made of may have been computed there just before.
KERNEL squared_error_backward(const real* D, const double* dL_dloss, real* dL_dF, long long n) {
    const real factor = real(*dL_dloss);
    for (long long i = first_index(); i < n; i += index_step()) dL_dF[i] = factor * D[i];
}
