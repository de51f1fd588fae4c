// What L-BFGS computes with whole pictures: `meet` and `products` take sums, `back` and `forth` are what
// comes of them. See lbfgs.py.
//
// The pairs (s, y) lie in a ring of size + 1 places, from the oldest at `first` on; the place after the
// newest is free, and for the pair of the step at hand.
#include "reduce.cuh"

// A pixel at a bound stays there if the gradient pushes it outwards.
__device__ inline bool is_free(real x, real g) {
    return !((x <= 0 && g > 0) || (x >= 1 && g < 0));
}

__device__ inline double warp_sum(double value) {  // every lane gets it
    for (int distance = 16; distance; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

// The sums that are taken for each pair in the ring, and for the new pair. f is the gradient where it is
// free, at the end of the step.
enum Sums { F_S, S_Y, Y_S, S_S, Y_Y, SLOPE, NOT_FINITE, SUMS };
// S_Y: of this step's s with the pair's y; Y_S: of this step's y with the pair's s. The four last are the
// new pair's alone.

struct Ring {
    int size, first, count;
    __device__ int place(int age) const { return (first + age) % (size + 1); }
};

// The last block to come here goes on, and finds what all others have written.
__device__ inline bool is_last_block(word* arrived) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicAdd(arrived, 1u) == gridDim.x - 1;
    __syncthreads();
    if (!last) return false;
    __threadfence();
    if (threadIdx.x == 0) *arrived = 0;  // for the next launch
    return true;
}

// Of sums by block, partial (pairs, blocks, columns), those over the blocks, by one block.
__device__ inline void over_blocks(
    const double* partial, int pairs, int blocks, int columns, double* sums
) {
    const int lane = threadIdx.x % 32;
    for (int column = threadIdx.x / 32; column < pairs * columns; column += blockDim.x / 32) {
        double sum = 0;
        for (int b = lane; b < blocks; b += 32)
            sum += partial[((long long)(column / columns) * blocks + b) * columns + column % columns];
        sum = warp_sum(sum);
        if (lane == 0) sums[column] = sum;
    }
}

// From x to x', where the gradients are g and g': the new pair s = x' - x, y = g' - g is put in the free
// place. A block adds up one pair's sums (the last pair is the new one) over its share of the pixels; the
// last of all blocks adds up what they found: sums ((count + 1) SUMS + 1), the last one being the largest
// entry of f. partial (pairs, blocks of a pair, SUMS), largest (blocks of a pair).
KERNEL __launch_bounds__(256) meet(
    const real* x, const real* x_new, const real* g, const real* g_new, real* all_s, real* all_y,
    double* partial, double* largest, word* arrived, double* sums, long long n, int size, int first,
    int count
) {
    const Ring ring = {size, first, count};
    const int age = blockIdx.x % (count + 1), block = blockIdx.x / (count + 1);
    const int blocks = gridDim.x / (count + 1);
    real *old_s = all_s + ring.place(age) * n, *old_y = all_y + ring.place(age) * n;
    double own[SUMS] = {}, most = 0;
    for (long long i = (long long)block * blockDim.x + threadIdx.x; i < n; i += blocks * blockDim.x) {
        const real s = x_new[i] - x[i], y = g_new[i] - g[i];
        const real f = is_free(x_new[i], g_new[i]) ? g_new[i] : real(0);
        if (age == count) {
            old_s[i] = s;
            old_y[i] = y;
            own[S_S] += double(s) * double(s);
            own[Y_Y] += double(y) * double(y);
            own[SLOPE] += double(g[i]) * double(s);
            if (!(g_new[i] - g_new[i] == 0)) own[NOT_FINITE] += 1;
            const double size_of_f = f < 0 ? -double(f) : double(f);
            most = size_of_f > most ? size_of_f : most;
        }
        own[F_S] += double(f) * double(old_s[i]);
        own[S_Y] += double(s) * double(old_y[i]);
        own[Y_S] += double(y) * double(old_s[i]);
    }
#pragma unroll
    for (int e = 0; e < SUMS; e++) {
        const double sum = block_sum(own[e]);
        if (threadIdx.x == 0) partial[((long long)age * blocks + block) * SUMS + e] = sum;
    }
    most = block_max(most);
    if (threadIdx.x == 0 && age == count) largest[block] = most;
    if (!is_last_block(arrived)) return;

    over_blocks(partial, count + 1, blocks, SUMS, sums);
    most = 0;
    for (int b = threadIdx.x; b < blocks; b += blockDim.x) most = largest[b] > most ? largest[b] : most;
    most = block_max(most);
    if (threadIdx.x == 0) sums[(count + 1) * SUMS] = most;
}

// <y, r> for each pair, the new one included, likewise: sums (count + 1).
KERNEL __launch_bounds__(256) products(
    const real* all_y, const real* r, double* partial, word* arrived, double* sums, long long n,
    int size, int first, int count
) {
    const Ring ring = {size, first, count};
    const int age = blockIdx.x % (count + 1), block = blockIdx.x / (count + 1);
    const int blocks = gridDim.x / (count + 1);
    const real* y = all_y + ring.place(age) * n;
    double own = 0;
    for (long long i = (long long)block * blockDim.x + threadIdx.x; i < n; i += blocks * blockDim.x)
        own += double(y[i]) * double(r[i]);
    own = block_sum(own);
    if (threadIdx.x == 0) partial[(long long)age * blocks + block] = own;
    if (is_last_block(arrived)) over_blocks(partial, count + 1, blocks, 1, sums);
}

// Of the pairs' s or y, the sum with these factors, by age.
__device__ inline double with_factors(
    const real* all, const double* factors, const Ring& ring, long long n, long long i
) {
    double sum = 0;
    for (int age = 0; age <= ring.count; age++)  // all threads skip the same ones
        if (factors[age] != 0) sum += factors[age] * double(all[ring.place(age) * n + i]);
    return sum;
}

// q = f + the y with their factors.
KERNEL back(
    const real* x, const real* g, const real* all_y, const double* factors, real* q, long long n,
    int size, int first, int count
) {
    const Ring ring = {size, first, count};
    for (long long i = first_index(); i < n; i += index_step()) {
        const double f = is_free(x[i], g[i]) ? double(g[i]) : 0;
        q[i] = real(f + with_factors(all_y, factors, ring, n, i));
    }
}

__device__ inline real in_the_box(real value) {
    return value < 0 ? real(0) : value > 1 ? real(1) : value;
}

// d = -(r + the s with their factors) where pixels are free, 0 where not; and x' = x + d, in the box.
KERNEL forth(
    const real* x, const real* g, const real* r, const real* all_s, const double* factors, real* d,
    real* x_new, long long n, int size, int first, int count
) {
    const Ring ring = {size, first, count};
    for (long long i = first_index(); i < n; i += index_step()) {
        const double sum = double(r[i]) + with_factors(all_s, factors, ring, n, i);
        d[i] = is_free(x[i], g[i]) ? real(-sum) : real(0);
        x_new[i] = in_the_box(x[i] + d[i]);
    }
}

// x' = x + t d, in the box.
KERNEL moved(const real* x, double t, const real* d, real* x_new, long long n) {
    for (long long i = first_index(); i < n; i += index_step()) {
        x_new[i] = in_the_box(x[i] + real(t) * d[i]);
    }
}
