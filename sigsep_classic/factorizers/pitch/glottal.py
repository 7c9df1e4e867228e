"""Fixed dictionaries of a voice: spectra of a glottal source at each pitch, and smooth pieces of a filter."""

from __future__ import annotations

import numpy as np

from sigsep_classic.factorizers.pitch.axis import LOBE, spacing_of


def glottal_harmonics(n_harmonics: int, open_quotient: float) -> np.ndarray:
    """Return the power of the harmonics 1 … of the derivative of KLGLOTT88's glottal flow, (n_harmonics,) float64.

    The flow of a period of length one is t² - t³ / O while the glottis is open, t < O, and 0 after.

    Parameters
    ----------
    n_harmonics : int
        At least 1.
    open_quotient : float
        O, more than 0 and at most 1.

    References
    ----------
    D. H. Klatt and L. C. Klatt, "Analysis, synthesis, and perception of voice quality variations among female and
    male talkers", J. Acoust. Soc. Am. 87(2), 1990 (equation numbers not checked).
    """
    s, O = 2j * np.pi * np.arange(1, n_harmonics + 1), open_quotient
    # ∫ p e^(-st) dt = -(p/s + p'/s² + p''/s³) e^(-st) for the quadratic p = 2 t - 3 t² / O
    closing = (O / s + 4 / s**2 + 6 / (O * s**3)) * np.exp(-s * O)
    return abs(closing + 2 / s**2 - 6 / (O * s**3)) ** 2


def glottal_spectra(pitches: np.ndarray, hertz: np.ndarray, *, open_quotient: float) -> np.ndarray:
    """Return W_F0, the power spectrum of a glottal source at each pitch, (freq, candidates) float64, at most 1.

    Each harmonic is the main lobe of a Hann window as wide as neighbouring bins say; other lobes are left out.

    Parameters
    ----------
    pitches : ndarray (candidates,)
        In Hz.
    hertz : ndarray (freq,)
        Bins in Hz, rising.
    open_quotient : float
        Of `glottal_harmonics`.
    """
    W = np.zeros((len(hertz), len(pitches)))
    if len(pitches) == 0:
        return W
    reach = LOBE * spacing_of(hertz)
    power = glottal_harmonics(int(hertz[-1] / pitches[0]) + 2, open_quotient)
    for k, pitch in enumerate(pitches):
        nearest = np.maximum(np.rint(hertz / pitch), 1).astype(int)
        for order in (nearest - 1, nearest, nearest + 1):  # lobes of low pitches overlap
            heard = (order >= 1) & (abs(hertz - order * pitch) < reach)
            away = (hertz - order * pitch)[heard] / (reach[heard] / LOBE)
            W[heard, k] += power[order[heard] - 1] * hann_lobe(away)
    return W / W.max(axis=0)


def hann_lobe(bins: np.ndarray) -> np.ndarray:
    """Return the power of a Hann window's spectrum so many bins from its centre, where it is 1."""
    near = np.isclose(abs(bins), 1, atol=1e-6)
    return np.where(near, 0.5, np.sinc(bins) / (1 - np.where(near, 0, bins) ** 2)) ** 2


def smooth_bumps(hertz: np.ndarray, n_bumps: int) -> np.ndarray:
    """Return W_Γ, Hann bumps that half cover one another, (freq, bumps) float64; they add up to one at each bin.

    They are spaced evenly in equivalent rectangular bandwidths, so that formants are resolved where they are narrow;
    the papers space them evenly in Hz.

    Parameters
    ----------
    hertz : ndarray (freq,)
        Bins in Hz, rising; none for a front-end with one frequency, which has one bump.
    n_bumps : int
        Number of bumps, at least 1.

    References
    ----------
    B. R. Glasberg and B. C. J. Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing
    Research 47, 1990: the scale.
    """
    if len(hertz) < 2 or n_bumps == 1:
        return np.ones((max(len(hertz), 1), 1))
    rate = 21.4 * np.log10(1 + 0.00437 * hertz)
    centres = np.linspace(rate[0], rate[-1], n_bumps)
    away = (rate[:, None] - centres) / (centres[1] - centres[0])
    return np.cos((np.pi / 2) * np.clip(away, -1, 1)) ** 2
