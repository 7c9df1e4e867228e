"""Write the table of docs/gpu.md: what of each method runs on a GPU, measured on the stand-in for CuPy.

python -m tests.coverage_table

Every place that moves more than a number has to be explained here, in `DOWN` or `UP`; a test looks after it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sigsep_classic import METHODS
from tests.emulation.strict.coverage import Coverage, Crossing, coverage

PAGE = Path(__file__).parents[1] / "docs" / "gpu.md"
BEGIN, END = "<!-- coverage: python -m tests.coverage_table -->", "<!-- end of coverage -->"
NUMBERS = 32
"""Bytes of one transfer up to which it is a loss, a level, a count or a choice of few: no part of the data."""
SHARE = 0.005
"""Part of the spectrogram from which on something grows with the recording."""
LARGE = 0.05
"""Part of the spectrogram from which on a method is said to be on the host too."""

_SEED = "start drawn on the host"
DOWN: dict[str, str] = {
    "grouping.py": "components are grouped by k-means (mel bands x components)",
    "factorizers/lowrank/complex_start.py": "spectra of the components at the start (freq x components)",
    "factorizers/lowrank/fitted.py": "templates are ordered (freq x components)",
    "factorizers/stereo/panning.py": "peaks of a histogram of azimuths",
    "factorizers/stereo/delays.py": "peaks of a histogram of attenuations and delays",
    "factorizers/stereo/duet.py": "delays from one number a frequency and source",
    "factorizers/stereo/projet.py": "azimuths of the sources (azimuths x sources)",
    "factorizers/stereo/spatial_clustering.py": "scikit-learn clusters at most 20,000 points",
    "factorizers/repetition/background.py": "the strongest period (lags)",
    "factorizers/bins.py": "which channels depend on others (channels x channels)",
    "recipes/judging.py": "likenesses of stems, by which one set is chosen (stems x stretches)",
    "recipes/ensemble.py": "scikit-learn clusters a few thousand drawn points",
    "factorizers/demixing/isa.py": "eigenvectors of one symmetric matrix (freq x freq)",
    "factorizers/demixing/whitening.py": "covariance (channels x channels)",
    "kernels/score_moments.py": "rotation of the sources, an iteration (sources x sources)",
    "factorizers/models.py": "which frequencies are silent",
    "factorizers/covariance/cwmm.py": "concentrations by a spline of SciPy's (freq x sources)",
    "factorizers/covariance/direction_mixture.py": "order of the sources (freq x sources)",
    "factorizers/convolutive/atoms.py": "energies of short stretches, where atoms begin (frames)",
    "kernels/convolutive_stacks.py:divergence": "sums of the loss, added in order (tiles)",
    "factorizers/demixing/online_iva.py": "losses by frame",
    "factorizers/convolutive/recentring.py": "energies of the atoms (freq x lags)",
    "factorizers/pitch/tracking.py": "the best path through all pitches (pitches x frames)",
    "factorizers/pitch/voice_model.py": "the best path through all pitches (pitches x frames)",
    "factorizers/pitch/simm.py": "the best path through all pitches (pitches x frames)",
    "factorizers/pitch/voice_updates.py": "which sources are still used (sources)",
    "factorizers/pitch/sinusoidal.py": "peaks of one channel's magnitude are tracked from frame to frame",
}
"""Why something comes down, by the beginning of a place; the first that fits."""
UP: dict[str, str] = {
    "frontends/": "",  # windows of a frame or two
    "factorizers/lowrank/starts.py": _SEED,
    "factorizers/lowrank/complex_nmf.py": _SEED,
    "factorizers/lowrank/complex_start.py": _SEED,
    "factorizers/lowrank/nmf_online.py": _SEED,
    "factorizers/lowrank/principal_pursuit.py": _SEED,
    "factorizers/convolutive/base.py": _SEED,
    "factorizers/demixing/source_variances.py": _SEED,
    "factorizers/covariance/direction_mixture.py:DirectionMixture.init": _SEED,
    "factorizers/covariance/start.py": _SEED,
    "factorizers/pitch/simm.py:SIMM.init": _SEED,
    "permutation/features.py:compressed": "random directions of the features, drawn on the host",
    "factorizers/repetition/repet_adaptive.py": "periods by frame",
    "recipes/": "",  # weights of a fit
    "": "",  # what goes up again of what came down, and tables of one axis
}
"""Why something goes up, by the beginning of a place; nothing for what explains itself."""
BOUNDED = (
    "frontends/",
    "factorizers/stereo/spatial_clustering.py",
    "recipes/ensemble.py",
    "factorizers/demixing/isa.py",
)
"""Places that grow only in recordings as short as these: up to a number of points, of frequencies, or some frames."""


def reasons(found: Coverage, way: str) -> list[str]:
    """Return why there were transfers to the host (``"down"``) or to the device (``"up"``), each reason once.

    Raises
    ------
    KeyError
        A place is not explained.
    """
    known = DOWN if way == "down" else UP
    return list(
        dict.fromkeys(text for c in found.crossings if c.way == way and (text := _reason(known, c, found)))
    )


def _reason(known: Mapping[str, str], crossing: Crossing, found: Coverage) -> str:
    if crossing.largest <= NUMBERS and found.growth(crossing) < SHARE:
        return ""
    for place, reason in known.items():
        if _plain(crossing).startswith(place):
            return reason
    raise KeyError(f"{crossing} is not explained in tests/coverage_table.py")


def _plain(crossing: Crossing) -> str:
    return crossing.place.removeprefix("sigsep_classic/")


def grown(found: Coverage, way: str) -> float:
    """Return bytes moved per byte of spectrogram, of what grows with the recording."""
    growths = (found.growth(c) for c in found.crossings if c.way == way and not _plain(c).startswith(BOUNDED))
    return sum(g for g in growths if g >= SHARE)


def row(name: str) -> str:
    """Return the line of a method."""
    found = coverage(name)
    host = reasons(found, "down")
    where = "device" if not host else "device, small parts on the host"
    if grown(found, "down") >= LARGE:
        where = "device and host"
    kernels = ", ".join(found.kernels) or "–"
    down, up = (_amount(found, way) for way in ("down", "up"))
    return f"| {name} | {where} | {kernels} | {down} | {up} | {'; '.join([*host, *reasons(found, 'up')]) or '–'} |"


def _amount(found: Coverage, way: str) -> str:
    share = 100 * grown(found, way)
    if share:
        return f"{share:.0f} % of X" if share >= 1 else "< 1 % of X"
    return "small" if reasons(found, way) else "numbers"


def table() -> str:
    """Return the table of all methods."""
    head = [
        "| method | where | own kernels | to the host | to the device | what and why |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(row(name) for name in METHODS.built_in)])


def page(text: str, made: str) -> str:
    """Return the page with the table between its markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def main() -> None:
    """Write the table."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    PAGE.write_text(page(PAGE.read_text(), table()))
    print(f"written: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
