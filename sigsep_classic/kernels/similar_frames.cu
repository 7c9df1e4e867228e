// One block per row of S (rows, n): mark the local maxima, then give each its rank among them by counting.

extern "C" __global__ void similar_frames(const real* S, real* peaks, int* frames, int* counts, int n,
                                          int number, int distance, real threshold) {
  SHARED_ARRAY(int, found, 1);
  const real* row = S + (long long)blockIdx.x * n;
  real* peak = peaks + (long long)blockIdx.x * n;
  if (threadIdx.x == 0) found[0] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const real value = row[i];
    bool highest = value >= threshold;
    for (int d = 1; highest && d <= distance; d++) {
      if (i - d >= 0 && !(value > row[i - d])) highest = false;  // as is one beside a NaN
      if (i + d < n && !(value > row[i + d])) highest = false;
    }
    peak[i] = highest ? value : real(-2);
    if (highest) atomicAdd(&found[0], 1);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const real value = peak[i];
    if (value < real(-1)) continue;
    int rank = 0;
    for (int j = 0; j < n; j++) rank += peak[j] > value || (peak[j] == value && j < i);
    if (rank < number) frames[(long long)blockIdx.x * number + rank] = i;
  }
  if (threadIdx.x == 0) counts[blockIdx.x] = min(found[0], number);
}
