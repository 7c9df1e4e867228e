"""`pytest` in this folder: the method keeps every promise of the built-in ones, and is found by its name."""

from sigsep_gate import Gate

from sigsep_classic import METHODS
from sigsep_classic.testing import check_method


def test_it_keeps_the_promises():
    check_method(Gate(share=0.2))


def test_it_is_found_by_name():
    assert METHODS["gate"] is Gate
