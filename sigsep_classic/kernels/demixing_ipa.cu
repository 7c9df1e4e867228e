// Iterative projection with adjustment, a thread a bin, as in demixing_ipa.py.

#include "demixing_matrices.cuh"

// H[p, q] = 0 by a rotation of rows and columns p and q; E takes it too.
__device__ void rotate(matrix H, matrix E, int p, int q, int dims) {
  const double size = sqrt(squared(H[p * dims + q]));
  if (size == 0.0) return;
  const cplx phase = H[p * dims + q] * (1.0 / size);
  const double theta = (H[q * dims + q].re - H[p * dims + p].re) / (2.0 * size);
  double tangent = 1.0 / ((theta < 0.0 ? -theta : theta) + sqrt(theta * theta + 1.0));
  if (theta < 0.0) tangent = -tangent;
  const double c = 1.0 / sqrt(tangent * tangent + 1.0);
  const cplx s = phase * (tangent * c);
  for (int i = 0; i < dims; i++) {
    cplx a = H[i * dims + p], b = H[i * dims + q];
    H[i * dims + p] = a * c - conj(s) * b;
    H[i * dims + q] = s * a + b * c;
    a = E[i * dims + p], b = E[i * dims + q];
    E[i * dims + p] = a * c - conj(s) * b;
    E[i * dims + q] = s * a + b * c;
  }
  for (int i = 0; i < dims; i++) {
    const cplx a = H[p * dims + i], b = H[q * dims + i];
    H[p * dims + i] = a * c - s * b;
    H[q * dims + i] = conj(s) * a + b * c;
  }
}

// Eigenvalues to the diagonal of H, eigenvectors to the columns of E; row `skip` is left out.
__device__ void eigen(matrix H, int skip, matrix E, int dims) {
  for (int i = 0; i < dims * dims; i++) E[i] = make(i / dims == i % dims ? 1.0 : 0.0, 0.0);
  for (int round = 0; round < 30; round++) {
    double off = 0.0, on = 0.0;
    for (int i = 0; i < dims; i++) {
      if (i == skip) continue;
      on += squared(H[i * dims + i]);
      for (int j = 0; j < i; j++)
        if (j != skip) off += squared(H[i * dims + j]);
    }
    if (off <= 1e-32 * on) break;
    for (int p = 0; p < dims; p++)
      for (int q = p + 1; q < dims; q++)
        if (p != skip && q != skip) rotate(H, E, p, q, dims);
  }
}

// x - top >= 0 for the largest root x of sum of gains (x / (x - values))^2 + rest = x; 0 if there is none.
__device__ double root_above(const double* values, const double* gains, double rest, double top, int k, int dims) {
  double total = 0.0;
  for (int i = 0; i < dims; i++) total += gains[i];
  double low = rest > top ? rest - top : 0.0;
  double high = 4.0 * total + rest - top > top ? 4.0 * total + rest - top : top;
  double above = high;
  for (int round = 0; round < 200; round++) {
    const double x = top + above;
    double f = rest - x, slope = -1.0;
    for (int i = 0; i < dims; i++) {
      if (i == k) continue;
      const double gap = above + (top - values[i]), ratio = x / gap;
      f += gains[i] * ratio * ratio;
      slope -= 2.0 * gains[i] * ratio * values[i] / (gap * gap);
    }
    if (f > 0.0)
      low = above;
    else
      high = above;
    double moved = above - f / slope;
    if (!(low < moved && moved < high)) moved = 0.5 * (low + high);
    const double step = moved < above ? above - moved : moved - above;
    const bool settled = step <= 1e-15 * above || moved <= 1e-15 * top;
    above = moved;
    if (settled) break;
  }
  return above;
}

// y becomes the least of |x|^2 - log(sum of values |x - y|^2 + rest); gains are values |y|^2.
__device__ void least(const double* values, const double* gains, double rest, int first, int k, matrix y, int dims) {
  const double top = values[first], above = root_above(values, gains, rest, top, k, dims);
  double left = top + above - rest;
  for (int i = 0; i < dims; i++) {
    if (i == k || (i == first && above <= 1e-14 * top)) continue;
    const double gap = above + (top - values[i]), ratio = (top + above) / gap;
    left -= gains[i] * ratio * ratio;
    y[i] = y[i] * (-values[i] / gap);
  }
  if (above <= 1e-14 * top) y[first] = make(left > 0.0 ? sqrt(left / top) : 0.0, 0.0);
}

// t becomes the least of sum of sizes |x - t|^2 - log(z' C^-1 z), z = e_k + x, over x with x_k = 0.
__device__ void adjust(given C, int k, double* numbers, matrix t, matrix y, matrix H, matrix E, int dims) {
  double *values = numbers + dims, *gains = numbers + 2 * dims, *roots = numbers + 3 * dims;
  const double own = 1.0 / C[k * dims + k].re;
  for (int m = 0; m < dims; m++) roots[m] = sqrt(numbers[m]);
  for (int m = 0; m < dims; m++)
    for (int n = 0; n < dims; n++)
      H[m * dims + n] = m == k || n == k
                            ? make(0.0, 0.0)
                            : (C[m * dims + n] - C[m * dims + k] * C[k * dims + n] * own) * (roots[m] * roots[n]);
  eigen(H, k, E, dims);
  double low = 0.0;
  for (int i = 0; i < dims; i++) {
    cplx s = make(0.0, 0.0);
    for (int m = 0; m < dims; m++)
      if (m != k) s = s + conj(E[m * dims + i]) * (C[m * dims + k] * own - t[m]) * roots[m];
    y[i] = s;
    const double rounding = 1e-15 * C[i * dims + i].re * numbers[i];
    if (i != k && rounding > low) low = rounding;
  }
  int first = -1;
  for (int i = 0; i < dims; i++) {
    values[i] = gains[i] = 0.0;
    if (i == k) continue;
    const double h = H[i * dims + i].re;
    values[i] = 1.0 / (h > low ? h : low);
    gains[i] = values[i] * squared(y[i]);
    if (first < 0 || values[i] > values[first]) first = i;
  }
  if (first >= 0) least(values, gains, own, first, k, y, dims);
  for (int m = 0; m < dims; m++) {
    if (m == k) continue;
    cplx s = make(0.0, 0.0);
    for (int i = 0; i < dims; i++)
      if (i != k) s = s + E[m * dims + i] * y[i];
    t[m] = t[m] + s * (1.0 / roots[m]);
  }
}

extern "C" __global__ void __launch_bounds__(32) ipa(ARGUMENTS) {
  BIN;
  NUMBERS;
  matrix C = work, H = work + size, E = work + 2 * size;
  matrix t = vectors, x = vectors + dims, y = vectors + 2 * dims, row = vectors + 3 * dims;
  for (int k = 0; k < dims; k++) {
    if (silent(V + k * size, dims)) continue;
    for (int n = 0; n < dims; n++) {
      through(V + k * size, R + n * dims, x, dims);
      for (int m = 0; m < dims; m++) C[m * dims + n] = dot(R + m * dims, x, dims);
    }
    for (int i = 0; i < dims; i++) row[i] = R[k * dims + i];
    for (int m = 0; m < dims; m++) {
      numbers[m] = 1.0;
      t[m] = make(0.0, 0.0);
      if (m == k || silent(V + m * size, dims)) continue;
      numbers[m] = through(V + m * size, row, x, dims);
      t[m] = dot(R + m * dims, x, dims) * (1.0 / numbers[m]);
    }
    adjust(C, k, numbers, t, y, H, E, dims);
    t[k] = make(1.0, 0.0);
    factor(C, H, numbers + dims, dims);
    for (int m = 0; m < dims; m++) x[m] = t[m];
    solve(H, numbers + dims, x, dims);
    double length = 0.0;
    for (int m = 0; m < dims; m++) length += (conj(t[m]) * x[m]).re;
    const double scale = 1.0 / sqrt(length);
    for (int i = 0; i < dims; i++) {
      cplx s = make(0.0, 0.0);
      for (int m = 0; m < dims; m++) s = s + conj(x[m]) * R[m * dims + i];
      y[i] = s * scale;
    }
    for (int m = 0; m < dims; m++)
      for (int i = 0; i < dims; i++) R[m * dims + i] = m == k ? y[i] : R[m * dims + i] - t[m] * row[i];
  }
}
