// Weighted covariances a block a bin and pair of channels, powers a thread a frame.

#define THREADS 64
#define STRETCH 64  // so many products a thread are added in `real` before they go to a double

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
