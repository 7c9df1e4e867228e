"""Ideal components: factorizations that were told the truth, and blind ones put in order by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigsep_classic import grouping, masking, permutation
from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.demixing.fdica import FDICA
from sigsep_classic.factorizers.lowrank.nmf import NMF
from sigsep_classic.oracle._truth import SISEC_STFT, analyzed
from sigsep_classic.typing import Array, FrontEnd

SUPERVISED = NMF(n_components=16)
"""So many templates of each stem."""

BLIND = NMF(n_components=32)
"""So many components of the mixture."""


def supervised_nmf(
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    method: Any = SUPERVISED,
    frontend: FrontEnd = SISEC_STFT,
) -> dict[str, Array]:
    """Return the stems of Wiener masks whose models are factorizations of the true stems.

    Templates and activations are those of each stem alone, so no method that models stems by so many components,
    however it finds them, has a better start. A dictionary alone, with activations from the mixture, is
    ``NMF(...).with_examples``.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    method : Factorizer
        Factorizes one stem at a time into a non-negative model, such as `NMF`.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates, which sum to the mixture.

    Raises
    ------
    ParameterError
        There are no stems.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.
    """
    truth = analyzed(mixture, stems, frontend)
    xp = namespace(truth.X)
    models = [method.fit(frontend.analyze(stem)) for stem in stems.values()]
    V = xp.stack([model.reconstruct({"stem": range(model.n_components)})[0] for model in models])
    return truth.masked(masking.wiener(V, power=models[0].power))


def grouped_components(
    mixture: Array, stems: Mapping[str, Array], *, method: Any = BLIND, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return the stems of a blind factorization whose components are told apart by the truth.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems, which say where components belong (`grouping.by_reference`).
    method : Factorizer
        With a model of components, such as `NMF`.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; those of masks sum to the mixture.

    Raises
    ------
    ParameterError
        There are no stems.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.
    """
    truth = analyzed(mixture, stems, frontend)
    model = method.fit(truth.X)
    groups = grouping.by_reference(model, dict(zip(truth.names, truth.coefficients(), strict=True)))
    Y = model.reconstruct(groups)
    return truth.synthesized(Y) if Y.dtype.kind == "c" else truth.masked(masking.wiener(Y, power=model.power))


def ordered_bins(
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    method: Any = None,
    frontend: FrontEnd = SISEC_STFT,
) -> dict[str, Array]:
    """Return the stems of a demixing frequency by frequency whose outputs are put in order by the truth.

    What is lost to `ideal_demixing` is the demixing's; what a permutation solver loses to this, its own.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems, as many as the method finds sources.
    method : Factorizer, optional
        Whose model's ``reconstruct()`` is complex images (sources, channels, freq, frames); their order in each
        frequency means nothing. Default: `FDICA` without its permutation.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates.

    Raises
    ------
    ParameterError
        There are no stems, or not as many as sources.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.
    """
    truth = analyzed(mixture, stems, frontend)
    Y = (FDICA(permutation=None) if method is None else method).fit(truth.X).reconstruct()
    if len(Y) != len(stems):
        raise ParameterError(f"{len(stems)} stems were given and {len(Y)} sources found; give as many stems")
    # Channels side by side as more frames: every channel has a say in which output is which stem.
    Y_nfs, S_nfs = (A.swapaxes(1, 2).reshape(len(A), A.shape[2], -1) for A in (Y, truth.coefficients()))
    order = permutation.solve(Y_nfs, solver="oracle", truth=S_nfs)
    found = permutation.apply(order, Y_nfs)
    return truth.synthesized(found.reshape(len(Y), Y.shape[2], Y.shape[1], -1).swapaxes(1, 2))
