// The further total variations: [T3], [T4] to another power, [T5], [T6] smoothed, and [T7], [T8] over
// all eight neighbours. The ways back collect at every pixel what its pairs give to it, so that no
// two threads add to one number.
#include "reduce.cuh"

struct Slope {
    real down, right;  // 0 where there is no such neighbour
};

// At number i, which is in row p and column q.
__device__ inline Slope slope_at(const real* x, long long i, int p, int q, int H, int W, int C) {
    Slope slope = {0, 0};
    if (p + 1 < H) slope.down = x[i + (long long)W * C] - x[i];
    if (q + 1 < W) slope.right = x[i + C] - x[i];
    return slope;
}

__device__ inline Slope slope_at(const real* x, long long i, int H, int W, int C) {
    return slope_at(x, i, int(i / C / W), int(i / C % W), H, W, C);
}

__device__ inline double power_term(const real* x, long long i, int H, int W, int C, real beta) {
    const Slope s = slope_at(x, i, H, W, C);
    return pow(s.down * s.down + s.right * s.right, beta / 2);
}

KERNEL power_variation_forward_naive(
    const real* x, double* partial, int H, int W, int C, double beta
) {
    add_up_naive((long long)H * W * C, partial, [=](long long i) {
        return power_term(x, i, H, W, C, real(beta));
    });
}

KERNEL power_variation_forward_fast(
    const real* x, double* partial, int H, int W, int C, double beta
) {
    add_up_fast((long long)H * W * C, partial, [=](long long i) {
        return power_term(x, i, H, W, C, real(beta));
    });
}

// The derivatives of a term by its two differences.
__device__ inline Slope power_pull(const Slope& s, real beta) {
    const real squares = s.down * s.down + s.right * s.right;
    if (squares == 0) return {0, 0};  // where the power below may be infinite
    const real factor = beta * pow(squares, beta / 2 - 1);
    return {factor * s.down, factor * s.right};
}

__device__ inline Slope smoothed_pull(const Slope& s, real epsilon) {
    const real square = epsilon * epsilon;
    return {s.down / sqrt(s.down * s.down + square), s.right / sqrt(s.right * s.right + square)};
}

// A pixel is the near end of its own two pairs, and the far end of one above and of one at the left.
template <class Pull>
__device__ void collect(
    const real* x, double factor, real* dL_dx, int H, int W, int C, const Pull& pull
) {
    const long long row = (long long)W * C;
    for (long long i = first_index(); i < H * row; i += index_step()) {
        const int p = int(i / row), q = int(i / C % W);
        const Slope own = pull(slope_at(x, i, p, q, H, W, C));
        real sum = -own.down - own.right;
        if (p > 0) sum += pull(slope_at(x, i - row, p - 1, q, H, W, C)).down;
        if (q > 0) sum += pull(slope_at(x, i - C, p, q - 1, H, W, C)).right;
        dL_dx[i] = real(factor) * sum;
    }
}

KERNEL power_variation_backward(
    const real* x, const double* dL_dloss, real* dL_dx, int H, int W, int C, double beta
) {
    collect(x, *dL_dloss, dL_dx, H, W, C, [=](const Slope& s) { return power_pull(s, real(beta)); });
}

KERNEL smoothed_variation_backward(
    const real* x, const double* dL_dloss, real* dL_dx, int H, int W, int C, double epsilon
) {
    collect(x, *dL_dloss, dL_dx, H, W, C, [=](const Slope& s) {
        return smoothed_pull(s, real(epsilon));
    });
}

// sqrt(d^2 + epsilon^2) - epsilon, without the cancellation.
__device__ inline double smoothed_length(real d, real epsilon) {
    return d * d / (sqrt(d * d + epsilon * epsilon) + epsilon);
}

__device__ inline double smoothed_term(const real* x, long long i, int H, int W, int C, real epsilon) {
    const Slope s = slope_at(x, i, H, W, C);
    return smoothed_length(s.down, epsilon) + smoothed_length(s.right, epsilon);
}

KERNEL smoothed_variation_forward_naive(
    const real* x, double* partial, int H, int W, int C, double epsilon
) {
    add_up_naive((long long)H * W * C, partial, [=](long long i) {
        return smoothed_term(x, i, H, W, C, real(epsilon));
    });
}

KERNEL smoothed_variation_forward_fast(
    const real* x, double* partial, int H, int W, int C, double epsilon
) {
    add_up_fast((long long)H * W * C, partial, [=](long long i) {
        return smoothed_term(x, i, H, W, C, real(epsilon));
    });
}

// x[i, j, c], or of a place beyond the border its copy within.
__device__ inline real within(const real* x, int i, int j, int c, int H, int W, int C) {
    i = i < 0 ? 0 : i < H ? i : H - 1;
    j = j < 0 ? 0 : j < W ? j : W - 1;
    return x[((long long)i * W + j) * C + c];
}

// Window number n of (H + 1)(W + 1) for each channel: its two diagonals, and the two pairs of its
// lower right pixel if that is one of the picture.
__device__ inline double nine_point_term(
    const real* x, long long n, int H, int W, int C, double sides, double corners
) {
    const int c = int(n % C), j = int(n / C % (W + 1)), i = int(n / C / (W + 1));
    const double e = double(within(x, i, j, c, H, W, C)) - within(x, i - 1, j - 1, c, H, W, C);
    const double f = double(within(x, i, j - 1, c, H, W, C)) - within(x, i - 1, j, c, H, W, C);
    double term = corners * (e * e + f * f);
    if (i < H && j < W) {
        const Slope s = slope_at(x, ((long long)i * W + j) * C + c, i, j, H, W, C);
        term += sides * (double(s.down) * double(s.down) + double(s.right) * double(s.right));
    }
    return term;
}

KERNEL nine_point_variation_forward_naive(
    const real* x, double* partial, int H, int W, int C, double sides, double corners
) {
    add_up_naive((long long)(H + 1) * (W + 1) * C, partial, [=](long long n) {
        return nine_point_term(x, n, H, W, C, sides, corners);
    });
}

KERNEL nine_point_variation_forward_fast(
    const real* x, double* partial, int H, int W, int C, double sides, double corners
) {
    add_up_fast((long long)(H + 1) * (W + 1) * C, partial, [=](long long n) {
        return nine_point_term(x, n, H, W, C, sides, corners);
    });
}

// Over the copies of a pixel, itself among them: how much it differs from what lies diagonally next
// to each, beyond the border as well, but no further than the copies reach.
__device__ inline real diagonal_differences(const real* x, int i, int j, int c, int H, int W, int C) {
    const real own = within(x, i, j, c, H, W, C);
    real sum = 0;
    for (int p = i == 0 ? -1 : i; p <= (i == H - 1 ? H : i); p++)
        for (int q = j == 0 ? -1 : j; q <= (j == W - 1 ? W : j); q++)
            for (int corner = 0; corner < 4; corner++) {
                const int p2 = p + corner / 2 * 2 - 1, q2 = q + corner % 2 * 2 - 1;
                if (p2 >= -1 && p2 <= H && q2 >= -1 && q2 <= W)
                    sum += own - within(x, p2, q2, c, H, W, C);
            }
    return sum;
}

KERNEL nine_point_variation_backward(
    const real* x, const double* dL_dloss, real* dL_dx, int H, int W, int C, double sides,
    double corners
) {
    const real by_side = real(2 * sides * *dL_dloss), by_corner = real(2 * corners * *dL_dloss);
    const long long row = (long long)W * C;
    for (long long n = first_index(); n < H * row; n += index_step()) {
        const int c = int(n % C), i = int(n / row), j = int(n / C % W);
        const Slope own = slope_at(x, n, i, j, H, W, C);
        real sum = -own.down - own.right;
        if (i > 0) sum += x[n] - x[n - row];
        if (j > 0) sum += x[n] - x[n - C];
        dL_dx[n] = by_side * sum + by_corner * diagonal_differences(x, i, j, c, H, W, C);
    }
}
