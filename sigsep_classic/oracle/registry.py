"""Oracles by the name users type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sigsep_classic.checks import check_array, check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.oracle import components, masks, wiener
from sigsep_classic.oracle._truth import SISEC_STFT
from sigsep_classic.typing import Array, FrontEnd

ACCOMPANIMENT = "accompaniment"

_WITH_EXPONENT = re.compile(r"(irm|ibm)(\d+(?:\.\d+)?)")


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """An oracle with its options.

    Parameters
    ----------
    name : str
        As users type it.
    summary : str
        What it is, in a line.
    function : callable
        Takes mixture, stems, ``frontend`` and the options.
    options : dict
        Of the function.
    sums : bool
        Whether estimates sum to the mixture, whatever the stems sum to.
    """

    name: str
    summary: str
    function: Callable[..., dict[str, Array]]
    options: Mapping[str, Any] = field(default_factory=dict)
    sums: bool = True

    def __call__(
        self, mixture: Array, stems: Mapping[str, Array], *, frontend: FrontEnd = SISEC_STFT, **more: Any
    ) -> dict[str, Array]:
        """Return the estimates by name; ``more`` are further options of the function."""
        return self.function(mixture, stems, frontend=frontend, **{**self.options, **more})


def _oracles(*listed: Oracle) -> dict[str, Oracle]:
    return {each.name: each for each in listed}


ORACLES: dict[str, Oracle] = _oracles(
    Oracle(
        name="ibm",
        summary="binary mask, the largest stem wins",
        function=masks.ideal_binary_mask,
        options={"threshold": None},
    ),
    Oracle(
        name="ibm1",
        summary="binary masks, |S| at least half of |X| (SiSEC)",
        function=masks.ideal_binary_mask,
        options={"power": 1.0},
        sums=False,
    ),
    Oracle(
        name="ibm2",
        summary="binary masks, |S|^2 at least half of |X|^2 (SiSEC)",
        function=masks.ideal_binary_mask,
        options={"power": 2.0},
        sums=False,
    ),
    Oracle(
        name="irm1",
        summary="ratio mask of magnitudes (SiSEC)",
        function=masks.ideal_ratio_mask,
        options={"power": 1.0},
    ),
    Oracle(
        name="irm2",
        summary="ratio mask of powers (SiSEC)",
        function=masks.ideal_ratio_mask,
        options={"power": 2.0},
    ),
    Oracle(
        name="iam",
        summary="true magnitudes with the mixture's phase",
        function=masks.ideal_amplitude_mask,
        sums=False,
    ),
    Oracle(
        name="psm",
        summary="phase-sensitive mask, the best gains from 0 to 1",
        function=masks.phase_sensitive_mask,
        sums=False,
    ),
    Oracle(
        name="crm",
        summary="complex ratio mask: exact, it shows the transform's own error",
        function=masks.complex_ratio_mask,
        sums=False,
    ),
    Oracle(
        name="mwf",
        summary="multichannel Wiener filter of true powers and spatial covariances",
        function=wiener.multichannel_wiener,
    ),
    Oracle(
        name="mwf_channel",
        summary="the same channel by channel, which is irm2",
        function=wiener.multichannel_wiener,
        options={"joint": False},
    ),
    Oracle(
        name="demixing",
        summary="the best filters over channels that do not change over time",
        function=wiener.ideal_demixing,
        sums=False,
    ),
    Oracle(
        name="nmf",
        summary="Wiener masks of NMF models of the true stems",
        function=components.supervised_nmf,
    ),
    Oracle(
        name="nmf_components",
        summary="blind NMF, its components told apart by the truth",
        function=components.grouped_components,
    ),
)
"""Oracles that any mixture and stems allow, by name. `find` knows irm and ibm with other exponents too."""


def find(name: str) -> Oracle:
    """Return an oracle by its name: one of `ORACLES`, or ``irm`` or ``ibm`` with any exponent, such as ``irm1.5``.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    Oracle
        With its options.

    Raises
    ------
    ParameterError
        There is none of that name.
    """
    if name in ORACLES:
        return ORACLES[name]
    matched = _WITH_EXPONENT.fullmatch(name) if isinstance(name, str) else None
    if matched is None:
        check_choice("oracle", name, tuple(ORACLES))
        raise AssertionError("a name that is there was not found")
    like = ORACLES[f"{matched[1]}1"]
    power = float(matched[2])
    if power == 0:
        raise ParameterError(f"oracle is {name!r}; the exponent must be more than 0")
    summary = re.sub(r" \(SiSEC\)", "", like.summary) + f" to the power {power:g}"
    return Oracle(
        name=name, summary=summary, function=like.function, options={"power": power}, sums=like.sums
    )


def apply(
    name: str,
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    frontend: FrontEnd = SISEC_STFT,
    **options: Any,
) -> dict[str, Array]:
    """Return the estimates of an oracle by its name.

    Parameters
    ----------
    name : str
        As `find` takes it.
    mixture : array (channels, samples)
        float32 or float64, NumPy or CuPy.
    stems : mapping of str to array (channels, samples)
        The true stems.
    frontend : FrontEnd
        Any; default 2048-point Hann, half overlapping, as in SiSEC 2018.
    **options
        Further ones of the oracle's function, such as ``compat``.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates by the stems' names, in the dtype of the mixture.

    Raises
    ------
    ParameterError
        The name is unknown, or there are no stems.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.
    """
    return find(name)(mixture, stems, frontend=frontend, **options)


def with_accompaniment(
    estimates: Mapping[str, Array], *, lead: str = "vocals", name: str = ACCOMPANIMENT
) -> dict[str, Array]:
    """Return the estimates and one more: the sum of all but ``lead``, as the campaigns score it.

    This is not the estimate of an oracle that was told two stems; for masks whose stems overlap, such as ``ibm1``,
    it holds some of the mixture twice.

    Parameters
    ----------
    estimates : mapping of str to array (channels, samples)
        Of one mixture. True stems give the true accompaniment.
    lead : str
        The one that is left out.
    name : str
        What the sum is called.

    Returns
    -------
    dict of str to array
        In the order given, the sum last.

    Raises
    ------
    ParameterError
        ``lead`` is no stem or the only one, or there is another stem of that ``name``.
    """
    for stem, x in estimates.items():
        check_array(f"stem {stem!r}", x)
    others = [x for stem, x in estimates.items() if stem != lead]
    if lead not in estimates or not others:
        raise ParameterError(
            f"lead is {lead!r}; it must be one of several stems, there are {', '.join(estimates)}"
        )
    if name in estimates and len(others) > 1:  # with one other, that is the sum
        raise ParameterError(f"a stem is called {name!r} already; the sum of the others would replace it")
    total = others[0].copy()
    for other in others[1:]:
        total += other
    return {**estimates, name: total}
