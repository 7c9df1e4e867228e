// Passes over the cells of FastMNMF: y_m = sum over n of g_nm power_n and power_n = sum over k of w_nk h_nk stay in
// registers. SOURCES and DIMS are told to the compiler; G is one for all bins, or each bin has its own.

#define THREADS 128
#define BINS 4       // of `pulls`: a value of H is used for so many bins
#define GROUP (16 / DIMS < SOURCES ? (16 / DIMS > 0 ? 16 / DIMS : 1) : SOURCES)  // sources at once in `gains`

struct Model {
  const real *W, *H, *G;
  int freq, frames, components, local;
};

__device__ __forceinline__ const real* gains_of(const Model& m, int f) {
  return m.G + (m.local ? (long long)f * SOURCES * DIMS : 0);
}

// Powers of all sources in frame t of bin f.
__device__ __forceinline__ void powers_of(const Model& m, int f, int t, real* power) {
#pragma unroll
  for (int n = 0; n < SOURCES; n++) {
    const real* w = m.W + ((long long)n * m.freq + f) * m.components;
    const real* h = m.H + (long long)n * m.components * m.frames + t;
    real sum = real(0);
    for (int k = 0; k < m.components; k++) sum += w[k] * h[(long long)k * m.frames];
    power[n] = sum;
  }
}

__device__ __forceinline__ real inverse_variance(const real* g, const real* power, int m) {
  real y = real(0);
#pragma unroll
  for (int n = 0; n < SOURCES; n++) y += g[n * DIMS + m] * power[n];
  return real(1) / y;
}

// out[0, n] = sum over m of g_nm (p + ridge) / y^2 and out[1, n] = sum over m of g_nm / y; a thread a frame of BINS bins.
extern "C" __global__ void __launch_bounds__(THREADS) pulls(const real* P, const real* ridge, const real* W,
                                                            const real* H, const real* G, real* out, int freq,
                                                            int frames, int components, int stride, int local) {
  const Model model = {W, H, G, freq, frames, components, local};
  const int t = blockIdx.x * THREADS + threadIdx.x;
  if (t >= frames) return;
  for (int first = blockIdx.y * BINS; first < freq; first += gridDim.y * BINS) {
    real power[BINS][SOURCES];
#pragma unroll
    for (int n = 0; n < SOURCES; n++) {
#pragma unroll
      for (int b = 0; b < BINS; b++) power[b][n] = real(0);
      for (int k = 0; k < components; k++) {
        const real h = H[((long long)n * components + k) * frames + t];
#pragma unroll
        for (int b = 0; b < BINS; b++) {
          const int f = first + b < freq ? first + b : freq - 1;
          power[b][n] += W[((long long)n * freq + f) * components + k] * h;
        }
      }
    }
#pragma unroll
    for (int b = 0; b < BINS; b++) {
      const int f = first + b;
      if (f >= freq) break;
      const real* g = gains_of(model, f);
      real above[SOURCES], below[SOURCES];
#pragma unroll
      for (int n = 0; n < SOURCES; n++) above[n] = below[n] = real(0);
#pragma unroll
      for (int m = 0; m < DIMS; m++) {
        const long long row = (long long)m * freq + f;
        const real down = inverse_variance(g, power[b], m);
        const real up = (P[row * stride + t] + ridge[row]) * down * down;
#pragma unroll
        for (int n = 0; n < SOURCES; n++) {
          above[n] += g[n * DIMS + m] * up;
          below[n] += g[n * DIMS + m] * down;
        }
      }
#pragma unroll
      for (int n = 0; n < SOURCES; n++) {
        out[((long long)n * freq + f) * frames + t] = above[n];
        out[((long long)(SOURCES + n) * freq + f) * frames + t] = below[n];
      }
    }
  }
}

// The sum of a value of each thread, in a fixed tree; all threads have to call it.
__device__ double summed(double value, double* held) {
  const int thread = threadIdx.x;
  held[thread] = value;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) held[thread] += held[thread + half];
  }
  __syncthreads();
  const double sum = held[0];
  __syncthreads();
  return sum;
}

// Block f: sums[0, f, n, m] = sum over frames of power_n (p + ridge) / y^2, sums[1, f, n, m] of power_n / y.
extern "C" __global__ void __launch_bounds__(THREADS) gains(const real* P, const real* ridge, const real* W,
                                                            const real* H, const real* G, double* sums, int freq,
                                                            int frames, int components, int stride, int local) {
  SHARED_ARRAY(double, held, THREADS);
  const Model model = {W, H, G, freq, frames, components, local};
  const int f = blockIdx.x;
  const real* g = gains_of(model, f);
  for (int first = 0; first < SOURCES; first += GROUP) {
    double total[2 * GROUP * DIMS];
#pragma unroll
    for (int i = 0; i < 2 * GROUP * DIMS; i++) total[i] = 0.0;
    for (int t = threadIdx.x; t < frames; t += THREADS) {
      real power[SOURCES];
      powers_of(model, f, t, power);
#pragma unroll
      for (int m = 0; m < DIMS; m++) {
        const long long row = (long long)m * freq + f;
        const real down = inverse_variance(g, power, m);
        const real up = (P[row * stride + t] + ridge[row]) * down * down;
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
          real own = real(0);
#pragma unroll
          for (int n = 0; n < SOURCES; n++) own = n == first + i ? power[n] : own;
          total[2 * (i * DIMS + m)] += (double)(own * up);
          total[2 * (i * DIMS + m) + 1] += (double)(own * down);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < 2 * GROUP * DIMS; i++) {
      const double sum = summed(total[i], held);
      const int n = first + i / 2 / DIMS, m = i / 2 % DIMS;
      if (threadIdx.x == 0 && n < SOURCES) sums[(((long long)(i % 2) * freq + f) * SOURCES + n) * DIMS + m] = sum;
    }
  }
}

// Block f: level / y, and after the last frame its sum, `pad` times.
extern "C" __global__ void __launch_bounds__(THREADS) precisions(const real* W, const real* H, const real* G, real* U,
                                                                 int freq, int frames, int components, int local,
                                                                 int pad, real level) {
  SHARED_ARRAY(double, held, THREADS);
  const Model model = {W, H, G, freq, frames, components, local};
  const int f = blockIdx.x;
  const real* g = gains_of(model, f);
  const int stride = frames + pad;
  double total[DIMS];
#pragma unroll
  for (int m = 0; m < DIMS; m++) total[m] = 0.0;
  for (int t = threadIdx.x; t < frames; t += THREADS) {
    real power[SOURCES];
    powers_of(model, f, t, power);
#pragma unroll
    for (int m = 0; m < DIMS; m++) {
      const real u = level * inverse_variance(g, power, m);
      U[((long long)m * freq + f) * stride + t] = u;
      total[m] += (double)u;
    }
  }
  if (pad == 0) return;
#pragma unroll
  for (int m = 0; m < DIMS; m++) {
    const real sum = (real)summed(total[m], held);
    for (int i = threadIdx.x; i < pad; i += THREADS) U[((long long)m * freq + f) * stride + frames + i] = sum;
  }
}
