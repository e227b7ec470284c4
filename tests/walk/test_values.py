"""Mappings compute what their cascade says, and a tile that a rule finds is the largest that has room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fusemax.errors import FusemaxError
from tests.walk import fuzz
from tests.walk.compare import compared
from tests.walk.design import Design
from tests.walk.features import FEATURES
from tests.walk.fits import wrong_fits
from tests.walk.space import NotWalkedError
from tests.walk.test_by_hand import HEAD
from tests.walk.test_ends_by_hand import on
from tests.walk.test_walk import design
from tests.walk.trace import Step, Trace
from tests.walk.values import wrong_values

KINDS = list(FEATURES)


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


def test_what_a_condition_leaves_out_keeps_nothing_beside_it_from_being_made() -> None:
    """T1 = exp(T0), where T0 has no terms from b = 2 on: in T0's body it is refused, in one of its own it is e**0 there."""
    cascade = {
        **HEAD, "inputs": {"X": ["B", "A"]}, "outputs": ["T1"],
        "einsums": "T0[b] = exp(X[b,a]) :: sum[a] | a == b\nT1[b] = exp(T0[b])\n",
    }  # fmt: skip
    bind = {"a": ["T0", "T1"]}
    together = {"nests": [{"for": ["b"], "do": ["T0", "T1"]}], "bind": bind}
    apart = {
        "nests": [{"for": ["b"], "keep": {"L1": ["T0"]}, "do": [{"do": ["T0"]}, {"do": ["T1"]}]}],
        "bind": bind,
    }
    with pytest.raises(
        FusemaxError, match=r":2:\d+: T1 has no condition, in one body of nest T1 with T0: where a step of b"
    ):
        wrong_values(on(design(together, {"A": 2, "B": 4}, cascade)))
    one = on(design(apart, {"A": 2, "B": 4}, cascade))

    assert not wrong_values(one)
    assert not compared(one).differences
    uncut = {"nests": [{"do": ["T0", "T1"]}], "bind": bind}
    assert not wrong_values(on(design(uncut, {"A": 2, "B": 4}, cascade)))


def test_values_of_a_reduction_of_its_own_and_of_what_a_list_names() -> None:
    """The largest score and where it stands, joined tile by tile; then the elements of V that a list of two names."""
    cascade = {
        **HEAD, "inputs": {"X": ["P", "M"], "V": ["M"]}, "outputs": ["B", "C", "Z"],
        "reductions": {"best": {"identity": ["-inf", 0], "join": ["max(a0, b0)", "where(ge(a0, b0), a1, b1)"]}},
        "einsums": (
            "B[p], C[p] = parts(X[p,m], m) :: best[m]\n"
            "T[p,j], S[p,j] = X[p,m] :: topk[m -> j]\n"
            "Z[p] = S[p,j]*V[T[p,j]] :: sum[j]\n"
        ),
    }  # fmt: skip
    nests = [
        {"for": ["m1", "p"], "keep": {"DRAM": ["B", "C"]}, "do": ["B"]},
        {"for": ["p"], "do": ["T"]},
        {"for": ["p", "j"], "keep": {"L1": ["Z"]}, "do": ["Z"]},
    ]
    mapping = {"tiles": {"M0": 3}, "nests": nests, "bind": {"a": ["B", "T", "Z"]}}

    assert not wrong_values(on(design(mapping, {"P": 3, "M": 7, "J": 2}, cascade)))
