// Each block adds up g(y) y^T, g'(y) and G(y) over its samples, TILE of them at a time; y = W x - offset has N rows.
// All in double precision, whatever X is: sums over a whole recording.

#if N > 16  // more sums than registers: keep them in memory, one row at a time
#define ROWS _Pragma("unroll 1")
#else
#define ROWS
#endif

extern "C" __global__ void score_moments(const real* X, const double* W, const double* offset, double* sums,
                                         int channels, long long samples, int kind) {
  SHARED_ARRAY(double, y, N * TILE);
  SHARED_ARRAY(double, g, N * TILE);
  const int t = threadIdx.x;
  double* own = sums + (long long)blockIdx.x * N * (N + 2);
  for (int p = t; p < N * (N + 2); p += TILE) own[p] = 0.0;  // entry p is always thread p % TILE's
  double slopes[N], values[N];
  ROWS for (int n = 0; n < N; n++) slopes[n] = values[n] = 0.0;
  for (long long start = (long long)blockIdx.x * TILE; start < samples; start += (long long)gridDim.x * TILE) {
    const long long i = start + t;
    ROWS for (int n = 0; n < N; n++) {
      double v = 0.0, score = 0.0, slope = 0.0, value = 0.0;
      if (i < samples) {
        v = -offset[n];
        for (int c = 0; c < channels; c++) v += W[n * channels + c] * (double)X[c * samples + i];
        if (kind == 0) {
          score = tanh(v);
          slope = 1.0 - score * score;
          const double a = v < 0.0 ? -v : v;
          value = a + log1p(exp(-2.0 * a)) - 0.6931471805599453;
        } else if (kind == 1) {
          const double e = exp(-0.5 * v * v);
          score = v * e;
          slope = (1.0 - v * v) * e;
          value = -e;
        } else {
          score = v * v * v;
          slope = 3.0 * v * v;
          value = 0.25 * v * v * v * v;
        }
      }
      y[n * TILE + t] = v;
      g[n * TILE + t] = score;
      slopes[n] += slope;
      values[n] += value;
    }
    __syncthreads();
    for (int p = t; p < N * N; p += TILE) {
      const double* score = g + (p / N) * TILE;
      const double* signal = y + (p % N) * TILE;
      double s = 0.0;
      for (int u = 0; u < TILE; u++) s += score[u] * signal[u];
      own[p] += s;
    }
    __syncthreads();
  }
  ROWS for (int n = 0; n < N; n++) {
    y[n * TILE + t] = slopes[n];
    g[n * TILE + t] = values[n];
  }
  __syncthreads();
  for (int p = N * N + t; p < N * (N + 2); p += TILE) {
    const double* held = p < N * (N + 1) ? y + (p - N * N) * TILE : g + (p - N * (N + 1)) * TILE;
    double s = 0.0;
    for (int u = 0; u < TILE; u++) s += held[u];
    own[p] = s;
  }
}
