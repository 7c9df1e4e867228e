// One block of threads per window of codes; the windows of one launch are so far apart that what one of them
// writes no other reads. Rows of Z and beta are `width` long, of which the first `n` are shifts.

struct Problem {
  real* Z;
  real* beta;
  const real* G;
  real* peaks;
  int n_k, n, width, reach;
  real penalty, negative;
};

// What a code is moved by: soft(u) - z with u = beta + z; `best` becomes soft(u).
__device__ __forceinline__ real soft(real u, real penalty, real negative) {
  const real low = u > -negative ? u : -negative;
  return u - (low < penalty ? low : penalty);
}

__device__ __forceinline__ real longest(const Problem& p, long long at) {
  real top = real(0);
  for (long long i = at; i < at + BLOCK; i++) {
    const real u = p.beta[i] + p.Z[i];
    const real low = u > -p.negative ? u : -p.negative;
    const real step = fabs(p.beta[i] - (low < p.penalty ? low : p.penalty));
    if (step > top) top = step;
  }
  return top;
}

extern "C" __global__ void all_peaks(real* Z, real* beta, real* peaks, long long size, real penalty, real negative) {
  const Problem p = {Z, beta, nullptr, peaks, 0, 0, 0, 0, penalty, negative};
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < size) peaks[i] = longest(p, i * BLOCK);
}

// beta -= change G[k] around shift t, all rows.
__device__ __forceinline__ void subtract(const Problem& p, int k, int t, real change) {
  const int a = t > p.reach ? t - p.reach : 0;
  const int span = (t + p.reach + 1 < p.n ? t + p.reach + 1 : p.n) - a;
  const real* g = p.G + (long long)k * p.n_k * (2 * p.reach + 1) + a - t + p.reach;
  for (int i = threadIdx.x; i < p.n_k * span; i += blockDim.x) {
    const int j = i / span;
    const int s = i % span;
    p.beta[(long long)j * p.width + a + s] -= change * g[(long long)j * (2 * p.reach + 1) + s];
  }
}

// Find the longest moves of the blocks anew that shifts a ... e - 1 lie in.
__device__ __forceinline__ void refresh(const Problem& p, int a, int e) {
  const int first = (a > 0 ? a : 0) / BLOCK;
  const int span = ((e < p.n ? e : p.n) - 1) / BLOCK + 1 - first;
  for (int i = threadIdx.x; i < p.n_k * span; i += blockDim.x) {
    const int j = i / span;
    const int b = first + i % span;
    p.peaks[(long long)j * (p.width / BLOCK) + b] = longest(p, (long long)j * p.width + (long long)b * BLOCK);
  }
}

// Number (row by row) of the block of the window with the longest move, the first of equal ones; -1: none above.
__device__ __forceinline__ int farthest(const Problem& p, int first, int n_own, real bound, real* tops, int* places) {
  const int me = threadIdx.x;
  real top = bound;
  int at = -1;
  for (int i = me; i < p.n_k * n_own; i += blockDim.x) {
    const real value = p.peaks[(long long)(i / n_own) * (p.width / BLOCK) + first + i % n_own];
    if (value > top) {
      top = value;
      at = i;
    }
  }
  tops[me] = top;
  places[me] = at;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (me < half) {
      const int other = places[me + half];
      if (other >= 0 && (places[me] < 0 || tops[me + half] > tops[me] ||
                         (tops[me + half] == tops[me] && other < places[me]))) {
        tops[me] = tops[me + half];
        places[me] = other;
      }
    }
  }
  __syncthreads();
  at = places[0];
  __syncthreads();
  return at;
}

// Set the code of block b (counted in row k) that moves farthest.
__device__ __forceinline__ void settle(const Problem& p, int k, int b, int* where, real* by) {
  if (threadIdx.x == 0) {
    const long long row = (long long)k * p.width;
    real top = real(-1);
    int t = 0;
    for (int i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
      const real u = p.beta[row + i] + p.Z[row + i];
      const real low = u > -p.negative ? u : -p.negative;
      const real step = fabs(p.beta[row + i] - (low < p.penalty ? low : p.penalty));
      if (step > top) {
        top = step;
        t = i;
      }
    }
    const real best = soft(p.beta[row + t] + p.Z[row + t], p.penalty, p.negative);
    where[0] = t;
    by[0] = best - p.Z[row + t];
    p.Z[row + t] = best;
  }
  __syncthreads();
  const int t = where[0];
  subtract(p, k, t, by[0]);
  __syncthreads();
  refresh(p, t - p.reach, t + p.reach + 1);
  __syncthreads();
}

struct List {
  int* rows;
  int* times;
  real* values;
  real* slopes;
};

// List nonzero codes from position `cursor` on (positions: block by block, row by row, shift by shift).
// Returns how many there are, listed or not; `next` is the position after the last one listed.
__device__ __forceinline__ int list(const Problem& p, const List& found, int start, int size, int cursor, int* counted, int* next) {
  const int run = (size + blockDim.x - 1) / blockDim.x;
  const int first = run * threadIdx.x;
  int mine = 0;
  for (int q = first; q < first + run && q < size; q++) {
    const int t = start + q / (BLOCK * p.n_k) * BLOCK + q % BLOCK;
    mine += q >= cursor && p.Z[(long long)(q / BLOCK % p.n_k) * p.width + t] != real(0);
  }
  counted[threadIdx.x] = mine;
  __syncthreads();
  int rank = 0, total = 0;
  for (int i = 0; i < blockDim.x; i++) {
    if (i < threadIdx.x) rank += counted[i];
    total += counted[i];
  }
  for (int q = first; mine > 0 && q < first + run && q < size && rank < LISTED; q++) {
    const int t = start + q / (BLOCK * p.n_k) * BLOCK + q % BLOCK;
    const long long at = (long long)(q / BLOCK % p.n_k) * p.width + t;
    if (q < cursor || p.Z[at] == real(0)) continue;
    found.rows[rank] = q / BLOCK % p.n_k;
    found.times[rank] = t;
    found.values[rank] = p.Z[at];
    found.slopes[rank] = p.beta[at];
    if (++rank == LISTED || rank == total) next[0] = q + 1;
  }
  __syncthreads();
  return total;
}

// Move listed codes one after the other until none moves by more than the bound; then bring beta up to date.
__device__ __forceinline__ void polish(const Problem& p, const List& found, int count, real bound) {
  for (int pass = 0; pass < PASSES; pass++) {
    real far = real(0);
    for (int i = 0; i < count; i++) {
      const real best = soft(found.slopes[i] + found.values[i], p.penalty, p.negative);
      const real change = best - found.values[i];
      __syncthreads();
      if (change == real(0)) continue;  // so it is for every thread
      if (threadIdx.x == 0) found.values[i] = best;
      const real* g = p.G + (long long)found.rows[i] * p.n_k * (2 * p.reach + 1) + p.reach;
      for (int j = threadIdx.x; j < count; j += blockDim.x) {
        const int s = found.times[j] - found.times[i];
        if (s <= p.reach && -s <= p.reach)
          found.slopes[j] -= change * g[(long long)found.rows[j] * (2 * p.reach + 1) + s];
      }
      far = fabs(change) > far ? fabs(change) : far;
      __syncthreads();
    }
    if (far <= bound) break;
  }
  for (int i = 0; i < count; i++) {
    const long long at = (long long)found.rows[i] * p.width + found.times[i];
    const real change = found.values[i] - p.Z[at];
    if (change != real(0)) subtract(p, found.rows[i], found.times[i], change);
    __syncthreads();
  }
  for (int i = threadIdx.x; i < count; i += blockDim.x)
    p.Z[(long long)found.rows[i] * p.width + found.times[i]] = found.values[i];
  __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    sweep(real* Z, real* beta, const real* G, real* peaks, int* counts, int n_k, int n, int width, int reach, int half,
          int colour, real penalty, real negative, real bound, real polished) {
  SHARED_ARRAY(real, tops, THREADS);
  SHARED_ARRAY(int, places, THREADS);
  SHARED_ARRAY(int, rows, LISTED);
  SHARED_ARRAY(int, times, LISTED);
  SHARED_ARRAY(real, values, LISTED);
  SHARED_ARRAY(real, slopes, LISTED);
  SHARED_ARRAY(int, where, 1);
  SHARED_ARRAY(real, by, 1);
  const Problem p = {Z, beta, G, peaks, n_k, n, width, reach, penalty, negative};
  const List found = {rows, times, values, slopes};
  const int segment = 4 * blockIdx.x + colour;
  const int start = segment * half;
  const int end = start + 2 * half < width ? start + 2 * half : width;
  const int n_own = (end - start) / BLOCK;
  int tries = 0, polishes = 0, count = 0;
  while (true) {
    const int at = farthest(p, start / BLOCK, n_own, bound, tops, places);
    if (at < 0 || polishes == POLISHES) break;
    count++;
    if (tries < GREEDY) {
      settle(p, at / n_own, start / BLOCK + at % n_own, where, by);
      tries++;
      continue;
    }
    for (int cursor = 0, left = 1; left > 0; cursor = where[0]) {
      const int total = list(p, found, start, n_k * (end - start), cursor, places, where);
      if (total == 0) break;
      polish(p, found, total < LISTED ? total : LISTED, polished);
      left = total - LISTED;
    }
    refresh(p, start - reach, end + reach);
    __syncthreads();
    tries = 0;
    polishes++;
  }
  if (threadIdx.x == 0) counts[segment] += count;
}
