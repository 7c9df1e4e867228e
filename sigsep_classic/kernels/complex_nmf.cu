// Steps of complex NMF over a run of frames. Rows r are channels times frequencies; D (frames, 2, rows) holds the
// real and imaginary parts of gain Y - F, or of E = (gain Y - F) / X; U (frames, sources, 2, rows) cosine and sine.

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

// X |u + E| of one coefficient.
__device__ real amplitude(const real* U, const real* D, const real* X, long long u, int t, int r, int rows) {
  const long long i = (long long)t * rows + r;
  const real zr = U[u] + D[2 * i - r], zi = U[u + rows] + D[2 * i - r + rows];
  return X[i] * sqrt(zr * zr + zi * zi);
}

// One thread per frame, component and lane: the sums over every lanes-th row.
extern "C" __global__ void activation_sums(const real* B, const real* U, const int* owners, const real* D,
                                           const real* X, real* above, real* below, int frames, int rows,
                                           int components, int sources, int lanes) {
  const long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (n >= (long long)frames * components * lanes) return;
  const int lane = (int)(n % lanes), k = (int)(n / lanes % components), t = (int)(n / lanes / components);
  const long long u = ((long long)t * sources + owners[k]) * 2 * rows;
  real a = real(0), b = real(0);
  for (int r = lane; r < rows; r += lanes) {
    const real w = B[(long long)k * rows + r];
    a += w * amplitude(U, D, X, u + r, t, r, rows);
    b += w * X[(long long)t * rows + r];
  }
  above[n] = a;
  below[n] = b;
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
