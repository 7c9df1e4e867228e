// Elementwise parts of the beta-NMF updates. kind 0: Itakura-Saito, 1: Kullback-Leibler, 3: beta = 0.5, 4: beta = 1.5,
// 5: Euclidean, 2: any beta. Without weights M is 1; where M is 0, V is not looked at.

#include "beta_ratios.cuh"

// From V and the model to N = M V model^(beta-2) and P = M model^(beta-1) for a tile of problems: frames t0 … t0 + rows of
// each of those from `problem` on, whose frames lie in V (and M) from bounds[2 problem] on, bounds[2 problem + 1] of them;
// beyond them N and P are 0. The model is in N; P is wanted only where it is not 1 everywhere (`both`).
extern "C" __global__ void tile_ratios(const real* V, const real* M, const long long* bounds, real* N, real* P,
                                       int size, int n_freq, int rows, int problem, long long t0, int kind,
                                       int weighted, int both, real beta, real gain, real floor_, real least) {
  const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= size) return;
  const unsigned i = (unsigned)at, row = i / n_freq, f = i - row * n_freq, slot = row / rows;
  const long long t = t0 + (row - slot * rows);
  const long long* own = bounds + 2 * ((long long)problem + slot);
  const bool inside = t < own[1];
  const long long j = (own[0] + t) * n_freq + f;
  const real weight = !inside ? real(0) : weighted ? M[j] : real(1);
  real above = real(0), below = real(0);
  if (weight != real(0)) {
    beta_ratios(V[j] * gain, N[i] > floor_ ? N[i] : floor_, kind, beta, least, &above, &below);
  }
  N[i] = above * weight;
  if (both) P[i] = below * weight;
}

// A <- A (above / below)^exponent; entries without denominator stay, those less than tiny become 0. With `group` all
// entries of a column share a denominator: below is (problems, columns), `group` entries of A a problem. `joint` turns
// above into A times (new / A)^up and below, where it is not shared, into A times (new / A)^low; 0 where the new one is.
extern "C" __global__ void multiply(real* A, real* above, real* below, long long size, int columns,
                                    long long group, int joint, real exponent, real tiny, real up, real low) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real denominator = below[group ? i / group * columns + i % columns : i];
  const real old = A[i];
  real value = old;
  if (denominator > real(0)) {
    const real share = above[i] / denominator;
    value = old * (exponent == real(1) ? share : pow(share, exponent));
  }
  if (value < tiny) value = real(0);
  A[i] = value;
  if (!joint) return;
  const bool kept = value > real(0);
  const real change = kept ? value / old : real(1);
  above[i] = up == real(0) ? old : kept ? old * (up == real(1) ? change : pow(change, up)) : real(0);
  if (!group) below[i] = kept ? old * (low == real(1) ? change : pow(change, low)) : real(0);
}

// out = now (1 + by clip(now / before - 1)); `by` of each problem, `group` entries a problem. Zeros stay zeros.
extern "C" __global__ void ahead(const real* now, const real* before, const real* by, real* out, long long size,
                                 long long group, real least, real largest) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real entry = now[i];
  if (!(entry > real(0))) {
    out[i] = entry;
    return;
  }
  real change = before[i] > real(0) ? entry / before[i] - real(1) : real(0);
  change = change < least ? least : change > largest ? largest : change;
  out[i] = entry * (real(1) + by[i / group] * change);
}
