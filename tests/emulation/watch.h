// Every access of a kernel to memory, looked at: with -fsanitize=thread g++ calls these functions before each one,
// which stand here in the place of ThreadSanitizer's library.
//
// An access must lie in one array argument, one SHARED_ARRAY, or memory of the thread's own. Two accesses to one
// place, one of them a write, race when they are of different blocks, or of different threads of a block with
// no __syncthreads() in between (in a warp, no __syncwarp() of all its lanes); shuffles order nothing, and
// atomics race with all but atomics. What did happen in one order counts, not what happened to be computed.
#pragma once
#ifndef EMULATION_WATCH
#define UNWATCHED
namespace emulation {
struct Atomic { Atomic() {} };
static void begin_grid() {}
static void begin_block(uint64_t) {}
static void pass_block() {}
static void pass_warp(int) {}
}  // namespace emulation
#else
#define UNWATCHED __attribute__((no_sanitize_thread))

#undef SHARED_ARRAY
#define SHARED_ARRAY(type, name, size)                                                                       \
  __shared__ emulation::Fenced<type, size> name##_fenced;                                                    \
  static emulation::Extent name##_extent __attribute__((section("cuda_extents"), used)) = {                  \
      {(char*)name##_fenced.inside, sizeof name##_fenced.inside, sizeof(type), #name}};                      \
  type(&name)[size] = name##_fenced.inside

namespace emulation {
constexpr size_t FENCE = 128;

template <class T, size_t size> struct Fenced {
  alignas(16) char before[FENCE];
  alignas(16) T inside[size];
  char after[FENCE];
};
struct Array {
  char* begin;
  size_t bytes, item;
  const char* name;
};
// That of a SHARED_ARRAY; they lie side by side in a section of their own, hence the alignment.
struct alignas(64) Extent : Array {};

// Who touched a place; an epoch ends at a barrier of a block, and 0 is never.
struct Access {
  uint32_t epoch, warp_epoch, block, code;
  uint16_t thread;
  bool atomic;
};
struct Cell {
  Access write, reads[2];
};
struct Watched : Array {
  size_t granule;
  Cell* cells;
};

static std::vector<Watched> regions;
static volatile bool atomically;
static volatile uint32_t epoch, block_number, warp_epochs[32];  // g++ does not know that kernels call what reads them
static Watched* latest[256];  // of accesses from one place in the code
extern "C" __attribute__((visibility("hidden"))) Extent __start_cuda_extents[], __stop_cuda_extents[];
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start[], _end[];
static Extent nowhere __attribute__((section("cuda_extents"), used)) = {{nullptr, 0, 1, ""}};

static void add_region(const Array& region) {
  const size_t granule = region.item % 4 ? 1 : 4;
  regions.push_back({region, granule, (Cell*)calloc(region.bytes / granule + 1, sizeof(Cell))});
}

static void unwatch() {
  for (Watched& region : regions) free(region.cells);
  regions.clear();
  memset(latest, 0, sizeof latest);
}

static void watch(const Array* arrays, int n) {
  unwatch();
  for (int i = 0; i < n; i++) add_region(arrays[i]);
  for (Extent* one = __start_cuda_extents; one < __stop_cuda_extents; one++)
    if (one->bytes) add_region(*one);
}

static std::string line_of(uint32_t code) {
  char text[20];
  snprintf(text, sizeof text, "+0x%x", code - 1);  // the call, not what follows it
  return text;
}

UNWATCHED static bool unordered(const Access& was, const Access& now, bool shared) {
  if (!was.epoch || (was.atomic && now.atomic)) return false;
  if (was.block != now.block) return !shared;  // each block has its own shared memory
  if (was.epoch != now.epoch || was.thread == now.thread) return false;
  return was.thread / 32 != now.thread / 32 || was.warp_epoch == now.warp_epoch;
}

[[noreturn]] UNWATCHED static void report(const Watched& region, const char* at, const Access& was, bool wrote,
                                          const Access& now, bool writes) {
  watching = false;
  const std::string other =
      was.block == now.block ? "thread " + std::to_string(was.thread) : "block " + std::to_string(was.block);
  const std::string text = std::string("race: ") + (writes ? "writes " : "reads ") + region.name + "[" +
                           std::to_string((at - region.begin) / region.item) + "] (" + line_of(now.code) + ") that " +
                           other + (wrote ? " wrote (" : " read (") + line_of(was.code) + ")";
  fail(text.c_str());
}

// Two readers are enough to tell of any writer: it is not both of them.
UNWATCHED static void note_read(Cell& cell, const Access& now, bool shared) {
  for (Access& slot : cell.reads) {
    const bool mine = slot.block == now.block && (slot.thread == now.thread || slot.epoch != now.epoch);
    if (!slot.epoch || mine || (shared && slot.block != now.block)) {
      slot = now;
      return;
    }
  }
}

UNWATCHED static void touch(const Watched& region, char* p, size_t n, const Access& now, bool writes, bool shared) {
  const size_t first = (p - region.begin) / region.granule, last = (p + n - 1 - region.begin) / region.granule;
  for (size_t i = first; i <= last; i++) {
    Cell& cell = region.cells[i];
    if (unordered(cell.write, now, shared)) report(region, p, cell.write, true, now, writes);
    if (!writes) {
      note_read(cell, now, shared);
      continue;
    }
    for (const Access& read : cell.reads)
      if (unordered(read, now, shared)) report(region, p, read, false, now, true);
    cell.write = now;
  }
}

[[noreturn]] UNWATCHED static void outside(const char* p, bool writes, uint32_t code) {
  watching = false;
  const Watched* near = nullptr;
  size_t best = 0;
  for (const Watched& region : regions) {
    const char* end = region.begin + region.bytes;
    const size_t away = p < region.begin ? region.begin - p : p > end ? p - end : 0;
    if (!near || away < best) near = &region, best = away;
  }
  std::string text = std::string(writes ? "writes" : "reads") + " outside every array (" + line_of(code) + ")";
  if (near) {
    const long long item = near->item, off = p - near->begin;
    const long long index = off < 0 ? -((item - 1 - off) / item) : off / item;
    text += ", near " + std::string(near->name) + "[" + std::to_string(index) + "]";
  }
  fail(text.c_str());
}

UNWATCHED static __attribute__((noinline)) void access(void* where, size_t n, bool writes, void* from) {
  char* const p = (char*)where;
  if (!watching || !n) return;
  const bool shared = p >= __start_cuda_shared && p < __stop_cuda_shared;
  if (!shared && p >= __ehdr_start && p < _end) return;
  const uint32_t code = (uint32_t)((char*)from - __ehdr_start);
  Watched*& region = latest[code / 4 % 256];
  if (!region || p < region->begin || p >= region->begin + region->bytes) {
    const char* const own = threads[current].stack;
    if (p >= own && p < own + STACK) return;
    region = nullptr;
    for (Watched& one : regions)
      if (p >= one.begin && p < one.begin + one.bytes) region = &one;
  }
  if (!region || p + n > region->begin + region->bytes) outside(p, writes, code);
  if (atomically && !writes) return;  // its write follows
  const int t = current;
  const Access now = {epoch, warp_epochs[t / 32], block_number, code, (uint16_t)t, atomically};
  touch(*region, p, n, now, writes, shared);
}

struct Atomic {
  Atomic() { atomically = true; }
  ~Atomic() {
    atomically = false;
    asm volatile("" ::: "memory");  // what is read afterwards is read again
  }
};
static void pass_block() { epoch = epoch + 1; }
static void pass_warp(int t) { warp_epochs[t / 32] = warp_epochs[t / 32] + 1; }
static void begin_block(uint64_t number) { epoch = epoch + 1, block_number = (uint32_t)number; }
static void begin_grid() { epoch = 0, atomically = false; }
}  // namespace emulation

#define EMULATION_HOOK(name, ...) extern "C" UNWATCHED void __tsan_##name(__VA_ARGS__)
#define EMULATION_ACCESS(name, size, writes) \
  EMULATION_HOOK(name, void* p) { emulation::access(p, size, writes, __builtin_return_address(0)); }
#define EMULATION_ACCESSES(size)               \
  EMULATION_ACCESS(read##size, size, false)    \
  EMULATION_ACCESS(write##size, size, true)    \
  EMULATION_ACCESS(unaligned_read##size, size, false) \
  EMULATION_ACCESS(unaligned_write##size, size, true)
EMULATION_ACCESSES(1)
EMULATION_ACCESSES(2)
EMULATION_ACCESSES(4)
EMULATION_ACCESSES(8)
EMULATION_ACCESSES(16)
EMULATION_HOOK(read_range, void* p, size_t n) { emulation::access(p, n, false, __builtin_return_address(0)); }
EMULATION_HOOK(write_range, void* p, size_t n) { emulation::access(p, n, true, __builtin_return_address(0)); }
EMULATION_HOOK(init) {}
EMULATION_HOOK(func_entry, void*) {}
EMULATION_HOOK(func_exit) {}
extern "C" UNWATCHED unsigned char __tsan_atomic8_load(const volatile void* p, int) {
  return *(const volatile unsigned char*)p;
}

extern "C" __attribute__((visibility("default"))) void emulation_watch(const emulation::Array* arrays, int n) {
  emulation::watch(arrays, n);
}
#endif
