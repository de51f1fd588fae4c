// A card made of one processor, enough to run the kernels of manualnst/backends/cuda.
//
// Every thread of a block is a fibre with a stack of its own. Blocks run one after the other, and a
// block's threads one after the other, each until it waits for others: at __syncthreads for the
// block, at a shuffle, a ballot or a product of the matrix unit for its warp. Threads run in ascending
// or, on request, in descending order: of what is read without waiting for whoever writes it, one of
// the two orders reads the old value.
#pragma once
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

struct Three {
    int x, y, z;
};
static Three threadIdx, blockIdx, blockDim, gridDim;
struct __align__(8) float2 {
    float x, y;
};

namespace card {

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_start_switch_fiber(void**, const void*, size_t);
extern "C" void __sanitizer_finish_switch_fiber(void*, const void**, size_t*);
#endif

const size_t STACK = 256 << 10;
enum State { READY, AT_WARP, AT_BLOCK, DONE };
struct Copy {
    void* to;
    const void* from;
};

struct Fibre {
    ucontext_t context;
    jmp_buf jump;
    void* fake_stack = nullptr;
    char* stack = nullptr;
    State state = DONE;
    bool begun = false;
    int waits_for = 0;          // what kind of exchange, so that a mixture is noticed
    unsigned exchanges = 0;
    std::deque<std::vector<Copy>> groups;  // copies that are under way, the last group still open
};

struct Exchange {
    alignas(16) char of_lanes[2][32][64];
};

static std::vector<Fibre*> fibres;
static std::vector<Exchange> warps;
static Fibre* current;
static int current_index;
static ucontext_t scheduler;
static jmp_buf scheduler_jump;
static void* scheduler_fake_stack;
static const void* scheduler_stack;
static size_t scheduler_stack_size;
static std::string error;
static void (*call)(void**);
static void** arguments;
static char* dynamic_memory;

static void resume(int index) {
    current_index = index;
    current = fibres[index];
    threadIdx = {index, 0, 0};
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, current->stack, STACK);
    swapcontext(&scheduler, &current->context);
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#else
    if (_setjmp(scheduler_jump)) return;
    if (current->begun) _longjmp(current->jump, 1);
    current->begun = true;
    setcontext(&current->context);
#endif
}

static void back_to_scheduler() {
#ifdef __SANITIZE_ADDRESS__
    Fibre* self = current;
    __sanitizer_start_switch_fiber(&self->fake_stack, scheduler_stack, scheduler_stack_size);
    swapcontext(&self->context, &scheduler);
    __sanitizer_finish_switch_fiber(self->fake_stack, &scheduler_stack, &scheduler_stack_size);
#else
    if (!_setjmp(current->jump)) _longjmp(scheduler_jump, 1);
#endif
}

static void run_forever() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
    for (;;) {
        call(arguments);
        current->state = DONE;
        back_to_scheduler();
    }
}

static Fibre* new_fibre() {
    Fibre* fibre = new Fibre;
    fibre->stack = (char*)mmap(
        nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    getcontext(&fibre->context);
    fibre->context.uc_stack.ss_sp = fibre->stack;
    fibre->context.uc_stack.ss_size = STACK;
    fibre->context.uc_link = nullptr;
    makecontext(&fibre->context, run_forever, 0);
    return fibre;
}

static void wait(State at, int what) {
    current->state = at;
    current->waits_for = what;
    back_to_scheduler();
}

// What the 32 lanes of this warp give; `what` tells one kind of exchange from another.
template <class T>
const T* of_all_lanes(const T& mine, int what) {
    static_assert(sizeof(T) <= 64 && 64 % sizeof(T) == 0);
    auto& buffer = warps[current_index / 32].of_lanes[current->exchanges++ % 2];
    T* values = reinterpret_cast<T*>(&buffer[0][0]);
    values[current_index % 32] = mine;
    wait(AT_WARP, what);
    return values;
}

// Until all lanes of a warp wait for the block, or are done.
static void run_warp(int warp, bool descending) {
    const int threads = blockDim.x, first = 32 * warp;
    const int lanes = threads - first < 32 ? threads - first : 32;
    for (;;) {
        int at_warp = 0;
        for (int n = 0; n < lanes; n++) {
            const int index = first + (descending ? lanes - 1 - n : n);
            if (fibres[index]->state == READY) resume(index);
        }
        for (int n = 0; n < lanes; n++) at_warp += fibres[first + n]->state == AT_WARP;
        if (!at_warp) return;
        bool together = at_warp == 32;
        for (int n = 0; together && n < lanes; n++)
            together = fibres[first + n]->waits_for == fibres[first]->waits_for;
        if (!together) {
            error = "the lanes of a warp are not together at a shuffle, ballot or product";
            return;
        }
        for (int n = 0; n < lanes; n++) fibres[first + n]->state = READY;
    }
}

static void run_block(bool descending) {
    const int threads = blockDim.x, warp_count = (threads + 31) / 32;
    for (int n = 0; n < threads; n++) fibres[n]->state = READY;
    for (;;) {
        for (int n = 0; n < warp_count && error.empty(); n++)
            run_warp(descending ? warp_count - 1 - n : n, descending);
        if (!error.empty()) return;
        int done = 0;
        for (int n = 0; n < threads; n++) done += fibres[n]->state == DONE;
        if (done == threads) break;
        if (done) {
            error = "some threads of a block are done where others wait at __syncthreads";
            return;
        }
        for (int n = 0; n < threads; n++) fibres[n]->state = READY;
    }
    for (int n = 0; n < threads; n++) {
        for (auto& group : fibres[n]->groups)
            if (!group.empty()) error = "a thread ended with copies under way";
        fibres[n]->groups.clear();
    }
}

static const char* run(
    void (*kernel)(void**), void** args, int grid, int block, int shared_bytes, bool descending
) {
    error.clear();
    if (grid < 1 || block < 1 || block > 1024) error = "no such launch";
    while ((int)fibres.size() < block) fibres.push_back(new_fibre());
    warps.resize(32);
    call = kernel;
    arguments = args;
    gridDim = {grid, 1, 1};
    blockDim = {block, 1, 1};
    for (int n = 0; n < grid && error.empty(); n++) {
        blockIdx = {n, 0, 0};
        // Of exactly this size, so that the address sanitiser knows its end.
        dynamic_memory = (char*)malloc(shared_bytes ? shared_bytes : 1);
        memset(dynamic_memory, 0xff, shared_bytes);  // as floats, these are not numbers
        run_block(descending);
        free(dynamic_memory);
    }
    if (error.empty()) return nullptr;
    for (Fibre* fibre : fibres) munmap(fibre->stack, STACK), delete fibre;  // some are half-way
    fibres.clear();
    return error.c_str();
}

template <class... Types, size_t... indices>
void unpack(void (*kernel)(Types...), void** args, std::index_sequence<indices...>) {
    kernel(*static_cast<Types*>(args[indices])...);
}
template <auto kernel>
struct Unpacked;
template <class... Types, void (*kernel)(Types...)>
struct Unpacked<kernel> {
    static void run(void** args) { unpack(kernel, args, std::index_sequence_for<Types...>()); }
};

// A kernel's parameters in words, so that what is given can be compared with what is expected.
template <class T> const char* name_of();
template <> const char* name_of<int>() { return "int32"; }
template <> const char* name_of<long long>() { return "int64"; }
template <> const char* name_of<double>() { return "float64"; }
template <> const char* name_of<float*>() { return "float32*"; }
template <> const char* name_of<double*>() { return "float64*"; }
template <> const char* name_of<unsigned*>() { return "uint32*"; }
template <> const char* name_of<const unsigned long long*>() { return "uint64*"; }
template <> const char* name_of<unsigned char*>() { return "uint8*"; }
template <> const char* name_of<const float*>() { return "float32*"; }
template <> const char* name_of<const double*>() { return "float64*"; }
template <> const char* name_of<const unsigned*>() { return "uint32*"; }
template <> const char* name_of<const unsigned char*>() { return "uint8*"; }
template <class... Types>
std::string parameters_of(void (*)(Types...)) {
    std::string text;
    ((text += text.empty() ? "" : " ", text += name_of<Types>()), ...);
    return text;
}

struct Kernel {
    const char* name;
    std::string parameters;
    void (*run)(void**);
};
#define CARD_KERNEL(name) {#name, card::parameters_of(name), card::Unpacked<name>::run}

}  // namespace card

inline void* shared_memory_of_block() { return card::dynamic_memory; }
inline void __syncthreads() { card::wait(card::AT_BLOCK, 0); }
inline unsigned atomicOr(unsigned* where, unsigned bits) {
    const unsigned old = *where;
    *where |= bits;
    return old;
}
inline unsigned atomicAdd(unsigned* where, unsigned number) {
    const unsigned old = *where;
    *where += number;
    return old;
}
inline void __threadfence() {}
inline void __syncwarp() { card::of_all_lanes(0, 4); }
inline unsigned __ballot_sync(unsigned, bool yes) {
    const int* answers = card::of_all_lanes<int>(yes, 1);
    unsigned bits = 0;
    for (int lane = 0; lane < 32; lane++) bits |= unsigned(answers[lane]) << lane;
    return bits;
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int distance) {
    return card::of_all_lanes(value, 2)[(card::current_index % 32) ^ distance];
}
template <class T>
T __shfl_down_sync(unsigned, T value, int distance) {
    const int from = card::current_index % 32 + distance;
    return card::of_all_lanes(value, 3)[from < 32 ? from : from - distance];
}
