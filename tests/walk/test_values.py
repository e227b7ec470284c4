"""Mappings compute what their cascade says, and a tile that a rule finds is the largest that has room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fusemax.errors import FusemaxError
from tests.walk import fuzz
from tests.walk.design import Design
from tests.walk.features import FEATURES
from tests.walk.fits import wrong_fits
from tests.walk.space import NotWalkedError
from tests.walk.trace import Step, Trace
from tests.walk.values import wrong_values

KINDS = [kind for kind in FEATURES if "gather" not in kind]


def _computed(seed: int, numbers: range) -> Iterator[tuple[int, list[object]]]:
    for number in numbers:
        try:
            yield number, [*wrong_values(fuzz.design_of(seed, number, KINDS[number % len(KINDS)]))]
        except (FusemaxError, NotWalkedError):
            continue


def test_what_is_accepted_computes_the_cascade() -> None:
    """Iteration by iteration, in the order of the loops, with values: each output is that of the cascade on arrays."""
    found = dict(_computed(11, range(70)))

    assert len(found) >= 40
    assert not [entry for entry in found.items() if entry[1]]


def test_an_order_that_is_not_the_mappings_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: iterations from the last one to the first."""
    steps = Trace.steps
    backwards: list[Step] = []

    def reverse(trace: Trace) -> list[Step]:
        backwards[:] = reversed(steps(trace))
        return backwards

    monkeypatch.setattr(Trace, "steps", reverse)

    assert any(wrong for _, wrong in _computed(11, range(30)))


def test_tiles_by_rules_are_the_largest_that_have_room() -> None:
    """Of each kind of rule, with ragged tiles and with several that wait for others: against a try of every size."""
    tried = 0
    for number in range(120):
        design: Design = fuzz.design_of(12, number, "fit")
        tried += sum("fit(" in str(rule) for rule in design.mapping.get("tiles", {}).values()) == 1
        assert not wrong_fits(design), number

    assert tried >= 20
