// Updates of R, a thread a bin: iterative projection and source steering, as in demixing_rules.py.

#include "demixing_matrices.cuh"

struct pair2 {  // a Hermitian 2 x 2 matrix: its diagonal and what is below it
  double a, c;
  cplx b;
};

__device__ double inverse_length(pair2 u, cplx x0, cplx x1) {
  const double cross = 2.0 * (conj(x1) * u.b * x0).re;
  return 1.0 / sqrt(squared(x0) * u.a + squared(x1) * u.c + cross);
}

// Eigenvectors (x0, x1) and (x2, x3) of U x = value S x, of the larger value and of the smaller one,
// scaled so that the first has length one by U and the second by S.
__device__ void joint(pair2 u, pair2 s, cplx* x) {
  const double l0 = sqrt(s.a);
  const cplx below = s.b * (1.0 / l0);
  double rest = s.c - squared(below);
  if (rest < 1e-15 * s.c) rest = 1e-15 * s.c;
  const double l1 = sqrt(rest), a = u.a / s.a;
  const cplx b = (u.b - below * (u.a / l0)) * (1.0 / (l0 * l1));
  const double c = (u.c - 2.0 * (conj(below) * u.b).re / l0 + squared(below) * a) / rest;
  const double half = 0.5 * (a - c), root = sqrt(half * half + squared(b));
  cplx v0 = make(half + root, 0.0), v1 = b;
  if (root == 0.0) {
    v0 = make(1.0, 0.0);
    v1 = make(0.0, 0.0);
  } else if (half < 0.0) {
    v0 = conj(b);
    v1 = make(root - half, 0.0);
  }
  x[1] = v1 * (1.0 / l1);
  x[3] = conj(v0) * (1.0 / l1);
  x[0] = (v0 - conj(below) * x[1]) * (1.0 / l0);
  x[2] = (make(0.0, 0.0) - conj(v1) - conj(below) * x[3]) * (1.0 / l0);
  const double g = inverse_length(u, x[0], x[1]), h = inverse_length(s, x[2], x[3]);
  x[0] = x[0] * g;
  x[1] = x[1] * g;
  x[2] = x[2] * h;
  x[3] = x[3] * h;
}

extern "C" __global__ void __launch_bounds__(32) ip1(ARGUMENTS) {
  BIN;
  NUMBERS;
  matrix A = work, L = work + size, x = vectors;
  invert(R, A, L, dims);
  for (int n = 0; n < dims; n++) {
    if (silent(V + n * size, dims)) continue;
    factor(V + n * size, L, numbers, dims);
    for (int i = 0; i < dims; i++) x[i] = A[i * dims + n];
    solve(L, numbers, x, dims);
    double length = 0.0;
    for (int i = 0; i < dims; i++) length += (conj(A[i * dims + n]) * x[i]).re;
    const double scale = 1.0 / sqrt(length);
    for (int i = 0; i < dims; i++) R[n * dims + i] = conj(x[i]) * scale;
    for (int m = n + 1; m < dims; m++) {  // columns of the inverse of R again; r_n a_n = 1 / scale
      cplx s = make(0.0, 0.0);
      for (int i = 0; i < dims; i++) s = s + R[n * dims + i] * A[i * dims + m];
      s = s * scale;
      for (int i = 0; i < dims; i++) A[i * dims + m] = A[i * dims + m] - A[i * dims + n] * s;
    }
  }
}

// x loses its part along y, of length one, or the share of it, and gets length one.
__device__ void without(matrix x, given y, double share, int dims, int stride) {
  cplx s = make(0.0, 0.0);
  double length = 0.0;
  for (int i = 0; i < dims; i++) s = s + conj(y[i * stride]) * x[i * stride];
  for (int i = 0; i < dims; i++) {
    x[i * stride] = x[i * stride] - y[i * stride] * (s * share);
    length += squared(x[i * stride]);
  }
  const double scale = 1.0 / sqrt(length);
  for (int i = 0; i < dims; i++) x[i * stride] = x[i * stride] * scale;
}

// x and y get length one and a right angle in the plane they span, however alike they are.
__device__ void orthonormalize(matrix x, matrix y, int dims, int stride) {
  without(x, y, 0.0, dims, stride);
  without(y, x, 1.0, dims, stride);
  without(x, y, 1.0, dims, stride);
  without(y, x, 1.0, dims, stride);
}

// P = V^-1 [a_m a_n]; returns [a_m a_n]^H P.
__device__ pair2 project(given V, given A, int m, int n, matrix L, double* diagonal, matrix P, int dims) {
  factor(V, L, diagonal, dims);
  for (int i = 0; i < dims; i++) {
    P[i] = A[i * dims + m];
    P[dims + i] = A[i * dims + n];
  }
  solve(L, diagonal, P, dims);
  solve(L, diagonal, P + dims, dims);
  pair2 u = {0.0, 0.0, {0.0, 0.0}};
  for (int i = 0; i < dims; i++) {
    u.a += (conj(A[i * dims + m]) * P[i]).re;
    u.b = u.b + conj(A[i * dims + n]) * P[i];
    u.c += (conj(A[i * dims + n]) * P[dims + i]).re;
  }
  return u;
}

// A is the inverse of R again after rows m and n changed.
__device__ void replace_two(given R, matrix A, int m, int n, int dims) {
  cplx a = make(0.0, 0.0), b = a, c = a, d = a;
  for (int i = 0; i < dims; i++) {
    a = a + R[m * dims + i] * A[i * dims + m];
    b = b + R[m * dims + i] * A[i * dims + n];
    c = c + R[n * dims + i] * A[i * dims + m];
    d = d + R[n * dims + i] * A[i * dims + n];
  }
  const cplx scale = inverse(a * d - b * c);
  for (int i = 0; i < dims; i++) {
    const cplx first = A[i * dims + m], second = A[i * dims + n];
    A[i * dims + m] = (first * d - second * c) * scale;
    A[i * dims + n] = (second * a - first * b) * scale;
  }
  for (int k = 0; k < dims; k++) {
    if (k == m || k == n) continue;
    cplx s = make(0.0, 0.0), t = s;
    for (int i = 0; i < dims; i++) {
      s = s + R[m * dims + i] * A[i * dims + k];
      t = t + R[n * dims + i] * A[i * dims + k];
    }
    for (int i = 0; i < dims; i++)
      A[i * dims + k] = A[i * dims + k] - A[i * dims + m] * s - A[i * dims + n] * t;
  }
}

extern "C" __global__ void __launch_bounds__(32) ip2(ARGUMENTS) {
  BIN;
  NUMBERS;
  matrix A = work, L = work + size, P = vectors, Q = vectors + 2 * dims;
  invert(R, A, L, dims);
  for (int p = 0; p < n_pairs; p++) {
    const int m = pairs[2 * p], n = pairs[2 * p + 1];
    if (silent(V + m * size, dims) || silent(V + n * size, dims)) continue;
    orthonormalize(A + m, A + n, dims, dims);
    const pair2 u = project(V + m * size, A, m, n, L, numbers, P, dims);
    const pair2 s = project(V + n * size, A, m, n, L, numbers, Q, dims);
    cplx x[4];
    joint(u, s, x);
    for (int i = 0; i < dims; i++) {
      R[m * dims + i] = conj(P[i] * x[0] + P[dims + i] * x[1]);
      R[n * dims + i] = conj(Q[i] * x[2] + Q[dims + i] * x[3]);
    }
    replace_two(R, A, m, n, dims);
  }
}

extern "C" __global__ void __launch_bounds__(32) iss1(ARGUMENTS) {
  BIN;
  matrix row = vectors, x = vectors + dims;
  for (int n = 0; n < dims; n++) {
    if (silent(V + n * size, dims)) continue;
    for (int i = 0; i < dims; i++) row[i] = R[n * dims + i];
    for (int m = 0; m < dims; m++) {
      if (silent(V + m * size, dims)) continue;
      const double length = through(V + m * size, row, x, dims);
      const cplx u = m == n ? make(1.0 - 1.0 / sqrt(length), 0.0) : dot(R + m * dims, x, dims) * (1.0 / length);
      for (int i = 0; i < dims; i++) R[m * dims + i] = R[m * dims + i] - u * row[i];
    }
  }
}

// [first second] V [first second]^H; V first^H and V second^H go to x and y.
__device__ pair2 between(given V, given first, given second, matrix x, matrix y, int dims) {
  pair2 u;
  u.a = through(V, first, x, dims);
  u.c = through(V, second, y, dims);
  u.b = dot(second, x, dims);
  return u;
}

extern "C" __global__ void __launch_bounds__(32) iss2(ARGUMENTS) {
  BIN;
  matrix first = vectors, second = vectors + dims, x = vectors + 2 * dims, y = vectors + 3 * dims;
  for (int p = 0; p < n_pairs; p++) {
    const int m = pairs[2 * p], n = pairs[2 * p + 1];
    if (silent(V + m * size, dims) || silent(V + n * size, dims)) continue;
    for (int i = 0; i < dims; i++) {
      first[i] = R[m * dims + i];
      second[i] = R[n * dims + i];
    }
    orthonormalize(first, second, dims, 1);
    for (int k = 0; k < dims; k++) {
      if (k == m || k == n || silent(V + k * size, dims)) continue;
      const pair2 g = between(V + k * size, first, second, x, y, dims);
      const cplx a = dot(R + k * dims, x, dims), b = dot(R + k * dims, y, dims);
      double det = g.a * g.c - squared(g.b);
      if (det < 1e-15 * g.a * g.c) det = 1e-15 * g.a * g.c;
      const cplx s = (a * g.c - b * g.b) * (1.0 / det), t = (b * g.a - a * conj(g.b)) * (1.0 / det);
      for (int i = 0; i < dims; i++) R[k * dims + i] = R[k * dims + i] - s * first[i] - t * second[i];
    }
    const pair2 u = between(V + m * size, first, second, x, y, dims);
    const pair2 s = between(V + n * size, first, second, x, y, dims);
    cplx v[4];
    joint(s, u, v);
    // `joint` gives its first vector the length one by its first matrix; here it is that of row m, by the second
    const double g = inverse_length(u, v[0], v[1]), h = inverse_length(s, v[2], v[3]);
    for (int i = 0; i < dims; i++) {
      R[m * dims + i] = (conj(v[0]) * first[i] + conj(v[1]) * second[i]) * g;
      R[n * dims + i] = (conj(v[2]) * first[i] + conj(v[3]) * second[i]) * h;
    }
  }
}
