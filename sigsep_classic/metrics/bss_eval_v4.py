"""BSS Eval v4: SDR, ISR, SIR and SAR of each source in each frame, as the package museval defines them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.metrics._energies import Energies, Pairs, assignment
from sigsep_classic.metrics._frames import Filters, frame, warn_of_edges
from sigsep_classic.metrics._signals import Signals, pair, require_alike
from sigsep_classic.metrics._whole import whole
from sigsep_classic.metrics.framewise import SILENCE, n_frames
from sigsep_classic.typing import Array


class BSSEvalFrames(NamedTuple):
    """Scores in dB, each (sources, frames) float64, NaN in frames that do not count.

    ``permutation`` is the estimate each source was given: (sources,) int, or (sources, frames) with
    ``framewise_filters``.
    """

    sdr: Array
    isr: Array
    sir: Array
    sar: Array
    permutation: Array


def bss_eval_v4(
    references: Signals,
    estimates: Signals,
    *,
    window: int | None = 44100,
    hop: int | None = 44100,
    filter_length: int = 512,
    framewise_filters: bool = False,
    permute: bool = False,
    silent: str = "museval",
    load: float | None = None,
) -> BSSEvalFrames:
    """Return SDR, ISR, SIR and SAR of BSS Eval v4: filters of the whole signal, ratios of energies in frames.

    With ``P_j ŝ`` the estimate projected on the channels of source j at delays 0 … filter_length − 1, and
    ``P ŝ`` on those of all sources: ``SDR = ‖s‖² / ‖ŝ − s‖²``, ``ISR = ‖s‖² / ‖P_j ŝ − s‖²``,
    ``SIR = ‖P_j ŝ‖² / ‖P ŝ − P_j ŝ‖²``, ``SAR = ‖P ŝ‖² / ‖ŝ − P ŝ‖²``, in dB. The filters that project are found
    on the whole signal and then applied to each frame as if there were nothing around it. The defaults are
    museval's, and so are the numbers; museval itself needs many times as long.

    A track's score is the median over the frames that are not NaN (`csdr` is that of the SDR).

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples), all sources of one shape; (sources, samples) has one channel, (samples,)
        one source and one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or
        PyTorch.
    window : int, >= 1, or None
        Samples in a frame; None is one frame, the whole signal, in which frames have no edges.
    hop : int, >= 1, or None
        Samples from one frame's start to the next; None is ``window``.
    filter_length : int, >= 1
        Taps of the filters from each reference channel to each estimated one. Where taps times all references'
        channels exceed the samples, any estimate can be put together: SIR and SAR then mean nothing.
    framewise_filters : bool
        Find the filters in each frame anew, as BSS Eval v3 does.
    permute : bool
        Give estimates to sources so that the mean SIR over the frames that count is largest (in each frame,
        with ``framewise_filters``), by the Hungarian method. Where museval meets a silent frame, it permutes
        nothing. False: estimates are in the order of the references.
    silent : {"museval", "per_source", "energy"}
        Which values become NaN.

        * ``"museval"``, as published tables have it: the whole frame, if in any reference or any
          estimate the channels sum to 0 at every sample. So one silent stem hides all others, a
          silent *estimate* hides a frame from scoring, and L = −R counts as silent.
        * ``"per_source"``: the same test, but a source hides its own values only.
        * ``"energy"``: a source's values if its reference has no energy. L = −R is sound, and a
          silent estimate of a sounding reference has 0 dB SDR and ISR, and neither SIR nor SAR.
    load : float, >= 0, or None
        Share of each reference channel's power added to the diagonal of the equations for the filters. None adds
        none, is exact, and warns in the log where delayed references depend on each other: filters are large
        then, and cancel within the signal but not at the edges of a frame, which then dominate SIR and SAR. 1e-6
        prevents that; it moved the SIR of well-conditioned sounds by up to 0.15 dB, and SAR and ISR by less.

    Returns
    -------
    BSSEvalFrames
        On the inputs' device (NumPy for PyTorch on the host). A stem that is silent throughout is no error; of one
        source, or one that alone sounds, the SIR is inf.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, sources differ in shape, or numbers are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018 (package
    museval, 0.4.1).
    R. Scheibler, "SDR — Medium rare with fast computations", ICASSP 2022 (norms of projections by correlations).

    Examples
    --------
    >>> import numpy as np
    >>> from sigsep_classic.metrics import bss_eval_v4
    >>> stems = np.random.default_rng(0).standard_normal((2, 2, 16000))
    >>> found = bss_eval_v4(stems, stems + 0.1 * stems[::-1], window=8000, hop=8000, filter_length=4)
    >>> found.sir.round().tolist()
    [[20.0, 20.0], [20.0, 20.0]]
    """
    check_count("filter_length", filter_length)
    check_choice("silent", silent, SILENCE)
    if load is not None:
        check_range("load", load, 0)
    refs, ests = pair(references, estimates)
    require_alike(refs)
    samples = refs[0].shape[-1]
    window = samples if window is None else window
    hop = window if hop is None else hop
    check_count("window", window)
    check_count("hop", hop)
    n = len(refs)
    pairs = [(j, e) for j in range(n) for e in range(n) if permute or j == e]
    spans = [slice(t * hop, min(t * hop + window, samples)) for t in range(n_frames(samples, window, hop))]
    energies = _energies(refs, ests, spans, filter_length, framewise_filters, load or 0.0, pairs)
    xp = namespace(refs[0])
    table = xp.where(_hidden(energies, silent), float("nan"), energies.ratios())
    if silent != "museval":
        table[2] = xp.where(energies.own + energies.interference == 0, float("nan"), table[2])
        table[3] = xp.where((energies.joint + energies.artefact == 0)[None], float("nan"), table[3])
    permutation = _permutation(table[2], each=framewise_filters) if permute else _in_order(table[2])
    chosen = xp.take_along_axis(table, xp.asarray(permutation)[None, :, None, :], axis=2)[:, :, 0]
    sdr, isr, sir, sar = chosen
    permutation = permutation if framewise_filters else permutation[:, 0]
    return BSSEvalFrames(sdr, isr, sir, sar, xp.asarray(permutation))


def _energies(
    refs: list[Array],
    ests: list[Array],
    spans: list[slice],
    taps: int,
    framewise_filters: bool,
    load: float,
    pairs: Pairs,
) -> Energies:
    """Return the energies of all frames, frames last."""
    xp, samples, longest = namespace(refs[0]), refs[0].shape[-1], spans[0].stop
    parts = (([x[:, span] for x in refs], [x[:, span] for x in ests]) for span in spans)
    if framewise_filters or longest == samples:
        frames = [whole(*part, taps, load, pairs) for part in parts]
        return Energies(*(xp.stack(column, axis=-1) for column in zip(*frames, strict=True)))
    n_fft = 2 * fft_namespace(refs[0]).next_fast_len((longest + taps) // 2, real=True)
    filters = Filters(refs, ests, taps, load, pairs, n_fft)
    frames = [frame(*part, filters) for part in parts]
    energies = Energies(*(xp.stack(column, axis=-1) for column in zip(*frames, strict=True)))
    warn_of_edges(energies, filters, len(spans) * longest / samples)
    return energies


def _hidden(energies: Energies, silent: str) -> Array:
    """Return which (source, estimate, frame) do not count."""
    xp = namespace(energies.own)
    if silent == "energy":
        hidden = (energies.reference == 0)[:, None]
    else:
        hidden = energies.silent_reference[:, None] | energies.silent_estimate[None]
        if silent == "museval":
            hidden = hidden.any(axis=(0, 1), keepdims=True)
    return xp.broadcast_to(hidden, energies.own.shape)


def _in_order(sir: Array) -> np.ndarray:
    return np.repeat(np.arange(sir.shape[0])[:, None], sir.shape[-1], axis=1)


def _permutation(sir: Array, *, each: bool) -> np.ndarray:
    """Return the estimate of each source (sources, frames), one permutation for all frames or one each."""
    sir = to_host(sir)
    if each:
        return np.stack([assignment(sir[..., t]) for t in range(sir.shape[-1])], axis=-1)
    there = ~np.isnan(sir)
    bounded = np.nan_to_num(sir, nan=0.0, posinf=1e3, neginf=-1e3)
    mean = np.where(there.any(axis=-1), bounded.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1), np.nan)
    return np.repeat(assignment(mean)[:, None], sir.shape[-1], axis=1)
