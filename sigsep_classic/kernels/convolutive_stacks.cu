// Tiles of W * H: rows that overlap are copied out one after the other, the ratios of a tile, and rows added back.
// A block is columns by rows; threads next to each other have neighbouring columns.

#include "beta_entry.cuh"
#include "beta_ratios.cuh"

#define THREADS 256

// out[r, g, c] = A[g * apart + (first + r) * step + c] for c < run.
extern "C" __global__ void stack(const real* A, real* out, int rows, int groups, int run, long long first,
                                 long long step, long long apart) {
  const long long column = (long long)blockIdx.x * blockDim.x + threadIdx.x, width = (long long)groups * run;
  if (column >= width) return;
  const real* from = A + column / run * apart + column % run;
  for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += (long long)gridDim.y * blockDim.y)
    out[r * width + column] = from[(first + r) * step];
}

// The model in P becomes V^(beta-1) there and the ratio in N; for kind 1 the ratio alone, in P.
extern "C" __global__ void ratios(const real* V, real* N, real* P, int rows, int columns, long long first_row,
                                  long long first_column, long long stride, int kind, real beta, real gain,
                                  real floor_, real least) {
  const long long c = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= columns) return;
  for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += (long long)gridDim.y * blockDim.y) {
    const long long i = r * columns + c;
    const real model = P[i] > floor_ ? P[i] : floor_;
    real above, below;
    beta_ratios(V[(first_row + r) * stride + first_column + c] * gain, model, kind, beta, least, &above, &below);
    if (kind != 1) N[i] = above;
    P[i] = kind == 1 ? above : below;
  }
}

// total[first + r, c] += sum over j of part[r - j, j, c]: rows r of `rows`, of which the last lags - 1 come from others.
extern "C" __global__ void overlap_add(const real* part, real* total, int rows, int lags, int columns,
                                       long long first) {
  const long long c = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= columns) return;
  const long long all = (long long)rows + lags - 1, width = (long long)lags * columns;
  for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < all; r += (long long)gridDim.y * blockDim.y) {
    real sum = real(0);
    const int begin = r >= rows ? (int)(r - rows + 1) : 0, end = r < lags ? (int)r + 1 : lags;
    for (int j = begin; j < end; j++) sum += part[(r - j) * width + (long long)j * columns + c];
    total[(first + r) * columns + c] += sum;
  }
}

// A (numerator / denominator)^exponent, in place: entries without denominator stay, those below tiny become 0.
extern "C" __global__ void multiply(real* A, const real* numerator, const real* denominator, long long size,
                                    real exponent, real tiny) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size || !(denominator[i] > real(0))) return;
  const real share = numerator[i] / denominator[i];
  const real value = A[i] * (exponent == real(1) ? share : pow(share, exponent));
  A[i] = value >= tiny ? value : value - value;  // NaN stays
}

// Sums of the beta-divergence, one a block, in a fixed order. Block (x, y): THREADS columns of `stretch` rows; V
// (., stride) from its corner on, M (rows, columns) the model.
extern "C" __global__ void partial_sums(const real* V, const real* M, double* sums, int rows, int columns,
                                        long long first_row, long long first_column, long long stride, int stretch,
                                        int kind, long long beta_bits, real gain, real floor_, real least) {
  SHARED_ARRAY(double, held, THREADS);
  const double beta = __longlong_as_double(beta_bits);
  const int thread = threadIdx.x;
  const long long c = (long long)blockIdx.x * THREADS + thread;
  const long long begin = (long long)blockIdx.y * stretch, end = begin + stretch < rows ? begin + stretch : rows;
  double total = 0.0;
  if (c < columns)
    for (long long r = begin; r < end; r++) {
      const long long cell = (first_row + r) * stride + first_column + c;
      total += beta_entry(V[cell] * gain, M[r * columns + c], kind, beta, floor_, least);
    }
  held[thread] = total;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) held[thread] += held[thread + half];
  }
  if (thread == 0) sums[(long long)blockIdx.y * gridDim.x + blockIdx.x] = held[0];
}
