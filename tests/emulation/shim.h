// CUDA's words for g++: one block at a time, one OS thread, a fixed order of CUDA threads.
//
// A fiber runs CUDA threads one after another as a plain loop. A thread that meets a barrier is parked on its
// fiber and a new fiber goes on with the threads after it; when all that a barrier waits for are there,
// they are resumed. So a kernel without barriers costs a loop, and barriers are checked, not trusted. Before each
// block shared memory is filled with 0xFF bytes (NaN, -1), so that reading what was not written shows.
// Absent: dynamic shared memory, half types, textures, cooperative groups, inline PTX, contraction to FMA.
#pragma once
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <math.h>
#include <string>
#include <sys/mman.h>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static __attribute__((section("cuda_shared")))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) double2 { double x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

// ---------------------------------------------------------------- threads, barriers, errors
namespace emulation {

enum State { NEW, RUNNING, AT_BLOCK, AT_WARP, DONE };
enum Op { SYNC, SHUFFLE, BALLOT };

// What a thread waits for, and what it brings: a value, and the lane it wants one from.
struct Wait {
  State state;
  Op op;
  const char* what;
  int line;
  unsigned mask;
  uint64_t value;
  int source;
};
struct Thread : Wait {
  jmp_buf context;
  uint64_t result;
  const char* stack;
};

static Thread threads[1024];
static std::vector<char*> stacks;
static jmp_buf scheduler;
static volatile int n_threads, n_started, n_fibers, current;
static bool reverse;
static std::string failure;
static void (*volatile entry)(void**);
static void** volatile entry_args;
__shared__ char never_empty[16] __attribute__((used));
extern "C" __attribute__((visibility("hidden"))) char __start_cuda_shared[], __stop_cuda_shared[];

static std::string place(int t) {
  char text[160];
  snprintf(text, sizeof text, "block (%u, %u, %u) thread (%u, %u, %u)", blockIdx.x, blockIdx.y, blockIdx.z,
           t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y));
  return text;
}

static volatile bool watching;

[[noreturn]] static void fail(const char* why, const char* more = "", int line = 0) {
  watching = false;
  failure = place(current) + ": " + why + more + (line ? " (line " + std::to_string(line) + ")" : "");
  _longjmp(scheduler, 1);
}

static void become(int t) {
  current = t;
  threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}
constexpr size_t STACK = 256 << 10;
}  // namespace emulation

#include "watch.h"

namespace emulation {

// The loop of one fiber: CUDA threads in order, until none is left to start.
template <auto kernel, class... P, size_t... I>
UNWATCHED static void run_threads(void** args, void (*)(P...), std::index_sequence<I...>) {
  const char* const stack = stacks[n_fibers - 1];
  while (n_started < n_threads) {
    const int t = reverse ? n_threads - 1 - n_started : n_started;
    n_started = n_started + 1;
    become(t);
    threads[t].state = RUNNING;
    threads[t].stack = stack;
    watching = true;
    kernel(*static_cast<std::remove_const_t<P>*>(args[I])...);
    watching = false;
    threads[current].state = DONE;
  }
}
template <auto kernel, class... P> static void enter(void** args, void (*signature)(P...)) {
  run_threads<kernel>(args, signature, std::index_sequence_for<P...>());
}
template <auto kernel> static void body(void** args) { enter<kernel>(args, kernel); }

static void fiber_main() {
  entry(entry_args);
  _longjmp(scheduler, 1);
}

static char* stack_for(int fiber) {
  constexpr size_t size = STACK, guard = 64 << 10;  // the guard turns an overflow into a fault
  if ((size_t)fiber == stacks.size()) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, size + guard, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE)) abort();
    stacks.push_back((char*)memory + guard);
  }
  return stacks[fiber];
}

static __attribute__((noinline)) void start_fiber() {
  static ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = stack_for(n_fibers);
  context.uc_stack.ss_size = STACK;
  context.uc_link = nullptr;
  makecontext(&context, fiber_main, 0);
  n_fibers = n_fibers + 1;
  if (!_setjmp(scheduler)) setcontext(&context);
}

static __attribute__((noinline)) void resume(int t) {
  become(t);
  threads[t].state = RUNNING;
  if (!_setjmp(scheduler)) _longjmp(threads[t].context, 1);
}

static __attribute__((noinline)) uint64_t park(const Wait& wait) {
  watching = false;
  Thread& me = threads[current];
  static_cast<Wait&>(me) = wait;
  if (!_setjmp(me.context)) _longjmp(scheduler, 1);
  watching = true;
  return threads[current].result;
}

static bool together(const Wait& a, const Wait& b) {
  if (a.state == DONE) return b.state == DONE;
  return a.state == b.state && a.line == b.line && a.op == b.op && a.mask == b.mask;
}

// Let a block barrier go if every thread of the block waits at it.
static bool release_block() {
  uint64_t count = 0;
  for (int t = 0; t < n_threads; t++) {
    if (threads[t].state != AT_BLOCK || !together(threads[t], threads[0])) return false;
    count += threads[t].value;
  }
  for (int t = 0; t < n_threads; t++) threads[t].state = RUNNING, threads[t].result = count;
  pass_block();
  return true;
}

// Let lane t's warp operation go if all lanes its mask names have come (or have left the kernel).
static bool release_warp(int t) {
  const int first = t / 32 * 32, width = n_threads - first < 32 ? n_threads - first : 32;
  const Thread leader = threads[t];
  uint64_t ballot = 0;
  for (int i = 0; i < width; i++) {
    Thread& lane = threads[first + i];
    if (!(leader.mask >> i & 1) || lane.state == DONE) continue;
    if (!together(lane, leader)) return false;
    ballot |= (uint64_t)(lane.value != 0) << i;
  }
  for (int i = 0; i < width; i++) {
    Thread& lane = threads[first + i];
    if (!(leader.mask >> i & 1) || lane.state == DONE) continue;
    lane.result = ballot;
    if (leader.op == SHUFFLE) {  // a lane outside the operation gives what hardware leaves undefined: poison
      const int from = lane.source;
      const bool there = from < width && (leader.mask >> from & 1) && threads[first + from].state != DONE;
      lane.result = there ? threads[first + from].value : ~0ull;
    }
  }
  for (int i = 0; i < width; i++)
    if ((leader.mask >> i & 1) && threads[first + i].state == AT_WARP) threads[first + i].state = RUNNING;
  if (leader.op == SYNC && (leader.mask | ~0ull << width) == ~0ull) pass_warp(t);
  return true;
}

static std::string describe_stuck() {
  std::string text = "divergent barrier:";
  int shown = 0;
  for (int t = 0; t < n_threads && shown < 4; t++) {
    const Thread& now = threads[t];
    if (t && together(now, threads[t - 1])) continue;
    text += (shown ? ", thread " : " thread ") + std::to_string(t);
    if (now.state == DONE) text += " has returned";
    else text += std::string(" waits at ") + now.what + " (line " + std::to_string(now.line) + ")";
    shown++;
  }
  return text;
}

static void run_block() {
  memset(__start_cuda_shared, 0xFF, __stop_cuda_shared - __start_cuda_shared);
  n_started = n_fibers = 0;
  for (int t = 0; t < n_threads; t++) threads[t].state = NEW;
  while (n_started < n_threads && failure.empty()) start_fiber();
  while (failure.empty()) {
    bool released = release_block(), all_done = true;
    for (int t = 0; t < n_threads; t++) {
      if (threads[t].state == AT_WARP) released |= release_warp(t);
      all_done &= threads[t].state == DONE;
    }
    if (all_done) return;
    if (!released) failure = place(0) + ": " + describe_stuck();
    for (int i = 0; i < n_threads && failure.empty(); i++) {
      const int t = reverse ? n_threads - 1 - i : i;
      if (threads[t].state == RUNNING) resume(t);
    }
  }
}

static int run_grid(void (*kernel)(void**), const unsigned* grid, const unsigned* block, void** args,
                    int backwards, char* message, size_t size) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  n_threads = block[0] * block[1] * block[2];
  reverse = backwards, entry = kernel, entry_args = args;
  failure.clear();
  begin_grid();
  const uint64_t n = (uint64_t)grid[0] * grid[1] * grid[2];
  for (uint64_t i = 0; i < n && failure.empty(); i++) {
    const uint64_t b = backwards ? n - 1 - i : i;
    blockIdx = {unsigned(b % grid[0]), unsigned(b / grid[0] % grid[1]), unsigned(b / grid[0] / grid[1])};
    begin_block(b);
    run_block();
  }
  snprintf(message, size, "%s", failure.c_str());
  return !failure.empty();
}

// ---------------------------------------------------------------- parameter types, as NumPy writes them
template <class T> static std::string code() {
  if (std::is_same_v<T, bool>) return "b1";
  if (std::is_same_v<T, float2>) return "c8";
  if (std::is_same_v<T, double2>) return "c16";
  if (std::is_floating_point_v<T>) return "f" + std::to_string(sizeof(T));
  if (std::is_integral_v<T>) return (std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T));
  return "?";
}
template <class P> static std::string parameter() {
  if constexpr (std::is_pointer_v<P>) {
    using T = std::remove_pointer_t<P>;
    return (std::is_const_v<T> ? "const*" : "*") + code<std::remove_cv_t<T>>() + " ";
  } else return code<P>() + " ";
}
template <class... P> static std::string signature(void (*)(P...)) {
  return (std::string() + ... + parameter<P>());
}
static constexpr int first(int a = 1024, int = 0, int = 0) { return a; }

template <class T> static uint64_t bits(T value) {
  static_assert(sizeof(T) <= 8, "warp shuffles take up to 8 bytes");
  uint64_t out = 0;
  memcpy(&out, &value, sizeof(T));
  return out;
}
static Wait warp(Op op, const char* what, int line, unsigned mask, uint64_t value, int source) {
  if (!(mask >> current % 32 & 1)) fail(what, " is called by a lane its mask does not name");
  return {AT_WARP, op, what, line, mask, value, source};
}
static unsigned vote(const char* what, int line, unsigned mask, bool value, Op op = BALLOT) {
  return (unsigned)park(warp(op, what, line, mask, value, 0));
}
// `from` counts inside the caller's segment of `width` lanes; below `lowest` and past the end it gets its own.
template <class T, class F>
static T shuffle(const char* what, int line, unsigned mask, T value, int width, F from, int lowest) {
  if (width < 1 || width > 32 || width & (width - 1)) fail(what, ": width is no power of 2");
  const int lane = current % width, base = current % 32 - lane, source = from(lane);
  const bool inside = source < width && source >= lowest;
  const int chosen = base + (inside ? source : lane);
  const uint64_t result = park(warp(SHUFFLE, what, line, mask, bits(value), chosen));
  memcpy(&value, &result, sizeof(T));
  return value;
}
#define EMULATION_SHUFFLE(name, type, expression, lowest)                                                   \
  template <class T> static T name(int line, unsigned mask, T value, type by, int width = 32) {             \
    const auto from = [=](int lane) { return expression; };                                                 \
    return shuffle("__" #name "_sync", line, mask, value, width, from, lowest);                             \
  }
EMULATION_SHUFFLE(shfl, int, by & (width - 1), 0)
EMULATION_SHUFFLE(shfl_down, unsigned, lane + (int)by, 0)
EMULATION_SHUFFLE(shfl_up, unsigned, lane - (int)by, 0)
EMULATION_SHUFFLE(shfl_xor, int, (current % 32 ^ by) - (current % 32 - lane), -32)  // may read segments before
}  // namespace emulation

#define EMULATION_BLOCK(name, value) \
  emulation::park({emulation::AT_BLOCK, emulation::SYNC, name, __LINE__, 0, value, 0})
#define __syncthreads() ((void)EMULATION_BLOCK("__syncthreads", 0))
#define __syncthreads_count(p) ((int)EMULATION_BLOCK("__syncthreads_count", (p) != 0))
#define __syncthreads_or(p) ((int)(EMULATION_BLOCK("__syncthreads_or", (p) != 0) != 0))
#define __syncthreads_and(p) ((int)(EMULATION_BLOCK("__syncthreads_and", (p) == 0) == 0))
#define __syncwarp(...) \
  ((void)emulation::vote("__syncwarp", __LINE__, __VA_OPT__((__VA_ARGS__) &) ~0u, false, emulation::SYNC))
#define __shfl_sync(...) emulation::shfl(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) emulation::shfl_down(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) emulation::shfl_up(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) emulation::shfl_xor(__LINE__, __VA_ARGS__)
#define __ballot_sync(mask, p) emulation::vote("__ballot_sync", __LINE__, mask, (p) != 0)
#define __any_sync(mask, p) ((int)(emulation::vote("__any_sync", __LINE__, mask, (p) != 0) != 0))
#define __all_sync(mask, p) ((int)(emulation::vote("__all_sync", __LINE__, mask, (p) == 0) == 0))
#define __trap() emulation::fail("__trap()")
#undef assert
#define assert(c) ((c) ? (void)0 : emulation::fail("assert(" #c ")"))
#define __threadfence() ((void)0)

// ---------------------------------------------------------------- atomics
#define EMULATION_ATOMIC(name, update)                                   \
  template <class T> inline T name(T* where, std::common_type_t<T> v) { \
    const emulation::Atomic here;                                        \
    const T old = *where;                                                \
    *where = T(update);                                                  \
    return old;                                                          \
  }
EMULATION_ATOMIC(atomicAdd, old + v)
EMULATION_ATOMIC(atomicSub, old - v)
EMULATION_ATOMIC(atomicExch, v)
EMULATION_ATOMIC(atomicMax, old > v ? old : v)
EMULATION_ATOMIC(atomicMin, old < v ? old : v)
template <class T> inline T atomicCAS(T* where, std::common_type_t<T> expected, std::common_type_t<T> v) {
  const emulation::Atomic here;
  const T old = *where;
  if (old == expected) *where = v;
  return old;
}

#include "arithmetic.h"

// ---------------------------------------------------------------- where -fsanitize=bounds,... reports
struct EmulatedSourceLocation { const char* file; uint32_t line, column; };
#define EMULATION_REPORT(name, text)                                                     \
  extern "C" void __ubsan_handle_##name(EmulatedSourceLocation* at, ...) {              \
    emulation::fail(text, "", (int)at->line);                                            \
  }
EMULATION_REPORT(out_of_bounds, "index outside a local or shared array")
EMULATION_REPORT(shift_out_of_bounds, "shift by more than the type's bits")
EMULATION_REPORT(divrem_overflow, "integer division by zero or overflow")
EMULATION_REPORT(add_overflow, "signed integer overflow in +")
EMULATION_REPORT(sub_overflow, "signed integer overflow in -")
EMULATION_REPORT(mul_overflow, "signed integer overflow in *")
EMULATION_REPORT(negate_overflow, "signed integer overflow in unary -")

// ---------------------------------------------------------------- said once per kernel at the end of the text
#define EMULATION_EXPORT extern "C" __attribute__((visibility("default")))
#define EMULATED_KERNEL(name, ...)                                                                \
  EMULATION_EXPORT const char* signature_##name() {                                               \
    static std::string text;                                                                      \
    text = emulation::signature(::name) + std::to_string(emulation::first(__VA_ARGS__));            \
    return text.c_str();                                                                          \
  }                                                                                               \
  EMULATION_EXPORT int run_##name(const unsigned* grid, const unsigned* block, void** args,       \
                                  int backwards, char* message, size_t size) {                    \
    return emulation::run_grid(emulation::body< ::name>, grid, block, args, backwards, message, size); \
  }
