// [K1], [K2] a weight for each position: F (M, N) times w (M), or times its root.
#include "common.cuh"

KERNEL weighted(const real* F, const real* w, int by_root, real* out, long long M, int N) {
    for (long long i = first_index(); i < M * N; i += index_step()) {
        const real weight = w[i / N];
        out[i] = (by_root ? sqrt(weight) : weight) * F[i];
    }
}
