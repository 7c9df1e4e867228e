"""Medians, quartiles and paired tests against NumPy, SciPy and plain loops."""

import math

import numpy as np
from numpy.testing import assert_allclose

from sigsep_classic.compare import statistics
from sigsep_classic.compare.statistics import differences, holm, spread

NAN, INF = math.nan, math.inf


def test_medians_and_quartiles_are_those_of_numpy_without_the_nans():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 8, 31):
        values = rng.standard_normal(n)
        found = spread([*values, NAN])
        assert_allclose([found.lower, found.median, found.upper], np.quantile(values, [0.25, 0.5, 0.75]))
        assert found.n_values == n


def test_infinite_values_are_values():
    assert spread([INF, INF, 1.0]).median == INF
    assert spread([-INF, 1.0, 2.0]).median == 1.0
    assert spread([-INF, 5.0]).median == -INF
    assert spread([-INF, 1.0, 2.0, INF]).lower == -INF
    assert spread([-INF, 1.0, 2.0, INF]).upper == INF
    assert math.isnan(spread([]).median)


def test_small_p_values_are_those_of_scipy_where_scipy_is_exact():
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(1)
    for n in (3, 6, 13, 40):
        gaps = rng.standard_normal(n) + 0.3
        assert_allclose(statistics._wilcoxon(gaps), wilcoxon(gaps, method="exact").pvalue)


def test_tied_differences_are_exact_too():
    """Every choice of signs, counted one by one."""
    gaps = np.array([2.0, 2.0, 1.0, -1.0, 3.0])
    ranks = np.array([3.5, 3.5, 1.5, 1.5, 5.0])
    sums = np.array([ranks[[(bits >> k) & 1 == 1 for k in range(5)]].sum() for bits in range(32)])
    tail = min((sums <= 13.5).mean(), (sums >= 13.5).mean())
    assert_allclose(statistics._wilcoxon(gaps), 2 * tail)


def test_equal_methods_do_not_differ():
    assert statistics._wilcoxon(np.zeros(9)) == 1.0
    assert math.isnan(statistics._wilcoxon(np.ones(1)))


def test_holm_is_the_step_down_rule():
    rng = np.random.default_rng(2)
    p = rng.random(7) ** 3
    order = np.argsort(p)
    naive = [max(min(1, (7 - j) * p[order[j]]) for j in range(rank + 1)) for rank in range(7)]
    assert_allclose(np.array(holm(list(p)))[order], naive)
    assert holm([NAN, 0.02])[1] == 0.02


def test_only_tracks_that_both_methods_have_are_paired():
    a = {f"t{n}": float(n) for n in range(10)}
    b = {f"t{n}": n - 1.0 for n in range(2, 12)} | {"t3": NAN, "t4": INF}
    (found,) = differences({"a": a, "b": b})
    assert (found.first, found.second, found.n_tracks, found.median) == ("a", "b", 6, 1.0)
    assert_allclose(found.p, 2 / 2**6)
    assert found.significant


def test_pairs_are_corrected_for_their_number():
    rng = np.random.default_rng(3)
    shifts = {"a": 0.0, "b": 0.1, "c": 3.0}
    scores = {m: {f"t{n}": rng.standard_normal() + by for n in range(30)} for m, by in shifts.items()}
    single = differences({m: scores[m] for m in "ac"})[0].p
    together = {(d.first, d.second): d.p for d in differences(scores)}
    assert 2 * single <= together["a", "c"] <= 3 * single * (1 + 1e-9)
    assert together["a", "b"] > 0.05
