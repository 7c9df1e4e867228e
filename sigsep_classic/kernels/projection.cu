// out = V D / |D|, D = C - ahead B; V where D is 0. Complex numbers are pairs.

extern "C" __global__ void projection(const real* V, const real* C, const real* B, real ahead, real* out,
                                      long long size) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real a = C[2 * i] - ahead * B[2 * i];
  const real b = C[2 * i + 1] - ahead * B[2 * i + 1];
  const real p = a < real(0) ? -a : a, q = b < real(0) ? -b : b;
  const real top = p > q ? p : q;
  if (top == real(0)) {
    out[2 * i] = V[i];
    out[2 * i + 1] = real(0);
    return;
  }
  const real u = a / top, w = b / top;  // squares do not underflow
  const real scale = V[i] / sqrt(u * u + w * w);
  out[2 * i] = scale * u;
  out[2 * i + 1] = scale * w;
}
