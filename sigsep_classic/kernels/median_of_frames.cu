// out[c, i, f] = median over r < counts[i] of V[c, frames[i, r], f], V non-negative, one thread per (i, f).
// The bits of a non-negative float order like an integer, so the wanted rank is found bit by bit, most
// significant first, by counting; no thread keeps the values.

__device__ __forceinline__ unsigned long long bits_of(float v) { return (unsigned long long)__float_as_uint(v); }
__device__ __forceinline__ unsigned long long bits_of(double v) {
  return (unsigned long long)__double_as_longlong(v);
}

extern "C" __global__ void median_of_frames(const real* V, const int* frames, const int* counts, real* out,
                                            int n_frames, int n_bins, int n_lists, int longest) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= n_bins) return;
  for (int i = blockIdx.y; i < n_lists; i += gridDim.y) {
    const real* plane = V + (long long)blockIdx.z * n_frames * n_bins + f;
    const int* list = frames + (long long)i * longest;
    const int count = counts[i];
    int rank = (count - 1) / 2;
    unsigned long long prefix = 0;
    for (int bit = 8 * (int)sizeof(real) - 2; bit >= 0; bit--) {
      int below = 0;
      for (int r = 0; r < count; r++) {
        const unsigned long long value = bits_of(plane[(long long)list[r] * n_bins]);
        below += (value >> bit) == (prefix >> bit);
      }
      if (rank >= below) {
        rank -= below;
        prefix |= 1ull << bit;
      }
    }
    real low = real(0);
    real next = real(INFINITY);
    int at_most = 0;
    for (int r = 0; r < count; r++) {
      const real v = plane[(long long)list[r] * n_bins];
      const unsigned long long value = bits_of(v);
      if (value == prefix) low = v;
      if (value <= prefix) at_most++;
      else if (v < next) next = v;
    }
    const real high = at_most > count / 2 ? low : next;
    const real middle = count % 2 ? low : (low + high) * real(0.5);
    out[((long long)blockIdx.z * n_lists + i) * n_bins + f] = middle;
  }
}
