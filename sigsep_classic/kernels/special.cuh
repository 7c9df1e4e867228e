// Polynomials good to 1e-6 (Abramowitz & Stegun 1964), the numbers of special.py.

template <int n>
__device__ __forceinline__ real polynomial(const real (&c)[n], real x) {
  real p = c[0];
#pragma unroll
  for (int i = 1; i < n; i++) p = p * x + c[i];
  return p;
}

// E1(x) = integral from x to infinity of e^-t / t, x > 0 (5.1.53 and 5.1.56).
__device__ __forceinline__ real exponential_integral(real x) {
  if (x <= real(1)) {
    const real c[] = {real(0.00107857),  real(-0.00976004), real(0.05519968),
                      real(-0.24991055), real(0.99999193),  real(-0.57721566)};
    return polynomial(c, x) - log(x);
  }
  const real a[] = {real(1), real(8.5733287401), real(18.0590169730), real(8.6347608925), real(0.2677737343)};
  const real b[] = {real(1), real(9.5733223454), real(25.6329561486), real(21.0996530827), real(3.9584969228)};
  return exp(-x) * polynomial(a, x) / (polynomial(b, x) * x);
}

// e^-x I0(x), x >= 0 (9.8.1 and 9.8.2).
__device__ __forceinline__ real bessel_i0e(real x) {
  if (x <= real(3.75)) {
    const real c[] = {real(0.0045813), real(0.0360768), real(0.2659732), real(1.2067492),
                      real(3.0899424), real(3.5156229), real(1)};
    const real u = x / real(3.75);
    return polynomial(c, u * u) * exp(-x);
  }
  const real c[] = {real(0.00392377),  real(-0.01647633), real(0.02635537), real(-0.02057706), real(0.00916281),
                    real(-0.00157565), real(0.00225319),  real(0.01328592), real(0.39894228)};
  return polynomial(c, real(3.75) / x) / sqrt(x);
}

// e^-x I1(x), x >= 0 (9.8.3 and 9.8.4).
__device__ __forceinline__ real bessel_i1e(real x) {
  if (x <= real(3.75)) {
    const real c[] = {real(0.00032411), real(0.00301532), real(0.02658733), real(0.15084934),
                      real(0.51498869), real(0.87890594), real(0.5)};
    const real u = x / real(3.75);
    return x * polynomial(c, u * u) * exp(-x);
  }
  const real c[] = {real(-0.00420059), real(0.01787654),  real(-0.02895312), real(0.02282967), real(-0.01031555),
                    real(0.00163801),  real(-0.00362018), real(-0.03988024), real(0.39894228)};
  return polynomial(c, real(3.75) / x) / sqrt(x);
}

// The gain of log-MMSE at an a-priori and an a-posteriori SNR, at most one.
__device__ __forceinline__ real log_mmse(real prior, real posterior) {
  const real w = prior / (real(1) + prior);
  const real g = w * exp(real(0.5) * exponential_integral(w * max(posterior, real(1e-8))));
  return min(g, real(1));
}
