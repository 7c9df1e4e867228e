"""What every separation method promises, each as a function of a `Case`: ``PROMISES[name](case)``.

`check_method` runs them all and is all that the tests of a method of another package need::

    from sigsep_classic.testing import check_method

    def test_my_method_keeps_the_promises():
        check_method(MyMethod(strength=3))
"""

from __future__ import annotations

import dataclasses
import itertools
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.backend import threads, to_host
from sigsep_classic.datasets.synthetic import synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import Iterative
from sigsep_classic.factorizers.models import are_estimates
from sigsep_classic.frontends import STFT, Waveform
from sigsep_classic.pipeline import separate_array, told
from sigsep_classic.separation import Separation

SAMPLE_RATE = 8000
FRONTENDS: dict[str, tuple[Any, int]] = {
    "stft": (STFT(n_fft=256, hop=64), 2400),
    "waveform": (Waveform(), 500),
}
"""Front-ends by name, each with a number of samples that keeps tests short."""

NULL = 1e-6
"""How far stems may be from adding up to the mixture, relative to the peak."""


@dataclass(frozen=True)
class Case:
    """A method under test on a front-end, and a stereo signal to test it with.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    frontend : FrontEnd
        A key of `FRONTENDS`.
    groups : optional
        How components become stems, as `separate` takes it; default: by timbre.
    partition : bool
        The stems add up to the mixture: true of every method that masks or keeps a residual.
    single : float
        How far float32 may be from float64, relative to the peak. Rounding is 1e-7; methods that iterate
        multiply it, and those that choose by comparing may choose differently.
    spreads : bool
        Stems are in both channels by definition (mid and side), also where one of them is silent.
    """

    method: Any
    frontend: str = "stft"
    groups: Any = None
    partition: bool = True
    single: float = 1e-5
    spreads: bool = False

    def signal(self, real: str = "float64", *, variant: str = "song") -> np.ndarray:
        """Return the test signal (2, samples)."""
        n_samples = FRONTENDS[self.frontend][1]
        return _synthesized(variant)[:, :n_samples].astype(real)

    def separate(self, x: np.ndarray) -> Separation:
        """Return the stems of x, checked to be what any input must give."""
        frozen = np.array(x)
        frozen.flags.writeable = False
        frontend = FRONTENDS[self.frontend][0]
        sep = separate_array(frozen, SAMPLE_RATE, self.method, frontend=frontend, groups=self.groups)
        assert len(sep) >= 1
        for stem in sep.values():
            assert (stem.shape, stem.dtype) == (x.shape, x.dtype)
            assert np.isfinite(to_host(stem)).all()
        assert_array_equal(frozen, x)
        if self.partition:
            assert_allclose(to_host(sum(sep.values())), x, rtol=0, atol=NULL * peak(x))
        return sep


def peak(x: np.ndarray) -> float:
    """Return the largest absolute value."""
    return float(abs(x).max())


_made: dict[str, np.ndarray] = {}


def _synthesized(variant: str) -> np.ndarray:
    if variant not in _made:
        _made[variant] = synthesize(variant, seconds=1.0, sample_rate=SAMPLE_RATE).mixture[:, 1600:]
    return _made[variant]


def assert_same(a: Separation, b: Any, *, within: float, of: float | None = None) -> None:
    """Fail unless two separations have the same stems to ``within``, relative to the mixture's peak."""
    assert list(a) == list(b)
    scale = peak(a.mixture) if of is None else of
    for name in a:
        assert_allclose(to_host(a[name]), to_host(b[name]), rtol=0, atol=within * scale, err_msg=name)


# ---- the promises


def stems_have_the_shape_and_kind_of_the_input_and_add_up_to_it(case: Case) -> None:
    """Stems have the shape and dtype of the mixture, are finite, and add up to it where the method says so."""
    for real in ("float32", "float64"):
        sep = case.separate(case.signal(real))
        assert all(isinstance(name, str) and name for name in sep)


def the_length_may_be_anything(case: Case) -> None:
    """Any number of samples is taken, also around a multiple of the hop."""
    x = case.signal("float32")
    for n_samples in (255, 256, 257):
        case.separate(x[:, :n_samples])


def the_loss_never_rises(case: Case) -> None:
    """The loss of an iterative method does not rise from one step to the next."""
    if not isinstance(case.method, Iterative):
        return
    for real, slack in (("float64", 1e-10), ("float32", 1e-5)):
        X = FRONTENDS[case.frontend][0].analyze(case.signal(real))
        method = on_grid(case)
        data = method.prepare(X)
        losses = [method.loss(data, model) for model in method.iterate(X)]
        assert len(losses) == method.n_iter + 1
        assert np.isfinite(losses).all()
        scale = max(map(abs, losses))
        assert all(b <= a + slack * scale for a, b in itertools.pairwise(losses))


def iterates_are_copies(case: Case) -> None:
    """`iterate` hands out models that later steps do not write to."""
    if not isinstance(case.method, Iterative):
        return
    X = FRONTENDS[case.frontend][0].analyze(case.signal())
    models = [(model, case.method.copy(model)) for model in on_grid(case).iterate(X)]
    for model, kept in models:
        for field, value in vars(kept).items():
            if hasattr(value, "flags"):
                assert_array_equal(to_host(getattr(model, field)), to_host(value))


def the_input_is_unchanged_also_when_loud(case: Case) -> None:
    """Neither samples nor coefficients are written to, also far above full scale."""
    x = 100 * case.signal()
    case.separate(x)  # on a read-only copy, compared afterwards
    X = FRONTENDS[case.frontend][0].analyze(x)
    before = X.copy()
    X.flags.writeable = False
    on_grid(case).fit(X)
    assert_array_equal(X, before)


def scaling_the_input_scales_the_stems(case: Case) -> None:
    """A mixture 60 dB louder or quieter gives the same stems, that much louder or quieter."""
    x = case.signal()
    sep = case.separate(x)
    for factor in (1e3, 1e-3):
        scaled = case.separate(x * factor)
        assert_same(sep, {name: stem / factor for name, stem in scaled.items()}, within=1e-6)


def the_same_seed_gives_the_same_bits(case: Case) -> None:
    """Two runs give the same bits."""
    x = case.signal("float32")
    assert_same(case.separate(x), case.separate(x), within=0)


def the_number_of_threads_does_not_matter(case: Case) -> None:
    """One, two and four threads give the same bits."""
    x = case.signal("float32")
    with threads(1):
        one = case.separate(x)
    for n in (2, 4):
        with threads(n):
            assert_same(one, case.separate(x), within=0)


def float32_is_near_float64(case: Case) -> None:
    """Single precision gives the stems of double precision to within `Case.single`."""
    double = case.separate(case.signal("float32").astype("float64"))
    assert_same(double, case.separate(case.signal("float32")), within=case.single)


def permuting_channels_permutes_the_stems(case: Case) -> None:
    """Channels in another order give stems with their channels in that order."""
    if getattr(type(case.method), "max_channels", None) == 2:
        _two_channels_swap_and_three_are_refused(case)
        return
    x = np.concatenate([case.signal(), case.signal(variant="stereo2x2")[:1]])
    order = [2, 0, 1]
    sep, permuted = case.separate(x), case.separate(x[order])
    assert_same(permuted, {name: stem[order] for name, stem in sep.items()}, within=1e-6)


def _two_channels_swap_and_three_are_refused(case: Case) -> None:
    """Methods of a stereo pair: sources counted from left to right are counted from the other side after the swap."""
    x = case.signal()
    sep, swapped = case.separate(x), case.separate(x[::-1].copy())
    assert len(sep) == len(swapped)
    stems = [to_host(stem) for stem in swapped.values()]
    matched = []
    for stem in sep.values():
        errors = [peak(to_host(stem)[::-1] - other) for other in stems]
        matched.append(int(np.argmin(errors)))
        assert min(errors) <= 1e-6 * peak(x)
    n = sum(name.startswith("source") for name in sep)
    assert matched in ([*range(len(stems))], [*reversed(range(n)), *range(n, len(stems))])
    said = "nothing"
    try:
        case.separate(np.concatenate([x, x[:1]]))
    except ShapeError as error:
        said = str(error)
    assert "two channels" in said


def silence_gives_silence(case: Case) -> None:
    """Silence gives stems of zeros."""
    for real in ("float32", "float64"):
        x = np.zeros_like(case.signal(real))
        for stem in case.separate(x).values():
            assert_array_equal(to_host(stem), x)


def a_silent_channel_and_a_silent_stretch_stay_silent(case: Case) -> None:
    """A channel of zeros stays silent in all stems, and a silent half is no trouble."""
    x = case.signal()
    x[1] = 0
    for stem in case.separate(x).values():
        assert case.spreads or peak(to_host(stem[1])) <= NULL
    x = case.signal()
    x[:, : x.shape[1] // 2] = 0
    case.separate(x)


def one_sample_is_enough(case: Case) -> None:
    """One sample is taken."""
    for real in ("float32", "float64"):
        case.separate(np.array([[0.5], [-0.25]], real))


def one_frame_is_enough(case: Case) -> None:
    """One frame is taken."""
    X = FRONTENDS[case.frontend][0].analyze(case.signal())[:, :, 7:8]
    Y = on_grid(case).fit(X).reconstruct()
    assert Y.shape[2:] == X.shape[1:]
    assert np.isfinite(to_host(Y)).all()


def one_channel_is_enough(case: Case) -> None:
    """One channel is taken."""
    case.separate(case.signal("float32")[:1])


def dc_impulse_and_full_scale_are_finite(case: Case) -> None:
    """A constant, an impulse and a square wave at full scale give finite stems."""
    x = np.full_like(case.signal(), 0.5)
    case.separate(x)
    x[:, 1:] = 0
    case.separate(x)
    case.separate(np.sign(case.signal()))


def equal_channels_give_equal_images(case: Case) -> None:
    """Equal channels, and opposite ones, are equal and opposite in every stem."""
    for sign in (1, -1):
        left = case.signal()[:1]
        sep = case.separate(np.concatenate([left, sign * left]))
        for stem in sep.values():
            assert_allclose(to_host(stem[1]), sign * to_host(stem[0]), rtol=0, atol=NULL * peak(left))


def the_method_is_a_frozen_value(case: Case) -> None:
    """The method is a frozen dataclass of keywords, and separating does not change it."""
    kind = type(case.method)
    assert dataclasses.is_dataclass(kind)
    assert vars(kind)["__dataclass_params__"].frozen
    assert all(field.kw_only for field in dataclasses.fields(kind))
    assert dataclasses.replace(case.method) == case.method
    assert isinstance(case.method.name, str)
    before = dataclasses.asdict(case.method)
    case.separate(case.signal())
    assert dataclasses.asdict(case.method) == before


def the_model_tells_what_it_holds(case: Case) -> None:
    """The model names its components, and their sum is what it makes of all of them."""
    X = FRONTENDS[case.frontend][0].analyze(case.signal())
    model = on_grid(case).fit(X)
    assert len(model.names) == model.n_components
    assert all(i >= 0 and np.isfinite(loss) for i, loss in model.losses)
    parts = model.reconstruct()
    assert parts.shape[0] == model.n_components
    assert parts.shape[1] in (1, X.shape[0])
    assert parts.shape[2:] == X.shape[1:]
    whole = model.reconstruct({"all": range(model.n_components)})
    assert_allclose(to_host(whole[0]), to_host(parts.sum(axis=0)), rtol=1e-9, atol=1e-12)
    if not are_estimates(model, parts):
        assert (to_host(parts) >= -1e-12).all()


PROMISES: dict[str, Callable[[Case], None]] = {
    promise.__name__: promise
    for promise in (
        stems_have_the_shape_and_kind_of_the_input_and_add_up_to_it,
        the_length_may_be_anything,
        the_loss_never_rises,
        iterates_are_copies,
        the_input_is_unchanged_also_when_loud,
        scaling_the_input_scales_the_stems,
        the_same_seed_gives_the_same_bits,
        the_number_of_threads_does_not_matter,
        float32_is_near_float64,
        permuting_channels_permutes_the_stems,
        silence_gives_silence,
        a_silent_channel_and_a_silent_stretch_stay_silent,
        one_sample_is_enough,
        one_frame_is_enough,
        one_channel_is_enough,
        dc_impulse_and_full_scale_are_finite,
        equal_channels_give_equal_images,
        the_method_is_a_frozen_value,
        the_model_tells_what_it_holds,
    )
}
"""The promises by name."""


def on_grid(case: Case) -> Any:
    """Return the method, told its grid and front-end if it asks for them."""
    frontend = FRONTENDS[case.frontend][0]
    return told(case.method, grid=frontend.grid(SAMPLE_RATE), frontend=frontend)


def check_method(method: Any, *, frontends: tuple[str, ...] = tuple(FRONTENDS), **options: Any) -> None:
    """Check every promise of a method on the front-ends named.

    Parameters
    ----------
    method : Factorizer
        With parameters that make it quick: a few iterations, short windows.
    frontends : tuple of str
        Keys of `FRONTENDS`.
    **options
        ``groups``, ``partition``, ``single`` and ``spreads`` of `Case`.

    Raises
    ------
    AssertionError
        At the first promise that is not kept, which it names with what was asserted; after
        ``pytest.register_assert_rewrite("sigsep_classic.testing")`` in a ``conftest.py`` also the values.
    ParameterError
        ``method`` is no method with its parameters.
    RuntimeError
        Python runs with ``-O``.

    Examples
    --------
    >>> from sigsep_classic import HPSS
    >>> check_method(HPSS(harmonic_frames=3, percussive_bins=3), frontends=("stft",))
    """
    if not __debug__:
        raise RuntimeError("python -O leaves assertions out; check methods without it")
    if isinstance(method, type) or not hasattr(method, "fit"):
        raise ParameterError(
            f"check_method takes a method with its parameters, such as HPSS(); got {method!r:.60}"
        )
    for frontend in frontends:
        for name, promise in PROMISES.items():
            try:
                promise(Case(method, frontend=frontend, **options))
            except Exception as error:
                asserted = traceback.extract_tb(error.__traceback__)[
                    -1
                ].line  # a bare assert says nothing itself
                raise AssertionError(f"{name}, on {frontend}: {str(error) or asserted}") from error
