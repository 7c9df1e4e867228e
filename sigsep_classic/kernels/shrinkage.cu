// One pass of robust PCA: next multiplier B = (M - A) shrink, next M = A + clip(D - A + B), sum of (M - A - B)^2.

extern "C" __global__ void shrinkage(const real* D, const real* A, const real* M, const real* B, real* M_out,
                                     real* B_out, long long size, real shrink, real threshold, real* sums) {
  const long long start = (long long)blockIdx.x * blockDim.x * EACH + threadIdx.x;
  real total = real(0);
  for (int j = 0; j < EACH; j++) {
    const long long i = start + (long long)j * blockDim.x;
    if (i >= size) break;
    const real a = A[i];
    const real b = (M[i] - a) * shrink;
    const real w = D[i] - a + b;
    const real kept = w > threshold ? threshold : w < -threshold ? -threshold : w;
    total += (kept - b) * (kept - b);
    B_out[i] = b;
    M_out[i] = a + kept;
  }
  sums[(long long)blockIdx.x * blockDim.x + threadIdx.x] = total;
}
