"""The naive loop of each operation in ``sigsep_classic.kernels``: slow, in float64 where it helps, and plain."""
