// One block has all bins of a frame, as u_n is a mean over them: a thread takes every blockDim-th bin, frames come
// one after the other. As in online_demixing_loops.py.

#include "demixing_matrices.cuh"

#define LOAD 1e-8
#define LEAST 1e-20

// Scratch of a thread.
struct room {
  matrix weighted, one, other, A, crossed, factors, inside, row, x;
  double* diagonal;
};

__device__ room room_of(double* scratch, int size, int sources, int channels) {
  room r;
  r.weighted = (matrix)scratch + (long long)threadIdx.x * size;
  r.one = r.weighted + sources * channels * channels;
  r.other = r.one + channels * channels;
  r.A = r.other + channels * channels;
  r.crossed = r.A + sources * channels;
  r.factors = r.crossed + sources * channels;
  r.inside = r.factors + sources * channels;
  r.row = r.inside + sources * sources;
  r.x = r.row + channels;
  r.diagonal = (double*)(r.x + channels);
  return r;
}

// The sum of a value of each thread, in their order, for all.
__device__ double total(double value, double* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  double sum = 0.0;
  for (int i = 0; i < (int)blockDim.x; i++) sum += shared[i];
  __syncthreads();
  return sum;
}

// C = (1 - share) C + share weight x x^H
__device__ void learn(given C, matrix out, given x, double share, double weight, int dims) {
  for (int i = 0; i < dims; i++)
    for (int j = 0; j < dims; j++)
      out[i * dims + j] = C[i * dims + j] + ((x[i] * weight) * conj(x[j]) - C[i * dims + j]) * share;
}

__device__ void load(given C, double spread, matrix out, int dims) {
  double trace = 0.0;
  for (int i = 0; i < dims; i++) trace += C[i * dims + i].re;
  for (int i = 0; i < dims; i++) {
    for (int j = 0; j < dims; j++) out[i * dims + j] = C[i * dims + j];
    out[i * dims + i].re += spread * C[i * dims + i].re + LEAST * trace;
  }
}

// A = C W^H (W C W^H)^-1, C loaded in the inverse; 0 where there has been no sound.
__device__ void mixing(given W, given C, given loaded, const room& r, int sources, int channels) {
  for (int n = 0; n < sources; n++)
    for (int c = 0; c < channels; c++) {
      cplx s = make(0.0, 0.0);
      for (int k = 0; k < channels; k++) s = s + loaded[c * channels + k] * conj(W[n * channels + k]);
      r.crossed[c * sources + n] = s;
    }
  for (int n = 0; n < sources; n++)
    for (int m = 0; m < sources; m++) {
      cplx s = make(0.0, 0.0);
      for (int c = 0; c < channels; c++) s = s + W[n * channels + c] * r.crossed[c * sources + m];
      r.inside[n * sources + m] = s;
    }
  factor(r.inside, r.factors, r.diagonal, sources);
  for (int c = 0; c < channels; c++) {
    for (int n = 0; n < sources; n++) {
      cplx s = make(0.0, 0.0);
      for (int k = 0; k < channels; k++) s = s + W[n * channels + k] * C[k * channels + c];
      r.x[n] = s;
    }
    solve(r.factors, r.diagonal, r.x, sources);
    for (int n = 0; n < sources; n++) r.A[c * sources + n] = conj(r.x[n]);
  }
}

// Iterative projection: w_n^H = V_n^-1 a_n, then w_n V_n w_n^H = 1.
__device__ void project(matrix W, const room& r, int sources, int channels) {
  const int size = channels * channels;
  for (int n = 0; n < sources; n++) {
    given V = r.weighted + n * size;
    mixing(W, r.one, r.one, r, sources, channels);
    factor(V, r.other, r.diagonal, channels);
    for (int c = 0; c < channels; c++) r.x[c] = r.A[c * sources + n];
    solve(r.other, r.diagonal, r.x, channels);
    double length = 0.0;
    for (int c = 0; c < channels; c++) length += (conj(r.A[c * sources + n]) * r.x[c]).re;
    if (V[0].re > 0.0 && length > 0.0)
      for (int c = 0; c < channels; c++) W[n * channels + c] = conj(r.x[c]) * (1.0 / sqrt(length));
  }
}

// Iterative source steering along each row, then along each row of the background.
__device__ void steer(matrix W, const room& r, int sources, int channels) {
  for (int n = 0; n < channels; n++) {
    if (n < sources) {
      for (int c = 0; c < channels; c++) r.row[c] = W[n * channels + c];
    } else {
      mixing(W, r.one, r.one, r, sources, channels);
      for (int c = 0; c < channels; c++) {
        cplx s = make(c == n ? 1.0 : 0.0, 0.0);
        for (int m = 0; m < sources; m++) s = s - r.A[n * sources + m] * W[m * channels + c];
        r.row[c] = s;
      }
    }
    for (int m = 0; m < sources; m++) {
      const double length = through(r.weighted + m * channels * channels, r.row, r.x, channels);
      if (!(length > 0.0)) continue;
      const cplx u = m == n ? make(1.0 - 1.0 / sqrt(length), 0.0)
                            : dot(W + m * channels, r.x, channels) * (1.0 / length);
      for (int c = 0; c < channels; c++) W[m * channels + c] = W[m * channels + c] - u * r.row[c];
    }
  }
}

// What is left of x is shared evenly where there are as many sources as channels.
__device__ void write_images(given W, given C, given x, const room& r, matrix images, long long stride, int sources,
                             int channels) {
  load(C, LOAD, r.one, channels);
  mixing(W, C, r.one, r, sources, channels);
  for (int c = 0; c < channels; c++) {
    cplx left = x[c];
    for (int n = 0; n < sources; n++) {
      const cplx part = r.A[c * sources + n] * dot(W + n * channels, x, channels);
      images[(n * channels + c) * stride] = part;
      left = left - part;
    }
    if (sources == channels)
      for (int n = 0; n < sources; n++) {
        matrix image = images + (n * channels + c) * stride;
        *image = *image + left * (1.0 / sources);
      }
  }
}

extern "C" __global__ void demix(const double* frames, double* demixing, double* covariance, double* weighted,
                                 double* told, double* images, double* scratch, int room_size, int n_frames,
                                 int n_freq, int sources, int channels, real forgetting, int n_updates, int gauss,
                                 int iss) {
  SHARED_ARRAY(double, shared, 128);
  const room r = room_of(scratch, room_size, sources, channels);
  const int size = channels * channels;
  const long long stride = (long long)n_frames * n_freq;
  double* phi = r.diagonal + channels;
  for (int t = 0; t < n_frames; t++) {
    given x = (given)frames + (long long)t * n_freq * channels;
    double power = 0.0;
    for (int i = threadIdx.x; i < n_freq * channels; i += blockDim.x) power += squared(x[i]);
    power = total(power, shared) / ((double)n_freq * channels);
    const bool learning = power > 1e-10 * told[1];
    const double count = told[0] + 1.0;
    const double share = fmax(1.0 - (double)forgetting, 1.0 / count);
    const double spread = LOAD + 1.0 / (count * count);
    for (int i = 0; learning && i < n_updates; i++) {
      for (int n = 0; n < sources; n++) {
        double u = 0.0;
        for (int f = threadIdx.x; f < n_freq; f += blockDim.x)
          u += squared(dot((given)demixing + ((long long)f * sources + n) * channels, x + (long long)f * channels, channels));
        u = total(u, shared) / n_freq;
        if (i == 0 && threadIdx.x == 0) told[2 + n] += share * (u - told[2 + n]);
        __syncthreads();
        if (u < 1e-6 * told[2 + n]) u = 1e-6 * told[2 + n];
        phi[n] = u > 1e-200 ? (gauss ? 1.0 / u : 1.0 / sqrt(u)) : 0.0;
      }
      for (int f = threadIdx.x; f < n_freq; f += blockDim.x) {
        given frame = x + (long long)f * channels;
        matrix W = (matrix)demixing + (long long)f * sources * channels;
        matrix C = (matrix)covariance + (long long)f * size;
        if (i == 0) learn(C, C, frame, share, 1.0, channels);
        for (int n = 0; n < sources; n++) {
          matrix V = (matrix)weighted + ((long long)f * sources + n) * size;
          learn(V, r.one, frame, share, phi[n], channels);
          if (i == n_updates - 1)
            for (int k = 0; k < size; k++) V[k] = r.one[k];
          load(r.one, spread, r.weighted + n * size, channels);
        }
        load(C, spread, r.one, channels);
        if (iss)
          steer(W, r, sources, channels);
        else
          project(W, r, sources, channels);
      }
      __syncthreads();
    }
    for (int f = threadIdx.x; f < n_freq; f += blockDim.x)
      write_images((given)demixing + (long long)f * sources * channels, (given)covariance + (long long)f * size,
                   x + (long long)f * channels, r, (matrix)images + (long long)t * n_freq + f, stride, sources,
                   channels);
    __syncthreads();
    if (learning && threadIdx.x == 0) {
      told[0] = count;
      told[1] += share * (power - told[1]);
    }
    __syncthreads();
  }
}
