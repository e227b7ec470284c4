"""Groups that take turns, against mean value analysis: the same network of queues by another way."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.evaluate import costs
from fusemax.cost.model import derive
from fusemax.cost.turns import cycles_in_turns
from fusemax.errors import FusemaxError
from fusemax.gpu.predict import sizes_for
from fusemax.gpu.shape import Shape
from fusemax.language.syntax import Number
from fusemax.library.load import design_of
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of


def analysed(busy: list[int], groups: int, waiting: int) -> float:
    """Return the cycles of an epoch by mean value analysis (Reiser and Lavenberg, JACM 27(2), 1980)."""
    queues = [0.0] * len(busy)
    cycle = float(waiting)
    for number in range(1, groups + 1):
        stays = [time * (1 + queue) for time, queue in zip(busy, queues, strict=True)]
        cycle = (waiting + sum(stays)) / number
        queues = [stay / cycle for stay in stays]
    return cycle


@given(
    busy=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    groups=st.integers(1, 6),
    waiting=st.integers(0, 60),
)
def test_against_mean_values(busy: list[int], groups: int, waiting: int) -> None:
    """Rates of the network are those of the sums of products."""
    found = cycles_in_turns([sympy.Integer(time) for time in busy], Number(groups), sympy.Integer(waiting))
    assert float(found) == pytest.approx(analysed(busy, groups, waiting), rel=1e-9)
    assert max(busy) <= float(found) * (1 + 1e-12)
    assert float(found) <= (sum(busy) + waiting) * (1 + 1e-12)


def test_slack_hides() -> None:
    """Two groups hide four fifths of a quarter, and half of an equal: that is why one constant does not do for both."""
    quarter, equal = (cycles_in_turns([sympy.Integer(4), sympy.Integer(n)], Number(2)) for n in (1, 4))
    assert float(4 + 1 - quarter) == pytest.approx(0.8)
    assert float(4 + 4 - equal) == pytest.approx(2)


@pytest.mark.parametrize(
    ("groups", "width", "many"),
    [("min(2, 128/E)", width, many) for width, many in ((40, 2), (64, 2), (65, 1), (128, 1))]
    + [("E/16", 64, 4), ("E/16", 8, 1), ("E", 128, 12)],
)
def test_as_many_as_there_is_room_for(groups: str, width: int, many: int) -> None:
    """A formula is rounded down, to one at least and twelve at most: the time is that of as many by number."""
    call = Shape(
        batch=1, heads=8, kv_heads=8, seqlen_q=512, seqlen_kv=512, head_dim=width, head_dim_v=width, causal=False,
        direction="fwd",
    )  # fmt: skip
    times = []
    for said in (groups, many):
        changes = {"schedule": {"groups": said, "wait": 500, "start": "1 us"}}
        design = design_of("h100", "flash2", "attention", changes=changes)
        program = derive(design.mapped, design.machine)
        times.append(costs(design.mapped, program, [(sizes_for(design.mapped, call), {})])[0].latency_s)
    assert times[0] == pytest.approx(times[1], rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"start": "1 us"}, "expected 'groups' or 'overlap'"),
        ({"groups": 2, "overlap": 0.5}, "expected 'groups' or 'overlap'"),
        ({"groups": 0}, "expected 1 to 12 groups, got 0"),
        ({"groups": 99}, "expected 1 to 12 groups, got 99"),
        ({"groups": 1.5}, "expected 1 to 12 groups, got 1.5"),
        ({"overlap": 0.5, "wait": 3}, "'wait' goes with 'groups'"),
    ],
)
def test_what_is_no_schedule(schedule: Any, said: str) -> None:
    """A schedule says one of both, and how many."""
    data = {
        "title": "t",
        "source": "s",
        "cascade": "transformer/linear",
        "nests": [{"do": ["Y"]}],
        "bind": {"a": ["Y"]},
        "schedule": schedule,
    }
    with pytest.raises(FusemaxError, match=said):
        mapping_file_of(document_of(json.dumps(data)))
