// out = A^p / (A^p + (margin B)^p); kind 0: p = inf, 1: p = 1, 2: p = 2, 3: any p.

extern "C" __global__ void soft_mask(const real* A, const real* B, real* out, long long size, int kind,
                                     real power, real margin, real split) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real a = A[i];
  const real b = margin * B[i];
  const real top = a > b ? a : b;
  real share;
  if (top == real(0)) {
    share = split;
  } else if (kind == 2) {
    const real r = (a > b ? b : a) / top;
    const real large = real(1) / (real(1) + r * r);
    share = a > b ? large : real(1) - large;
  } else if (kind == 1) {
    const real u = a / top;
    share = u / (u + b / top);
  } else if (kind == 0) {
    share = a > b ? real(1) : real(0);
  } else {
    const real u = pow(a / top, power);
    const real v = pow(b / top, power);
    share = u / (u + v);
  }
  out[i] = share;
}
