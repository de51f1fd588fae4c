// [M3] the inside of a map, and [M4] back: every thread copies numbers, on one rung.
#include "common.cuh"

KERNEL crop_forward(const real* y, real* F, int H, int W, int N, int margin) {
    for (long long n = first_index(); n < (long long)H * W * N; n += index_step()) {
        const long long i = n / N / W + margin, j = n / N % W + margin;
        F[n] = y[(i * (W + 2 * margin) + j) * N + n % N];
    }
}

// Writes all of a new dL_dy, with zeros in the margin; or adds to what lies there.
KERNEL crop_backward(const real* dL_dF, real* dL_dy, int adds, int H, int W, int N, int margin) {
    const int width = W + 2 * margin;
    const long long count = (long long)(H + 2 * margin) * width * N;
    for (long long n = first_index(); n < count; n += index_step()) {
        const long long i = n / N / width - margin, j = n / N % width - margin;
        const bool inside = i >= 0 && i < H && j >= 0 && j < W;
        if (inside || !adds)
            dL_dy[n] = (inside ? dL_dF[(i * W + j) * N + n % N] : 0) + (adds ? dL_dy[n] : 0);
    }
}
