"""Controls are made of what methods say about themselves."""

import math

import pytest

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.parameters import Parameter
from sigsep_classic.lab import controls, curve
from sigsep_classic.lab.controls import Control


def named(method, name):
    return next(c for c in controls.controls_of(method) if c.name == name)


def test_a_control_has_the_kind_range_choices_and_text_of_its_field():
    iterations = named("nmf", "n_iter")
    assert (iterations.kind, iterations.default) == ("whole", METHODS["nmf"]().n_iter)
    assert iterations.range == "at least 0"
    assert "iterations" in iterations.parameter.doc
    assert named("nmf", "sparseness").range == "0 to 1"
    assert named("nmf", "sparseness").about == "0 to 1; default: automatic"
    assert (named("nmf", "beta").kind, named("nmf", "beta").range) == ("number", None)
    solver = named("nmf", "solver")
    assert (solver.kind, "mu" in solver.parameter.choices) == ("choice", True)
    assert named("nmf", "adapt_templates").kind == "switch"
    assert {"weights", "templates"} <= set(controls.python_only("nmf"))


@pytest.mark.parametrize("method", ["hpss", "nmf", "duet", "ilrma", "four_stems"])
def test_a_range_is_that_of_the_method_and_defaults_lie_in_it(method):
    for control in controls.controls_of(method):
        if control.default is not None and control.kind in ("whole", "number"):
            assert control.low <= control.default <= control.high
        if math.isfinite(control.low):
            refused = {control.name: int(control.low) - 1 if control.kind == "whole" else control.low - 1e-3}
            assert controls.complaint(method, refused)
        assert controls.value_of(control, control.default) == control.default


def test_every_method_has_controls_and_begins_with_values_it_takes():
    for method in METHODS:
        every = (*controls.controls_of(method), *controls.stem_controls(method))
        assert all(c.parameter.doc for c in every)
        begun = controls.beginning(method)
        assert controls.changed(every, begun) == begun
        assert controls.complaint(method, {}) == ""


def test_answers_become_values():
    whole = Control(parameter=Parameter(name="n", type="int | None", default=None, doc=""), kind="whole")
    number = Control(parameter=Parameter(name="x", type="float", default=0.5, doc=""), kind="number")
    either = Control(parameter=Parameter(name="e", type="int | float", default=1, doc=""), kind="number")
    choice = Control(
        parameter=Parameter(name="c", type="str | None", default=None, doc="", choices=("a", "b")),
        kind="choice",
    )
    assert [controls.value_of(whole, answer) for answer in (3.0, None, "")] == [3, None, None]
    assert isinstance(controls.value_of(whole, 3.0), int)
    assert [controls.value_of(number, answer) for answer in (2, "0.25", None)] == [2.0, 0.25, 0.5]
    assert isinstance(controls.value_of(number, 2), float)
    assert isinstance(controls.value_of(either, 2.0), int)
    assert [controls.value_of(choice, answer) for answer in ("a", controls.AS_IS, None)] == ["a", None, None]
    assert controls.changed([whole, number], {"n": 3.0, "x": 0.5}) == {"n": 3}
    for control, answer, said in (
        (whole, 1.5, "n is 1.5; it must be a whole number"),
        (number, "x", "x is 'x'; it must be a number"),
        (choice, "z", "'z' is unknown; use one of a, b"),
    ):
        with pytest.raises(ParameterError, match=said):
            controls.value_of(control, answer)


def test_a_curve_falls_to_the_right_and_leaves_out_what_is_not_finite():
    found = curve.points([(0, 100.0), (10, 10.0), (20, 1.0)], last=40)
    assert found[0] == (curve.EDGE, curve.EDGE)
    assert found[1][1] == curve.HEIGHT / 2  # logarithmic
    assert found[2] == (curve.WIDTH / 2, curve.HEIGHT - curve.EDGE)
    assert curve.points([(0, math.nan), (1, -2.0), (2, -3.0)])[0][1] == curve.EDGE
    assert curve.svg([]) == curve.caption([]) == curve.svg([(0, math.inf)]) == ""
    assert curve.caption([(0, 4.0), (10, 1.0)]) == "loss 1 after 10 iterations, 75.0 % below the first"
