"""Recipes: what takes several transforms or methods. `BSS` is the blind separation of a room by several microphones.

A recipe is used like a factorizer. On coefficients somebody has made, `fit` works with what it is given; on samples,
`fit_samples` chooses the transform too.
"""

from sigsep_classic.recipes.bss import BSS

__all__ = ["BSS"]
