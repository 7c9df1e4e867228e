// Steps of complex NMF over a run of frames. Rows r are channels times frequencies; D (frames, 2, rows) holds the
// real and imaginary parts of gain Y - F, or of E = (gain Y - F) / X; U (frames, sources, 2, rows) cosine and sine.
// Half a step is one launch that reads and writes U once; what is read again of it is in the caches. With more
// components than HELD the sums for templates take a launch each.

#define THREADS 128

extern "C" __global__ void model(const real* Y, const real* B, const real* H, const real* U, const int* starts,
                                 real* D, real* X, int frames, int freq, int rows, int components, int sources,
                                 int divide, real gain, real floor_) {
  const int r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  for (int t = blockIdx.y; t < frames; t += gridDim.y) {
    const long long y = ((long long)(r / freq) * frames + t) * freq + r % freq;
    real dr = Y[2 * y] * gain, di = Y[2 * y + 1] * gain, x = real(0);
    const real* h = H + (long long)t * components;
    const real* u = U + (long long)t * sources * 2 * rows + r;
    for (int j = 0; j < sources; j++) {
      real p = real(0);
      for (int k = starts[j]; k < starts[j + 1]; k++) p += h[k] * B[(long long)k * rows + r];
      x += p;
      dr -= p * u[(long long)(2 * j) * rows];
      di -= p * u[(long long)(2 * j + 1) * rows];
    }
    x = x > floor_ ? x : floor_;
    const long long i = (long long)t * rows + r;
    X[i] = x;
    D[2 * i - r] = divide ? dr / x : dr;
    D[2 * i - r + rows] = divide ? di / x : di;
  }
}

struct Problem {
  const real *Y, *B, *H;
  real* U;
  const int* starts;
  int frames, freq, rows, components, sources;
  real gain, floor_, tiny;
};

// E of row r and frame t; returns X. Reads the phases of all sources.
__device__ __forceinline__ real error_of(const Problem& p, int t, int r, real* er, real* ei) {
  const long long y = ((long long)(r / p.freq) * p.frames + t) * p.freq + r % p.freq;
  const real* h = p.H + (long long)t * p.components;
  const real* u = p.U + (long long)t * p.sources * 2 * p.rows + r;
  real dr = p.Y[2 * y] * p.gain, di = p.Y[2 * y + 1] * p.gain, x = real(0);
  for (int j = 0; j < p.sources; j++) {
    real share = real(0);
    for (int k = p.starts[j]; k < p.starts[j + 1]; k++) share += h[k] * p.B[(long long)k * p.rows + r];
    x += share;
    dr -= share * u[(long long)(2 * j) * p.rows];
    di -= share * u[(long long)(2 * j + 1) * p.rows];
  }
  x = x > p.floor_ ? x : p.floor_;
  *er = dr / x;
  *ei = di / x;
  return x;
}

// u = z / |z| with z = u + E, of source j; returns |z|. A z of zero leaves u as it is.
__device__ __forceinline__ real turned(const Problem& p, int t, int r, int j, real er, real ei) {
  real* u = p.U + ((long long)t * p.sources + j) * 2 * p.rows + r;
  const real zr = u[0] + er, zi = u[p.rows] + ei, square = zr * zr + zi * zi, size = sqrt(square);
  if (square > p.tiny) {
    u[0] = zr / size;
    u[p.rows] = zi / size;
  }
  return size;
}

#define PROBLEM {Y, B, H, U, starts, frames, freq, rows, components, sources, gain, floor_, tiny}
#define ARGUMENTS                                                                                               \
  const real *Y, const real *B, const real *H, real *U, const int *starts, real *X, real *parts, int frames,    \
      int freq, int rows, int components, int sources, real gain, real floor_, real tiny

// A thread a row of a frame: the phases are turned, and sums over each 32 rows of B X |z| written for activations.
extern "C" __global__ void __launch_bounds__(THREADS, 8) half_activations(ARGUMENTS) {
  const Problem p = PROBLEM;
  const int r = blockIdx.x * THREADS + threadIdx.x, chunk = r / 32, chunks = gridDim.x * (THREADS / 32);
  const bool inside = r < rows;
  for (int t = blockIdx.y; t < frames; t += gridDim.y) {
    real er = real(0), ei = real(0), x = real(0);
    if (inside) {
      x = error_of(p, t, r, &er, &ei);
      X[(long long)t * rows + r] = x;
    }
    for (int j = 0; j < sources; j++) {
      const real a = inside ? x * turned(p, t, r, j, er, ei) : real(0);
      for (int k = starts[j]; k < starts[j + 1]; k++) {
        real sum = inside ? B[(long long)k * rows + r] * a : real(0);
        for (int by = 16; by > 0; by /= 2) sum += __shfl_down_sync(0xffffffffu, sum, by);
        if (threadIdx.x % 32 == 0) parts[((long long)t * components + k) * chunks + chunk] = sum;
      }
    }
  }
}

// A thread a row of a run of frames: the phases are turned, and sums over the run of H X |z| written for templates.
extern "C" __global__ void __launch_bounds__(THREADS, 8) half_templates(ARGUMENTS) {
  SHARED_ARRAY(real, sums, HELD* THREADS);
  const Problem p = PROBLEM;
  const int r = blockIdx.x * THREADS + threadIdx.x;
  if (r >= rows) return;
  real* sum = sums + threadIdx.x;  // no other thread looks at it
  for (int k = 0; k < components; k++) sum[k * THREADS] = real(0);
  const int end = (int)((long long)frames * (blockIdx.y + 1) / gridDim.y);
  for (int t = (int)((long long)frames * blockIdx.y / gridDim.y); t < end; t++) {
    real er, ei;
    const real x = error_of(p, t, r, &er, &ei);
    X[(long long)t * rows + r] = x;
    for (int j = 0; j < sources; j++) {
      const real a = x * turned(p, t, r, j, er, ei);
      for (int k = starts[j]; k < starts[j + 1]; k++) sum[k * THREADS] += H[(long long)t * components + k] * a;
    }
  }
  for (int k = 0; k < components; k++) parts[((long long)blockIdx.y * components + k) * rows + r] = sum[k * THREADS];
}

// X |u + E| of one coefficient.
__device__ real amplitude(const real* U, const real* D, const real* X, long long u, int t, int r, int rows) {
  const long long i = (long long)t * rows + r;
  const real zr = U[u] + D[2 * i - r], zi = U[u + rows] + D[2 * i - r + rows];
  return X[i] * sqrt(zr * zr + zi * zi);
}

// One thread per component and row: sums over the frames are added to what is there.
extern "C" __global__ void template_sums(const real* H, const real* U, const int* owners, const real* D,
                                         const real* X, real* above, real* below, int frames, int rows, int components,
                                         int sources) {
  const int r = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
  if (r >= rows) return;
  real a = real(0), b = real(0);
  for (int t = 0; t < frames; t++) {
    const long long u = ((long long)t * sources + owners[k]) * 2 * rows + r;
    const real h = H[(long long)t * components + k];
    a += h * amplitude(U, D, X, u, t, r, rows);
    b += h * X[(long long)t * rows + r];
  }
  above[(long long)k * rows + r] += a;
  below[(long long)k * rows + r] += b;
}

// u = z / |z| with z = u + E; a z of zero leaves u as it is.
extern "C" __global__ void turn_phases(real* U, const real* D, int frames, int rows, int sources, real tiny) {
  const int r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  for (int n = blockIdx.y; n < frames * sources; n += gridDim.y) {
    const long long u = (long long)n * 2 * rows + r, d = (long long)(n / sources) * 2 * rows + r;
    const real zr = U[u] + D[d], zi = U[u + rows] + D[d + rows];
    const real square = zr * zr + zi * zi;
    if (square > tiny) {
      const real size = sqrt(square);
      U[u] = zr / size;
      U[u + rows] = zi / size;
    }
  }
}
