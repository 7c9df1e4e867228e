"""What sparse coding found: atoms, and when and how strongly they sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.convolutive import shifts
from sigsep_classic.factorizers.models import Groups, check_groups, component_names
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class SparseCodingModel:
    """X ≈ Σ_k d_k * z_k: atoms moved to where their codes are not zero.

    Parameters
    ----------
    atoms : array (components, channels, freq, lags)
        Of norm one over the last three axes.
    codes : array (components, frames + lags - 1)
        How strongly each atom sounds from each frame on; the first entry stands for frame 1 - lags.
    signed : bool
        The parts are estimates of a waveform, not spectrograms that want a mask.
    penalty : float
        λ of the objective.
    losses : tuple of (int, float)
        Iteration number and objective.
    method : SparseCoding
        What found it.
    rest, value
        Of the solver between steps: what is left of the signal, and the objective.
    """

    atoms: Array
    codes: Array
    signed: bool
    penalty: float
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    method: Any = None
    rest: Array = None
    value: float | None = None

    stems = None

    @property
    def estimates(self) -> bool:
        """Whether `reconstruct` gives signed samples, not magnitudes."""
        return self.signed

    @property
    def residual(self) -> bool:
        """Whether what the atoms leave over is a stem of its own."""
        return self.signed

    @property
    def n_components(self) -> int:
        """Number of atoms."""
        return len(self.atoms)

    @property
    def n_frames(self) -> int:
        """Number of frames of the signal."""
        return int(self.codes.shape[1] - self.atoms.shape[3] + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """``component1 …``."""
        return component_names(self.n_components)

    @property
    def spectra(self) -> Array:
        """Magnitude spectrum of each atom, (freq, components): of waveforms by FFT, else summed over lags."""
        xp = namespace(self.atoms)
        A = (
            abs(fft_namespace(self.atoms).rfft(self.atoms[:, :, 0]))
            if self.signed
            else self.atoms.sum(axis=3)
        )
        return xp.sqrt((A * A).mean(axis=1)).T

    @property
    def energies(self) -> Array:
        """Sum of magnitudes of each component: of its codes times of its atom, (components,)."""
        return abs(self.codes).sum(axis=1) * abs(self.atoms).sum(axis=(1, 2, 3))

    def atom(self, k: int) -> Array:
        """Return atom k to listen to or plot: (channels, samples) of a waveform, else (channels, freq, frames)."""
        atom = self.atoms[self._checked(k)]
        return atom[:, 0] if self.signed else atom

    def firings(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return when atom k sounds and how strongly, on the host.

        Parameters
        ----------
        k : int
            0 … components - 1.

        Returns
        -------
        frames : int array (firings,)
            Frames its start falls on, rising; negative where it began before the signal.
        amplitudes : array (firings,)
            Its codes there.
        """
        z = to_host(self.codes[self._checked(k)])
        places = np.flatnonzero(z)
        return places - (self.atoms.shape[3] - 1), z[places]

    @property
    def context(self) -> int:
        """Frames of an atom: what comes before a block goes on in it."""
        return int(self.atoms.shape[3])

    def apply(self, X: Array) -> Self:
        """Return the model of another signal: its codes for the same atoms and the same λ.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Of the same front-end and at the same level, of any length.

        Returns
        -------
        SparseCodingModel
            With the same atoms, in their order.

        Raises
        ------
        ShapeError
            X has other channels or frequencies than the atoms.
        """
        found: Self = self.method.coded(X, self)
        return found

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return ``sum of d_k * z_k`` over each group, (groups, channels, freq, frames)."""
        xp, (_, n_channels, n_bins, n_lags) = namespace(self.atoms), self.atoms.shape
        wanted = check_groups(groups, self.names)
        shape = (n_channels, n_bins, self.n_frames)
        out = xp.zeros((len(wanted), *shape), dtype=self.atoms.dtype)
        for n, members in enumerate(wanted.values()):
            if members:
                D = self.atoms[members].reshape(len(members), -1, n_lags)
                Y = shifts.render(D, self.codes[members])
                out[n] = Y[:, n_lags - 1 : n_lags - 1 + self.n_frames].reshape(shape)
        return out if self.signed else xp.maximum(out, 0)  # FFTs round to either side of zero

    def canonical(self, *, turn: bool) -> Self:
        """Return the same model, loudest atom first; with ``turn``, the largest sample of each atom is positive."""
        order = np.argsort(-to_host(self.energies), kind="stable")
        atoms, codes = self.atoms[order], self.codes[order]
        if turn:
            xp = namespace(atoms)
            flat = atoms.reshape(len(atoms), -1)
            largest = xp.take_along_axis(flat, abs(flat).argmax(axis=1)[:, None], axis=1)[:, 0]
            signs = xp.where(largest < 0, -1, 1).astype(atoms.dtype)
            atoms, codes = atoms * signs[:, None, None, None], codes * signs[:, None]
        return replace(self, atoms=atoms, codes=codes)

    def _checked(self, k: int) -> int:
        if not 0 <= k < self.n_components:
            raise ParameterError(f"there is no atom {k}; the model has 0 … {self.n_components - 1}")
        return k
