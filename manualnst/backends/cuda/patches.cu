// [P2] which of the style's 3 x 3 patches is most like each of the picture's, and [P3], [P4] how far it
// is from that. Patches are numbered row by row by their upper left corner.
#include "reduce.cuh"

const real NOTHING_YET = real(-3e38);  // less than any likeness

// Naive: a thread for each patch of F, which goes through all of S.
KERNEL nearest_patches_naive(
    const real* F, const real* S, word* nearest, int H, int W, int H_s, int W_s, int N
) {
    const long long p = first_index();
    if (p >= (long long)(H - 2) * (W - 2)) return;
    const long long corner = p / (W - 2) * W + p % (W - 2);
    double best = NOTHING_YET;
    word place = 0;
    for (int q = 0; q < (H_s - 2) * (W_s - 2); q++) {
        const long long corner_s = (long long)(q / (W_s - 2)) * W_s + q % (W_s - 2);
        double product = 0, square = 0;
        for (int tap = 0; tap < 9; tap++)
            for (int c = 0; c < N; c++) {
                const double s = S[(corner_s + tap / 3 * W_s + tap % 3) * N + c];
                product += s * F[(corner + tap / 3 * W + tap % 3) * N + c];
                square += s * s;
            }
        const double likeness = square > 0 ? product / sqrt(square) : 0;
        if (likeness > best) {  // of equals, the first
            best = likeness;
            place = word(q);
        }
    }
    nearest[p] = place;
}

// Fast: the product of two patches is the sum of nine products of positions, and each of those is in
// nine such sums. So all positions of some rows of F and of S are multiplied first, by the kernels of
// the convolutions with one tap, and then added up along the diagonals, below.

// One over the length of every patch of S; 1 for a patch of zeros, whose products are 0. A warp each.
KERNEL inverse_norms(const real* S, real* out, int H_s, int W_s, int N) {
    const int lane = threadIdx.x % 32;
    const long long count = (long long)(H_s - 2) * (W_s - 2);
    for (long long q = first_index() / 32; q < count; q += index_step() / 32) {
        const long long corner = q / (W_s - 2) * W_s + q % (W_s - 2);
        double sum = 0;
        for (int tap = 0; tap < 9; tap++)
            for (int c = lane; c < N; c += 32) {
                const double s = S[(corner + tap / 3 * W_s + tap % 3) * N + c];
                sum += s * s;
            }
        for (int distance = 16; distance; distance /= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, distance);
        if (lane == 0) out[q] = real(sum > 0 ? 1 / sqrt(sum) : 1);
    }
}

// Of some rows' patches of F, a block each, the best among some rows' of S; products (positions of F,
// positions of S), both with the two rows more that the patches reach into. q0 is the number of the
// first of these patches of S: what came before it is in `likeness` and `nearest` already.
KERNEL __launch_bounds__(256) nearest_of_products(
    const real* products, const real* inverse_norms, real* likeness, word* nearest, int W, int W_s,
    int rows_s, int q0
) {
    __shared__ real best[256];
    __shared__ word place[256];
    const int w = W - 2, w_s = W_s - 2, p = blockIdx.x;
    const long long corner = (long long)(p / w) * W + p % w;
    const long long positions_s = (long long)(rows_s + 2) * W_s;
    real own = NOTHING_YET;
    word own_place = 0;
    for (int q = threadIdx.x; q < rows_s * w_s; q += 256) {
        const long long corner_s = (long long)(q / w_s) * W_s + q % w_s;
        real sum = 0;
        for (int tap = 0; tap < 9; tap++) {
            const int u = tap / 3, v = tap % 3;
            sum += products[(corner + u * W + v) * positions_s + corner_s + u * W_s + v];
        }
        sum *= inverse_norms[q0 + q];
        if (sum > own) {
            own = sum;
            own_place = word(q0 + q);
        }
    }
    best[threadIdx.x] = own;
    place[threadIdx.x] = own_place;
    for (int half = 128; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            const real other = best[threadIdx.x + half];
            const word other_place = place[threadIdx.x + half];
            const bool first = other == best[threadIdx.x] && other_place < place[threadIdx.x];
            if (other > best[threadIdx.x] || first) {
                best[threadIdx.x] = other;
                place[threadIdx.x] = other_place;
            }
        }
    }
    if (threadIdx.x == 0 && (q0 == 0 || best[0] > likeness[p])) {
        likeness[p] = best[0];
        nearest[p] = place[0];
    }
}

// The squared differences of one position from its places in all patches that it is in, and the sum of
// the differences, from which the way back is made.
__device__ inline double patch_term(
    const real* F, const real* S, const word* nearest, real* differences, long long n, int H, int W,
    int N, int W_s
) {
    const int c = int(n % N), i = int(n / N / W), j = int(n / N % W);
    double squares = 0;
    real sum = 0;
    for (int tap = 0; tap < 9; tap++) {
        const int u = tap / 3, v = tap % 3, a = i - u, b = j - v;
        if (a < 0 || b < 0 || a >= H - 2 || b >= W - 2) continue;
        const int q = int(nearest[a * (W - 2) + b]), row = q / (W_s - 2) + u, column = q % (W_s - 2) + v;
        const real difference = F[n] - S[((long long)row * W_s + column) * N + c];
        squares += double(difference) * double(difference);
        sum += difference;
    }
    differences[n] = sum;
    return squares;
}

KERNEL patch_distance_forward_naive(
    const real* F, const real* S, const word* nearest, real* differences, double* partial, int H,
    int W, int N, int W_s
) {
    add_up_naive((long long)H * W * N, partial, [=](long long n) {
        return patch_term(F, S, nearest, differences, n, H, W, N, W_s);
    });
}

KERNEL patch_distance_forward_fast(
    const real* F, const real* S, const word* nearest, real* differences, double* partial, int H,
    int W, int N, int W_s
) {
    add_up_fast((long long)H * W * N, partial, [=](long long n) {
        return patch_term(F, S, nearest, differences, n, H, W, N, W_s);
    });
}
