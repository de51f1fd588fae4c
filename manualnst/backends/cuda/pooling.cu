// [A1], [A2] the average and [X1], [X2] the maximum of 2 x 2 windows; H, W, C are those of x.
//
// A thread makes one number of y, or of dL_dx: each is needed in one place only, so there is nothing
// to share, and threads side by side have channels side by side. The fast ones take four channels at
// a time where C allows it, for a quarter of the instructions.
#include "common.cuh"

// Where the window of y's number n begins in x.
__device__ inline long long window_of(long long n, int W, int C) {
    const long long position = n / C, i = position / (W / 2), j = position % (W / 2);
    return (2 * i * W + 2 * j) * C + n % C;
}

KERNEL avgpool_forward_naive(const real* x, real* y, int H, int W, int C) {
    const long long n = first_index(), row = (long long)W * C;
    if (n >= (long long)(H / 2) * (W / 2) * C) return;
    const real* p = x + window_of(n, W, C);
    y[n] = real(0.25) * (p[0] + p[C] + p[row] + p[row + C]);
}

KERNEL avgpool_forward_fast(const real* x, real* y, int H, int W, int C) {
    const long long row = (long long)W * C, count = (long long)(H / 2) * (W / 2) * C;
    for (long long n = 4 * first_index(); n < count; n += 4 * index_step()) {
        const real* p = x + window_of(n, W, C);
        const Four a = four_at(p), b = four_at(p + C), c = four_at(p + row), d = four_at(p + row + C);
        Four mean;
        for (int e = 0; e < 4; e++) mean.v[e] = real(0.25) * (a.v[e] + b.v[e] + c.v[e] + d.v[e]);
        four_at(y + n) = mean;
    }
}

// The number of dL_dy that number n of dL_dx belongs to; -1 at an odd edge, which has no window.
__device__ inline long long pooled_from(long long n, int H, int W, int C) {
    const long long position = n / C, i = position / W / 2, j = position % W / 2;
    return i < H / 2 && j < W / 2 ? (i * (W / 2) + j) * C + n % C : -1;
}

KERNEL avgpool_backward(const real* dL_dy, real* dL_dx, int H, int W, int C) {
    for (long long n = first_index(); n < (long long)H * W * C; n += index_step()) {
        const long long from = pooled_from(n, H, W, C);
        dL_dx[n] = from < 0 ? real(0) : real(0.25) * dL_dy[from];
    }
}

KERNEL maxpool_forward(const real* x, real* y, unsigned char* winner, int H, int W, int C) {
    const long long row = (long long)W * C;
    for (long long n = first_index(); n < (long long)(H / 2) * (W / 2) * C; n += index_step()) {
        const real* p = x + window_of(n, W, C);
        const real window[4] = {p[0], p[C], p[row], p[row + C]};
        int best = 0;
        real largest = window[0];
        for (int e = 1; e < 4; e++)
            if (window[e] > largest) {  // of equals, the first wins
                best = e;
                largest = window[e];
            }
        y[n] = largest;
        winner[n] = (unsigned char)best;
    }
}

KERNEL maxpool_backward(
    const real* dL_dy, const unsigned char* winner, real* dL_dx, int H, int W, int C
) {
    for (long long n = first_index(); n < (long long)H * W * C; n += index_step()) {
        const long long from = pooled_from(n, H, W, C), position = n / C;
        const int place = int(position / W % 2 * 2 + position % W % 2);
        dL_dx[n] = from >= 0 && winner[from] == place ? dL_dy[from] : real(0);
    }
}
