// Sums of a = G'(x) x / r and b = 1 / r times the other factor; GROUP components at a time, so that they stay in
// registers: a and b are computed again for every group.
#define GROUP 4

struct Model {
  const real *P, *scales, *T, *V;
  int sources, freq, frames, components, sets, kind;
  real shape, exponent, least, low;
};

// Writes a and b of a cell of source n and bin f.
__device__ inline void ratios(const Model& m, int n, int f, int t, real* a, real* b) {
  const int row = n * m.freq + f;
  const real* templates = m.T + (long long)row * m.components;
  const real* activations = m.V + (long long)(n % m.sets) * m.components * m.frames + t;
  const real power = m.P[(long long)row * m.frames + t];
  real r = m.low;
  for (int k = 0; k < m.components; k++) r += templates[k] * activations[(long long)k * m.frames];
  const real inverse = power >= real(0) ? real(1) / r : real(0);
  const real x = m.scales[row] * power * inverse;
  real g = real(1);
  if (m.kind == 1)
    g = (m.shape + real(2)) / (m.shape + real(2) * x);
  else if (m.kind == 2)
    g = m.shape / real(2) * pow(x > m.least ? x : m.least, m.exponent);
  *a = g * x * inverse;
  *b = inverse;
}

// One block a row (source and bin); sums over frames by threads, then over threads in a fixed tree.
extern "C" __global__ void over_frames(const real* P, const real* scales, const real* T, const real* V,
                                       real* sums, int sources, int freq, int frames, int components, int sets,
                                       int kind, real shape, real exponent, real least, real low) {
  SHARED_ARRAY(real, held, 2 * GROUP * THREADS);
  const Model m = {P, scales, T, V, sources, freq, frames, components, sets, kind, shape, exponent, least, low};
  const int row = blockIdx.x, n = row / freq, f = row % freq, i = threadIdx.x;
  for (int first = 0; first < components; first += GROUP) {
    real total[2 * GROUP];
    for (int k = 0; k < 2 * GROUP; k++) total[k] = real(0);
    for (int t = i; t < frames; t += THREADS) {
      real a, b;
      ratios(m, n, f, t, &a, &b);
#pragma unroll
      for (int k = 0; k < GROUP; k++) {
        if (first + k >= components) continue;
        const real v = V[((long long)(n % sets) * components + first + k) * frames + t];
        total[k] += a * v;
        total[GROUP + k] += b * v;
      }
    }
#pragma unroll
    for (int k = 0; k < 2 * GROUP; k++) held[k * THREADS + i] = total[k];
    for (int half = THREADS / 2; half > 0; half /= 2) {
      __syncthreads();
      if (i < half)
        for (int k = 0; k < 2 * GROUP; k++) held[k * THREADS + i] += held[k * THREADS + i + half];
    }
    __syncthreads();
    if (i < 2 * GROUP && first + i % GROUP < components)
      sums[((long long)(i / GROUP) * sources * freq + row) * components + first + i % GROUP] = held[i * THREADS];
    __syncthreads();
  }
}

// One thread a frame of a source, for the bins of one of gridDim.z parts.
extern "C" __global__ void over_freq(const real* P, const real* scales, const real* T, const real* V,
                                     real* sums, int sources, int freq, int frames, int components, int sets, int kind,
                                     real shape, real exponent, real least, real low) {
  const Model m = {P, scales, T, V, sources, freq, frames, components, sets, kind, shape, exponent, least, low};
  const int t = blockIdx.x * blockDim.x + threadIdx.x, n = blockIdx.y, part = blockIdx.z;
  if (t >= frames) return;
  const int begin = (int)((long long)freq * part / gridDim.z), end = (int)((long long)freq * (part + 1) / gridDim.z);
  for (int first = 0; first < components; first += GROUP) {
    real total[2 * GROUP];
#pragma unroll
    for (int k = 0; k < 2 * GROUP; k++) total[k] = real(0);
    for (int f = begin; f < end; f++) {
      real a, b;
      ratios(m, n, f, t, &a, &b);
#pragma unroll
      for (int k = 0; k < GROUP; k++) {
        if (first + k >= components) continue;
        const real w = T[((long long)n * freq + f) * components + first + k];
        total[k] += a * w;
        total[GROUP + k] += b * w;
      }
    }
#pragma unroll
    for (int k = 0; k < 2 * GROUP; k++) {
      if (first + k % GROUP >= components) continue;
      const long long where = (((long long)part * 2 + k / GROUP) * sources + n) * components + first + k % GROUP;
      sums[where * frames + t] = total[k];
    }
  }
}
