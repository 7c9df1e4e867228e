// Sums of the beta-divergence over a tile of problems, V read once: a block sums `per_block` entries of one problem.
// kind 0: Itakura-Saito, 1: Kullback-Leibler, 5: Euclidean, else any beta (in double, as its terms cancel).
#define THREADS 256

__device__ inline double general(double v, double m, double beta) {
  const bool near_one = beta > 0.5;
  const double x = v / m, delta = beta - 1.0, logs = log(near_one && x < 1e-300 ? 1e-300 : x);
  const double inner = near_one ? x * expm1(delta * logs) / delta : expm1(beta * logs) / beta;
  return pow(m, beta) * (inner - x + 1.0) / (near_one ? beta : delta);
}

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
    const real modelled = P[(long long)slot * size + i];
    real value = V[j] * gain, model = modelled > floor_ ? modelled : floor_;
    if (beta <= 0.0 && value < least) value = least;
    if (kind == 5) {
      total += weight * (real(0.5) * (value - modelled) * (value - modelled));
    } else if (kind == 0) {
      const real ratio = value / model;
      total += weight * (ratio - log(ratio) - real(1));
    } else if (kind == 1) {
      const real ratio = value / model;
      total += weight * (value * log(ratio > real(1e-37) ? ratio : real(1e-37)) - value + model);  // 0 log 0 = 0
    } else {
      total += weight * general(value, model, beta);
    }
  }
  held[threadIdx.x] = total;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) held[threadIdx.x] += held[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[((long long)problem + slot) * n_sums + first_sum + blockIdx.x] = held[0];
}
