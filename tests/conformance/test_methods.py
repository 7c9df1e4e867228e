"""Every method keeps every promise, on every front-end, on the CPU and on the emulated GPU."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sigsep_classic import METHODS
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.testing import FRONTENDS, PROMISES, Case, assert_same, check_method
from tests.conformance.quick import QUICK
from tests.emulation.emulator import emulated

VARIANTS = {
    "denoise by presence": ("denoise", {"gain": "om_lsa", "noise": "imcra", "linked": False}),
    "denoise as it comes": ("denoise", {"gain": "log_mmse", "noise": "minimum", "causal": True}),
    "dehum of given mains": ("dehum", {"frequency": 60.0, "n_harmonics": 4, "seconds": 0.05}),
    "hpss with margins": ("hpss", {**QUICK["hpss"], "harmonic_margin": 2, "percussive_margin": 3}),
    "hpss binary": ("hpss", {**QUICK["hpss"], "mask_power": float("inf")}),
    "nmf Itakura-Saito": ("nmf", {**QUICK["nmf"], "beta": 0, "power": 2, "solver": "mu"}),
    "nmf Euclidean": ("nmf", {**QUICK["nmf"], "beta": 2, "solver": "me"}),
    "nmf penalised": ("nmf", {**QUICK["nmf"], "sparsity": 0.2, "smoothness": 0.1, "initial": "nndsvd"}),
    "nmf sparse by projection": ("nmf", {**QUICK["nmf"], "sparseness": 0.5, "solver": "me"}),
    "nmf by templates": ("nmf", {**QUICK["nmf"], "n_components": 2}),
    "nmf joint": ("nmf", {**QUICK["nmf"], "solver": "joint", "beta": 0.5}),
    "nmf by coordinate descent": ("nmf", {**QUICK["nmf"], "solver": "hals", "beta": 2}),
    "relevant nmf": ("nmf", {**QUICK["nmf"], "ard": 0.1, "n_starts": 2}),
    "ntf Itakura-Saito": ("ntf", {**QUICK["ntf"], "beta": 0, "power": 2}),
    "complex_nmf of two sources": (
        "complex_nmf",
        {**QUICK["complex_nmf"], "n_phases": 2, "sparsity": 0.1, "exponent": 0.8},
    ),
    "complex_nmf consistent": ("complex_nmf", {**QUICK["complex_nmf"], "n_phases": 2, "consistency": 0.5}),
    "auxiva of pairs": ("auxiva", {"n_iter": 4, "rule": "ip2", "prior": "student", "dof": 50.0}),
    "auxiva with adjustment": ("auxiva", {"n_iter": 3, "rule": "ipa", "prior": "generalized", "shape": 1.2}),
    "fdica by the natural gradient": (
        "fdica",
        {"n_iter": 5, "solver": "natural", "prior": "generalized", "permutation": None},
    ),
    "overiva by components": (
        "overiva",
        {"n_sources": 1, "n_iter": 4, "reduction": "pca", "prior": "laplace"},
    ),
    "fast iva": ("iva", {"n_iter": 6, "solver": "fast"}),
    "iva_online of fewer sources, dereverberated": (
        "iva_online",
        {"n_sources": 1, "rule": "ip", "prior": "laplace", "wpe_taps": 2},
    ),
    "pds harmonic": ("pds", {"n_iter": 4, "source_model": "harmonic"}),
    "cacgmm of more sources than channels": (
        "cacgmm",
        {**QUICK["cacgmm"], "n_sources": 3, "noise_class": True, "extraction": "mask"},
    ),
    "nmfd Itakura-Saito": ("nmfd", {**QUICK["nmfd"], "beta": 0, "power": 2, "solver": "mu", "sparsity": 0.1}),
    "ilrma of Student's t": (
        "ilrma",
        {"n_iter": 4, "density": "student", "nu": 5.0, "partitioned": True, "n_components": 5},
    ),
    "ilrma generalized": (
        "ilrma",
        {"n_iter": 4, "density": "generalized", "shape": 1.0, "updates": "me", "rule": "iss1"},
    ),
}
METHOD_CASES = {name: (name, QUICK.get(name, {})) for name in METHODS} | VARIANTS

# A gain of 0 or 1 jumps where two values are nearly equal; a power of 2 doubles relative errors.
SINGLE = {
    "hpss binary": 0.05,
    "nmf Itakura-Saito": 1e-4,
    "ntf Itakura-Saito": 1e-4,
    "nmfd Itakura-Saito": 1e-4,
    "auxiva with adjustment": 3e-5,  # 1.2e-5 where the NumPy line runs
    "cacgmm of more sources than channels": 3e-5,  # 1.3e-5
}

LIBRARY_CALLS_ONLY = {
    "dehum",
    "dehum of given mains",
    "ft2d",
    "melody",
    "simm",
    "sinusoidal",
    "tiss",
    "nmf Euclidean",
    "wpe",
    "pds",
    "pds harmonic",
    "mnmf",
}
LIBRARY_CALLS_ONLY |= {"mid_side", "centre", "panned", "adress", "duet", "projet", "spatial_clustering"}
"""What has no kernel of its own: products, solvers and transforms of the array library. Nothing of it is emulated."""

COMPOSED = {"vocals", "drums", "four_stems", "speech_music_effects", "ensemble", "hpss_cascade"}
"""Recipes made of methods that are run by themselves."""

EDGES = ("silence_gives_silence", "one_sample_is_enough", "dc_impulse_and_full_scale_are_finite")
"""Promises asked of the emulated GPU by themselves: the others hold there as its results equal those of the CPU."""


def case_of(label: str, frontend: str) -> Case:
    name, parameters = METHOD_CASES[label]
    groups = {"first": [0, 1], "second": [2, 3]} if label.startswith(("nmf ", "nmfd ")) else None
    if label == "nmf by templates":
        shape = (129 if frontend == "stft" else 1, 2)
        known = np.random.default_rng(0).random(shape)
        parameters, groups = {**parameters, "templates": {"known": known}}, None
    if label == "nmf by coordinate descent" and frontend == "waveform":
        # One frequency has rank one and is fitted exactly; of more components rounding would choose.
        parameters, groups = {**parameters, "n_components": 1}, None
    return Case(
        METHODS[name](**parameters),
        frontend=frontend,
        groups=groups,
        single=SINGLE.get(label, 1e-5),
        spreads=label == "mid_side",
    )


TELLING = {
    "stems_have_the_shape_and_kind_of_the_input_and_add_up_to_it",
    "the_loss_never_rises",
    "scaling_the_input_scales_the_stems",
    "float32_is_near_float64",
    "silence_gives_silence",
}
"""Promises likeliest to break: the others are asked of options, and on other transforms, among the slow tests."""


def cpu_cases():
    """Return each case on each transform with each promise; what `make check` leaves out is marked slow."""
    found = []
    for label, frontend, promise in itertools.product(METHOD_CASES, FRONTENDS, PROMISES):
        aside = label in VARIANTS or frontend != "stft"
        slow = label in COMPOSED or (aside and promise not in TELLING)
        found.append(pytest.param(label, frontend, promise, marks=pytest.mark.slow if slow else ()))
    return found


@pytest.mark.parametrize(("label", "frontend", "promise"), cpu_cases())
def test_on_the_cpu(label, frontend, promise):
    PROMISES[promise](case_of(label, frontend))


@pytest.mark.slow
@pytest.mark.parametrize("promise", EDGES)
@pytest.mark.parametrize("label", [c for c in METHODS if c not in LIBRARY_CALLS_ONLY | COMPOSED])
def test_on_the_emulated_gpu(label, promise):
    with emulated(backwards=False):  # the tests of the kernels, and the next one, run backwards too
        PROMISES[promise](case_of(label, "stft"))


@pytest.mark.parametrize(
    ("label", "real", "frontend"),
    [
        pytest.param(
            label,
            real,
            frontend,
            marks=pytest.mark.slow if label in COMPOSED or (label in VARIANTS and real == "float32") else (),
        )
        for label in METHOD_CASES
        for real in ("float32", "float64")
        for frontend in (("stft",) if label in VARIANTS or real == "float32" else FRONTENDS)
    ],
)
def test_the_emulated_gpu_gives_what_the_cpu_gives(label, frontend, real):
    if label == "sparse_coding" and not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set: the NumPy line takes other moves towards the same optimum")
    case = case_of(label, frontend)
    x = case.signal(real)
    with emulated(
        backwards=real == "float64"
    ) as gpu:  # the tests of the kernels take both orders of both types
        on_gpu = case.separate(x)
        assert gpu.launches or label in LIBRARY_CALLS_ONLY
    on_cpu = case.separate(x)
    assert_same(on_cpu, on_gpu, within=1e-9 if real == "float64" else case.single)


# ---- the suite itself: a broken method is found out


@dataclass(frozen=True, kw_only=True)
class Broken:
    """HPSS with one promise broken."""

    how: str
    name = "broken"

    def fit(self, X, *, callback=None):
        model = METHODS["hpss"](harmonic_frames=3, percussive_bins=3).fit(X)
        masks = model.masks
        if self.how == "adds noise":
            masks = masks * np.random.default_rng().random(masks.shape).astype(masks.dtype)
        if self.how == "NaN in silence":
            masks = np.where(model.magnitude == 0, np.nan, masks).astype(masks.dtype)
        if self.how == "has a favourite channel":
            masks = np.where(np.arange(X.shape[0])[:, None, None] == 0, masks, 0 * masks)
        if self.how == "writes to its input":
            X *= 2
        return replace(model, masks=masks)


@pytest.mark.parametrize(
    "how",
    [
        "adds noise",
        "NaN in silence",
        "has a favourite channel",
        "writes to its input",
    ],
)
def test_a_method_that_breaks_a_promise_is_found_out(how):
    with pytest.raises((AssertionError, ValueError)):
        check_method(Broken(how=how), frontends=("stft",))


def test_a_method_that_keeps_them_passes():
    check_method(Broken(how="not at all"), frontends=("stft",))
