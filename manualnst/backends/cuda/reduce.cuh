// Sums of many numbers, in double precision (a line search compares nearly equal losses) and in an
// order that is always the same (a resumed run must give the same bits): no atomic additions.
#pragma once
#include "common.cuh"

// Over a block: within each warp from lane to lane, without memory, then over the warps' sums.
// The result is thread 0's. Blocks have at most 1024 threads, whole warps.
__device__ inline double block_sum(double value) {
    __shared__ double of_warps[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int distance = 16; distance; distance /= 2)
        value += __shfl_down_sync(ALL_LANES, value, distance);
    if (lane == 0) of_warps[warp] = value;
    __syncthreads();
    value = threadIdx.x < blockDim.x / 32 ? of_warps[threadIdx.x] : 0;
    if (warp == 0)
        for (int distance = 16; distance; distance /= 2)
            value += __shfl_down_sync(ALL_LANES, value, distance);
    __syncthreads();  // of_warps may be used again
    return value;
}

// The largest of all, likewise, of numbers that are not negative.
__device__ inline double block_max(double value) {
    __shared__ double of_warps[32];
    for (int distance = 16; distance; distance /= 2) {
        const double other = __shfl_down_sync(ALL_LANES, value, distance);
        value = other > value ? other : value;
    }
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < blockDim.x / 32; warp++)
            value = of_warps[warp] > value ? of_warps[warp] : value;
    __syncthreads();
    return value;
}

// Sums of `term` over n numbers. Naive: one thread goes through everything, as the equation does.
template <class Term>
__device__ void add_up_naive(long long n, double* partial, const Term& term) {
    double sum = 0;
    for (long long i = 0; i < n; i++) sum += term(i);
    partial[0] = sum;
}

// Fast: no more blocks than the card can hold, each thread adding up many numbers in a register;
// threads side by side read numbers side by side. The blocks' sums are left to sum_of_rows.
template <class Term>
__device__ void add_up_fast(long long n, double* partial, const Term& term) {
    double sum = 0;
    for (long long i = first_index(); i < n; i += index_step()) sum += term(i);
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}
