// One block a bin: TILE frames at a time, one a thread, then the sums of all sources over them, one entry a thread.

#define ENTRIES (M * M + 1)
#if N * M > 16  // more than fits in registers when unrolled
#define LOOP _Pragma("unroll 1")
#else
#define LOOP
#endif

extern "C" __global__ void directional_mixture(const real* Z, const real* K, const real* weights,
                                               const real* prior, const real* saliency, real* posterior,
                                               real* moments, real* values, int frames, int rows, int power,
                                               int with_prior, int loss_only) {
  SHARED_ARRAY(real, z, 2 * M * TILE);
  SHARED_ARRAY(real, q, N * TILE);
  SHARED_ARRAY(real, counted, N * TILE);
  const int f = blockIdx.x, t = threadIdx.x, freq = gridDim.x;
  const real* own = K + (long long)f * N * rows * M * 2;
  real* sums = moments + (long long)f * N * ENTRIES;
  if (!loss_only)
    for (int p = t; p < N * ENTRIES; p += TILE) sums[p] = real(0);  // entry p is always thread p % TILE's
  real value = real(0);
  for (int start = 0; start < frames; start += TILE) {
    const int i = start + t;
    if (i < frames) {
      LOOP for (int m = 0; m < 2 * M; m++) z[m * TILE + t] = Z[((long long)f * 2 * M + m) * frames + i];
      real best = real(0), total = real(0);
      LOOP for (int n = 0; n < N; n++) {
        real form = real(0);
        for (int r = 0; r < rows; r++) {
          real re = real(0), im = real(0);
          const real* k = own + ((n * rows + r) * M) * 2;
          const int end = rows == 1 ? M : r + 1;
          for (int m = 0; m < end; m++) {
            const real x = z[2 * m * TILE + t], y = z[(2 * m + 1) * TILE + t];
            re += k[2 * m] * x - k[2 * m + 1] * y;
            im += k[2 * m] * y + k[2 * m + 1] * x;
          }
          form += re * re + im * im;
        }
        if (power == 0) form += weights[f * N + n];
        q[n * TILE + t] = form;
        if (n == 0 || (power ? form < best : form > best)) best = form;
      }
      LOOP for (int n = 0; n < N; n++) {
        real likelihood = real(1);
        if (power) {
          likelihood = weights[f * N + n];
          const real ratio = best / q[n * TILE + t];
          if (power & 1) likelihood *= sqrt(ratio);
          for (int r = 0; r < power >> 1; r++) likelihood *= ratio;
        } else {
          likelihood = exp(q[n * TILE + t] - best);
        }
        if (with_prior) likelihood *= prior[((long long)n * freq + f) * frames + i];
        counted[n * TILE + t] = likelihood;
        total += likelihood;
      }
      const real weight = saliency[(long long)f * frames + i];
      if (loss_only) {
        value += weight * ((power ? -real(0.5) * real(power) * log(best) : best) + log(total));
      } else {
        LOOP for (int n = 0; n < N; n++) {
          const real share = counted[n * TILE + t] / total;
          posterior[((long long)n * freq + f) * frames + i] = share;
          counted[n * TILE + t] = share * weight;
          q[n * TILE + t] = power ? share * weight / q[n * TILE + t] : share * weight;
        }
      }
    }
    __syncthreads();
    const int size = frames - start < TILE ? frames - start : TILE;
    if (!loss_only) {
      for (int p = t; p < N * ENTRIES; p += TILE) {
        const int n = p / ENTRIES, entry = p % ENTRIES;
        real s = real(0);
        if (entry == M * M) {
          for (int u = 0; u < size; u++) s += counted[n * TILE + u];
        } else {  // entries of the lower triangle row by row, the diagonal of a row first: row r begins at r * r
          int r = 0;
          while ((r + 1) * (r + 1) <= entry) r++;
          const int rest = entry - r * r, c = rest == 0 ? r : (rest - 1) / 2;
          const bool imaginary = rest != 0 && rest % 2 == 0;
          const real *xr = z + 2 * r * TILE, *yr = xr + TILE, *xc = z + 2 * c * TILE, *yc = xc + TILE;
          for (int u = 0; u < size; u++) {
            const real product = imaginary ? yr[u] * xc[u] - xr[u] * yc[u] : xr[u] * xc[u] + yr[u] * yc[u];
            s += q[n * TILE + u] * product;
          }
        }
        sums[p] += s;
      }
    }
    __syncthreads();
  }
  if (loss_only) {
    q[t] = value;
    __syncthreads();
    if (t == 0) {
      real s = real(0);
      for (int u = 0; u < TILE; u++) s += q[u];
      values[f] = s;
    }
  }
}
