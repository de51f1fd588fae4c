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
