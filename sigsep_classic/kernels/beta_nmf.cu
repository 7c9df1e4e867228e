// Elementwise part of the beta-NMF updates: from V and the model in P to N = V P^(beta-2) and P^(beta-1).
// kind 0: Itakura-Saito, 1: Kullback-Leibler, 3: beta = 1/2, 4: beta = 3/2, 2: any beta.

extern "C" __global__ void ratios(const real* V, real* N, real* P, long long size, int kind, real beta,
                                  real gain, real floor_, real least) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real model = P[i] > floor_ ? P[i] : floor_;
  const real value = V[i] * gain;
  if (kind == 1) {
    N[i] = value / model;
    P[i] = real(1);
  } else if (kind == 0) {
    const real inverse = real(1) / model;
    N[i] = (value > least ? value : least) * inverse * inverse;
    P[i] = inverse;
  } else if (kind == 3) {
    const real inverse = real(1) / model;
    const real power = sqrt(inverse);
    N[i] = value * inverse * power;
    P[i] = power;
  } else if (kind == 4) {
    const real power = sqrt(model);
    N[i] = value / power;
    P[i] = power;
  } else {
    const real power = pow(model, beta - real(1));
    const real kept = beta < real(0) && value < least ? least : value;
    N[i] = kept * power / model;
    P[i] = power;
  }
}
