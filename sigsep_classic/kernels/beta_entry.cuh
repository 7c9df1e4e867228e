// The beta-divergence of an entry of V from its model; see beta_divergence.py.
// kind 0: Itakura-Saito, 1: Kullback-Leibler, 5: Euclidean, else any beta (in double, as its terms cancel).
__device__ __forceinline__ double beta_general(double v, double m, double beta) {
  const double delta = beta - 1.0, x = v / m, scale = pow(m, beta);
  if (beta > 0.5) {
    const double share = x * expm1(delta * log(x > 1e-300 ? x : 1e-300)) / delta;
    return scale * (share - x + 1.0) / beta;
  }
  return scale * (expm1(beta * log(x)) / beta - x + 1.0) / delta;
}

__device__ __forceinline__ double beta_entry(real v, real model, int kind, double beta, real floor_, real least) {
  if (kind == 5) return real(0.5) * (v - model) * (v - model);
  const real m = model > floor_ ? model : floor_;
  if (kind == 1) {
    const real ratio = v / m;
    return v * log(ratio > real(1e-37) ? ratio : real(1e-37)) - v + m;  // 0 log 0 = 0
  }
  if (beta <= 0.0 && v < least) v = least;
  if (kind == 0) {
    const real ratio = v / m;
    return ratio - log(ratio) - real(1);
  }
  return beta_general((double)v, (double)m, beta);
}
