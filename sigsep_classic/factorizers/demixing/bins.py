"""Whitened bins, under the name this family knows them by; they live where all families may import them."""

from sigsep_classic.factorizers.bins import Bins, bins, covariances, independent_channels

__all__ = ["Bins", "bins", "covariances", "independent_channels"]
