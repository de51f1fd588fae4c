// What L-BFGS computes with whole pictures, in two launches: `meet` does everything that needs sums,
// `follow` what comes of them. See lbfgs.py.
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
enum Sums { F_S, F_Y, S_Y, Y_Y, Y_S, F_F, S_S, SLOPE, NOT_FINITE, SUMS };
// S_Y: of this step's s with the pair's y; Y_S: of this step's y with the pair's s.

// What the host reads.
enum Results { RESULT_SLOPE, RESULT_NOT_FINITE, RESULT_LEARNED, RESULT_UPHILL, RESULT_LARGEST };

struct Ring {
    int size, first, count;
    __device__ int place(int age) const { return (first + age) % (size + 1); }
};

// The factors of f, and of s and y by age, in H f, by the two loops: each of a warp's lanes has one
// pair. products (2, size + 1, size + 1) has <s_i, y_j> and <y_i, y_j> by place. `dropped` ages have
// no part; lanes are counted from the first that has, so that the same pairs are added in one order
// wherever they lie.
__device__ inline void two_loops(
    const double* products, const double (*sums)[SUMS], const Ring& ring, int dropped, int pairs,
    double* factors
) {
    const int lane = threadIdx.x % 32, places = ring.size + 1, mine = ring.place(dropped + lane);
    const double *s_y = products, *y_y = products + places * places;
    double of_s = 0, of_y = 0, of_f = 1;
    for (int n = pairs - 1; n >= 0; n--) {
        const int place = ring.place(dropped + n);
        const double known = lane < pairs ? of_y * s_y[place * places + mine] : 0;
        const double s_q = sums[dropped + n][F_S] + warp_sum(known);
        if (lane == n) of_y = -s_q / s_y[place * places + place];
    }
    const double alpha = -of_y;
    if (pairs > 0) {
        const int newest = ring.place(dropped + pairs - 1);
        of_f = s_y[newest * places + newest] / y_y[newest * places + newest];
        of_y *= of_f;
    }
    for (int n = 0; n < pairs; n++) {
        const int place = ring.place(dropped + n);
        const double known = lane < pairs ? of_y * y_y[mine * places + place] +
                                                of_s * s_y[mine * places + place] : 0;
        const double y_q = of_f * sums[dropped + n][F_Y] + warp_sum(known);
        if (lane == n) of_s = alpha - y_q / s_y[place * places + place];
    }
    if (lane == 0) factors[0] = of_f;
    if (lane < pairs) {
        factors[1 + dropped + lane] = of_s;
        factors[1 + places + dropped + lane] = of_y;
    }
}

// <f, H f>, with these factors.
__device__ inline double along(
    const double (*sums)[SUMS], const double* factors, int dropped, int pairs, int places, double f_f
) {
    const int lane = threadIdx.x % 32, age = dropped + lane;
    double part = lane == 0 ? factors[0] * f_f : 0;
    if (lane < pairs)
        part += factors[1 + age] * sums[age][F_S] + factors[1 + places + age] * sums[age][F_Y];
    return warp_sum(part);
}

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

const int MOST_PAIRS = 31;  // and one more are a warp's lanes

// From x to x', where the gradients are g and g': the new pair s = x' - x, y = g' - g is put in the free
// place, and of all the products that come with it, the factors of the next direction are made. With
// `learn` the new pair has a part in that, if it met curvature. A block adds up one pair's sums (the
// last pair is the new one) over its share of the pixels; the last of all blocks does what follows.
// partial (pairs, blocks of a pair, SUMS), largest (blocks of a pair), factors (1 + 2 (size + 1)).
KERNEL __launch_bounds__(256) meet(
    const real* x, const real* x_new, const real* g, const real* g_new, real* all_s, real* all_y,
    double* partial, double* largest, word* arrived, double* products, double* factors,
    double* results, long long n, int size, int first, int count, int learn
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
            own[F_F] += double(f) * double(f);
            own[S_S] += double(s) * double(s);
            own[SLOPE] += double(g[i]) * double(s);
            if (!(g_new[i] - g_new[i] == 0)) own[NOT_FINITE] += 1;
            const double size_of_f = f < 0 ? -double(f) : double(f);
            most = size_of_f > most ? size_of_f : most;
        }
        const double pair_s = double(old_s[i]), pair_y = double(old_y[i]);
        own[F_S] += double(f) * pair_s;
        own[F_Y] += double(f) * pair_y;
        own[S_Y] += double(s) * pair_y;
        own[Y_Y] += double(y) * pair_y;
        own[Y_S] += double(y) * pair_s;
    }
#pragma unroll
    for (int e = 0; e < SUMS; e++) {
        const double sum = block_sum(own[e]);
        if (threadIdx.x == 0) partial[((long long)age * blocks + block) * SUMS + e] = sum;
    }
    most = block_max(most);
    if (threadIdx.x == 0 && age == count) largest[block] = most;
    if (!is_last_block(arrived)) return;

    __shared__ double sums[MOST_PAIRS + 1][SUMS];
    const int lane = threadIdx.x % 32, places = size + 1;
    for (int column = threadIdx.x / 32; column < (count + 1) * SUMS; column += blockDim.x / 32) {
        double sum = 0;
        for (int b = lane; b < blocks; b += 32)
            sum += partial[((long long)(column / SUMS) * blocks + b) * SUMS + column % SUMS];
        sum = warp_sum(sum);
        if (lane == 0) sums[column / SUMS][column % SUMS] = sum;
    }
    most = 0;
    for (int b = threadIdx.x; b < blocks; b += blockDim.x) most = largest[b] > most ? largest[b] : most;
    most = block_max(most);  // it waits for the whole block, and so for the sums too
    const int newest = ring.place(count);
    double *s_y = products, *y_y = products + places * places;
    if (threadIdx.x <= count) {
        const int place = ring.place(threadIdx.x);
        s_y[newest * places + place] = sums[threadIdx.x][S_Y];
        s_y[place * places + newest] = sums[threadIdx.x][Y_S];
        y_y[newest * places + place] = y_y[place * places + newest] = sums[threadIdx.x][Y_Y];
    }
    if (threadIdx.x < 1 + 2 * places) factors[threadIdx.x] = 0;
    __syncthreads();
    if (threadIdx.x >= 32) return;
    const double* last = sums[count];
    // Not from pairs that met no curvature: they would make H indefinite.
    const bool learned = learn && last[S_Y] > 1e-6 * sqrt(last[S_S] * last[Y_Y]);
    const int dropped = learned && count == size ? 1 : 0, pairs = count + learned - dropped;
    two_loops(products, sums, ring, dropped, pairs, factors);
    __syncwarp();
    const bool uphill = along(sums, factors, dropped, pairs, places, last[F_F]) <= 0;
    if (uphill) {  // then without H
        if (lane == 0) factors[0] = 1;
        if (lane < pairs) factors[1 + dropped + lane] = factors[1 + places + dropped + lane] = 0;
    }
    if (lane > 0) return;
    results[RESULT_SLOPE] = last[SLOPE];
    results[RESULT_NOT_FINITE] = last[NOT_FINITE];
    results[RESULT_LEARNED] = learned;
    results[RESULT_UPHILL] = uphill;
    results[RESULT_LARGEST] = most;
}

__device__ inline real in_the_box(real value) {
    return value < 0 ? real(0) : value > 1 ? real(1) : value;
}

// d = -H f where pixels are free, 0 where not; and x' = x + d, in the box.
KERNEL follow(
    const real* x, const real* g, const real* all_s, const real* all_y, const double* factors, real* d,
    real* x_new, long long n, int size, int first, int count
) {
    const Ring ring = {size, first, count};
    for (long long i = first_index(); i < n; i += index_step()) {
        const bool free = is_free(x[i], g[i]);
        double sum = free ? factors[0] * double(g[i]) : 0;
        for (int age = 0; age <= count; age++) {  // all threads skip the same ones
            const double of_s = factors[1 + age], of_y = factors[1 + size + 1 + age];
            if (of_s == 0 && of_y == 0) continue;
            const long long at = ring.place(age) * n + i;
            sum += of_s * double(all_s[at]) + of_y * double(all_y[at]);
        }
        d[i] = free ? real(-sum) : real(0);
        x_new[i] = in_the_box(x[i] + d[i]);
    }
}

// x' = x + t d, in the box.
KERNEL moved(const real* x, double t, const real* d, real* x_new, long long n) {
    for (long long i = first_index(); i < n; i += index_step()) {
        x_new[i] = in_the_box(x[i] + real(t) * d[i]);
    }
}
