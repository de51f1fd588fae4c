// What matrix_unit.cuh says of the matrix unit, computed by a processor (see host_card.h).
#pragma once

inline word as_word(float value) {
    word bits;
    memcpy(&bits, &value, 4);
    return bits;
}
inline float as_number(word bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// To the nearest with a fraction of so many bits, where the exponent has float32's range.
inline float rounded(float value, int fraction, bool ties_to_even) {
    if (value != value) return NAN;  // of which the addition below could make a number
    const int dropped = 23 - fraction;
    const word bits = as_word(value), half = 1u << (dropped - 1);
    const word up = ties_to_even ? half - 1 + (bits >> dropped & 1) : half;
    return as_number((bits + up) & ~((1u << dropped) - 1));
}

inline word float16_bits(float value) {
    const _Float16 number = (_Float16)within_float16(value);
    unsigned short bits;
    memcpy(&bits, &number, 2);
    return bits;
}
inline float of_float16_bits(word bits) {
    const unsigned short low = (unsigned short)bits;
    _Float16 number;
    memcpy(&number, &low, 2);
    return (float)number;
}

template <int arithmetic>
inline word packed(float first, float second) {
    if (arithmetic == TF32) return as_word(rounded(first, 10, false));
    if (arithmetic == FLOAT16) return float16_bits(first) | float16_bits(second) << 16;
    return as_word(rounded(first, 7, true)) >> 16 | (as_word(rounded(second, 7, true)) & 0xffff0000u);
}

template <int arithmetic>
inline float number_in(word w, int n) {
    if (arithmetic == TF32) return rounded(as_number(w), 10, false) == as_number(w) ? as_number(w) : NAN;
    if (arithmetic == FLOAT16) return of_float16_bits(n ? w >> 16 : w);
    return as_number(n ? w & 0xffff0000u : w << 16);
}

struct alignas(32) Fragments {
    word a[4], b[2], unused[2];
};

template <int arithmetic>
inline void multiply_add(float (&d)[4], const word (&a)[4], const word (&b)[2]) {
    const Fragments mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {}};
    const Fragments* lanes = card::of_all_lanes(mine, 4);
    const int g = card::current_index % 32 / 4, t = card::current_index % 4;
    for (int e = 0; e < 4; e++) {
        const int row = e / 2, column = 2 * t + e % 2;  // row: g or g + 8
        double sum = 0;
        for (int n = 0; n < 8; n++) {  // words of the row and of the column
            const word left = lanes[4 * g + n % 4].a[n / 4 * 2 + row];
            const word right = lanes[4 * column + n % 4].b[n / 4];
            for (int m = 0; m < numbers_in_a_word(arithmetic); m++)
                sum += double(number_in<arithmetic>(left, m)) * double(number_in<arithmetic>(right, m));
        }
        d[e] = float(d[e] + sum);
    }
}

inline std::vector<card::Copy>& open_group() {
    auto& groups = card::current->groups;
    if (groups.empty()) groups.emplace_back();
    return groups.back();
}
inline void copy_ahead(void* shared, const void* global) { open_group().push_back({shared, global}); }
inline void close_group() {
    open_group();
    card::current->groups.emplace_back();
}
// Not before it is waited for: whoever reads too early reads what was there before.
template <int n>
inline void all_but() {
    auto& groups = card::current->groups;
    while ((int)groups.size() > n + 1) {
        for (const card::Copy& copy : groups.front()) memcpy(copy.to, copy.from, 16);
        groups.pop_front();
    }
}
