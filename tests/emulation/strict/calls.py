"""Public calls beside methods, on a small stereo song: masks, phases, groupings, orders, filters, scores, oracles."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from sigsep_classic import (
    METHODS,
    STFT,
    ConstantQ,
    Waveform,
    beamforming,
    geometry,
    grouping,
    masking,
    metrics,
    oracle,
    permutation,
    phase,
    remix,
    scaling,
    separate,
    synthesize,
)
from sigsep_classic.refusals import MASKS
from tests.conformance.quick import QUICK

RATE, SAMPLES = 8000, 2400
FRONTEND = STFT(n_fft=256, hop=64)
Put = Callable[[np.ndarray], Any]
Call = Callable[[Put], Any]
POSITIONS = np.array([[0.0, 0.0], [0.05, 0.0]])


@cache
def _song() -> Any:
    return synthesize("song", seconds=1.0, sample_rate=RATE)


def samples(real: str = "float64") -> np.ndarray:
    """Return the mixture (2, samples)."""
    return np.array(_song().mixture[:, 1600 : 1600 + SAMPLES].astype(real))


def stems(put: Put) -> dict[str, Any]:
    """Return the true stems by name."""
    return {n: put(np.array(s[:, 1600 : 1600 + SAMPLES], float)) for n, s in list(_song().stems.items())[:3]}


def _separated(put: Put, method: str = "nmf", **options: Any) -> dict[str, Any]:
    made = METHODS[method](**QUICK.get(method, {}))
    return dict(separate(put(samples()), RATE, method=made, frontend=FRONTEND, **options))


def _coefficients(put: Put) -> Any:
    return FRONTEND.analyze(put(samples()))


def _images(put: Put) -> Any:
    S = [FRONTEND.analyze(s) for s in stems(put).values()]
    from sigsep_classic.backend import namespace

    return namespace(S[0]).stack(S)


def _round_trip(frontend: Any, put: Put) -> Any:
    x = put(samples())
    X = frontend.analyze(x)
    return X, frontend.synthesize(X, x.shape[-1])


def _gains(put: Put) -> Any:
    return masking.GAINS["ratio"](abs(_images(put)) ** 2, 1.0)


def _beam(name: str, put: Put) -> Any:
    return beamforming.beamformed(_coefficients(put), _gains(put), beamformer=name)


def _lcmv(put: Put) -> Any:
    X, gains = _coefficients(put), _gains(put)
    C = beamforming.masked_covariances(X, gains)
    steering = scaling.steering_of(C[:2])
    return beamforming.lcmv(C[2], steering)


def _order(solver: str, put: Put) -> Any:
    Y = _images(put)[:, 0]
    options = {"truth": Y} if solver == "oracle" else {}
    return permutation.solve(Y, solver=solver, **options)


def _phases(put: Put) -> Any:
    X, V = _coefficients(put), abs(_images(put))
    griffin = phase.griffin_lim(V, FRONTEND, SAMPLES, n_iter=3)
    return griffin, phase.unwrapped(V, X, FRONTEND, n_iter=2), phase.misi(V, X, FRONTEND, SAMPLES, n_iter=2)


def _scaled(put: Put) -> Any:
    rng = np.random.default_rng(0)
    W = put(rng.standard_normal((5, 2, 3)) + 1j * rng.standard_normal((5, 2, 3)))
    Z = put(rng.standard_normal((5, 3, 40)) + 1j * rng.standard_normal((5, 3, 40)))
    C = Z @ Z.conj().swapaxes(-1, -2)
    A = scaling.projection_back(W, C)
    return A, scaling.steering_of(C[None]), *scaling.minimal_distortion(W, A)


def _scores(name: str, put: Put) -> Any:
    truth = stems(put)
    rest = put(0.1 * samples())
    return metrics.scores(
        truth, {n: s + rest for n, s in truth.items()}, metrics=(name,), sample_rate=float(RATE)
    )


def _pairs(put: Put) -> tuple[Any, Any]:
    """Return true stems (sources, channels, samples) and estimates of them."""
    truth = np.stack([*stems(np.array).values()])
    return put(truth), put(truth + 0.1 * samples())


def _bss(put: Put) -> Any:
    truth, guess = _pairs(put)
    whole = metrics.bss_eval_images(truth, guess)
    frames = metrics.bss_eval_v4(truth, guess, window=1200, hop=600, filter_length=32)
    return tuple(whole), tuple(frames), metrics.framewise_sdr(truth, guess, window=600, hop=600)


def _sources(put: Put) -> Any:
    truth, guess = _pairs(put)
    return tuple(metrics.bss_eval_sources(truth[:, 0], guess[:, 0]))


def _oracle(name: str, put: Put) -> Any:
    return oracle.apply(name, put(samples()), stems(put), frontend=FRONTEND)


def _model(put: Put) -> Any:
    method = METHODS["nmf"](**QUICK["nmf"])
    return method.fit(_coefficients(put))


def _many(put: Put) -> Any:
    X = [FRONTEND.analyze(put(samples()[:, :n])) for n in (SAMPLES, SAMPLES, 1900)]
    models = METHODS["nmf"](**QUICK["nmf"]).fit_many(X)
    return [(model.W, model.H) for model in models]


def _grouped(put: Put) -> Any:
    model, references = _model(put), {n: FRONTEND.analyze(s) for n, s in stems(put).items()}
    return grouping.by_reference(model, references)


def _located(put: Put) -> Any:
    X, grid = _coefficients(put), FRONTEND.grid(RATE)
    direction = geometry.srp_phat(X, POSITIONS, grid, n_directions=36)
    return vars(geometry.gcc_phat(X, grid)), vars(direction)


def _models(put: Put) -> Any:
    X, V = _coefficients(put), abs(_images(put))
    return masking.residual_model(V, X), masking.reduce_interferences(V), masking.logit(_gains(put))


def _remixed(changes: Any, put: Put) -> Any:
    return dict(remix(put(samples()), changes, RATE, method="hpss", frontend=FRONTEND))


CALLS: dict[str, Call] = {
    "frontend stft": partial(_round_trip, FRONTEND),
    "frontend waveform": partial(_round_trip, Waveform()),
    "frontend constant_q": partial(_round_trip, ConstantQ(sample_rate=RATE)),
    **{f"mask {m}": partial(_separated, mask=m) for m in MASKS},
    **{f"estimates by {m}": partial(_separated, method="auxiva", mask=m) for m in beamforming.FILTERS},
    **{f"phase {p}": partial(_separated, phase=p) for p in phase.PHASES},
    "phases of spectrograms": _phases,
    **{f"groups {g}": partial(_separated, groups=g) for g in grouping.GROUPERS},
    "groups by reference": _grouped,
    **{f"order {o}": partial(_separated, method="auxiva", order=o) for o in ("energy", "angle", "distance")},
    **{f"beamforming {b}": partial(_beam, b) for b in beamforming.FILTERS},
    "beamforming lcmv": _lcmv,
    **{f"permutation {s}": partial(_order, s) for s in ("kernel", "correlation", "dyadic", "hbp", "oracle")},
    "scaling": _scaled,
    "geometry": _located,
    "models": _models,
    **{
        f"metrics {m}": partial(_scores, m)
        for m in ("snr", "si_sdr", "sd_sdr", "usdr", "csdr", "isr", "stoi")
    },
    "metrics bss_eval": _bss,
    "metrics bss_eval_sources": _sources,
    **{f"oracle {o}": partial(_oracle, o) for o in oracle.ORACLES},
    "remix gains": partial(_remixed, {"harmonic": 0.5}),
    "remix filters": partial(_remixed, "harmonic highpass 500; percussive pan left"),
    "many problems at once": _many,
    "examples": partial(_separated, examples={"voice": samples()[:, :1200]}),
    "device": lambda put: dict(separate(samples(), RATE, method="hpss", frontend=FRONTEND, device="auto")),
}
"""By name: a function of what puts samples where they are to be worked on; gives arrays, or what holds arrays."""


def flat(found: Any) -> list[np.ndarray]:
    """Return the arrays of a result on the host, one after the other."""
    from sigsep_classic.backend import to_host

    if isinstance(found, dict):
        return [a for value in found.values() for a in flat(value)]
    if isinstance(found, (list, tuple)):
        return [a for value in found for a in flat(value)]
    return [] if found is None or isinstance(found, str) else [np.asarray(to_host(found))]
