// [E3] G = transpose(F) * F, of F (M, N): every channel with every other, over all positions; and [J1]
// C = transpose(F) * R, with the channels of another map R (M, K). The ways back, [G1] and [J2], [J3],
// are products of every position's channels with a matrix: convolution.cuh.
#include "convolution.cuh"
#include "matrix_unit.cuh"
#include "reduce.cuh"

// Naive: a thread for each number of G. All of them go through all of F and R.
KERNEL gram_naive(const real* F, const real* R, real* G, long long M, int N, int K) {
    const int i = int(first_index() / K), j = int(first_index() % K);
    if (i >= N) return;
    double sum = 0;
    for (long long p = 0; p < M; p++) sum += double(F[p * N + i]) * double(R[p * K + j]);
    G[(long long)i * K + j] = real(sum);
}

// Tiled: a block makes 16 x 16 numbers, and brings 16 positions of the 32 channels that they are made of
// to its shared memory at a time: each is fetched once for 16 threads.
KERNEL __launch_bounds__(256) gram_tiled(
    const real* F, const real* R, real* G, long long M, int N, int K
) {
    __shared__ real of_i[16][16], of_j[16][17];
    const int tiles = ceiling(K, 16), i0 = blockIdx.x / tiles * 16, j0 = blockIdx.x % tiles * 16;
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
    real sum = 0;
    for (long long first = 0; first < M; first += 16) {
        const long long p = first + row;
        __syncthreads();
        of_i[row][column] = p < M && i0 + column < N ? F[p * N + i0 + column] : real(0);
        of_j[row][column] = p < M && j0 + column < K ? R[p * K + j0 + column] : real(0);
        __syncthreads();
        for (int q = 0; q < 16; q++) sum += of_i[q][row] * of_j[q][column];
    }
    if (i0 + row < N && j0 + column < K) G[(long long)(i0 + row) * K + j0 + column] = sum;
}

// Fast, below: G is symmetric, so only its tiles (i, j) with i <= j are computed, nearly half of them;
// of C all. Few channels and many positions would leave most of the card idle: so the positions are shared out as
// well, and the parts are added up at the end. Within a block, everything is as in the convolutions.

const int SIDE = 64;  // of a tile

// Tile number n, row by row, of so many in a row; or of those with i <= j.
__device__ inline void tile_of(int n, int tiles, int symmetric, int& i0, int& j0) {
    int i = symmetric ? 0 : n / tiles;
    if (symmetric)
        while (n >= tiles - i) n -= tiles - i++;
    i0 = i * SIDE;
    j0 = symmetric ? (i + n) * SIDE : n % tiles * SIDE;
}

// Channels c ... c + 3 of position p; zeros where there is nothing.
__device__ inline Four channels_at(const real* F, long long p, int c, long long end, int N) {
    Four values = {0, 0, 0, 0};
    if (p >= end || c >= N) return values;
    if (N % 4 == 0) return four_at(F + p * N + c);
    for (int e = 0; e < 4; e++)
        if (c + e < N) values.v[e] = F[p * N + c + e];
    return values;
}

// Registers: a thread has 4 x 4 numbers of the tile. partial (parts, tiles, SIDE, SIDE).
KERNEL __launch_bounds__(256) gram_registers(
    const real* F, const real* R, real* partial, long long M, int N, int K, int symmetric,
    int tiles_in_all, long long positions_of_a_part
) {
    __shared__ __align__(16) real of_i[16][SIDE], of_j[16][SIDE];
    int i0, j0;
    tile_of(blockIdx.x % tiles_in_all, ceiling(K, SIDE), symmetric, i0, j0);
    const long long begin = blockIdx.x / tiles_in_all * positions_of_a_part;
    const long long end = begin + positions_of_a_part < M ? begin + positions_of_a_part : M;
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
    real sums[4][4] = {};
    for (long long first = begin; first < end; first += 16) {
        __syncthreads();
        four_at(&of_i[row][4 * column]) = channels_at(F, first + row, i0 + 4 * column, end, N);
        four_at(&of_j[row][4 * column]) = channels_at(R, first + row, j0 + 4 * column, end, K);
        __syncthreads();
#pragma unroll
        for (int q = 0; q < 16; q++) {
            const Four a = four_at(&of_i[q][4 * row]), b = four_at(&of_j[q][4 * column]);
#pragma unroll
            for (int e = 0; e < 4; e++)
#pragma unroll
                for (int f = 0; f < 4; f++) sums[e][f] += a.v[e] * b.v[f];
        }
    }
    real* tile = partial + (long long)blockIdx.x * SIDE * SIDE;
    for (int e = 0; e < 4; e++)
        for (int f = 0; f < 4; f++) tile[(4 * row + e) * SIDE + 4 * column + f] = sums[e][f];
}

#ifdef MATRIX_UNITS

// The same by the matrix units, in TF32: each of 8 warps has 16 x 32 numbers of the tile. The next 32
// positions are fetched before the products of those at hand, and stored after them.
KERNEL __launch_bounds__(256) gram_tf32(
    const real* F, const real* R, real* partial, long long M, int N, int K, int symmetric,
    int tiles_in_all, long long positions_of_a_part
) {
    const int POSITIONS = 32, STRIDE = SIDE + 8;  // words of a row: no two lanes in one bank
    __shared__ __align__(16) word of_i[POSITIONS][STRIDE], of_j[POSITIONS][STRIDE];
    int i0, j0;
    tile_of(blockIdx.x % tiles_in_all, ceiling(K, SIDE), symmetric, i0, j0);
    const long long begin = blockIdx.x / tiles_in_all * positions_of_a_part;
    const long long end = begin + positions_of_a_part < M ? begin + positions_of_a_part : M;
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int down = warp / 2 * 16, right = warp % 2 * 32;
    const int row = threadIdx.x / 16, column = threadIdx.x % 16 * 4;  // of what this thread fetches

    float sums[4][4] = {};
    Four next_i[2], next_j[2];
    for (long long first = begin - POSITIONS; first < end; first += POSITIONS) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const long long p = first + POSITIONS + 16 * half + row;
            next_i[half] = channels_at(F, p, i0 + column, end, N);
            next_j[half] = channels_at(R, p, j0 + column, end, K);
        }
        if (first >= begin)
#pragma unroll
            for (int q = 0; q < POSITIONS; q += 8) {
                const word a[4] = {
                    of_i[q + t][down + g], of_i[q + t][down + g + 8],
                    of_i[q + t + 4][down + g], of_i[q + t + 4][down + g + 8]
                };
#pragma unroll
                for (int n = 0; n < 4; n++) {
                    const int c = right + 8 * n + g;
                    const word b[2] = {of_j[q + t][c], of_j[q + t + 4][c]};
                    multiply_add<TF32>(sums[n], a, b);
                }
            }
        __syncthreads();
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                of_i[16 * half + row][column + e] = packed<TF32>(next_i[half].v[e], 0);
                of_j[16 * half + row][column + e] = packed<TF32>(next_j[half].v[e], 0);
            }
        __syncthreads();
    }
    real* tile = partial + (long long)blockIdx.x * SIDE * SIDE;
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            tile[(down + g + e / 2 * 8) * SIDE + right + 8 * n + 2 * t + e % 2] = sums[n][e];
}

#endif

// The parts added up, always in one order, and those of G written on both sides of the diagonal.
KERNEL gram_of_parts(
    const real* partial, real* G, int N, int K, int symmetric, int tiles_in_all, int parts
) {
    int i0, j0;
    tile_of(blockIdx.x, ceiling(K, SIDE), symmetric, i0, j0);
    for (int n = threadIdx.x; n < SIDE * SIDE; n += blockDim.x) {
        const int i = i0 + n / SIDE, j = j0 + n % SIDE;
        if (i >= N || j >= K) continue;
        double sum = 0;
        for (int part = 0; part < parts; part++)
            sum += double(partial[((long long)part * tiles_in_all + blockIdx.x) * SIDE * SIDE + n]);
        G[(long long)i * K + j] = real(sum);
        if (symmetric) G[(long long)j * N + i] = real(sum);
    }
}

// Up to four channels, as the picture itself has: a thread keeps all sums, in double precision.
// partial (blocks, N * N), for sum_of_rows.
KERNEL gram_few(const real* F, double* partial, long long M, int N) {
    double sums[4][4] = {};
    for (long long p = first_index(); p < M; p += index_step()) {
        double values[4] = {};
#pragma unroll
        for (int c = 0; c < 4; c++)
            if (c < N) values[c] = double(F[p * N + c]);
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = i; j < 4; j++) sums[i][j] += values[i] * values[j];
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = i; j < 4; j++) {
            const double sum = block_sum(sums[i][j]);
            if (threadIdx.x == 0 && j < N) {
                partial[(long long)blockIdx.x * N * N + i * N + j] = sum;
                partial[(long long)blockIdx.x * N * N + j * N + i] = sum;
            }
        }
}
