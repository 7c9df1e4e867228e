// Recursive prediction, a block a bin: a thread has a row of P and of G, frames come one after the other.

#include "demixing_matrices.cuh"

extern "C" __global__ void predict(const double* frames, double* filters, double* inverses, double* errors,
                                   int n_freq, int n_frames, int history, int delay, real forgetting, real limit) {
  SHARED_ARRAY(cplx, z, ROWS);
  SHARED_ARRAY(cplx, Pz, ROWS);
  SHARED_ARRAY(cplx, y, CHANNELS);
  SHARED_ARRAY(double, diagonal, ROWS);
  SHARED_ARRAY(double, told, 3);  // power, 1 / denominator, scale of P
  const int f = blockIdx.x;
  given x = (given)frames;
  matrix G = (matrix)filters + (long long)f * ROWS * CHANNELS;
  matrix P = (matrix)inverses + (long long)f * ROWS * ROWS;
  for (int t = 0; t < n_frames; t++) {
    const int now = t + history;
    for (int i = threadIdx.x; i < ROWS; i += blockDim.x)
      z[i] = x[((long long)(now - delay - i / CHANNELS) * n_freq + f) * CHANNELS + i % CHANNELS];
    __syncthreads();
    for (int c = threadIdx.x; c < CHANNELS; c += blockDim.x) {
      cplx late = make(0.0, 0.0);
      for (int i = 0; i < ROWS; i++) late = late + conj(G[i * CHANNELS + c]) * z[i];
      y[c] = x[((long long)now * n_freq + f) * CHANNELS + c] - late;
      ((matrix)errors)[((long long)t * n_freq + f) * CHANNELS + c] = y[c];
    }
    for (int i = threadIdx.x; i < ROWS; i += blockDim.x) {
      Pz[i] = dot(P + i * ROWS, z, ROWS);
      diagonal[i] = P[i * ROWS + i].re;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      double power = 0.0, form = 0.0, trace = 0.0;
      for (int s = t; s <= now; s++)
        for (int c = 0; c < CHANNELS; c++) power += squared(x[((long long)s * n_freq + f) * CHANNELS + c]);
      for (int i = 0; i < ROWS; i++) {
        form += z[i].re * Pz[i].re + z[i].im * Pz[i].im;
        trace += diagonal[i];
      }
      power /= CHANNELS * (history + 1);
      told[0] = power;
      told[1] = 1.0 / ((double)forgetting * power + form);
      told[2] = trace <= (double)limit * ROWS ? 1.0 / (double)forgetting : 1.0;
    }
    __syncthreads();
    if (told[0] != 0.0) {
      for (int i = threadIdx.x; i < ROWS; i += blockDim.x) {
        const cplx gain = Pz[i] * told[1];
        for (int c = 0; c < CHANNELS; c++) G[i * CHANNELS + c] = G[i * CHANNELS + c] + gain * conj(y[c]);
        for (int j = 0; j < ROWS; j++) {  // the same bits as its mirror image
          const cplx low = i >= j ? gain * conj(Pz[j]) : conj((Pz[j] * told[1]) * conj(Pz[i]));
          P[i * ROWS + j] = (P[i * ROWS + j] - low) * told[2];
        }
        P[i * ROWS + i].im = 0.0;
      }
    }
    __syncthreads();
  }
}
