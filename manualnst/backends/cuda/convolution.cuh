// What all convolutions here have in common: [C1] with what comes before and after it.
//
//     y = b + sum over taps and channels of source * filter          source: x, or see below
//     forward:    ReLU with its mask, and the average of 2 x 2 windows, if they are asked for
//     backward:   [C2] is [C1] with turned filters; the source is what arrives, where the mask has a
//                 bit, and a quarter of it at each place of its window
//
// With one tap in the place of nine it is the product of every position's channels with a matrix,
// which is the Gram matrix' way back. Filters are laid out beforehand (filters.cu): (taps, channels,
// filters), with zeros up to multiples of what the kernels take at a time.
#pragma once
#include "common.cuh"

const int CHANNELS_PADDED_TO = 32, FILTERS_PADDED_TO = 128;

struct Convolution {
    const real* x;       // (H, W, C), or pooled (H / 2, W / 2, C)
    const word* x_mask;  // (H, W, mask_words(C)), or none
    int x_pooled;
    const real* b;  // (K), or none
    real* y;        // (H, W, K), or pooled (H / 2, W / 2, K)
    word* y_mask;   // (H, W, mask_words(K)): take the ReLU and keep its mask; or none
    int y_pooled;
    int add;  // to what y holds
    int H, W, C, K;
};

#define CONVOLUTION_PARAMETERS(filter)                                                          \
    const real *x, const word *x_mask, int x_pooled, const filter *w, const real *b, real *y,   \
        word *y_mask, int y_pooled, int add, int H, int W, int C, int K
#define CONVOLUTION {x, x_mask, x_pooled, b, y, y_mask, y_pooled, add, H, W, C, K}

// Where position (i, j) of the source is in x, before its channels; -1 if it counts as zero: outside
// the picture, or at an odd edge that has no window.
__device__ inline long long place_in_x(const Convolution& s, int i, int j) {
    if (i < 0 || j < 0 || i >= s.H || j >= s.W) return -1;
    if (!s.x_pooled) return ((long long)i * s.W + j) * s.C;
    if (i / 2 >= s.H / 2 || j / 2 >= s.W / 2) return -1;
    return ((long long)(i / 2) * (s.W / 2) + j / 2) * s.C;
}

// The bits of channel c and those after it.
__device__ inline word mask_from(const Convolution& s, int i, int j, int c) {
    if (!s.x_mask) return ~0u;
    return s.x_mask[((long long)i * s.W + j) * mask_words(s.C) + c / 32] >> c % 32;
}

__device__ inline real source_at(const Convolution& s, int i, int j, int c) {
    const long long place = place_in_x(s, i, j);
    if (place < 0 || c >= s.C || !(mask_from(s, i, j, c) & 1)) return 0;
    return s.x_pooled ? real(0.25) * s.x[place + c] : s.x[place + c];
}

// Channels c ... c + 3; c is a multiple of 4.
__device__ inline Four source_four_at(const Convolution& s, int i, int j, int c) {
    Four values = {0, 0, 0, 0};
    const long long place = place_in_x(s, i, j);
    if (place < 0 || c >= s.C) return values;
    if (s.C % 4 == 0) {
        values = four_at(s.x + place + c);
    } else {
        for (int e = 0; e < 4; e++)
            if (c + e < s.C) values.v[e] = s.x[place + c + e];
    }
    const word bits = mask_from(s, i, j, c);
    const real share = s.x_pooled ? real(0.25) : real(1);
    for (int e = 0; e < 4; e++) values.v[e] = bits >> e & 1 ? share * values.v[e] : real(0);
    return values;
}

__device__ inline real bias_of(const Convolution& s, int k) {
    return s.b && k < s.K ? s.b[k] : real(0);
}

__device__ inline bool has_window(const Convolution& s, int i, int j) {
    return i / 2 < s.H / 2 && j / 2 < s.W / 2;
}

// Number k of position (i, j) of y, or of the window that (i, j) lies in.
__device__ inline real& number_of_y(const Convolution& s, int i, int j, int k) {
    if (s.y_pooled) return s.y[((long long)(i / 2) * (s.W / 2) + j / 2) * s.K + k];
    return s.y[((long long)i * s.W + j) * s.K + k];
}

__device__ inline void put(const Convolution& s, int i, int j, int k, real value) {
    real& number = number_of_y(s, i, j, k);
    number = s.add ? number + value : value;
}
