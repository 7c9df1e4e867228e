// Noise power under speech; arrays (channels, frames, bins). One thread a bin; `noise_minimum`: one block a channel.

#include "special.cuh"

#define SUBWINDOWS 8

extern "C" __global__ void noise_mmse(const real* P, const real* start, real* N, int frames, int bins, real speech_snr,
                                      real noise_keep, real presence_keep) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= bins) return;
  real noise = start[(long long)blockIdx.y * bins + f];
  real held = real(0.5);
  const real share = speech_snr / (real(1) + speech_snr);
  for (int t = 0; t < frames; t++) {
    const long long at = ((long long)blockIdx.y * frames + t) * bins + f;
    const real power = P[at];
    if (power > real(0)) {  // digital silence tells nothing of the noise
      real p = real(1) / (real(1) + (real(1) + speech_snr) * exp(-share * power / noise));
      held = presence_keep * held + (real(1) - presence_keep) * p;
      if (held > real(0.99)) p = min(p, real(0.99));
      noise += (real(1) - noise_keep) * (real(1) - p) * (power - noise);
    }
    N[at] = noise;
  }
}

// The minimum over a window of sub-windows.
struct Minimum {
  real stored[SUBWINDOWS], window, sub;
  __device__ __forceinline__ explicit Minimum(real begun) : window(begun), sub(begun) {
#pragma unroll
    for (int u = 0; u < SUBWINDOWS; u++) stored[u] = begun;
  }
  __device__ __forceinline__ real follow(real value, bool ends) {
    window = min(window, value);
    sub = min(sub, value);
    const real found = window;
    if (ends) {
      window = sub;
#pragma unroll
      for (int u = 0; u < SUBWINDOWS - 1; u++) {
        stored[u] = stored[u + 1];
        window = min(window, stored[u]);
      }
      stored[SUBWINDOWS - 1] = sub;
      sub = value;
    }
    return found;
  }
};

__device__ __forceinline__ real around(const real* frame, int f, int bins) {
  return real(0.25) * (frame[max(f - 1, 0)] + frame[min(f + 1, bins - 1)]) + real(0.5) * frame[f];
}

extern "C" __global__ void noise_calm(const real* P, const real* start, real* calm, int frames, int bins, int length,
                                      real keep, real bias, real peak, real rise) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= bins) return;
  real S = start[(long long)blockIdx.y * bins + f];
  Minimum lowest(S / bias);
  for (int t = 0; t < frames; t++) {
    const long long at = ((long long)blockIdx.y * frames + t) * bins;
    const real power = around(P + at, f, bins);
    if (power > real(0)) S = keep * S + (real(1) - keep) * power;
    const real least = bias * lowest.follow(S, (t + 1) % length == 0);
    calm[at + f] = P[at + f] < peak * least && rise * least > S ? real(1) : real(0);
  }
}

extern "C" __global__ void noise_imcra(const real* P, const real* start, const real* calm, real* N, int frames,
                                       int bins, int length, real keep, real noise_keep, real directed_keep, real bias,
                                       real rise, real edge, real beta, real least_prior) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= bins) return;
  const int left = max(f - 1, 0), right = min(f + 1, bins - 1);
  real S = start[(long long)blockIdx.y * bins + f];
  real calmer = S, noise = S, before = S;
  Minimum lowest(S / bias);
  for (int t = 0; t < frames; t++) {
    const long long at = ((long long)blockIdx.y * frames + t) * bins;
    const real* now = P + at;
    const real power = now[f], near = around(now, f, bins);
    if (near > real(0)) S = keep * S + (real(1) - keep) * near;
    const real a = calm[at + left], b = calm[at + f], d = calm[at + right];
    const real weight = real(0.25) * a + real(0.5) * b + real(0.25) * d;
    if (weight > real(0) && near > real(0)) {
      const real quiet = (real(0.25) * a * now[left] + real(0.5) * b * power + real(0.25) * d * now[right]) / weight;
      calmer = keep * calmer + (real(1) - keep) * quiet;
    }
    const real least = bias * lowest.follow(calmer, (t + 1) % length == 0);
    if (power > real(0)) {
      const real posterior = min(power / noise, real(1e8));
      real prior = directed_keep * min(before / noise, real(1e8));
      prior = max(prior + (real(1) - directed_keep) * max(posterior - real(1), real(0)), least_prior);
      real absence = real(0);
      if (rise * least > S) absence = min(max((edge - power / least) / (edge - real(1)), real(0)), real(1));
      real p = real(0);
      if (absence < real(1)) {
        const real v = posterior * prior / (real(1) + prior);
        p = real(1) / (real(1) + absence / (real(1) - absence) * (real(1) + prior) * exp(-v));
      }
      const real g = log_mmse(prior, posterior);
      before = g * g * power;
      noise += (real(1) - noise_keep) * (real(1) - p) * (beta * power - noise);
    }
    N[at + f] = noise;
  }
}

// The sum over the threads of a block, the same for all of them; a tree, so always in the same order.
__device__ __forceinline__ real total(real value, real* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  const real sum = shared[0];
  __syncthreads();
  return sum;
}

extern "C" __global__ void noise_minimum(const real* P, const real* start, real* N, real* state, int frames, int bins,
                                         int length, real correction_keep, real most_keep, real least_keep,
                                         real exponent, real spread_keep, real M_window, real M_sub) {
  SHARED_ARRAY(real, shared, 256);
  const int c = blockIdx.x;
  real* const p = state + (long long)c * (9 + SUBWINDOWS) * bins;
  real *const noise = p + bins, *const mean = noise + bins, *const square = mean + bins, *const q = square + bins;
  real *const least = q + bins, *const sub = least + bins, *const lowest = sub + bins, *const rising = lowest + bins;
  real* const stored = rising + bins;
  for (int f = threadIdx.x; f < bins; f += blockDim.x) {
    const real begun = start[(long long)c * bins + f];
    p[f] = noise[f] = mean[f] = lowest[f] = begun;
    square[f] = begun * begun;
    least[f] = sub[f] = INFINITY;
    rising[f] = real(0);
    for (int u = 0; u < SUBWINDOWS; u++) stored[u * bins + f] = INFINITY;
  }
  const real window = real(length * SUBWINDOWS);
  real correction = real(1);
  int place = 1, filled = 0;
  for (int t = 0; t < frames; t++) {
    const real* now = P + ((long long)c * frames + t) * bins;
    real* out = N + ((long long)c * frames + t) * bins;
    real seen = real(0), held = real(0), known = real(0);
    for (int f = threadIdx.x; f < bins; f += blockDim.x) {
      seen += now[f];
      held += p[f];
      known += noise[f];
    }
    seen = total(seen, shared);
    held = total(held, shared);
    known = total(known, shared);
    if (!(seen > real(0))) {
      for (int f = threadIdx.x; f < bins; f += blockDim.x) out[f] = noise[f];
      continue;
    }
    const real off = held / seen - real(1);
    const real sure = max(real(1) / (real(1) + off * off), real(0.7));
    correction = correction_keep * correction + (real(1) - correction_keep) * sure;
    real lower = real(0);
    if (known > real(0)) lower = min(least_keep, pow(max(held / known, real(1e-8)), exponent));
    real sum = real(0);
    for (int f = threadIdx.x; f < bins; f += blockDim.x) {
      const bool heard = noise[f] > real(0);
      real keep = lower;
      if (heard) {
        const real away = p[f] / noise[f] - real(1);
        keep = max(most_keep * correction / (real(1) + away * away), lower);
      }
      const real now_p = keep * p[f] + (real(1) - keep) * now[f];
      const real b = min(keep * keep, spread_keep);
      p[f] = now_p;
      mean[f] = b * mean[f] + (real(1) - b) * now_p;
      square[f] = b * square[f] + (real(1) - b) * now_p * now_p;
      real share = real(0.5);
      if (heard) {
        const real spread = (square[f] - mean[f] * mean[f]) / (real(2) * noise[f] * noise[f]);
        share = min(max(spread, real(1) / (real(14) * real(t + 1))), real(0.5));
      }
      q[f] = share;
      sum += share;
    }
    const real average = total(sum, shared) / real(bins);
    const real bias = real(1) + real(2.12) * sqrt(average);
    const real steepest = average < real(0.03)   ? real(8)
                          : average < real(0.05) ? real(4)
                          : average < real(0.06) ? real(2)
                                                 : real(1.2);
    for (int f = threadIdx.x; f < bins; f += blockDim.x) {
      const real candidate = bias * p[f] * (real(1) + real(2) * (window - real(1)) * (real(1) - M_window) /
                                                          (real(1) / q[f] - real(2) * M_window));
      const bool lowers = candidate < least[f];
      if (lowers) {
        least[f] = candidate;
        sub[f] = bias * p[f] * (real(1) + real(2) * real(length - 1) * (real(1) - M_sub) /
                                              (real(1) / q[f] - real(2) * M_sub));
      }
      if (place < length) {
        if (lowers && place > 1) rising[f] = real(1);
        lowest[f] = min(lowest[f], sub[f]);
      } else {
        stored[filled * bins + f] = least[f];
        real low = stored[f];
        for (int u = 1; u < SUBWINDOWS; u++) low = min(low, stored[u * bins + f]);
        if (rising[f] > real(0) && !lowers && low < sub[f] && sub[f] < steepest * low) {
          low = sub[f];
          for (int u = 0; u < SUBWINDOWS; u++) stored[u * bins + f] = low;
        }
        lowest[f] = low;
        rising[f] = real(0);
        least[f] = INFINITY;
      }
      noise[f] = lowest[f];
      out[f] = lowest[f];
    }
    place += 1;
    if (place > length) {
      place = 1;
      filled = (filled + 1) % SUBWINDOWS;
    }
  }
}
