// Elementwise part of the beta-NMF updates: from V and the model in P to N = M V P^(beta-2) and M P^(beta-1).
// kind 0: Itakura-Saito, 1: Kullback-Leibler, 3: beta = 0.5, 4: beta = 1.5, 5: Euclidean, 2: any beta.
// Without weights M is 1; where M is 0, V is not looked at.

extern "C" __global__ void ratios(const real* V, const real* M, real* N, real* P, long long size, int kind,
                                  int weighted, real beta, real gain, real floor_, real least) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real weight = weighted ? M[i] : real(1);
  if (weight == real(0)) {
    N[i] = real(0);
    P[i] = real(0);
    return;
  }
  const real model = P[i] > floor_ ? P[i] : floor_;
  const real value = V[i] * gain;
  real above, below;
  if (kind == 1) {
    above = value / model;
    below = real(1);
  } else if (kind == 0) {
    const real inverse = real(1) / model;
    above = (value > least ? value : least) * inverse * inverse;
    below = inverse;
  } else if (kind == 3) {
    const real inverse = real(1) / model;
    below = sqrt(inverse);
    above = value * inverse * below;
  } else if (kind == 4) {
    below = sqrt(model);
    above = value / below;
  } else if (kind == 5) {
    below = model;
    above = value;
  } else {
    below = pow(model, beta - real(1));
    const real kept = beta < real(0) && value < least ? least : value;
    above = kept * below / model;
  }
  N[i] = above * weight;
  P[i] = below * weight;
}
