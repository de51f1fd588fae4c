// A map as seen by one tap of a 3 x 3 filter: moved by so many rows and columns, zeros where nothing is.
// The gradient of the filters is the product of such maps with what arrives, tap by tap: gram.cu.
#include "common.cuh"

KERNEL shifted(const real* x, real* out, int H, int W, int C, int down, int right) {
    const long long row = (long long)W * C;
    for (long long n = first_index(); n < H * row; n += index_step()) {
        const int i = int(n / row) + down, j = int(n / C % W) + right;
        const bool inside = i >= 0 && i < H && j >= 0 && j < W;
        out[n] = inside ? x[i * row + (long long)j * C + n % C] : real(0);
    }
}
