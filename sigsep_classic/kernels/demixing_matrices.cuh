// Small complex matrices in double precision, as in demixing_matrices.py; one thread has one bin.

struct cplx {
  double re, im;
};
typedef cplx* matrix;
typedef const cplx* given;

__device__ __forceinline__ cplx make(double re, double im) {
  cplx v;
  v.re = re;
  v.im = im;
  return v;
}
__device__ __forceinline__ cplx operator+(cplx a, cplx b) { return make(a.re + b.re, a.im + b.im); }
__device__ __forceinline__ cplx operator-(cplx a, cplx b) { return make(a.re - b.re, a.im - b.im); }
__device__ __forceinline__ cplx operator*(cplx a, cplx b) {
  return make(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
__device__ __forceinline__ cplx operator*(cplx a, double b) { return make(a.re * b, a.im * b); }
__device__ __forceinline__ cplx conj(cplx a) { return make(a.re, -a.im); }
__device__ __forceinline__ double squared(cplx a) { return a.re * a.re + a.im * a.im; }
__device__ __forceinline__ cplx inverse(cplx a) { return conj(a) * (1.0 / squared(a)); }

__device__ bool silent(given V, int dims) {
  for (int i = 0; i < dims; i++)
    if (V[i * dims + i].re != 0.0) return false;
  return true;
}

// A = R^-1 by elimination with row pivots; B is overwritten.
__device__ void invert(given R, matrix A, matrix B, int dims) {
  for (int i = 0; i < dims * dims; i++) {
    B[i] = R[i];
    A[i] = make(i / dims == i % dims ? 1.0 : 0.0, 0.0);
  }
  for (int k = 0; k < dims; k++) {
    int best = k;
    for (int i = k + 1; i < dims; i++)
      if (squared(B[i * dims + k]) > squared(B[best * dims + k])) best = i;
    const cplx scale = inverse(B[best * dims + k]);
    for (int j = 0; j < dims; j++) {
      const cplx b = B[best * dims + j], a = A[best * dims + j];
      B[best * dims + j] = B[k * dims + j];
      A[best * dims + j] = A[k * dims + j];
      B[k * dims + j] = b * scale;
      A[k * dims + j] = a * scale;
    }
    for (int i = 0; i < dims; i++) {
      if (i == k) continue;
      const cplx times = B[i * dims + k];
      for (int j = 0; j < dims; j++) {
        B[i * dims + j] = B[i * dims + j] - times * B[k * dims + j];
        A[i * dims + j] = A[i * dims + j] - times * A[k * dims + j];
      }
    }
  }
}

// V = L D L^H: L below the diagonal, D L^H above it (conjugate), 1 / D in `diagonal`.
__device__ void factor(given V, matrix L, double* diagonal, int dims) {
  for (int j = 0; j < dims; j++) {
    const double own = V[j * dims + j].re;
    double d = own;
    for (int k = 0; k < j; k++) d -= (L[j * dims + k] * conj(L[k * dims + j])).re;
    if (d < 1e-15 * own) d = 1e-15 * own;
    if (d == 0.0) d = 1e-15 * V[0].re + 1e-300;
    diagonal[j] = 1.0 / d;
    for (int i = j + 1; i < dims; i++) {
      cplx s = V[i * dims + j];
      for (int k = 0; k < j; k++) s = s - L[i * dims + k] * conj(L[k * dims + j]);
      L[j * dims + i] = s;
      L[i * dims + j] = s * diagonal[j];
    }
  }
}

__device__ void solve(given L, const double* diagonal, matrix x, int dims) {
  for (int i = 0; i < dims; i++) {
    cplx s = x[i];
    for (int k = 0; k < i; k++) s = s - L[i * dims + k] * x[k];
    x[i] = s;
  }
  for (int i = dims - 1; i >= 0; i--) {
    cplx s = x[i] * diagonal[i];
    for (int k = i + 1; k < dims; k++) s = s - conj(L[k * dims + i]) * x[k];
    x[i] = s;
  }
}

__device__ cplx dot(given row, given x, int dims) {
  cplx s = make(0.0, 0.0);
  for (int i = 0; i < dims; i++) s = s + row[i] * x[i];
  return s;
}

// out = V row^H; returns row V row^H.
__device__ double through(given V, given row, matrix out, int dims) {
  double size = 0.0;
  for (int i = 0; i < dims; i++) {
    cplx s = make(0.0, 0.0);
    for (int j = 0; j < dims; j++) s = s + V[i * dims + j] * conj(row[j]);
    out[i] = s;
    size += (row[i] * s).re;
  }
  return size;
}

// What each rule begins with: thread f of bins, its matrices, and scratch of its own.
#define BIN                                                              \
  const int f = blockIdx.x * blockDim.x + threadIdx.x;                   \
  if (f >= n_freq) return;                                               \
  matrix R = (matrix)rows + (long long)f * dims * dims;                  \
  given V = (given)covariance + (long long)f * dims * dims * dims;       \
  matrix work = (matrix)scratch + (long long)f * (3 * dims + 6) * dims;  \
  matrix vectors = work + 3 * dims * dims;                               \
  const int size = dims * dims;
#define NUMBERS double* numbers = (double*)(vectors + 4 * dims)
#define ARGUMENTS double *rows, const double *covariance, const int *pairs, double *scratch, int n_freq, int dims, int n_pairs
