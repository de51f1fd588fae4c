// [M1] the picture goes on beyond its borders as its reflection, and [M2] back. Like pixels.cu this is
// about a picture, not about maps, and has one rung.
#include "common.cuh"

// The place inside that is seen at place i, which may lie outside.
__device__ inline int reflected(int i, int size) {
    i = i < 0 ? -i : i;
    return i < size ? i : 2 * (size - 1) - i;
}

KERNEL mirror_forward(const real* x, real* y, int H, int W, int C, int margin) {
    const int width = W + 2 * margin;
    const long long count = (long long)(H + 2 * margin) * width * C;
    for (long long n = first_index(); n < count; n += index_step()) {
        const int i = reflected(int(n / C / width) - margin, H);
        const int j = reflected(int(n / C % width) - margin, W);
        y[n] = x[((long long)i * W + j) * C + n % C];
    }
}

// Where place k of so many is seen: there, and in each of the margins that reach so far.
__device__ inline int places_of(int k, int size, int margin, int (&places)[3]) {
    int count = 0;
    places[count++] = margin + k;
    if (k >= 1 && k <= margin) places[count++] = margin - k;
    const int from_end = size - 1 - k;
    if (from_end >= 1 && from_end <= margin) places[count++] = margin + size - 1 + from_end;
    return count;
}

// A number of dL_dx collects from all places where it was seen, so that no two threads add to one.
KERNEL mirror_backward(const real* dL_dy, real* dL_dx, int H, int W, int C, int margin) {
    for (long long n = first_index(); n < (long long)H * W * C; n += index_step()) {
        int rows[3], columns[3];
        const int down = places_of(int(n / C / W), H, margin, rows);
        const int across = places_of(int(n / C % W), W, margin, columns);
        real sum = 0;
        for (int i = 0; i < down; i++)
            for (int j = 0; j < across; j++)
                sum += dL_dy[((long long)rows[i] * (W + 2 * margin) + columns[j]) * C + n % C];
        dL_dx[n] = sum;
    }
}
