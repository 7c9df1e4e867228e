// What a sweep does between its passes over the data: rows and templates on a common scale, multiplicative updates.

// Thread (f, n): row n of R gets length one, and the templates of source n in bin f are divided by its square.
extern "C" __global__ void normalize(double* R, const real* T, real* scaled, real* scales, int freq, int sources,
                                     int dims, int components) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (long long)freq * sources) return;
  const long long f = i / sources, n = i % sources, row = n * freq + f;
  double* own = R + i * dims * 2;
  double unit = 0.0;
  for (int c = 0; c < 2 * dims; c++) unit += own[c] * own[c];
  const double length = sqrt(unit);
  for (int c = 0; c < 2 * dims; c++) own[c] /= length;
  scales[row] = (real)(1.0 / unit);
  for (int k = 0; k < components; k++) scaled[row * components + k] = T[row * components + k] / (real)unit;
}

// factor (above / below)^exponent, the ratio within 1 / largest ... largest; the factor where `below` is 0.
extern "C" __global__ void raised(const real* factor, const real* sums, real* out, long long size, real exponent,
                                  real largest) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const real above = sums[i], below = sums[size + i];
  real ratio = below > real(0) ? above / below : real(1);
  ratio = ratio < real(1) / largest ? real(1) / largest : ratio > largest ? largest : ratio;
  out[i] = factor[i] * (exponent == real(0.5) ? sqrt(ratio) : exponent == real(1) ? ratio : pow(ratio, exponent));
}
