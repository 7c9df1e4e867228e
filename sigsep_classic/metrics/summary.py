"""Scores of named stems: references and estimates matched by name, metrics chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.metrics._signals import Signals
from sigsep_classic.metrics.framewise import csdr
from sigsep_classic.metrics.snr import sd_sdr, si_sdr, snr, usdr
from sigsep_classic.typing import Array


def _csdr_of_seconds(references: Signals, estimates: Signals, sample_rate: float) -> Array:
    return csdr(references, estimates, window=max(1, round(sample_rate)))


METRICS: dict[str, Callable[[Signals, Signals, float], Array]] = {
    "snr": lambda references, estimates, _: snr(references, estimates),
    "si_sdr": lambda references, estimates, _: si_sdr(references, estimates),
    "sd_sdr": lambda references, estimates, _: sd_sdr(references, estimates),
    "usdr": lambda references, estimates, _: usdr(references, estimates),
    "csdr": _csdr_of_seconds,
}
"""Metrics `scores` knows: name to a function of references, estimates and the sample rate in Hz."""


def scores(
    references: Mapping[str, Array],
    estimates: Mapping[str, Array],
    *,
    metrics: Sequence[str] = ("si_sdr", "usdr", "csdr"),
    sample_rate: float,
) -> dict[str, dict[str, float]]:
    """Return ``{stem: {metric: dB}}`` for every reference, its estimate found by name.

    Parameters
    ----------
    references : mapping of str to array, real
        True stems, each (channels, samples) or (samples,). NumPy or CuPy.
    estimates : mapping of str to array, real
        Estimated stems; every reference's name is among them. Further ones, say a residual, have
        no truth to be scored against and are passed over.
    metrics : sequence of str
        Names from `METRICS`.
    sample_rate : float, > 0
        Hz; frames of ``csdr`` are one second.

    Returns
    -------
    dict of str to dict of str to float
        Stems in the order of the references, metrics as asked. ``csdr`` follows museval: a frame in
        which one stem is silent counts for no stem, so it depends on which stems are given.

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
    missing = [name for name in references if name not in estimates]
    if missing or not references:
        have = ", ".join(estimates) or "none"
        raise ParameterError(
            f"no estimate for stem {missing[0]!r}; there are: {have}" if missing else "no stem"
        )
    if not 0 < sample_rate < float("inf"):
        raise ParameterError(f"sample_rate={sample_rate} Hz; give a positive number")
    for name, reference in references.items():
        if reference.shape != estimates[name].shape:
            raise ShapeError(
                f"stem {name!r}: reference has shape {reference.shape} but estimate {estimates[name].shape}"
            )
    refs, ests = list(references.values()), [estimates[name] for name in references]
    columns = {name: to_host(METRICS[name](refs, ests, sample_rate)) for name in metrics}
    return {
        stem: {name: float(column[n]) for name, column in columns.items()}
        for n, stem in enumerate(references)
    }
