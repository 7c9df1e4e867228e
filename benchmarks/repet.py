"""The repetition family: times against the loops of public NumPy code, and how well each separates.

Public behaviour is written anew in `tests.reference` (REPET-Python and nussl do not run on today's SciPy). Masks under
``compat`` are checked to be those loops'. Quality is SI-SDR improvement, mean of background and foreground: of our
defaults, of ``compat`` on its own transform with its own periods, and of nussl's 2-D Fourier mask.

python -m benchmarks.repet
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.recordings import MissingRecordingError, musdb_excerpt, speech_over_music
from benchmarks.timing import compare, header
from tests.reference import ft2d, repet_python

CODE: dict[str, Any] = {
    "repet": repet_python.original,
    "repet_adaptive": repet_python.adaptive,
    "repet_sim": repet_python.sim,
    "repet_sim_online": repet_python.simonline,
}
PERIODS = {"min_period": 1.0, "max_period": 10.0}
VOICE = ("vocals", "harmonic")
"""Stems of methods without a background that hold a voice."""


def public(name: str, grid: Any = None) -> Any:
    """Return the method ``name`` with the rules and ranges of the public code."""
    from sigsep_classic import METHODS

    theirs = {"distance": 1.0} if "sim" in name else PERIODS
    return METHODS[name](compat="repet-python", grid=grid, **theirs)


def times() -> None:
    """Print times on 25 s of stereo, spectrogram to mask, and whether masks under ``compat`` are the public ones."""
    import sigsep_classic as ssc

    mix = ssc.synthesize("song", seconds=25.0)
    frontend = ssc.STFT(n_fft=2048, hop=1024, window="hamming")
    X = frontend.analyze(mix.mixture.astype(float))
    grid, V = frontend.grid(mix.sample_rate), np.abs(X)
    rates = {"frame_rate": grid.frame_rate, "bin_hz": grid.bin_hz}
    header(f"spectrogram to mask, 25 s stereo float64, {V.shape[-1]} frames")
    for name, code in CODE.items():
        method = public(name, grid)
        same = np.array_equal(method.fit(X).masks[0], code(V, **rates))
        pair = {
            name: partial(method.fit, X),
            f"public loops (masks identical: {same})": partial(code, V, **rates),
        }
        compare(pair, rounds=3)
    method = ssc.METHODS["ft2d"](grid=grid)
    compare(
        {"ft2d": partial(method.fit, X), "nussl's steps": lambda: [ft2d.nussl_mask(S) for S in V]}, rounds=3
    )
    for name in ("repet_extended", "kam"):
        method = ssc.METHODS[name](grid=grid)
        compare({name: partial(method.fit, X)}, rounds=3)


def mixtures() -> list[Any]:
    """Return mixtures of ``background`` and ``foreground``, those that can be made here."""
    import sigsep_classic as ssc

    found = [ssc.synthesize("repeat", seconds=20.0, sample_rate=22050), ssc.synthesize("song", seconds=20.0)]
    for make in (musdb_excerpt, lambda: speech_over_music(20.0)):
        try:
            found.append(make())
        except MissingRecordingError as reason:
            print(f"left out: {reason}")
    return [_voice_and_rest(mix) if "vocals" in mix.stems else mix for mix in found]


def _voice_and_rest(mix: Any) -> Any:
    rest = sum(stem for name, stem in mix.stems.items() if name != "vocals")
    stems = {"background": rest, "foreground": mix.stems["vocals"]}
    return type(mix)(mixture=mix.mixture, stems=stems, sample_rate=mix.sample_rate, name=mix.name)


def gained(mix: Any, stems: Any) -> float:
    """Return the SI-SDR improvement in dB, mean over both stems and the channels."""
    from sigsep_classic.metrics import si_sdr

    rises = [
        np.mean(si_sdr(true, stems[name])) - np.mean(si_sdr(true, mix.mixture))
        for name, true in mix.stems.items()
    ]
    return float(np.mean(rises))


def quality() -> None:
    """Print the improvement of each method on each mixture, ours beside the public behaviour."""
    from sigsep_classic import METHODS

    cases = mixtures()
    chosen = {"kam": {"kernels": "repeating+percussive+vocals"}}
    print("\nSI-SDR improvement in dB, mean of background and foreground: ours / public behaviour")
    print(f"  {'':<18}" + "".join(f"{mix.name:>22}" for mix in cases))
    for name in (*CODE, "repet_extended", "ft2d", "kam", "rpca", "hpss"):
        row = []
        for mix in cases:
            ours, theirs = (
                gained(mix, _two_stems(METHODS[name](**chosen.get(name, {})), mix)),
                _public_gain(name, mix),
            )
            row.append(f"{ours:.2f} / " + ("-" if theirs is None else f"{theirs:.2f}"))
        print(f"  {name:<18}" + "".join(f"{entry:>22}" for entry in row))


def _two_stems(method: Any, mix: Any) -> dict[str, np.ndarray]:
    from sigsep_classic.pipeline import separate_array

    sep = separate_array(mix.mixture, mix.sample_rate, method)
    if "background" in sep:
        return dict(sep)
    front = sum(sep[name] for name in VOICE if name in sep)
    return {"foreground": front, "background": mix.mixture - front}


def _public_gain(name: str, mix: Any) -> float | None:
    if name in CODE or name == "repet_extended":
        return gained(mix, _two_stems(public(name), mix))
    return _nussl_gain(mix) if name == "ft2d" else None


def _nussl_gain(mix: Any) -> float:
    from sigsep_classic import METHODS

    frontend = METHODS["ft2d"]().default_frontend(mix.sample_rate)
    X = frontend.analyze(mix.mixture.astype(float))
    mask = np.stack([ft2d.nussl_mask(S) for S in np.abs(X)])
    mask[:, : frontend.grid(mix.sample_rate).bins_up_to(100.0, mask.shape[1])] = 1
    background = frontend.synthesize(mask * X, mix.mixture.shape[1])
    return gained(mix, {"background": background, "foreground": mix.mixture - background})


def main() -> None:
    """Print both tables."""
    times()
    quality()


if __name__ == "__main__":
    main()
