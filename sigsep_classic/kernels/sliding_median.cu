// Running median along the middle axis of (batch, n, lanes). One thread slides a sorted window of SIZE values
// over `segment` outputs of one lane; neighbouring threads read neighbouring lanes.

__device__ __forceinline__ int reflected(int i, int n) {
  int r = i % (2 * n);
  if (r < 0) r += 2 * n;
  return r < n ? r : 2 * n - 1 - r;
}

extern "C" __global__ void sliding_median(const real* V, real* out, int n, int lanes, int segment) {
  const int lane = blockIdx.x * blockDim.x + threadIdx.x;
  if (lane >= lanes) return;
  const int first = blockIdx.y * segment;
  const int count = min(segment, n - first);
  const long long plane = (long long)blockIdx.z * n * lanes;
  const int half = SIZE / 2;
  const real inf = real(INFINITY);
  real state[SIZE + 1];
  for (int i = 0; i <= SIZE; i++) state[i] = inf;
  real leaving = inf;
  for (int step = 0; step < count + SIZE - 1; step++) {
    const real entering = V[plane + (long long)reflected(first + step - half, n) * lanes + lane];
    real before = -inf;
#if SIZE <= 64  // the whole window in registers
#pragma unroll
#endif
    for (int i = 0; i < SIZE; i++) {
      const real kept = state[i] < leaving ? state[i] : state[i + 1];
      const real low = kept < entering ? kept : entering;
      state[i] = before > low ? before : low;
      before = kept;
    }
    const int done = step - SIZE + 1;
    if (done >= 0) {
      out[plane + (long long)(first + done) * lanes + lane] = state[SIZE / 2];
      leaving = V[plane + (long long)reflected(first + done - half, n) * lanes + lane];
    }
  }
}
