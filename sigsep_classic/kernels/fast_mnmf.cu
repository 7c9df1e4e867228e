// p / y^2 and 1 / y of every cell, where y_m = sum over n of g_nm power_n; without P, 1 / y alone.
// A block of threads goes along the frames of one bin; G is one for all bins, or each bin has its own.

extern "C" __global__ void terms(const real* P, const real* ridge, const real* power, const real* G, real* up,
                                 real* down, int sources, int dims, int freq, int frames, int stride, int local,
                                 int both) {
  const int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t >= frames) return;
  for (int f = blockIdx.y; f < freq; f += gridDim.y) {
    const real* g = G + (local ? (long long)f * sources * dims : 0);
    for (int m = 0; m < dims; m++) {
      const long long row = (long long)m * freq + f;
      real y = real(0);
      for (int n = 0; n < sources; n++) y += g[n * dims + m] * power[((long long)n * freq + f) * frames + t];
      const real inverse = real(1) / y;
      down[row * frames + t] = inverse;
      if (both) up[row * frames + t] = (P[row * stride + t] + ridge[row]) * inverse * inverse;
    }
  }
}
