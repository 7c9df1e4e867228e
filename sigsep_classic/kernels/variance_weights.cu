// One thread a cell: G'(p / r) / r with p = c P and r = FLOOR + sum over k of t_k v_k.

extern "C" __global__ void variance_weights(const real* P, const real* scales, const real* T,
                                            const real* V, const real* share, real* weights, int sources, int freq,
                                            int frames, int components, int sets, int tiles, int kind, real shape,
                                            real exponent, real least, real low) {
  const int row = blockIdx.x / tiles;  // source and bin
  const int t = (blockIdx.x % tiles) * blockDim.x + threadIdx.x;
  if (t >= frames) return;
  const int n = row / freq, f = row % freq;
  const real* templates = T + (long long)row * components;
  const real* activations = V + (long long)(n % sets) * components * frames;
  real r = low;
  for (int k = 0; k < components; k++) r += templates[k] * activations[(long long)k * frames + t];
  const long long cell = (long long)row * frames + t;
  real g = real(1);
  if (kind != 0) {
    const real x = scales[row] * (P[cell] > real(0) ? P[cell] : real(0)) / r;
    const real above = x > least ? x : least;
    if (kind == 1)
      g = (shape + real(2)) / (shape + real(2) * x);
    else
      g = shape / real(2) * pow(above, exponent);
  }
  weights[cell] = share[f] * g / r;
}
