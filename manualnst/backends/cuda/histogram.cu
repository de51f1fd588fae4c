// [H3] what every activation should be: R (M, N), of the places order (N, M) of the picture's values in
// order, and the style's values in order (N, count). To bring them in order is a library's work.
#include "common.cuh"

KERNEL matched_channels(
    const word* order, const real* values, real* R, long long M, int N, long long count
) {
    for (long long n = first_index(); n < M * N; n += index_step()) {
        const long long p = n % M, i = n / M;
        // In whole numbers as far as they go: with M = count every quantile is a value exactly.
        double place = double((2 * p + 1) * count - M) / double(2 * M);
        place = place < 0 ? 0 : place < double(count - 1) ? place : double(count - 1);
        long long below = (long long)place;
        if (below > count - 2) below = count > 1 ? count - 2 : 0;
        const long long above = below + 1 < count ? below + 1 : count - 1;
        const real share = real(place - double(below));
        R[order[n] * (long long)N + i] =
            (1 - share) * values[i * count + below] + share * values[i * count + above];
    }
}
