// What all kernels share. Every source is compiled twice: with `real` as float, and as double.
#pragma once

#ifdef DOUBLE
typedef double real;
#else
typedef float real;
#endif
typedef unsigned int word;  // 32 bits of a mask, or what a matrix unit takes for one or two numbers

#define KERNEL extern "C" __global__ void

// Matrix units and copies past the registers: since compute capability 8.0, and in single precision.
#if !defined(DOUBLE) && (!defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800)
#define MATRIX_UNITS
#endif

const word ALL_LANES = 0xffffffffu;

// Four numbers that follow each other in memory, read and written as one.
struct __align__(16) Four {
    real v[4];
};

__device__ inline Four four_at(const real* p) { return *reinterpret_cast<const Four*>(p); }
__device__ inline Four& four_at(real* p) { return *reinterpret_cast<Four*>(p); }

__host__ __device__ constexpr int ceiling(int a, int b) { return (a + b - 1) / b; }
__host__ __device__ constexpr int padded(int a, int b) { return ceiling(a, b) * b; }

// Masks have a bit for each number: word k / 32 of a position has channel k in its bit k % 32.
__host__ __device__ constexpr int mask_words(int channels) { return ceiling(channels, 32); }

// Does the ReLU let it pass? What is not a number, too: else nobody would learn that a run diverges.
__device__ inline bool passes(real value) { return !(value <= 0); }

// Numbers of which there may be more than threads: thread n does n, n + threads, and so on.
__device__ inline long long first_index() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ inline long long index_step() { return (long long)gridDim.x * blockDim.x; }

// Shared memory of a size that the launch says, as words.
#ifdef __CUDA_ARCH__
#define SHARED_WORDS(name) extern __shared__ __align__(16) word name[]
#else
#define SHARED_WORDS(name) word* name = static_cast<word*>(shared_memory_of_block())
#endif
