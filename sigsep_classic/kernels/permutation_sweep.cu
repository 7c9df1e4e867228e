// Block moves of all starts side by side: starts are blocks of threads, the units of a sweep follow one another.
// left, right: (starts or 1, units, scales or 1, sources, dims); span, gap: (units, scales); perm: (starts, units, sources).

struct Level {
  const real* left;
  const real* right;
  const real* span;
  const real* gap;
  int n_left, n_units, held, scales, n_sources, dims;
};

// Where the rows of one unit and scale begin.
__device__ __forceinline__ long long place(const Level& p, int s, int unit, int c) {
  const long long start = (long long)(p.n_left > 1 ? s : 0) * p.n_units + unit;
  return (start * p.held + (p.held > 1 ? c : 0)) * p.n_sources * p.dims;
}

extern "C" __global__ void merge(const real* left, const real* right, const real* span, const real* gap,
                                 const long long* perm, real* out_left, real* out_right, int offset, int n_left,
                                 int n_units, int held, int scales, int n_sources, int dims) {
  const Level p = {left, right, span, gap, n_left, n_units, held, scales, n_sources, dims};
  const int made = blockIdx.x, s = blockIdx.y;
  const int i = made < offset ? made : offset + 2 * (made - offset);
  const int j = made >= offset && i + 1 < n_units ? i + 1 : i;
  const long long* turn_i = perm + ((long long)s * n_units + i) * n_sources;
  const long long* turn_j = perm + ((long long)s * n_units + j) * n_sources;
  const int size = scales * n_sources * dims;
  const long long out = ((long long)s * gridDim.x + made) * size;
  for (int e = threadIdx.x; e < size; e += blockDim.x) {
    const int d = e % dims, n = e / dims % n_sources, c = e / dims / n_sources;
    const long long a = place(p, s, i, c) + turn_i[n] * dims + d;
    const long long b = place(p, s, j, c) + turn_j[n] * dims + d;
    const real between = gap[i * scales + c];
    out_left[out + e] = j > i ? left[a] + span[i * scales + c] * between * left[b] : left[a];
    out_right[out + e] = j > i ? right[b] + span[j * scales + c] * between * right[a] : right[a];
  }
}

#define ONE_BY_ONE _Pragma("unroll 1")  // unrolled, they need more registers than there are

// Write to best the columns of the largest sum, one for each row: shortest augmenting paths.
__device__ void assign(const real* S, int* best, real* u, real* v, real* least, int* owner, int* back, int* done, int n) {
  ONE_BY_ONE for (int j = 0; j <= n; j++) {
    u[j] = v[j] = real(0);
    owner[j] = n;
  }
  ONE_BY_ONE for (int i = 0; i < n; i++) {
    owner[n] = i;
    int column = n;
    ONE_BY_ONE for (int j = 0; j <= n; j++) {
      least[j] = INFINITY;
      done[j] = 0;
    }
    while (true) {
      done[column] = 1;
      const int row = owner[column];
      real delta = INFINITY;
      int following = -1;
      ONE_BY_ONE for (int j = 0; j < n; j++) {
        if (done[j]) continue;
        const real reduced = -S[row * n + j] - u[row] - v[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          back[j] = column;
        }
        if (following < 0 || least[j] < delta) {
          delta = least[j];
          following = j;
        }
      }
      ONE_BY_ONE for (int j = 0; j <= n; j++) {
        if (done[j]) {
          u[owner[j]] += delta;
          v[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      column = following;
      if (owner[column] == n) break;
    }
    while (column != n) {
      owner[column] = owner[back[column]];
      column = back[column];
    }
  }
  ONE_BY_ONE for (int j = 0; j < n; j++) best[owner[j]] = j;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    sweep(const real* left, const real* right, const real* span, const real* gap, long long* perm,
          const real* amplitudes, const int* active, int* moved, real* memory, int n_left, int n_units, int held,
          int scales, int n_sources, int dims, real rounding) {
  SHARED_ARRAY(real, S, MAX_SOURCES * MAX_SOURCES);
  SHARED_ARRAY(real, potentials, 3 * (MAX_SOURCES + 1));
  SHARED_ARRAY(int, marks, 3 * (MAX_SOURCES + 1));
  SHARED_ARRAY(int, best, MAX_SOURCES);
  const Level p = {left, right, span, gap, n_left, n_units, held, scales, n_sources, dims};
  const int s = blockIdx.x, me = threadIdx.x;
  if (!active[s]) return;
  const int size = scales * n_sources * dims;
  real* after = memory + (long long)s * (n_units + 1) * size;
  real* before = after + (long long)n_units * size;
  long long* turns = perm + (long long)s * n_units * n_sources;
  // Each thread reads what it wrote itself, until the products.
  ONE_BY_ONE for (int e = me; e < size; e += THREADS) {
    const int d = e % dims, n = e / dims % n_sources, c = e / dims / n_sources;
    real sum = real(0);
    after[(long long)(n_units - 1) * size + e] = sum;
    before[e] = sum;
    ONE_BY_ONE for (int i = n_units - 1; i > 0; i--) {
      const real row = left[place(p, s, i, c) + turns[(long long)i * n_sources + n] * dims + d];
      sum = gap[(i - 1) * scales + c] * (row + span[i * scales + c] * sum);
      after[(long long)(i - 1) * size + e] = sum;
    }
  }
  __syncthreads();
  ONE_BY_ONE for (int i = 0; i < n_units; i++) {
    long long* turn = turns + (long long)i * n_sources;
    ONE_BY_ONE for (int pair = me / 32; pair < n_sources * n_sources; pair += THREADS / 32) {
      const int n = pair / n_sources, m = (int)turn[pair % n_sources];
      real sum = real(0);
      ONE_BY_ONE for (int e = me % 32; e < scales * dims; e += 32) {
        const int d = e % dims, c = e / dims;
        const long long at = ((long long)c * n_sources + n) * dims + d;
        const long long row = place(p, s, i, c) + (long long)m * dims + d;
        sum += amplitudes[c] * (before[at] * left[row] + after[(long long)i * size + at] * right[row]);
      }
      for (int by = 16; by > 0; by >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, by);
      if (me % 32 == 0) S[pair] = sum;
    }
    __syncthreads();
    if (me == 0) {
      const int n = n_sources;
      bool settled = true;
      real top = real(0), gain = real(0);
      ONE_BY_ONE for (int k = 0; k < n * n; k++) {
        settled = settled && S[k / n * (n + 1)] >= S[k];
        top = fabs(S[k]) > top ? fabs(S[k]) : top;
      }
      if (!settled) {
        assign(S, best, potentials, potentials + MAX_SOURCES + 1, potentials + 2 * (MAX_SOURCES + 1), marks,
               marks + MAX_SOURCES + 1, marks + 2 * (MAX_SOURCES + 1), n);
        ONE_BY_ONE for (int k = 0; k < n; k++) gain += S[k * n + best[k]] - S[k * n + k];
      }
      if (gain > rounding * top) {
        ONE_BY_ONE for (int k = 0; k < n; k++) best[k] = (int)turn[best[k]];
        ONE_BY_ONE for (int k = 0; k < n; k++) turn[k] = best[k];
        moved[s] = 1;
      }
    }
    __syncthreads();
    ONE_BY_ONE for (int e = me; e < size; e += THREADS) {
      const int d = e % dims, n = e / dims % n_sources, c = e / dims / n_sources;
      const real row = right[place(p, s, i, c) + turn[n] * dims + d];
      before[e] = gap[i * scales + c] * (row + span[i * scales + c] * before[e]);
    }
    __syncthreads();
  }
}
