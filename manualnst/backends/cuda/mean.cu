// The mean of every channel of F (M, N), and F without it: what [D1] needs beside gram.cu.
#include "common.cuh"

// Naive: a thread for each channel, through all positions.
KERNEL sum_of_channels_naive(const real* F, double* partial, long long M, int N) {
    const int c = int(first_index());
    if (c >= N) return;
    double sum = 0;
    for (long long p = 0; p < M; p++) sum += double(F[p * N + c]);
    partial[c] = sum;
}

// Fast: a block has 32 channels and every so-manieth eight positions; threads side by side read channels
// side by side. partial (blocks of positions, N), for sum_of_rows.
KERNEL sum_of_channels_fast(const real* F, double* partial, long long M, int N) {
    __shared__ double sums[8][32];
    const int groups = ceiling(N, 32), lane = threadIdx.x % 32, row = threadIdx.x / 32;
    const int c = blockIdx.x % groups * 32 + lane, block = blockIdx.x / groups;
    double sum = 0;
    if (c < N)
        for (long long p = block * 8 + row; p < M; p += gridDim.x / groups * 8)
            sum += double(F[p * N + c]);
    sums[row][lane] = sum;
    __syncthreads();
    if (row > 0 || c >= N) return;
    for (int r = 1; r < 8; r++) sum += sums[r][lane];
    partial[(long long)block * N + c] = sum;
}

// centred = F - mean.
KERNEL centred(const real* F, const double* mean, real* out, long long n, int N) {
    for (long long i = first_index(); i < n; i += index_step()) out[i] = F[i] - real(mean[i % N]);
}
