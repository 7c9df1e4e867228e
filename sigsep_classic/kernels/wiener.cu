// Steps of the local Gaussian model, as in wiener_loops.py: sums and filters in double precision.
// Memory: X (CHANNELS, frames, freq, 2), Y (sources, CHANNELS, frames, freq, 2), V (sources, channels or 1, frames,
// freq), S (sources, CHANNELS, CHANNELS, 2, freq), lower triangles.

#if CHANNELS > 2
#define EACH _Pragma("unroll 1")
#else
#define EACH _Pragma("unroll")
#endif

extern "C" __global__ void wiener_shares(const real* X, const real* V, real* Y, long long cells, int sources,
                                         int models, int squared, const double* eps) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= cells) return;
  for (int c = 0; c < CHANNELS; c++) {
    const real* own = V + (models > 1 ? c : 0) * cells + i;
    const long long stride = models * cells;
    double top = 0.0;
    for (int n = 0; n < sources; n++) top = own[n * stride] > top ? own[n * stride] : top;
    const double scale = top > 0.0 ? 1.0 / top : 0.0;
    double total = eps[0] * (squared ? scale * scale : scale);
    for (int n = 0; n < sources; n++) {
      const double v = own[n * stride] * scale;
      total += squared ? v * v : v;
    }
    for (int n = 0; n < sources; n++) {
      const double v = own[n * stride] * scale;
      const double gain = top > 0.0 ? (squared ? v * v : v) / total : eps[0] > 0.0 ? 0.0 : 1.0 / sources;
      const long long x = 2 * (c * cells + i), y = 2 * ((long long)(n * CHANNELS + c) * cells + i);
      Y[y] = (real)(gain * X[x]);
      Y[y + 1] = (real)(gain * X[x + 1]);
    }
  }
}

// S_ij = sum over frames of y_i conj(y_j): 32 bins by 8 runs of frames, then a sum of the runs in order.
extern "C" __global__ void wiener_sums(const real* Y, double* S, int frames, int freq) {
  SHARED_ARRAY(double, part, 512);
  const int f = blockIdx.x * 32 + threadIdx.x;
  int i = 0;
  while ((i + 1) * (i + 2) / 2 <= (int)blockIdx.z) i++;
  const int j = blockIdx.z - i * (i + 1) / 2;
  const long long cells = (long long)frames * freq;
  const long long first = (long long)(blockIdx.y * CHANNELS + i) * cells;
  const long long second = (long long)(blockIdx.y * CHANNELS + j) * cells;
  double re = 0.0, im = 0.0;
  if (f < freq) {
    for (int t = threadIdx.y; t < frames; t += 8) {
      const long long at = (long long)t * freq + f;
      const double a = Y[2 * (first + at)], b = Y[2 * (first + at) + 1];
      const double c = Y[2 * (second + at)], d = Y[2 * (second + at) + 1];
      re += a * c + b * d;
      im += b * c - a * d;
    }
  }
  const int own = threadIdx.y * 32 + threadIdx.x;
  part[own] = re;
  part[256 + own] = im;
  __syncthreads();
  if (threadIdx.y != 0 || f >= freq) return;
  for (int k = 1; k < 8; k++) {
    re += part[k * 32 + threadIdx.x];
    im += part[256 + k * 32 + threadIdx.x];
  }
  const long long to = (((long long)(blockIdx.y * CHANNELS + i) * CHANNELS + j) * 2) * freq + f;
  S[to] = re;
  S[to + freq] = im;
}

__device__ __forceinline__ double power_of(const real* Y, long long cells, long long i, int n) {
  double total = 0.0;
  EACH for (int c = 0; c < CHANNELS; c++) {
    const long long at = 2 * ((long long)(n * CHANNELS + c) * cells + i);
    total += (double)Y[at] * Y[at] + (double)Y[at + 1] * Y[at + 1];
  }
  return total / CHANNELS;
}

__device__ __forceinline__ double inverse_weight(const double* S, int freq, int f, int n, const double* load) {
  double total = 0.0;
  EACH for (int c = 0; c < CHANNELS; c++)
    total += S[(((long long)(n * CHANNELS + c) * CHANNELS + c) * 2) * freq + f];
  total = total / CHANNELS + load[2];
  return 1.0 / (total > load[3] ? total : load[3]);
}

// load: share of the mean eigenvalue, least load, added to weights, least weight, how much of the load is given back.
extern "C" __global__ void wiener_filter(const real* X, const double* S, real* Y, const double* load,
                                         long long cells, int sources, int freq) {
  const long long cell = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= cells) return;
  const int f = (int)(cell % freq);
  double re[CHANNELS * CHANNELS], im[CHANNELS * CHANNELS], u[CHANNELS], w[CHANNELS];
  EACH for (int k = 0; k < CHANNELS * CHANNELS; k++) re[k] = im[k] = 0.0;
  for (int n = 0; n < sources; n++) {
    const double scale = power_of(Y, cells, cell, n) * inverse_weight(S, freq, f, n, load);
    EACH for (int i = 0; i < CHANNELS; i++) {
      EACH for (int j = 0; j <= i; j++) {
        const double* R = S + (((long long)(n * CHANNELS + i) * CHANNELS + j) * 2) * freq + f;
        re[i * CHANNELS + j] += scale * R[0];
        im[i * CHANNELS + j] += scale * R[freq];
      }
    }
  }
  double extra = 0.0;
  EACH for (int i = 0; i < CHANNELS; i++) extra += re[i * CHANNELS + i];
  extra *= load[0] / CHANNELS;
  extra = extra > load[1] ? extra : load[1];
  EACH for (int i = 0; i < CHANNELS; i++) {  // Cholesky factors with 1 / L_ii on the diagonal, and L^-1 x
    double own = re[i * CHANNELS + i] + extra, left = own;
    double a = X[2 * (i * cells + cell)], b = X[2 * (i * cells + cell) + 1];
    EACH for (int j = 0; j < i; j++) {
      double p = re[i * CHANNELS + j], q = im[i * CHANNELS + j];
      EACH for (int k = 0; k < j; k++) {
        p -= re[i * CHANNELS + k] * re[j * CHANNELS + k] + im[i * CHANNELS + k] * im[j * CHANNELS + k];
        q -= im[i * CHANNELS + k] * re[j * CHANNELS + k] - re[i * CHANNELS + k] * im[j * CHANNELS + k];
      }
      p *= re[j * CHANNELS + j];
      q *= re[j * CHANNELS + j];
      re[i * CHANNELS + j] = p;
      im[i * CHANNELS + j] = q;
      left -= p * p + q * q;
      a -= p * u[j] - q * w[j];
      b -= p * w[j] + q * u[j];
    }
    left = left > 1e-15 * own ? left : 1e-15 * own;
    const double scale = 1.0 / sqrt(left);
    re[i * CHANNELS + i] = scale;
    u[i] = a * scale;
    w[i] = b * scale;
  }
  EACH for (int back = 0; back < CHANNELS; back++) {
    const int i = CHANNELS - 1 - back;
    double a = u[i], b = w[i];
    EACH for (int k = i + 1; k < CHANNELS; k++) {
      a -= re[k * CHANNELS + i] * u[k] + im[k * CHANNELS + i] * w[k];
      b -= re[k * CHANNELS + i] * w[k] - im[k * CHANNELS + i] * u[k];
    }
    u[i] = a * re[i * CHANNELS + i];
    w[i] = b * re[i * CHANNELS + i];
  }
  const double back = load[4] * extra / sources;
  for (int n = 0; n < sources; n++) {
    const double scale = power_of(Y, cells, cell, n) * inverse_weight(S, freq, f, n, load);
    EACH for (int i = 0; i < CHANNELS; i++) {
      double a = 0.0, b = 0.0;
      EACH for (int j = 0; j < CHANNELS; j++) {
        const int high = i > j ? i : j, low = i > j ? j : i;
        const double* R = S + (((long long)(n * CHANNELS + high) * CHANNELS + low) * 2) * freq + f;
        const double q = i > j ? R[freq] : i < j ? -R[freq] : 0.0;
        a += R[0] * u[j] - q * w[j];
        b += R[0] * w[j] + q * u[j];
      }
      const long long at = 2 * ((long long)(n * CHANNELS + i) * cells + cell);
      Y[at] = (real)(scale * a + back * u[i]);
      Y[at + 1] = (real)(scale * b + back * w[i]);
    }
  }
}
