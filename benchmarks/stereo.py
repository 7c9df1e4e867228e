"""Stereo methods on panned and delayed mixtures: SI-SDR beside the mixture and ideal masks; time beside the papers'.

python -m benchmarks.stereo [--development] [--speed]

Talkers are Debian's asterisk prompts (16 kHz), the songs synthetic, and where it is installed the excerpt in
``stempeg`` with each stem in mono at an azimuth of its own. nussl's Duet, Projet and SpatialClustering cannot be
imported on today's NumPy and SciPy: what is timed beside ours are the published algorithms in
`tests.reference.stereo`, written anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

import sigsep_classic as ssc
from benchmarks.recordings import MissingRecordingError, musdb_excerpt, speech
from benchmarks.timing import compare, header
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.factorizers import METHODS
from sigsep_classic.metrics import si_sdr
from sigsep_classic.oracle import ideal_ratio_mask

VOICES = {
    "development": ("en_US_f_Allison", "fr_CA_f_June"),
    "held": ("it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU"),
}
PLACES = {2: (-20.0, 25.0), 3: (-30.0, 0.0, 25.0), 4: (-35.0, -12.0, 10.0, 35.0)}
"""Azimuths in degrees by number of sources."""

RATE, SECONDS = 16_000, 8.0


def panned(
    sources: np.ndarray, azimuths: tuple[float, ...], delays: tuple[float, ...] | None = None
) -> np.ndarray:
    """Return images (sources, 2, samples) by the law of `Panned`, the right channel later by ``delays`` samples."""
    theta = np.radians(np.array(azimuths) + 45)
    left, right = np.cos(theta)[:, None] * sources, np.sin(theta)[:, None] * sources
    if delays is not None:
        n = sources.shape[1]
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * n) * np.array(delays)[:, None])
        right = np.fft.irfft(np.fft.rfft(right, 2 * n) * turn, 2 * n)[:, :n]
    return np.stack([left, right], axis=1).astype(np.float32)


def mixture(name: str, images: np.ndarray, rate: int) -> Mixture:
    """Return images mixed, named from left to right."""
    stems = {f"source{k + 1}": image for k, image in enumerate(images)}
    return Mixture(mixture=sum(images), stems=stems, sample_rate=rate, name=name)


def talkers(part: str, n_sources: int) -> np.ndarray:
    """Return n talkers (n, samples) at the same level: different utterances of two voices in turn."""
    voices = VOICES[part]
    rows = []
    for k in range(n_sources):
        samples = speech((k // 2 + 1) * SECONDS, voice=voices[k % 2])[0][0][-round(SECONDS * RATE) :]
        rows.append(samples / samples.std())
    return 0.05 * np.stack(rows)


def sets(part: str) -> Iterator[tuple[str, Mixture]]:
    """Yield (kind, mixture): kind is panned, delayed or music."""
    try:
        for n, azimuths in PLACES.items():
            sources = talkers(part, n)
            yield "panned", mixture(f"{n} talkers", panned(sources, azimuths), RATE)
            delays = tuple(-2.0 + 4.0 * k / (n - 1) for k in range(n))
            near = tuple(azimuth / 3 for azimuth in azimuths)
            yield "delayed", mixture(f"{n} talkers", panned(sources, near, delays[::-1]), RATE)
    except MissingRecordingError as missing:
        print(f"  no talkers: {missing}")
    song = ssc.synthesize("song", seconds=8.0, seed=1 if part == "development" else 2)
    mono = np.stack([stem.mean(axis=0) for stem in song.stems.values()])
    yield "music", mixture("synthetic song", panned(mono[[3, 0, 1, 2]], PLACES[4]), song.sample_rate)
    if part == "held":
        try:
            real = musdb_excerpt()
            mono = np.stack([real.stems[name].mean(axis=0) for name in ("other", "vocals", "drums", "bass")])
            yield "music", mixture("stempeg's excerpt, repanned", panned(mono, PLACES[4]), real.sample_rate)
        except MissingRecordingError as missing:
            print(f"  no excerpt: {missing}")


def candidates(mix: Mixture, azimuths: tuple[float, ...]) -> Mapping[str, Callable[[], list[np.ndarray]]]:
    """Return what is compared: name to a function that gives the estimates; the mixture where some are missing."""
    n = len(mix.stems)

    def run(method: str, **parameters: object) -> list[np.ndarray]:
        sep = ssc.separate(mix.mixture, mix.sample_rate, method=method, device="cpu", **parameters)
        stems = [stem for name, stem in sep.items() if name != "rest"]
        return stems + [mix.mixture / n] * (n - len(stems))

    def beams() -> list[np.ndarray]:
        return [
            ssc.separate(mix.mixture, mix.sample_rate, method="panned", azimuth=azimuth, device="cpu")[
                "source"
            ]
            for azimuth in azimuths
        ]

    def oracle(power: float) -> list[np.ndarray]:
        frontend = METHODS["hpss"]().default_frontend(mix.sample_rate)
        return list(ideal_ratio_mask(mix.mixture, mix.stems, power=power, frontend=frontend).values())

    named = {
        "mixture / n": lambda: [mix.mixture / n] * n,
        "panned (azimuths known)": beams,
        "adress": lambda: run("adress", n_sources=n),
        "adress (number found)": lambda: run("adress"),
        "duet": lambda: run("duet", n_sources=n),
        "duet (number found)": lambda: run("duet"),
        "duet as published": lambda: run("duet", n_sources=n, n_refine=0, phase_error=0),
        "spatial_clustering": lambda: run("spatial_clustering", n_sources=n),
        "spatial_clustering gmm": lambda: run("spatial_clustering", n_sources=n, clustering="gmm"),
        "projet": lambda: run("projet", n_sources=n),
        "projet (number found)": lambda: run("projet"),
        "ideal ratio mask": lambda: oracle(2.0),
    }
    return {name: call for name, call in named.items() if name.split()[0] in {*METHODS, "mixture", "ideal"}}


def assigned(references: np.ndarray, estimates: list[np.ndarray]) -> float:
    """Return the mean SI-SDR in dB of the estimates that fit the references best, one each, from -30 up."""
    scores = np.stack([si_sdr(references, np.stack([e] * len(references)) + 1e-9) for e in estimates], axis=1)
    scores = np.maximum(scores, -30.0)  # a silent estimate has -inf
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return float(scores[rows, columns].mean())


def quality(part: str) -> None:
    """Print a table of mean SI-SDR over the sources of each mixture."""
    print(f"\nSI-SDR in dB, mean over the sources ({part})")
    columns, rows = [], {}
    for kind, mix in sets(part):
        columns.append(f"{kind}: {mix.name}")
        azimuths = PLACES[len(mix.stems)]
        references = np.stack(list(mix.stems.values()))
        near = tuple(a / 3 for a in azimuths) if kind == "delayed" else azimuths
        for name, call in candidates(mix, near).items():
            rows.setdefault(name, []).append(assigned(references, call()))
    for k, column in enumerate(columns):
        print(f"  [{k}] {column}")
    print(f"  {'':<28}" + "".join(f"{f'[{k}]':>7}" for k in range(len(columns))) + "   mean")
    for name, values in rows.items():
        print(f"  {name:<28}" + "".join(f"{value:7.2f}" for value in values) + f"{np.mean(values):7.2f}")


def beside_the_published_projet() -> None:
    """Print what random starts reach on one mixture after 50 and 200 iterations, and ours from the histogram."""
    from tests.reference import stereo as published

    try:
        mix = mixture("3 talkers", panned(talkers("held", 3)[:, : 4 * RATE], PLACES[3]), RATE)
    except MissingRecordingError as missing:
        print(f"  not run: {missing}")
        return
    references = np.stack(list(mix.stems.values()))
    frontend = METHODS["hpss"]().default_frontend(RATE)
    X = frontend.analyze(mix.mixture)
    print("\nPROJET, 4 s of three panned talkers, mean SI-SDR in dB")
    for n_iter in (50, 200):
        for seed in (0, 1):
            images = published.projet(X, 3, n_iter=n_iter, seed=seed).astype(X.dtype)
            found = [frontend.synthesize(Y, references.shape[-1]) for Y in images]
            print(f"  published, {n_iter} iterations, start {seed}: {assigned(references, found):6.2f}")
    ours = ssc.separate(mix.mixture, RATE, method="projet", n_sources=3, device="cpu")
    print(f"  ours, 20 iterations:                {assigned(references, list(ours.values())):6.2f}")


def speed() -> None:
    """Print times of `fit` beside the published algorithms."""
    from tests.reference import stereo as published

    mix = mixture("3 sources", panned(_noise(3, 10 * 44100), PLACES[3]), 44100)
    frontend = METHODS["hpss"]().default_frontend(44100)
    X, grid = frontend.analyze(mix.mixture), frontend.grid(44100)
    header(f"fit on 10 s stereo at 44.1 kHz, X {X.shape} {X.dtype}", "scipy", "scikit-learn")
    adress, duet = (
        METHODS["adress"](n_sources=3),
        METHODS["duet"](n_sources=3, n_refine=0, phase_error=0, grid=grid),
    )
    compare(
        {
            "adress": lambda: adress.fit(X),
            "published, 100 gains a side": lambda: published.adress_planes(X[0], X[1], 100),
        },
        rounds=3,
    )
    compare(
        {"duet": lambda: duet.fit(X), "published": lambda: published.duet(X[0], X[1], grid.bin_hz, 3)},
        rounds=3,
    )
    if "projet" in METHODS:
        projet = METHODS["projet"](n_sources=3, n_iter=20, tol=0)
        compare(
            {
                "projet, 20 iterations": lambda: projet.fit(X),
                "published, 20 iterations": lambda: published.projet(X, 3, n_iter=20),
            },
            rounds=3,
        )


def _noise(n: int, n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.random((n, n_samples // 2205 + 1)) ** 4, 2205, axis=1)[:, :n_samples]
    return loud * rng.standard_normal((n, n_samples))


def main() -> None:
    """Print tables of quality and of speed."""
    if "--speed" not in sys.argv:
        quality("development" if "--development" in sys.argv else "held")
    if "--development" not in sys.argv:
        beside_the_published_projet()
        speed()


if __name__ == "__main__":
    main()
