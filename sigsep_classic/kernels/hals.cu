// Coordinate descent over components for independent rows: one thread a row, one block 64 of them.
// A and cross are (components, rows), so that threads side by side read side by side.

extern "C" __global__ void hals(real* A, const real* gram, const real* cross, int n_rows, int n_k, int n_sweeps,
                                real l1, real least) {
  SHARED_ARRAY(real, changes, 64);
  const int row = blockIdx.x * 64 + threadIdx.x;
  const bool mine = row < n_rows;
  real first = real(0);
  for (int sweep = 0; sweep < n_sweeps; sweep++) {
    real change = real(0);
    for (int k = 0; mine && k < n_k; k++) {
      const real own = gram[(long long)k * n_k + k];
      if (!(own > real(0))) continue;
      real rest = cross[(long long)k * n_rows + row] - l1;
      for (int j = 0; j < n_k; j++) rest -= gram[(long long)k * n_k + j] * A[(long long)j * n_rows + row];
      const real old = A[(long long)k * n_rows + row];
      real moved = old + rest / own;
      if (!(moved > real(0))) moved = real(0);
      A[(long long)k * n_rows + row] = moved;
      change += (moved - old) * (moved - old);
    }
    changes[threadIdx.x] = change;
    __syncthreads();
    real total = real(0);
    for (int r = 0; r < 64; r++) total += changes[r];
    __syncthreads();
    if (sweep == 0) first = total;
    if (total <= least * first) break;  // the same for the whole block
  }
}
