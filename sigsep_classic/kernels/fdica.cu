// One block a bin, all iterations in one launch. N sources; samples are worked on in `real`, sums over threads and
// small matrices are in double. HELD > 0: the data of the bin fit HELD numbers of shared memory; else they are read
// where they are. Matrices are row after row, real and imaginary part side by side.

#define THREADS 128
#define PARTS 16
#define NN (N * N)

#if HELD > 0
#define SAMPLES held
#else
#define SAMPLES data
#endif

#if N > 8  // more sums than registers
#define EACH_COLUMN _Pragma("unroll 1")
#else
#define EACH_COLUMN _Pragma("unroll")
#endif

// The sums over threads of each of COUNT values, in `out`; `kept` holds THREADS * COUNT of them, `partial` PARTS * COUNT.
template <int COUNT> __device__ void add_up(const real* own, real* kept, double* partial, double* out) {
  const int t = threadIdx.x;
  for (int k = 0; k < COUNT; k++) kept[k * THREADS + t] = own[k];
  __syncthreads();
  for (int p = t; p < PARTS * COUNT; p += THREADS) {
    const real* values = kept + (p / PARTS) * THREADS + (p % PARTS);  // every PARTS-th: no two at one bank
    double s = 0.0;
    for (int k = 0; k < THREADS; k += PARTS) s += (double)values[k];
    partial[p] = s;
  }
  __syncthreads();
  if (t < COUNT) {
    double s = 0.0;
    for (int k = 0; k < PARTS; k++) s += partial[t * PARTS + k];
    out[t] = s;
  }
  __syncthreads();
}

// Row n of R times the samples: phi = (|y|^2 + floor)^exponent to `weights`, thread by thread; returns its part of
// the sum of phi (|y|^2 + floor).
__device__ real weigh(const real* samples, const double* row, real* weights, int frames, real floor, real exponent) {
  real sum = 0;
  for (int t = threadIdx.x; t < frames; t += THREADS) {
    real a = 0, b = 0;
    for (int c = 0; c < N; c++) {
      const real p = (real)row[2 * c], q = (real)row[2 * c + 1];
      const real x = samples[(2 * c) * frames + t], u = samples[(2 * c + 1) * frames + t];
      a += p * x - q * u;
      b += p * u + q * x;
    }
    const real power = a * a + b * b + floor;
    const real phi = exponent == real(-0.5) ? 1 / sqrt(power) : pow(power, exponent);
    weights[t] = phi;
    sum += phi * power;
  }
  return sum;
}

// The mean of phi z z^H + load I: all of its entries, in V.
__device__ void covariance(const real* samples, const real* weights, int frames, double load, double* V,
                           real* kept, double* partial, double* sums) {
  for (int i = 0; i < N; i++) {
    real own[2 * N];
    EACH_COLUMN for (int k = 0; k < 2 * N; k++) own[k] = 0;
    for (int t = threadIdx.x; t < frames; t += THREADS) {
      const real phi = weights[t];
      const real a = phi * samples[(2 * i) * frames + t], b = phi * samples[(2 * i + 1) * frames + t];
      EACH_COLUMN for (int j = 0; j < N; j++) {
        const real c = samples[(2 * j) * frames + t], d = samples[(2 * j + 1) * frames + t];
        own[2 * j] += a * c + b * d;
        own[2 * j + 1] += b * c - a * d;
      }
    }
    add_up<2 * N>(own, kept, partial, sums);
    if (threadIdx.x < 2 * N) {
      const int j = threadIdx.x / 2, imag = threadIdx.x % 2;
      double v = sums[threadIdx.x] / frames;
      if (j == i) v = imag ? 0.0 : v + load;
      V[2 * (i * N + j) + imag] = v;
    }
    __syncthreads();
  }
}

// R = L Q by modified Gram-Schmidt, 1 / L_ii for L_ii; returns log |det R|. By one thread, as all that follows.
__device__ double decompose(const double* R, double* Q, double* L) {
  double logarithm = 0.0;
  for (int k = 0; k < 2 * NN; k++) Q[k] = R[k];
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < i; j++) {
      double p = 0.0, q = 0.0;
      for (int c = 0; c < N; c++) {
        const double *x = Q + 2 * (i * N + c), *y = Q + 2 * (j * N + c);
        p += x[0] * y[0] + x[1] * y[1];
        q += x[1] * y[0] - x[0] * y[1];
      }
      for (int c = 0; c < N; c++) {
        double *x = Q + 2 * (i * N + c), *y = Q + 2 * (j * N + c);
        x[0] -= p * y[0] - q * y[1];
        x[1] -= p * y[1] + q * y[0];
      }
      L[2 * (i * N + j)] = p;
      L[2 * (i * N + j) + 1] = q;
    }
    double size = 0.0;
    for (int c = 0; c < 2 * N; c++) size += Q[2 * i * N + c] * Q[2 * i * N + c];
    logarithm += 0.5 * log(size);
    L[2 * (i * N + i)] = 1.0 / sqrt(size);
    for (int c = 0; c < 2 * N; c++) Q[2 * i * N + c] *= L[2 * (i * N + i)];
  }
  return logarithm;
}

// A = Q^H L^-1.
__device__ void invert(double* A, const double* Q, const double* L) {
  for (int j = N - 1; j >= 0; j--)
    for (int c = 0; c < N; c++) {
      double a = Q[2 * (j * N + c)], b = -Q[2 * (j * N + c) + 1];
      for (int i = j + 1; i < N; i++) {
        const double *x = A + 2 * (c * N + i), *p = L + 2 * (i * N + j);
        a -= x[0] * p[0] - x[1] * p[1];
        b -= x[0] * p[1] + x[1] * p[0];
      }
      A[2 * (c * N + j)] = a * L[2 * (j * N + j)];
      A[2 * (c * N + j) + 1] = b * L[2 * (j * N + j)];
    }
}

// Row n of R becomes w^H / sqrt(w^H V w) with w = V^-1 a_n, and A stays the inverse of R; C and w are scratch.
__device__ void update_row(double* R, double* A, const double* V, int n, double* C, double* w) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++) {
      double a = V[2 * (i * N + j)], b = V[2 * (i * N + j) + 1];
      const double least = 1e-15 * a;
      for (int k = 0; k < j; k++) {
        const double *x = C + 2 * (i * N + k), *y = C + 2 * (j * N + k);
        a -= x[0] * y[0] + x[1] * y[1];
        b -= x[1] * y[0] - x[0] * y[1];
      }
      const double d = j < i ? C[2 * (j * N + j)] : 0.0;
      C[2 * (i * N + j)] = j < i ? a * d : 1.0 / sqrt(a > least ? a : least);
      C[2 * (i * N + j) + 1] = b * d;
    }
  for (int i = 0; i < N; i++) {
    double a = A[2 * (i * N + n)], b = A[2 * (i * N + n) + 1];
    for (int j = 0; j < i; j++) {
      const double *x = C + 2 * (i * N + j), *y = w + 2 * j;
      a -= x[0] * y[0] - x[1] * y[1];
      b -= x[0] * y[1] + x[1] * y[0];
    }
    w[2 * i] = a * C[2 * (i * N + i)];
    w[2 * i + 1] = b * C[2 * (i * N + i)];
  }
  double size = 0.0;
  for (int i = N - 1; i >= 0; i--) {
    double a = w[2 * i], b = w[2 * i + 1];
    for (int j = i + 1; j < N; j++) {
      const double *x = C + 2 * (j * N + i), *y = w + 2 * j;
      a -= x[0] * y[0] + x[1] * y[1];
      b -= x[0] * y[1] - x[1] * y[0];
    }
    w[2 * i] = a * C[2 * (i * N + i)];
    w[2 * i + 1] = b * C[2 * (i * N + i)];
    size += w[2 * i] * A[2 * (i * N + n)] + w[2 * i + 1] * A[2 * (i * N + n) + 1];
  }
  size = 1.0 / sqrt(size);
  for (int i = 0; i < N; i++) {
    R[2 * (n * N + i)] = w[2 * i] * size;
    R[2 * (n * N + i) + 1] = -w[2 * i + 1] * size;
    A[2 * (i * N + n)] *= size;
    A[2 * (i * N + n) + 1] *= size;
  }
  for (int m = 0; m < N; m++) {
    if (m == n) continue;
    double p = 0.0, q = 0.0;
    for (int c = 0; c < N; c++) {
      const double *x = R + 2 * (n * N + c), *y = A + 2 * (c * N + m);
      p += x[0] * y[0] - x[1] * y[1];
      q += x[0] * y[1] + x[1] * y[0];
    }
    for (int c = 0; c < N; c++) {
      double *y = A + 2 * (c * N + m), *x = A + 2 * (c * N + n);
      y[0] -= x[0] * p - x[1] * q;
      y[1] -= x[0] * q + x[1] * p;
    }
  }
}

// Row n of G = I - (r_n V R^H); w is scratch.
__device__ void gradient_row(const double* R, const double* V, int n, double* G, double* w) {
  for (int j = 0; j < N; j++) {
    double a = 0.0, b = 0.0;
    for (int i = 0; i < N; i++) {
      const double *x = R + 2 * (n * N + i), *y = V + 2 * (i * N + j);
      a += x[0] * y[0] - x[1] * y[1];
      b += x[0] * y[1] + x[1] * y[0];
    }
    w[2 * j] = a;
    w[2 * j + 1] = b;
  }
  for (int m = 0; m < N; m++) {
    double a = m == n ? 1.0 : 0.0, b = 0.0;
    for (int c = 0; c < N; c++) {
      const double *x = w + 2 * c, *y = R + 2 * (m * N + c);
      a -= x[0] * y[0] + x[1] * y[1];
      b -= x[1] * y[0] - x[0] * y[1];
    }
    G[2 * (n * N + m)] = a;
    G[2 * (n * N + m) + 1] = b;
  }
}

// Trial = (I + mu G) R.
__device__ void move(const double* R, const double* G, double mu, double* trial) {
  for (int n = 0; n < N; n++)
    for (int c = 0; c < N; c++) {
      double a = R[2 * (n * N + c)], b = R[2 * (n * N + c) + 1];
      for (int m = 0; m < N; m++) {
        const double p = mu * G[2 * (n * N + m)], q = mu * G[2 * (n * N + m) + 1];
        const double* x = R + 2 * (m * N + c);
        a += p * x[0] - q * x[1];
        b += p * x[1] + q * x[0];
      }
      trial[2 * (n * N + c)] = a;
      trial[2 * (n * N + c) + 1] = b;
    }
}

__device__ double squares(const double* A) {
  double s = 0.0;
  for (int k = 0; k < 2 * NN; k++) s += A[k] * A[k];
  return s;
}

extern "C" __global__ void fdica(const real* Z, double* R, const double* load, double* costs, real* scratch,
                                 int frames, int n_iter, int natural, int trials, real exponent, real floor,
                                 const double* step_size) {
#if HELD > 0
  SHARED_ARRAY(real, held, HELD);
#endif
  SHARED_ARRAY(double, now, 2 * NN);
  SHARED_ARRAY(double, next, 2 * NN);
  SHARED_ARRAY(double, A, 2 * NN);
  SHARED_ARRAY(double, Q, 2 * NN);
  SHARED_ARRAY(double, L, 2 * NN);
  SHARED_ARRAY(double, V, 2 * NN);
  SHARED_ARRAY(double, w, 2 * N);
  SHARED_ARRAY(double, sums, 2 * N);
  SHARED_ARRAY(double, partial, PARTS * 2 * N);
  SHARED_ARRAY(real, kept, THREADS * 2 * N);
  SHARED_ARRAY(double, told, 2);  // costs at R and at a trial
  const int f = blockIdx.x, thread = threadIdx.x;
  const double extra = load[f];
  const real* data = Z + (long long)f * 2 * N * frames;
  real* weights = scratch + (long long)f * frames;
  for (int k = thread; k < 2 * NN; k += THREADS) now[k] = next[k] = R[(long long)f * 2 * NN + k];
#if HELD > 0
  for (int k = thread; k < 2 * N * frames; k += THREADS) held[k] = data[k];
#endif
  __syncthreads();
  // Iteration n_iter tells the cost of the result; those of the natural gradient look at R and at trials in turn.
  for (int i = 0; i <= n_iter; i++) {
    const bool last = i == n_iter;
    double contrast = 0.0;
    for (int n = 0; n < N; n++) {
      const real own = weigh(SAMPLES, now + 2 * n * N, weights, frames, floor, exponent);
      if (last || natural) {
        add_up<1>(&own, kept, partial, sums);
        contrast += sums[0];
        __syncthreads();
      }
      if (last) continue;
      covariance(SAMPLES, weights, frames, extra, V, kept, partial, sums);
      if (thread == 0) {
        if (natural) {
          gradient_row(now, V, n, A, w);
        } else {
          if (n == 0) {
            decompose(next, Q, L);
            invert(A, Q, L);
          }
          update_row(next, A, V, n, L, w);
        }
      }
      __syncthreads();
    }
    if (thread == 0 && (last || natural))
      told[0] = contrast / ((exponent + 1) * (double)frames) + extra * squares(now) - 2 * decompose(now, Q, L);
    if (natural && !last) {
      double mu = 0.0;
      if (thread == 0) {
        const double size = sqrt(squares(A) / N);
        mu = step_size[0] / (size > 1.0 ? size : 1.0);
      }
      for (int k = 0; k < trials; k++) {
        if (thread == 0) move(now, A, mu, next);
        __syncthreads();
        double reached = 0.0;
        for (int n = 0; n < N; n++) {
          const real own = weigh(SAMPLES, next + 2 * n * N, weights, frames, floor, exponent);
          add_up<1>(&own, kept, partial, sums);
          reached += sums[0];
          __syncthreads();
        }
        if (thread == 0)
          told[1] = reached / ((exponent + 1) * (double)frames) + extra * squares(next) - 2 * decompose(next, Q, L);
        __syncthreads();
        if (told[1] <= told[0]) break;
        mu *= 0.5;
        if (k == trials - 1)
          for (int e = thread; e < 2 * NN; e += THREADS) next[e] = now[e];
      }
    }
    __syncthreads();
    if (!last)
      for (int k = thread; k < 2 * NN; k += THREADS) now[k] = next[k];
    __syncthreads();
  }
  for (int k = thread; k < 2 * NN; k += THREADS) R[(long long)f * 2 * NN + k] = now[k];
  if (thread == 0) costs[f] = told[0];
}
