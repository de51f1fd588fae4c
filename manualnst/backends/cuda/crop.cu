// [M3] the inside of a map, and [M4] back: every thread copies numbers, on one rung.
#include "common.cuh"

KERNEL crop_forward(
    const real* y, real* F, int H, int W, int N, int top, int bottom, int left, int right
) {
    for (long long n = first_index(); n < (long long)H * W * N; n += index_step()) {
        const long long i = n / N / W + top, j = n / N % W + left;
        F[n] = y[(i * (left + W + right) + j) * N + n % N];
    }
}

// Writes all of a new dL_dy, with zeros in the margin; or adds to what lies there.
KERNEL crop_backward(
    const real* dL_dF, real* dL_dy, int adds, int H, int W, int N, int top, int bottom, int left,
    int right
) {
    const int width = left + W + right;
    const long long count = (long long)(top + H + bottom) * width * N;
    for (long long n = first_index(); n < count; n += index_step()) {
        const long long i = n / N / width - top, j = n / N % width - left;
        const bool inside = i >= 0 && i < H && j >= 0 && j < W;
        if (inside || !adds)
            dL_dy[n] = (inside ? dL_dF[(i * W + j) * N + n % N] : 0) + (adds ? dL_dy[n] : 0);
    }
}
