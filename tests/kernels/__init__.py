"""Each operation of `sigsep_classic.kernels` in every twin, against the naive loop in `tests.reference`."""
