// Weighted covariances a block a bin (and, with many channels, pair of channels), powers a thread a frame.

#define THREADS 64
#define STRETCH 64  // so many products a thread are added in `real` before they go to a double

#ifdef DIMS  // a thread has all products of a frame in registers: every number is read once

#define COUNT (PER * DIMS * DIMS)  // sums a thread keeps: those of PER sources

// 1 / r times a share of the bin, r = low + sum over components; or the weight that is given.
struct Weights {
  const real *given, *templates, *activations, *share;
  int n_freq, n_frames, shared, components;
  real low;
};

__device__ __forceinline__ real weight(const Weights& w, int n, int f, int t) {
  const long long row = (long long)n * w.n_freq + f;
  if (w.components == 0) return w.given[(w.shared ? n : row) * w.n_frames + t];
  const real* v = w.activations + (long long)n * w.components * w.n_frames + t;
  real r = w.low;
  for (int k = 0; k < w.components; k++) r += w.templates[row * w.components + k] * v[(long long)k * w.n_frames];
  return w.share[f] / r;
}

// Block f: V[f, n, i, j] of all sources, PER at a time; frames in stretches, whose sums are added in double.
extern "C" __global__ void __launch_bounds__(WIDE) covariances(const real* Z, const real* given, const real* templates,
                                                               const real* activations, const real* share,
                                                               const double* load, double* V, int n_freq,
                                                               int n_sources, int n_frames, int shared,
                                                               int components, int loaded, real low) {
  SHARED_ARRAY(real, held, COUNT*(WIDE + 1));
  SHARED_ARRAY(double, parts, WIDE);
  const Weights w = {given, templates, activations, share, n_freq, n_frames, shared, components, low};
  const int f = blockIdx.x, thread = threadIdx.x;
  const int ways = WIDE / COUNT, own = thread % COUNT, way = thread / COUNT;  // so many threads add up a sum
  const real* z = Z + (long long)f * DIMS * 2 * n_frames;
  for (int first = 0; first < n_sources; first += PER) {
    double total = 0.0;
    for (int begin = 0; begin < n_frames; begin += STRETCH * WIDE) {
      real sums[COUNT];
#pragma unroll
      for (int k = 0; k < COUNT; k++) sums[k] = real(0);
      const int end = begin + STRETCH * WIDE < n_frames ? begin + STRETCH * WIDE : n_frames;
      for (int t = begin + thread; t < end; t += WIDE) {
        real x[DIMS], y[DIMS], phi[PER];
#pragma unroll
        for (int i = 0; i < DIMS; i++) {
          x[i] = z[(long long)2 * i * n_frames + t];
          y[i] = z[(long long)(2 * i + 1) * n_frames + t];
        }
#pragma unroll
        for (int n = 0; n < PER; n++) phi[n] = first + n < n_sources ? weight(w, first + n, f, t) : real(0);
        int k = 0;
#pragma unroll
        for (int i = 0; i < DIMS; i++) {
#pragma unroll
          for (int j = 0; j <= i; j++) {
            const real re = x[i] * x[j] + y[i] * y[j], im = y[i] * x[j] - x[i] * y[j];
#pragma unroll
            for (int n = 0; n < PER; n++) {
              sums[k + n] += phi[n] * re;
              if (i != j) sums[k + PER + n] += phi[n] * im;
            }
            k += i == j ? PER : 2 * PER;
          }
        }
      }
#pragma unroll
      for (int k = 0; k < COUNT; k++) held[k * (WIDE + 1) + thread] = sums[k];
      __syncthreads();
      if (way < ways)
        for (int i = way * (WIDE / ways); i < (way + 1 == ways ? WIDE : (way + 1) * (WIDE / ways)); i++)
          total += (double)held[own * (WIDE + 1) + i];
      __syncthreads();
    }
    parts[thread] = total;
    __syncthreads();
    double sum = 0.0;
    if (thread < COUNT) {
      for (int i = 0; i < ways; i++) sum += parts[i * COUNT + thread];
      sum /= n_frames;
    }
    __syncthreads();
    parts[thread] = sum;
    __syncthreads();
    if (thread < COUNT) {
      // Which entry this is: rows i, then columns j <= i, then the real parts of the sources and the imaginary ones.
      int i = 0, k = thread / PER;
      while (k >= 2 * i + 1) k -= 2 * i++ + 1;
      const int j = k / 2, n = first + thread % PER;
      const double sign = j < i && k % 2 ? -1.0 : 1.0;
      if (n < n_sources) {
        if (loaded && i == j) {
          double trace = 0.0;
          for (int c = 0; c < DIMS; c++) trace += parts[(c * c + 2 * c) * PER + thread % PER];
          sum += load[f] / DIMS * trace;
        }
        double* matrix = V + ((long long)f * n_sources + n) * DIMS * DIMS * 2;
        matrix[(i * DIMS + j) * 2 + k % 2] = sum;
        matrix[(j * DIMS + i) * 2 + k % 2] = sign * sum;
        if (i == j) matrix[(i * DIMS + i) * 2 + 1] = 0.0;
      }
    }
    __syncthreads();
  }
}

// Thread t of block (., g): the powers of all sources in frame t, summed over the bins of group g of n_groups.
extern "C" __global__ void powers(const real* Z, const real* R, const real* load, real* power, int n_freq,
                                  int n_sources, int dims, int n_frames, int n_groups) {
  const int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t >= n_frames) return;
  for (int g = blockIdx.y; g < n_groups; g += gridDim.y)
    for (int first = 0; first < n_sources; first += DIMS) {
      real sums[DIMS];
#pragma unroll
      for (int n = 0; n < DIMS; n++) sums[n] = real(0);
      const int end = (int)((long long)n_freq * (g + 1) / n_groups);
      for (int f = (int)((long long)n_freq * g / n_groups); f < end; f++) {
        const real* z = Z + (long long)f * DIMS * 2 * n_frames + t;
        real x[DIMS], y[DIMS], all = real(0);
#pragma unroll
        for (int c = 0; c < DIMS; c++) {
          x[c] = z[(long long)2 * c * n_frames];
          y[c] = z[(long long)(2 * c + 1) * n_frames];
          all += x[c] * x[c] + y[c] * y[c];
        }
        all *= load[f] / real(DIMS);
#pragma unroll
        for (int n = 0; n < DIMS; n++) {
          if (first + n >= n_sources) continue;
          const real* row = R + ((long long)f * n_sources + first + n) * DIMS * 2;
          real re = real(0), im = real(0), length = real(0);
#pragma unroll
          for (int c = 0; c < DIMS; c++) {
            const real a = row[2 * c], b = row[2 * c + 1];
            re += a * x[c] - b * y[c];
            im += a * y[c] + b * x[c];
            length += a * a + b * b;
          }
          sums[n] += re * re + im * im + length * all;
        }
      }
#pragma unroll
      for (int n = 0; n < DIMS; n++)
        if (first + n < n_sources) power[((long long)(first + n) * n_groups + g) * n_frames + t] = sums[n];
    }
}

#else

// Block (f, pair of rows i >= j): V[f, n, i, j] and its mirror for all sources n, four at a time.
extern "C" __global__ void covariances(const real* Z, const real* weights, double* V, int n_freq, int n_sources,
                                       int dims, int n_frames, int shared) {
  SHARED_ARRAY(double, held, 8 * THREADS);
  const int f = blockIdx.x, thread = threadIdx.x;
  int i = 0, j = blockIdx.y;
  while (j > i) j -= ++i;
  const real* zi = Z + ((long long)f * dims + i) * 2 * n_frames;
  const real* zj = Z + ((long long)f * dims + j) * 2 * n_frames;
  for (int first = 0; first < n_sources; first += 4) {
    double total[8] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    for (int start = thread; start < n_frames; start += STRETCH * THREADS) {
      real part[8] = {real(0), real(0), real(0), real(0), real(0), real(0), real(0), real(0)};
      for (int s = 0; s < STRETCH; s++) {
        const int t = start + s * THREADS;
        if (t >= n_frames) break;
        const real a = zi[t], b = zi[n_frames + t], c = zj[t], d = zj[n_frames + t];
        const real re = a * c + b * d, im = b * c - a * d;
#pragma unroll
        for (int k = 0; k < 4; k++) {
          if (first + k < n_sources) {
            const long long row = shared ? first + k : (long long)(first + k) * n_freq + f;
            const real w = weights[row * n_frames + t];
            part[2 * k] += w * re;
            part[2 * k + 1] += w * im;
          }
        }
      }
#pragma unroll
      for (int k = 0; k < 8; k++) total[k] += (double)part[k];
    }
#pragma unroll
    for (int k = 0; k < 8; k++) held[k * THREADS + thread] = total[k];
    __syncthreads();
    for (int by = THREADS / 2; by > 0; by /= 2) {
      if (thread < by)
        for (int k = 0; k < 8; k++) held[k * THREADS + thread] += held[k * THREADS + thread + by];
      __syncthreads();
    }
    if (thread < 4 && first + thread < n_sources) {
      double* own = V + ((long long)f * n_sources + first + thread) * dims * dims * 2;
      const double re = held[2 * thread * THREADS] / n_frames;
      const double im = i == j ? 0.0 : held[(2 * thread + 1) * THREADS] / n_frames;
      own[(j * dims + i) * 2] = re;
      own[(j * dims + i) * 2 + 1] = -im;
      own[(i * dims + j) * 2] = re;
      own[(i * dims + j) * 2 + 1] = im;
    }
    __syncthreads();
  }
}

// Thread t of block (., g, n): the power of source n in frame t, summed over the bins of group g of n_groups.
extern "C" __global__ void powers(const real* Z, const real* R, const real* load, real* power, int n_freq,
                                  int n_sources, int dims, int n_frames, int n_groups) {
  const int t = blockIdx.x * blockDim.x + threadIdx.x, g = blockIdx.y, n = blockIdx.z;
  if (t >= n_frames) return;
  real sum = real(0);
  const int end = (int)((long long)n_freq * (g + 1) / n_groups);
  for (int f = (int)((long long)n_freq * g / n_groups); f < end; f++) {
    const real* z = Z + (long long)f * dims * 2 * n_frames + t;
    const real* row = R + ((long long)f * n_sources + n) * dims * 2;
    real re = real(0), im = real(0), all = real(0), length = real(0);
    for (int c = 0; c < dims; c++) {
      const real a = row[2 * c], b = row[2 * c + 1];
      const real x = z[(long long)2 * c * n_frames], y = z[(long long)(2 * c + 1) * n_frames];
      re += a * x - b * y;
      im += a * y + b * x;
      all += x * x + y * y;
      length += a * a + b * b;
    }
    sum += re * re + im * im + load[f] / real(dims) * length * all;
  }
  power[((long long)n * n_groups + g) * n_frames + t] = sum;
}

#endif
