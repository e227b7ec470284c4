"""Searches of one model share what time they have, counted as work."""

from __future__ import annotations

from math import inf

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.model.budget import LEAST_S, Budget
from fusemax.model.price import Prices, Widths
from fusemax.model.step import Step
from fusemax.search.answer import best_mapping


def test_each_search_has_half_of_what_is_left() -> None:
    """4 s: 2 for the first, which takes 1; then (4 - 1) / 2; then the least there is."""
    budget, shares = Budget(together=4.0), list[float]()
    for took_s in (1.0, 3.0, 0.5):
        with budget.share("softmax/3-pass") as share:
            shares.append(share.seconds)
            share.tally.work_s = took_s

    assert shares == [2.0, 1.5, LEAST_S]
    assert budget.spent == 4.5


def test_without_a_limit_each_search_has_its_own() -> None:
    """What was spent before takes nothing away."""
    budget = Budget(each=6.0, spent=100.0)
    with budget.share("softmax/3-pass") as share:
        assert (share.seconds, budget.together) == (6.0, inf)


def test_a_search_that_fails_is_counted_too() -> None:
    """So that many of them end."""
    budget = Budget(together=4.0)

    def fails() -> None:
        with budget.share("softmax/3-pass") as share:
            share.tally.work_s = 1.0
            raise ValueError("nothing")

    with pytest.raises(ValueError, match="nothing"):
        fails()
    assert budget.spent == 1.0


@pytest.mark.slow
def test_what_was_cut_off_is_known() -> None:
    """Attention on a mesh with hardly any time is cut off; a product of which there is little to try is not."""
    hurried = Prices("flatattention", Widths(), search=True, budget=Budget(together=0.0))
    sizes = {"B": 2, "H": 8, "R": 4, "E": 128, "F": 128, "P": 256, "M": 256}
    attention, product = (
        Step(part="layer", name="step", work="work", times=1, forms=(form,))
        for form in (("grouped/causal", sizes), ("transformer/linear", {"R": 512, "K": 4096, "N": 6144}))
    )

    hurried.price(product)
    assert not hurried.budget.cut
    assert hurried.price(attention).mapping == "found by search"
    assert hurried.budget.cut == {"grouped/causal"}


def test_without_hope_a_search_ends_soon() -> None:
    """Nothing is found in no time: what is given for a first one that fits is all that it takes."""
    machine, _ = load_machine("fusemax")
    sizes = {"R": 512, "K": 4096, "N": 6144}
    answer = best_mapping(
        load_cascade("transformer/linear"), machine, sizes, seconds=0.0, by_work=True, hopeless_s=5.0
    )
    assert answer.stopped == "time"
