"""Scores of named stems: references and estimates matched by name, metrics chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sigsep_classic.backend import is_torch, to_host
from sigsep_classic.checks import check_array, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.metrics._signals import Signals
from sigsep_classic.metrics.bss_eval_v4 import bss_eval_v4
from sigsep_classic.metrics.framewise import csdr, median_of_frames
from sigsep_classic.metrics.perceptual import estoi, pesq_nb, pesq_wb, stoi
from sigsep_classic.metrics.snr import sd_sdr, si_sdr, snr, usdr
from sigsep_classic.typing import Array


def _csdr_of_seconds(references: Signals, estimates: Signals, sample_rate: float) -> Array:
    return csdr(references, estimates, window=max(1, round(sample_rate)))


def _ratios(references: Signals, estimates: Signals, sample_rate: float) -> dict[str, Array]:
    """Return the medians over one-second frames of all that BSS Eval v4 gives, in one pass."""
    second = max(1, round(sample_rate))
    frames = bss_eval_v4(references, estimates, window=second, hop=second)
    return {
        name: median_of_frames(getattr(frames, field))
        for name, field in (("csdr", "sdr"), ("isr", "isr"), ("sir", "sir"), ("sar", "sar"))
    }


FILTERED = ("isr", "sir", "sar")
"""Metrics that need the filters of BSS Eval v4; one pass gives them all."""

METRICS: dict[str, Callable[[Signals, Signals, float], Array]] = {
    "snr": lambda references, estimates, _: snr(references, estimates),
    "si_sdr": lambda references, estimates, _: si_sdr(references, estimates),
    "sd_sdr": lambda references, estimates, _: sd_sdr(references, estimates),
    "usdr": lambda references, estimates, _: usdr(references, estimates),
    "csdr": _csdr_of_seconds,
    "isr": lambda references, estimates, rate: _ratios(references, estimates, rate)["isr"],
    "sir": lambda references, estimates, rate: _ratios(references, estimates, rate)["sir"],
    "sar": lambda references, estimates, rate: _ratios(references, estimates, rate)["sar"],
    "stoi": lambda references, estimates, rate: stoi(references, estimates, sample_rate=round(rate)),
    "estoi": lambda references, estimates, rate: estoi(references, estimates, sample_rate=round(rate)),
    "pesq_wb": lambda references, estimates, rate: pesq_wb(references, estimates, sample_rate=round(rate)),
    "pesq_nb": lambda references, estimates, rate: pesq_nb(references, estimates, sample_rate=round(rate)),
}
"""Metrics `scores` knows: name to a function of references, estimates and the sample rate in Hz. All are in dB but
those of speech, ``stoi`` and ``estoi`` (at most 1) and ``pesq_wb`` and ``pesq_nb`` (1 to 4.6)."""


def scores(
    references: Mapping[str, Array],
    estimates: Mapping[str, Array],
    *,
    metrics: Sequence[str] = ("si_sdr", "usdr", "csdr"),
    sample_rate: float,
) -> dict[str, dict[str, float]]:
    """Return ``{stem: {metric: value}}`` for every reference, its estimate found by name.

    Parameters
    ----------
    references : mapping of str to array, real
        True stems, each (channels, samples) or (samples,). NumPy, CuPy or PyTorch.
    estimates : mapping of str to array, real
        Estimated stems; every reference's name is among them. Further ones, say a residual, have
        no truth to be scored against and are passed over.
    metrics : sequence of str
        Names from `METRICS`.
    sample_rate : float, > 0
        Hz; frames of ``csdr``, ``isr``, ``sir`` and ``sar`` are one second.

    Returns
    -------
    dict of str to dict of str to float
        Stems in the order of the references, metrics as asked. ``csdr``, ``isr``, ``sir`` and ``sar`` follow
        museval: medians over frames of a second, and one in which one stem is silent counts for no stem, so they
        depend on which stems are given. ``isr``, ``sir`` and ``sar`` together cost one `bss_eval_v4`.

    Raises
    ------
    ParameterError
        An unknown metric, a missing estimate, no reference, or a sample rate that is not positive.
    ShapeError
        A stem and its estimate differ in shape.
    ArrayTypeError, NumericalError
        Samples are not real, or not finite.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ParameterError(f"metric {unknown[0]!r} is unknown; use some of {', '.join(METRICS)}")
    for name, x in [*references.items(), *estimates.items()]:
        if not is_torch(x):
            check_array(f"stem {name!r}", x, 1, 2, kinds="fdeghilqBHIL")
    missing = [name for name in references if name not in estimates]
    if missing or not references:
        have = ", ".join(estimates) or "none"
        raise ParameterError(
            f"no estimate for stem {missing[0]!r}; there are: {have}" if missing else "no stem"
        )
    check_range("sample_rate", sample_rate, 0, above=True)
    for name, reference in references.items():
        if reference.shape != estimates[name].shape:
            raise ShapeError(
                f"stem {name!r}: reference has shape {reference.shape} but estimate {estimates[name].shape}"
            )
    refs, ests = list(references.values()), [estimates[name] for name in references]
    together = _ratios(refs, ests, sample_rate) if any(name in FILTERED for name in metrics) else {}
    columns = {
        name: to_host(together[name] if name in together else METRICS[name](refs, ests, sample_rate))
        for name in metrics
    }
    return {
        stem: {name: float(column[n]) for name, column in columns.items()}
        for n, stem in enumerate(references)
    }
