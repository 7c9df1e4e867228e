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

__device__ __forceinline__ void exchange(bool wanted, matrix x, matrix y) {
  const cplx a = *x, b = *y;
  *x = wanted ? b : a;
  *y = wanted ? a : b;
}

// A = R^-1 by elimination with row pivots; B is overwritten.
__device__ void invert(given R, matrix A, matrix B, int dims) {
  for (int i = 0; i < dims * dims; i++) {
    B[i] = R[i];
    A[i] = make(i / dims == i % dims ? 1.0 : 0.0, 0.0);
  }
  for (int k = 0; k < dims; k++) {
    for (int i = k + 1; i < dims; i++) {  // exchanges that need no row whose number is data: all stays in registers
      const bool better = squared(B[i * dims + k]) > squared(B[k * dims + k]);
      for (int j = 0; j < dims; j++) {
        exchange(better, B + k * dims + j, B + i * dims + j);
        exchange(better, A + k * dims + j, A + i * dims + j);
      }
    }
    const cplx scale = inverse(B[k * dims + k]);
    for (int j = 0; j < dims; j++) {
      B[k * dims + j] = B[k * dims + j] * scale;
      A[k * dims + j] = A[k * dims + j] * scale;
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

// What each rule begins with: thread f of bins, its matrices, and scratch of its own, which neighbouring threads
// read together: in registers where the number of channels is told to the compiler, else in local memory, for many
// channels in global memory.
#ifdef DIMS
#define SCRATCH const int dims = DIMS; cplx scratch[(3 * DIMS + 6) * DIMS]; matrix work = scratch
#elif defined(MOST)
#define SCRATCH const int dims = channels; cplx scratch[(3 * MOST + 6) * MOST]; matrix work = scratch
#else
#define SCRATCH const int dims = channels; matrix work = (matrix)memory + (long long)f * (3 * dims + 6) * dims
#endif
#define BIN                                                              \
  const int f = blockIdx.x * blockDim.x + threadIdx.x;                   \
  if (f >= n_freq) return;                                               \
  SCRATCH;                                                               \
  matrix R = (matrix)rows + (long long)f * dims * dims;                  \
  const cplx* V = (const cplx*)covariance + (long long)f * dims * dims * dims;   \
  matrix vectors = work + 3 * dims * dims;                               \
  const int size = dims * dims;
#define NUMBERS double* numbers = (double*)(vectors + 4 * dims)
#define ARGUMENTS double *rows, const double *covariance, const int *pairs, double *memory, int n_freq, int channels, int n_pairs
