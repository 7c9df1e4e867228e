"""Sounds to separate whose true stems are known."""

from sigsep_classic.datasets.synthetic import VARIANTS, Mixture, synthesize

__all__ = ["VARIANTS", "Mixture", "synthesize"]
