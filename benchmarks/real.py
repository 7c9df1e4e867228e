"""Every method on real recordings, beside the mixture and the ideal-ratio-mask oracle.

    python -m benchmarks.real

SI-SDR and median 1-s SDR in dB. Methods with background and foreground are scored on voice against the rest,
harmonic/percussive ones on drums against the rest, NMF with components assigned by the true stems.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

import sigsep_classic as ssc
from benchmarks.recordings import MissingRecordingError, musdb_excerpt, music_on_hold, speech_over_music
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.grouping import by_reference
from sigsep_classic.metrics import scores
from sigsep_classic.oracle import ideal_ratio_mask

Stems = Mapping[str, np.ndarray]


def two_stems(mix: Mixture, name: str, positive: str, negative: str) -> dict[str, np.ndarray]:
    """Return one stem against the sum of all others under the names a method uses."""
    return {positive: mix.stems[name], negative: mix.mixture - mix.stems[name]}


def row(label: str, truth: Stems, estimates: Stems, rate: int, seconds: float | None = None) -> None:
    """Print one row of a table."""
    result = scores(truth, estimates, metrics=("si_sdr", "csdr"), sample_rate=rate)
    cells = "  ".join(f"{name} {v['si_sdr']:6.2f} {v['csdr']:6.2f}" for name, v in result.items())
    print(f"  {label:<28} {cells}" + (f"   {seconds:.2f} s" if seconds is not None else ""))


def table(title: str, mix: Mixture, truth: Stems, methods: Mapping[str, Callable[[], Stems]]) -> None:
    """Print a table with the two rows every table needs."""
    print(f"\n{title}   (stem: SI-SDR, median SDR)")
    row("mixture", truth, dict.fromkeys(truth, mix.mixture), mix.sample_rate)
    row("mixture / stems", truth, {name: mix.mixture / len(truth) for name in truth}, mix.sample_rate)
    for label, separate in methods.items():
        separate()
        start = time.perf_counter()
        estimates = separate()
        row(label, truth, estimates, mix.sample_rate, time.perf_counter() - start)
    row("oracle: ideal ratio mask", truth, ideal_ratio_mask(mix.mixture, truth), mix.sample_rate)


def run(method: str, mix: Mixture, **options: object) -> Callable[[], Stems]:
    """Return a call that separates the mixture with a method."""
    return lambda: ssc.separate(mix.mixture, mix.sample_rate, method=method, **options)


def nmf_by_truth(mix: Mixture, truth: Stems) -> Callable[[], Stems]:
    """Return a call that factorises the mixture and assigns components by the true stems."""
    frontend = ssc.NMF().default_frontend(mix.sample_rate)
    references = {name: frontend.analyze(stem) for name, stem in truth.items()}
    return run("nmf", mix, n_components=30, groups=lambda model: by_reference(model, references))


def main() -> None:
    """Print the tables of the recordings that are installed."""
    over_background = ("repet", "repet_adaptive", "repet_sim", "rpca")
    try:
        song = musdb_excerpt()
        voice = two_stems(song, "vocals", "foreground", "background")
        table("MUSDB18 excerpt, voice", song, voice, {m: run(m, song) for m in over_background})
        drums = two_stems(song, "drums", "percussive", "harmonic")
        blind = {
            "hpss": run("hpss", song),
            "nmf, grouped by shape": run("nmf", song, groups="harmonic_percussive"),
        }
        table("MUSDB18 excerpt, drums", song, drums, blind)
        table(
            "MUSDB18 excerpt, four stems",
            song,
            song.stems,
            {"nmf, grouped by the truth": nmf_by_truth(song, song.stems)},
        )
    except MissingRecordingError as missing:
        print(f"MUSDB18 excerpt left out: {missing}")
    try:
        talk = speech_over_music()
        table("speech over music on hold", talk, talk.stems, {m: run(m, talk) for m in over_background})
        music, rate = music_on_hold(seconds=30.0)
        print("\nmusic on hold, no truth: share of the energy in each stem, and how exactly stems add up")
        for method in ssc.METHODS:
            sep = ssc.separate(music, rate, method=method)
            total = float(np.sum(music**2))
            shares = "  ".join(f"{name} {100 * np.sum(stem**2) / total:5.1f} %" for name, stem in sep.items())
            print(f"  {method:<16} {shares}   residual {np.abs(sep.residual).max():.1e}")
    except MissingRecordingError as missing:
        print(f"speech and music on hold left out: {missing}")


if __name__ == "__main__":
    main()
