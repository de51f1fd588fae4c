// Fastest: the products are the matrix units', in TF32, float16 or bfloat16, with sums in float32.
//
// A block of 8 warps makes 8 or 16 rows of 16 positions, of up to 128 filters; a warp some of the rows
// and some of the filters, in tiles of 16 positions (one row) by 8 filters, which is what one instruction
// does. Beside that, in the order of what it brings:
// - The filters of a step (one tap, 16 words of channels) are on their way to shared memory three steps
//   before they are used, by copies that go past the registers.
// - The patch of the next 16 words is fetched in nine parts, one in each step, in front of the step's
//   products, and stored behind them. On its way it is masked, spread over pooling windows, and rounded.
// - Rows of shared memory are 20 words for 16, and 8 longer for the filters: what the 32 lanes fetch
//   together then lies in 32 different banks. (Not the filters where a block makes 8 of them: there
//   two lanes each share a bank, for less memory; rows of 24 words would part them.)
// - Bias, ReLU, mask and pooling are done in the registers in which the sums are.
#include "convolution.cuh"
#include "matrix_unit.cuh"

#ifdef MATRIX_UNITS

const int WORDS = 16, PATCH_STRIDE = 20, STAGES = 4;

// The shape of a block: rows of positions, filters; warps along either of these.
template <int taps_, int ROWS_, int FILTERS_, int WARPS_DOWN_, int WARPS_ACROSS_>
struct Shape {
    static const int taps = taps_, ROWS = ROWS_, FILTERS = FILTERS_;
    static const int WARPS_DOWN = WARPS_DOWN_, WARPS_ACROSS = WARPS_ACROSS_;
    static const int BORDER = taps == 9, COLUMNS = 16 + 2 * BORDER;  // of the patch
    static const int POSITIONS = (ROWS + 2 * BORDER) * COLUMNS;
    static const int FILTER_STRIDE = FILTERS + 8;
    static const int PATCH = POSITIONS * PATCH_STRIDE, STAGE = WORDS * FILTER_STRIDE;
    static const int OWN_ROWS = ROWS / WARPS_DOWN, OWN_TILES = FILTERS / 8 / WARPS_ACROSS;  // a warp's
    static const int PARTS = ceiling(POSITIONS * (WORDS / 4), 256 * taps);  // fours of words a step
    static_assert(WARPS_DOWN * WARPS_ACROSS == 8, "the kernel is for 8 warps");
};

// Four words of the patch's channels from c on, as they are wanted in shared memory.
struct __align__(16) FourWords {
    word v[4];
};

template <int arithmetic>
struct Part {
    Four values[numbers_in_a_word(arithmetic)];

    __device__ FourWords words() const {
        FourWords w;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (numbers_in_a_word(arithmetic) == 1) w.v[e] = packed<arithmetic>(values[0].v[e], 0);
            else w.v[e] = packed<arithmetic>(
                values[e / 2].v[e % 2 * 2], values[e / 2].v[e % 2 * 2 + 1]
            );
        }
        return w;
    }
};

template <int arithmetic, class S>
struct Convolver {
    static const int NUMBERS = numbers_in_a_word(arithmetic), CHANNELS = WORDS * NUMBERS;
    static const int taps = S::taps;

    const Convolution& s;
    const word* w;
    word *patches, *stages;  // in shared memory: two patches, and the filters of four steps
    int top, left, k0, row0, tile0, g, t;
    float sums[S::OWN_ROWS][S::OWN_TILES][4];

    __device__ Convolver(const Convolution& s, const word* w, word* shared)
        : s(s), w(w), patches(shared), stages(shared + 2 * S::PATCH), sums() {
        const int k_tiles = ceiling(s.K, S::FILTERS), across = ceiling(s.W, 16);
        const int tile = blockIdx.x / k_tiles, warp = threadIdx.x / 32;
        k0 = blockIdx.x % k_tiles * S::FILTERS;
        top = tile / across * S::ROWS;
        left = tile % across * 16;
        row0 = warp / S::WARPS_ACROSS * S::OWN_ROWS;
        tile0 = warp % S::WARPS_ACROSS * S::OWN_TILES;
        g = threadIdx.x % 32 / 4;
        t = threadIdx.x % 4;
    }

    // Part n of the patch that has the channels from c0 on, if there is such a part.
    __device__ bool fetch(Part<arithmetic>& part, int n, int c0) const {
        if (n >= S::POSITIONS * (WORDS / 4)) return false;
        const int position = n / (WORDS / 4), c = c0 + n % (WORDS / 4) * 4 * NUMBERS;
        const int i = top + position / S::COLUMNS - S::BORDER;
        const int j = left + position % S::COLUMNS - S::BORDER;
#pragma unroll
        for (int e = 0; e < NUMBERS; e++) part.values[e] = source_four_at(s, i, j, c + 4 * e);
        return true;
    }

    __device__ void store(const Part<arithmetic>& part, int n, word* patch) const {
        word* to = patch + n / (WORDS / 4) * PATCH_STRIDE + n % (WORDS / 4) * 4;
        *reinterpret_cast<FourWords*>(to) = part.words();
    }

    // The filters of one step, into their place among the stages.
    __device__ void send_for_filters(int step) const {
        const int Cp = padded(s.C, CHANNELS_PADDED_TO) / NUMBERS;
        const int Kp = padded(s.K, FILTERS_PADDED_TO);
        const int tap = step % taps, first = step / taps * WORDS;
        word* stage = stages + step % STAGES * S::STAGE;
        for (int n = threadIdx.x; n < WORDS * S::FILTERS / 4; n += 256) {
            const int k = n % (S::FILTERS / 4) * 4, row = n / (S::FILTERS / 4);
            copy_ahead(
                stage + row * S::FILTER_STRIDE + k, w + ((long long)tap * Cp + first + row) * Kp + k0 + k
            );
        }
    }

    // Eight words of channels: the warp's rows of positions times its tiles of filters.
    __device__ void multiply(const word* patch, const word* stage) {
        word b[S::OWN_TILES][2];
#pragma unroll
        for (int n = 0; n < S::OWN_TILES; n++) {
            const word* column = stage + (tile0 + n) * 8 + g;
            b[n][0] = column[t * S::FILTER_STRIDE];
            b[n][1] = column[(t + 4) * S::FILTER_STRIDE];
        }
#pragma unroll
        for (int m = 0; m < S::OWN_ROWS; m++) {
            const word* row = patch + (m * S::COLUMNS + g) * PATCH_STRIDE + t;
            const word a[4] = {row[0], row[8 * PATCH_STRIDE], row[4], row[8 * PATCH_STRIDE + 4]};
#pragma unroll
            for (int n = 0; n < S::OWN_TILES; n++) multiply_add<arithmetic>(sums[m][n], a, b[n]);
        }
    }

    __device__ void convolve() {
        const int steps = ceiling(s.C, CHANNELS) * taps;
        for (int step = 0; step < STAGES - 1; step++) {
            if (step < steps) send_for_filters(step);
            close_group();
        }
        Part<arithmetic> parts[S::PARTS];
        for (int n = threadIdx.x; fetch(parts[0], n, 0); n += 256) store(parts[0], n, patches);
        for (int step = 0; step < steps; step++) {
            const int tap = step % taps, chunk = step / taps;
            all_but<STAGES - 2>();  // of this thread's copies, those for this step have arrived
            __syncthreads();        // so have the others', and nobody is in the step before any more
            if (step + STAGES - 1 < steps) send_for_filters(step + STAGES - 1);
            close_group();
            bool fetched[S::PARTS];
            const int next = (chunk + 1) * CHANNELS, first_part = tap * S::PARTS * 256 + threadIdx.x;
#pragma unroll
            for (int n = 0; n < S::PARTS; n++)
                fetched[n] = next < s.C && fetch(parts[n], first_part + n * 256, next);

            const int u = taps == 9 ? tap / 3 : 0, v = taps == 9 ? tap % 3 : 0;
            const word* patch = patches + chunk % 2 * S::PATCH
                + ((row0 + u) * S::COLUMNS + v) * PATCH_STRIDE;
            const word* stage = stages + step % STAGES * S::STAGE;
            multiply(patch, stage);
            if (s.C - chunk * CHANNELS > CHANNELS / 2)  // else the second half is zeros
                multiply(patch + 8, stage + 8 * S::FILTER_STRIDE);

#pragma unroll
            for (int n = 0; n < S::PARTS; n++)
                if (fetched[n])
                    store(parts[n], first_part + n * 256, patches + (chunk + 1) % 2 * S::PATCH);
        }
        all_but<0>();
    }

    // The position and the filter of this lane's number e in tile (m, n).
    __device__ int row_of(int m) const { return top + row0 + m; }
    __device__ int column_of(int e) const { return left + g + e / 2 * 8; }
    __device__ int filter_of(int n, int e) const { return k0 + (tile0 + n) * 8 + 2 * t + e % 2; }
    __device__ bool is_inside(int m, int e) const { return row_of(m) < s.H && column_of(e) < s.W; }

    __device__ void add_bias() {
#pragma unroll
        for (int n = 0; n < S::OWN_TILES; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const float bias = bias_of(s, filter_of(n, e));
#pragma unroll
                for (int m = 0; m < S::OWN_ROWS; m++) sums[m][n][e] += bias;
            }
    }

    // Four tiles are 32 filters, a word of the mask; each of the four lanes that have numbers of one
    // position sets its eight bits, and the lanes put them together.
    __device__ void rectify() {
#pragma unroll
        for (int m = 0; m < S::OWN_ROWS; m++)
#pragma unroll
            for (int n = 0; n < S::OWN_TILES; n += 4)
#pragma unroll
                for (int half = 0; half < 4; half += 2) {
                    word bits = 0;
#pragma unroll
                    for (int e = 0; e < 8; e++) {
                        float& value = sums[m][n + e / 2][half + e % 2];
                        if (passes(value)) bits |= 1u << (e / 2 * 8 + 2 * t + e % 2);
                        else value = 0;
                    }
                    bits |= __shfl_xor_sync(ALL_LANES, bits, 1);
                    bits |= __shfl_xor_sync(ALL_LANES, bits, 2);
                    const int k = k0 + (tile0 + n) * 8;
                    if (t == 0 && k < s.K && is_inside(m, half))
                        s.y_mask[((long long)row_of(m) * s.W + column_of(half)) * mask_words(s.K) + k / 32] = bits;
                }
    }

    __device__ void put_two(int m, int n, int half, float first, float second) const {
        const int k = filter_of(n, 0);
        if (k + 1 < s.K && s.K % 2 == 0) {
            float2& two = reinterpret_cast<float2&>(number_of_y(s, row_of(m), column_of(half), k));
            two = s.add ? float2{two.x + first, two.y + second} : float2{first, second};
        } else {
            if (k < s.K) put(s, row_of(m), column_of(half), k, first);
            if (k + 1 < s.K) put(s, row_of(m), column_of(half), k + 1, second);
        }
    }

    // A window's rows are this lane's, its columns those of lanes 4 apart.
    __device__ void pool_and_put() {
#pragma unroll
        for (int m = 0; m + 1 < S::OWN_ROWS; m += 2)
#pragma unroll
            for (int n = 0; n < S::OWN_TILES; n++) {
                float means[4];
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    const float column = sums[m][n][e] + sums[m + 1][n][e];
                    means[e] = 0.25f * (column + __shfl_xor_sync(ALL_LANES, column, 4));
                }
#pragma unroll
                for (int half = 0; half < 4; half += 2)
                    if (g % 2 == 0 && has_window(s, row_of(m), column_of(half)))
                        put_two(m, n, half, means[half], means[half + 1]);
            }
    }

    __device__ void finish() {
        add_bias();
        if (S::OWN_TILES >= 4 && s.y_mask) rectify();
        if (S::OWN_ROWS >= 2 && s.y_pooled) {
            pool_and_put();
            return;
        }
#pragma unroll
        for (int m = 0; m < S::OWN_ROWS; m++)
#pragma unroll
            for (int n = 0; n < S::OWN_TILES; n++)
#pragma unroll
                for (int half = 0; half < 4; half += 2)
                    if (is_inside(m, half)) put_two(m, n, half, sums[m][n][half], sums[m][n][half + 1]);
    }
};

template <int arithmetic, class S>
__device__ void convolve_by_matrix_units(const Convolution& s, const word* w) {
    SHARED_WORDS(shared);
    Convolver<arithmetic, S> convolver(s, w, shared);
    convolver.convolve();
    convolver.finish();
}

#define BY_MATRIX_UNITS(name, arithmetic, ...)                                        \
    KERNEL __launch_bounds__(256) name(CONVOLUTION_PARAMETERS(word)) {                \
        convolve_by_matrix_units<arithmetic, Shape<__VA_ARGS__>>(CONVOLUTION, w);     \
    }
// Large maps of many filters; of few; small maps, of which the larger blocks would be too few for the
// card; and the step back to the pixels.
#define ALL_SHAPES(name, arithmetic)                                                  \
    BY_MATRIX_UNITS(convolution_##name##_16_128, arithmetic, 9, 16, 128, 4, 2)        \
    BY_MATRIX_UNITS(convolution_##name##_16_64, arithmetic, 9, 16, 64, 4, 2)          \
    BY_MATRIX_UNITS(convolution_##name##_8_64, arithmetic, 9, 8, 64, 4, 2)            \
    BY_MATRIX_UNITS(convolution_##name##_16_8, arithmetic, 9, 16, 8, 8, 1)
ALL_SHAPES(tf32, TF32)
ALL_SHAPES(float16, FLOAT16)
ALL_SHAPES(bfloat16, BFLOAT16)
ALL_SHAPES(tf32x3, TF32X3)
BY_MATRIX_UNITS(product_tf32_16_128, TF32, 1, 16, 128, 4, 2)
BY_MATRIX_UNITS(product_tf32_8_64, TF32, 1, 8, 64, 4, 2)

#endif
