"""Speech in white, pink and babble noise: what comes out against what went in, beside noisereduce and logmmse.

python -m benchmarks.denoise            the table: 20 s of each of three voices, 0 to 20 dB
python -m benchmarks.denoise --gains    every gain and noise estimate at 5 dB
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import sigsep_classic as ssc
from benchmarks.recordings import speech
from benchmarks.timing import compare, header
from sigsep_classic.api import denoise
from sigsep_classic.cli.denoise import GAINS, NOISES
from sigsep_classic.metrics import si_sdr

RATE, SECONDS = 16000, 20
VOICES = ("en_US_f_Allison", "es_MX_f_Allison", "it_IT_m_Carlo")
"""Parameters were chosen on two others, `OTHERS`, which also take part in the babble."""
OTHERS = ("fr_CA_f_June", "ru_RU_f_IvrvoiceRU")
KINDS = ("white", "pink", "babble")
LEVELS = (0, 5, 10, 15, 20)

Denoiser = Callable[[np.ndarray, np.ndarray], np.ndarray]


@lru_cache(maxsize=32)
def talk(voice: str, skip: int = 0) -> np.ndarray:
    """Return 21 s of a voice with power one, from ``skip`` seconds on."""
    x = speech(float(SECONDS + 1 + skip), voice=voice)[0][0, skip * RATE :].astype(np.float64)
    return x / x.std()


def noise(kind: str, voice: str) -> np.ndarray:
    """Return 21 s of noise with power one: white, 1 / f, or two stretches of each of four other voices."""
    n = (SECONDS + 1) * RATE
    if kind == "babble":
        voices = [other for other in (*VOICES, *OTHERS) if other != voice]
        return np.sum([talk(other, skip)[:n] for other in voices for skip in (25, 55)], axis=0) / np.sqrt(8)
    w = np.random.default_rng(5).standard_normal(n)
    if kind == "pink":
        f = np.fft.rfftfreq(n)
        w = np.fft.irfft(np.fft.rfft(w) / np.sqrt(np.maximum(f, f[1])), n)
    return w / w.std()


def recording(voice: str, kind: str, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return speech, the noisy recording, and the second of noise before it."""
    s, w = talk(voice)[: SECONDS * RATE], noise(kind, voice)
    w = w / w[RATE:].std() * s.std() * 10 ** (-level / 20)
    return 0.1 * s, 0.1 * (s + w[RATE:]), 0.1 * w[:RATE]


def peers() -> dict[str, Denoiser]:
    """Return public packages by name, as far as they are installed; logmmse takes no clip."""
    found: dict[str, Denoiser] = {}
    try:
        import noisereduce

        def gated(x: np.ndarray, clip: np.ndarray) -> np.ndarray:
            return noisereduce.reduce_noise(y=x, sr=RATE, y_noise=clip, stationary=True)

        found["noisereduce, clip"] = gated
        found["noisereduce, blind"] = lambda x, clip: noisereduce.reduce_noise(y=x, sr=RATE)
    except ImportError:
        print("  noisereduce is not installed: pip install noisereduce")
    try:
        before = np.geterr()
        import logmmse

        np.seterr(**before)  # importing it makes NumPy raise

        def log_mmse(x: np.ndarray, clip: np.ndarray) -> np.ndarray:
            whole = np.concatenate([clip, x])  # it takes its first frames for noise
            y = logmmse.logmmse(whole.astype(np.float32), RATE, initial_noise=RATE // 320)
            return np.pad(y, (0, max(0, len(whole) - len(y))))[RATE : len(whole)].astype(float)

        found["logmmse, clip first"] = log_mmse
    except ImportError:
        print("  logmmse is not installed: pip install logmmse")
    return found


def judges() -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """Return SI-SDR, and PESQ and STOI where they are installed."""
    found: dict[str, Callable[..., float]] = {"SI-SDR": lambda s, y: float(si_sdr(s[None], y[None])[0])}
    try:
        from pesq import pesq

        found["PESQ"] = lambda s, y: pesq(RATE, s, y, "wb")
    except ImportError:
        print("  pesq is not installed: pip install pesq")
    try:
        from pystoi import stoi

        found["STOI"] = lambda s, y: stoi(s, y, RATE)
    except ImportError:
        print("  pystoi is not installed: pip install pystoi")
    return found


def ours(**options: Any) -> Denoiser:
    """Return our denoiser; ``noise="clip"`` gives it the clip."""

    def run(x: np.ndarray, clip: np.ndarray) -> np.ndarray:
        told = {**options, "noise": clip} if options.get("noise") == "clip" else options
        return denoise(x, RATE, device="cpu", **told)["speech"]

    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gains", action="store_true")
    installed = [name for name in ("noisereduce", "logmmse", "pesq", "pystoi") if find_spec(name)]
    header(
        "Denoising 20 s of speech at 16 kHz: means over three voices (least improvement of any)", *installed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if parser.parse_args().gains:
            print_gains()
        else:
            print_table()
            print_speed()


def print_table() -> None:
    """Print SI-SDR (with the least improvement of any voice), PESQ and STOI of each noise and level."""
    measures = judges()
    candidates: dict[str, Denoiser] = {"input": lambda x, clip: x}
    candidates |= {"ours, clip": ours(noise="clip"), "ours, blind": ours()} | peers()
    for kind in KINDS:
        print(f"\n  {kind:<22}" + "".join(f"{level:>17} dB" for level in LEVELS))
        sounds = {level: [recording(voice, kind, level) for voice in VOICES] for level in LEVELS}
        for name, run in candidates.items():
            made = {level: [run(x, clip) for _, x, clip in sounds[level]] for level in LEVELS}
            for measure, judge in measures.items():
                row = f"  {name if measure == 'SI-SDR' else '':<19}{measure:>7}"
                for level in LEVELS:
                    scores = [judge(s, y) for (s, _, _), y in zip(sounds[level], made[level], strict=True)]
                    least = min(
                        score - judge(s, x) for score, (s, x, _) in zip(scores, sounds[level], strict=True)
                    )
                    row += f"{np.mean(scores):10.2f}" + (
                        f" ({least:+5.2f})" if measure == "SI-SDR" else 8 * " "
                    )
                print(row)


def print_gains() -> None:
    """Print the mean SI-SDR at 5 dB of every gain with a clip, and of every blind noise estimate."""
    runs = {f"{gain}, clip": ours(method=gain, noise="clip") for gain in GAINS}
    runs |= {f"wiener, {rule}": ours(noise=rule) for rule in NOISES}
    runs |= {"wiener, mmse, causal": ours(noise="mmse", causal=True)}
    print(f"\n  {'at 5 dB':<24}" + "".join(f"{kind:>10}" for kind in KINDS))
    for name, run in runs.items():
        row = f"  {name:<24}"
        for kind in KINDS:
            sounds = [recording(voice, kind, 5) for voice in VOICES]
            row += f"{np.mean([si_sdr(s[None], run(x, clip)[None])[0] for s, x, clip in sounds]):10.2f}"
        print(row)


def print_speed() -> None:
    """Print how long it takes beside the transforms alone, which nothing can do without."""
    _, x, clip = recording(VOICES[0], "white", 5)
    x, clip = x.astype(np.float32), clip.astype(np.float32)
    stft = ssc.STFT(n_fft=512)
    print("\n  time of 20 s, float32")
    runs = {"ours, clip": ours(noise="clip"), "ours, blind": ours()} | peers()
    candidates: dict[str, Callable[[], Any]] = {name: partial(run, x, clip) for name, run in runs.items()}
    candidates["floor: transform and back"] = lambda: stft.synthesize(stft.analyze(x[None]), len(x))
    compare(candidates, rounds=3)


if __name__ == "__main__":
    main()
