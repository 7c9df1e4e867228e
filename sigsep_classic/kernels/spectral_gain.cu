// One thread a bin: the decision-directed recursion over frames, and the gain; rule 0 Wiener, 1 log-MMSE, 2 MMSE-STSA.

#include "special.cuh"

__device__ __forceinline__ real gain_at(int rule, real prior, real posterior) {
  const real w = prior / (real(1) + prior);
  if (rule == 0) return w;
  if (rule == 1) return log_mmse(prior, posterior);
  const real seen = max(posterior, real(1e-8));
  const real v = w * seen;
  const real half = real(0.5) * v;
  const real g = real(0.886226925452758) * sqrt(w / seen) * ((real(1) + v) * bessel_i0e(half) + v * bessel_i1e(half));
  return min(g, real(1));
}

__device__ __forceinline__ real ratio(real power, real noise, real largest) {
  if (noise > real(0)) return min(power / noise, largest);
  return power > real(0) ? largest : real(0);
}

__device__ __forceinline__ real directed(real before, real noise, real posterior, real smoothing, real least,
                                         real largest) {
  const real fresh = max(posterior - real(1), real(0));
  return max(smoothing * ratio(before, noise, largest) + (real(1) - smoothing) * fresh, least);
}

extern "C" __global__ void spectral_gain(const real* P, const real* N, real* gain, real* prior, int frames, int bins,
                                         int noise_frames, int rule, real smoothing, real least, real largest,
                                         int causal) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= bins) return;
  const long long at = (long long)blockIdx.y * frames * bins + f;
  const long long noise_at = (long long)blockIdx.y * noise_frames * bins + f;
  const long long step = noise_frames > 1 ? bins : 0;
  for (int backwards = causal ? 0 : 1; backwards >= 0; backwards--) {
    real before = N[noise_at + (backwards ? (frames - 1) * step : 0)];
    for (int i = 0; i < frames; i++) {
      const int t = backwards ? frames - 1 - i : i;
      const long long here = at + (long long)t * bins;
      const real noise = N[noise_at + t * step];
      const real posterior = ratio(P[here], noise, largest);
      const real own = directed(before, noise, posterior, smoothing, least, largest);
      const real g = gain_at(rule, own, posterior);
      before = g * g * P[here];
      if (backwards || causal) {
        prior[here] = own;
        gain[here] = g;
      } else {
        const real both = real(0.5) * (own + prior[here]);
        prior[here] = both;
        gain[here] = gain_at(rule, both, posterior);
      }
    }
  }
}
