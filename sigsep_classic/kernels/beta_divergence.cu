// Sums of the beta-divergence over a tile of problems, V read once: a block sums `per_block` entries of one problem.
#define THREADS 256

#include "beta_entry.cuh"

// Frames t0 … t0 + rows of the problems from `problem` on, see beta_nmf.cu; blockIdx.y is one of them. The model is in P.
extern "C" __global__ void divergence(const real* V, const real* M, const long long* bounds, const real* P,
                                      double* sums, int n_freq, int rows, int per_block, int problem, long long t0,
                                      int n_sums, int first_sum, int kind, int weighted, long long beta_bits,
                                      real gain, real floor_, real least) {
  const double beta = __longlong_as_double(beta_bits);
  SHARED_ARRAY(double, held, THREADS);
  const int slot = blockIdx.y;
  const long long* own = bounds + 2 * ((long long)problem + slot);
  const int size = rows * n_freq, begin = blockIdx.x * per_block;
  const int end = size - begin < per_block ? size : begin + per_block;
  double total = 0.0;
  for (int i = begin + threadIdx.x; i < end; i += THREADS) {
    const int row = i / n_freq;
    if (t0 + row >= own[1]) break;
    const long long j = (own[0] + t0 + row) * n_freq + (i - row * n_freq);
    const real weight = weighted ? M[j] : real(1);
    if (weight == real(0)) continue;
    total += weight * beta_entry(V[j] * gain, P[(long long)slot * size + i], kind, beta, floor_, least);
  }
  held[threadIdx.x] = total;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) held[threadIdx.x] += held[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[((long long)problem + slot) * n_sums + first_sum + blockIdx.x] = held[0];
}
