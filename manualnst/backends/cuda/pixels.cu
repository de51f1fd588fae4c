// [N1] z = scale[c] * x[order(c)] + shift[c], and [N2], its transpose. A picture is small beside the
// maps, so there is one rung only. `turned` is for BGR: channel c of z is channel 2 - c of x.
#include "common.cuh"

KERNEL pixels_forward(
    const real* x, const real* scale, const real* shift, int turned, real* z, long long n
) {
    for (long long i = first_index(); i < n; i += index_step()) {
        const int c = int(i % 3), from = turned ? 2 - c : c;
        z[i] = scale[c] * x[i - c + from] + shift[c];
    }
}

KERNEL pixels_backward(const real* dL_dz, const real* scale, int turned, real* dL_dx, long long n) {
    for (long long i = first_index(); i < n; i += index_step()) {
        const int c = int(i % 3), to = turned ? 2 - c : c;
        dL_dx[i - c + to] = scale[c] * dL_dz[i];
    }
}
