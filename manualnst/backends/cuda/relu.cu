// [R1] y = x where it passes, else 0, with one bit for each number, and [R2], which needs only the bits.
// (M, C) are positions and channels.
#include "common.cuh"

// Naive: a thread for each word of the mask, so that no two write to one. Threads side by side read
// numbers 32 apart: of every piece of memory that is fetched for a warp, one number is used at a
// time.
KERNEL relu_forward_naive(const real* x, real* y, word* mask, long long M, int C) {
    const long long n = first_index();
    const int words = mask_words(C);
    if (n >= M * words) return;
    const int first = int(n % words) * 32;
    word bits = 0;
    for (int c = first; c < first + 32 && c < C; c++) {
        const real value = x[n / words * C + c];
        y[n / words * C + c] = passes(value) ? value : real(0);
        if (passes(value)) bits |= 1u << (c - first);
    }
    mask[n] = bits;
}

// Fast: a warp for each word, a lane for each number: one piece of memory is read as a whole. The
// lanes' answers become a word in one instruction, the ballot.
KERNEL relu_forward_fast(const real* x, real* y, word* mask, long long M, int C) {
    const int words = mask_words(C), lane = threadIdx.x % 32;
    for (long long n = first_index() / 32; n < M * words; n += index_step() / 32) {
        const int c = int(n % words) * 32 + lane;
        const real value = c < C ? x[n / words * C + c] : real(0);
        if (c < C) y[n / words * C + c] = passes(value) ? value : real(0);
        const word bits = __ballot_sync(ALL_LANES, passes(value));
        if (lane == 0) mask[n] = bits;
    }
}

KERNEL relu_backward(const real* dL_dy, const word* mask, real* dL_dx, long long M, int C) {
    const int words = mask_words(C);
    for (long long i = first_index(); i < M * C; i += index_step()) {
        const int c = int(i % C);
        dL_dx[i] = mask[i / C * words + c / 32] >> c % 32 & 1 ? dL_dy[i] : real(0);
    }
}
