// From an entry of V and its model to what multiplicative updates of any beta-divergence contract; see ratios.py.
// kind 0: Itakura-Saito, 1: Kullback-Leibler, 3: beta = 0.5, 4: beta = 1.5, 5: Euclidean, 2: any beta.
__device__ __forceinline__ void beta_ratios(real value, real model, int kind, real beta, real least, real* above,
                                            real* below) {
  if (kind == 1) {
    *above = value / model;
    *below = real(1);
  } else if (kind == 0) {
    const real inverse = real(1) / model;
    *above = (value > least ? value : least) * inverse * inverse;
    *below = inverse;
  } else if (kind == 3) {
    const real inverse = real(1) / model;
    *below = sqrt(inverse);
    *above = value * inverse * *below;
  } else if (kind == 4) {
    *below = sqrt(model);
    *above = value / *below;
  } else if (kind == 5) {
    *below = model;
    *above = value;
  } else {
    const real power = pow(model, beta - real(1));
    *below = power;
    *above = (beta < real(0) && value < least ? least : value) * power / model;
  }
}
