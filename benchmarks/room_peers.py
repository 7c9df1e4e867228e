"""What other packages make of a convolutive mixture: their wrappers, and their scores kept on disk.

Each runs with its documented default settings, projection back (or images) at microphone 1, but for the number of
iterations, which is that of our tables (50, more than their defaults); ssspy has its documentation's 100, FastMNMF2 its
default of 30. All share our STFT, a Hann window with a quarter of it as hop, in double precision, with one thread.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import numpy as np

from benchmarks.room_sets import cache_folder, gain
from sigsep_classic import STFT
from sigsep_classic.datasets.rooms import RoomMixture

Method = Callable[[np.ndarray, int], np.ndarray]
"""X (channels, freq, frames) and a number of sources to images at microphone 1, (sources, freq, frames)."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A method of another package, what to install for it, and which mixtures it is for."""

    package: str
    method: Method
    over: bool = False
    under: bool = False

    @property
    def installed(self) -> str | None:
        """Version, None if it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def takes(self, n_sources: int, n_mics: int) -> bool:
        """Tell whether it separates that many sources heard by that many microphones."""
        return n_sources == n_mics or (self.over if n_sources < n_mics else self.under)


def _pra_auxiva(model: str) -> Method:
    def separate(X: np.ndarray, n_sources: int) -> np.ndarray:
        import pyroomacoustics as pra

        return pra.bss.auxiva(X.T.copy(), n_src=n_sources, n_iter=50, model=model).T

    return separate


def _pra_ilrma(X: np.ndarray, n_sources: int) -> np.ndarray:
    import pyroomacoustics as pra

    np.random.seed(0)  # noqa: NPY002  the package draws from the global generator
    return pra.bss.ilrma(X.T.copy(), n_src=n_sources, n_iter=50).T


def _pra_fastmnmf2(X: np.ndarray, n_sources: int) -> np.ndarray:
    import pyroomacoustics as pra

    np.random.seed(0)  # noqa: NPY002
    return pra.bss.fastmnmf2(X.T.copy(), n_src=n_sources).T


def _ssspy(name: str) -> Method:
    def separate(X: np.ndarray, n_sources: int) -> np.ndarray:
        from ssspy.bss.cacgmm import CACGMM
        from ssspy.bss.fdica import AuxLaplaceFDICA
        from ssspy.bss.ilrma import GaussILRMA
        from ssspy.bss.iva import AuxGaussIVA, AuxLaplaceIVA

        rng = np.random.default_rng(0)
        method = {
            "fdica": lambda: AuxLaplaceFDICA(record_loss=False),
            "laplace": lambda: AuxLaplaceIVA(record_loss=False),
            "gauss": lambda: AuxGaussIVA(record_loss=False),
            "ilrma": lambda: GaussILRMA(n_basis=2, rng=rng, record_loss=False),
            "cacgmm": lambda: CACGMM(n_sources=n_sources, rng=rng, record_loss=False),
        }[name]()
        return method(X, n_iter=100)

    return separate


def _torchiva(update: str, model: str) -> Method:
    def separate(X: np.ndarray, n_sources: int) -> np.ndarray:
        import torch
        import torchiva

        torch.set_num_threads(1)
        torch.manual_seed(0)
        source = {"laplace": torchiva.LaplaceModel, "gauss": torchiva.GaussModel, "nmf": torchiva.NMFModel}[
            model
        ]()
        kind = {"ip": torchiva.AuxIVA_IP, "iss": torchiva.T_ISS}[update]
        with torch.no_grad():
            found = kind(n_iter=50, n_src=n_sources, model=source)(torch.from_numpy(X.copy()))
        return found.numpy()

    return separate


def _torchaudio_or_nothing() -> None:
    """Let torchiva import where torchaudio cannot: its wheel needs CUDA's libraries, a CPU build of torch has none.

    torchiva takes the mel scale of its neural masks from there, which is not called here.
    """
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        transforms = ModuleType("torchaudio.transforms")
        transforms.MelScale = None  # type: ignore[attr-defined]
        sys.modules["torchaudio"] = ModuleType("torchaudio")
        sys.modules["torchaudio.transforms"] = transforms


PEERS = {
    "pyroomacoustics auxiva laplace": Peer(
        package="pyroomacoustics", method=_pra_auxiva("laplace"), over=True
    ),
    "pyroomacoustics auxiva gauss": Peer(package="pyroomacoustics", method=_pra_auxiva("gauss"), over=True),
    "pyroomacoustics ilrma": Peer(package="pyroomacoustics", method=_pra_ilrma),
    "ssspy AuxLaplaceIVA": Peer(package="ssspy", method=_ssspy("laplace")),
    "ssspy AuxGaussIVA": Peer(package="ssspy", method=_ssspy("gauss")),
    "ssspy GaussILRMA": Peer(package="ssspy", method=_ssspy("ilrma")),
    "ssspy AuxLaplaceFDICA": Peer(package="ssspy", method=_ssspy("fdica")),
    "torchiva AuxIVA_IP laplace": Peer(package="torchiva", method=_torchiva("ip", "laplace"), over=True),
    "torchiva T_ISS laplace": Peer(package="torchiva", method=_torchiva("iss", "laplace"), over=True),
    "torchiva T_ISS gauss": Peer(package="torchiva", method=_torchiva("iss", "gauss"), over=True),
    "torchiva T_ISS nmf": Peer(package="torchiva", method=_torchiva("iss", "nmf"), over=True),
    "ssspy CACGMM": Peer(package="ssspy", method=_ssspy("cacgmm"), over=True, under=True),
    "pyroomacoustics fastmnmf2": Peer(
        package="pyroomacoustics", method=_pra_fastmnmf2, over=True, under=True
    ),
}
"""Name to peer, the slow ones last."""


def score(name: str, mixture: RoomMixture, n_fft: int, *, fresh: bool = False) -> tuple[float, float]:
    """Return a peer's mean dSDR over a mixture's sources in dB and its CPU time in seconds, from disk if it is there.

    A peer that fails has NaN; its error is kept too.
    """
    peer = PEERS[name]
    facts = [name, peer.installed, n_fft, hashlib.sha256(mixture.mixture.tobytes()).hexdigest(), 1]
    folder = cache_folder() / "peers"
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]}.json"
    if fresh or not path.exists():
        record = {"peer": facts[:3], "mixture": mixture.name, **_measured(peer, mixture, n_fft)}
        path.write_text(json.dumps(record))
    record = json.loads(path.read_text())
    return float(record["gain"]), float(record["cpu"])


def _measured(peer: Peer, mixture: RoomMixture, n_fft: int) -> dict[str, object]:
    if peer.package == "torchiva":
        _torchaudio_or_nothing()
    import_module(peer.package)  # not to be timed
    stft = STFT(n_fft=n_fft)
    X = stft.analyze(mixture.mixture.astype(np.float64))
    start = time.process_time()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            Y = peer.method(X, len(mixture.images))
    except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        return {"gain": float("nan"), "cpu": time.process_time() - start, "error": repr(error)}
    seconds = time.process_time() - start
    images = stft.synthesize(np.ascontiguousarray(Y), mixture.mixture.shape[1])
    if not np.isfinite(images).all():
        return {"gain": float("nan"), "cpu": seconds, "error": "not finite"}
    return {"gain": float(gain(mixture, images).mean()), "cpu": seconds}
