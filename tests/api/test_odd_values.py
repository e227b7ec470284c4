"""Values from Python that nobody can mean: each ends with a message that says what was expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fusemax as fm

SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 512, "P": 512}


@pytest.fixture(scope="module")
def design() -> fm.Design:
    """A design that is right."""
    return fm.Design("attention/1-pass", "fusemax", "fusemax")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (math.nan, "NaN|finite|number"),
        (-3, "at least 1"),
        (2**53 + 1, "double precision"),
        pytest.param(10**5000, "too large", id="thousands of digits"),
        (3e21, "at most 9007199254740991"),
        (np.float64(0.5), "at least 1"),
        (np.array([1, 2]), "expected a whole number"),
        (1 + 2j, "expected a whole number"),
        (True, "expected a whole number"),
        (b"4", "expected a whole number"),
        ("4 XB", "4 XB"),
    ],
)
def test_sizes(design: fm.Design, size: Any, said: str) -> None:
    """Of a point and of an axis."""
    with pytest.raises(fm.FusemaxError, match=said):
        design.cost({**SIZES, "M": size})


def test_sizes_of_numpy(design: fm.Design) -> None:
    """A whole number is one whatever its type."""
    expected = design.cost(SIZES).latency_s

    for size in (np.int64(512), np.float32(512), np.array(512), 512.0, "512"):
        assert expected == design.cost({**SIZES, "M": size}).latency_s


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": 5}, "grid: expected values by name"),
        ({"grid": {1: [2]}}, "grid: a name is a text, got 1"),
        ({"sizes": "M"}, "sizes: expected values by name"),
        (
            {"where": "M <= 4"},
            r"where: expected a list of names, got the text 'M <= 4'\n  hint: write \['M <= 4'\]",
        ),
        ({"where": [3]}, "where: expected a list of names, got 3 in it"),
        ({"zip": ["M"]}, "zip: expected a list of names, got the text 'M'"),
        ({"outputs": 7}, "outputs: expected a list of names, got 7"),
        ({"pareto": {"latency"}}, "pareto: expected a list of names"),
        ({"top": 1.5, "by": "latency"}, "top: expected a whole number of at least 1, got 1.5"),
        ({"top": 3, "by": 3}, "by: expected a name, got 3"),
        ({"progress": "yes"}, "progress: expected True, False or a function, got 'yes'"),
        ({"grid": {"M": range(10**12)}}, "more than 1,000,000 values"),
    ],
)
def test_options_of_a_sweep(design: fm.Design, options: dict[str, Any], said: str) -> None:
    """Of another kind than the one that is wanted; a text is not taken for the list of its letters."""
    fixed = {name: value for name, value in SIZES.items() if name != "M"}

    with pytest.raises(fm.FusemaxError, match=said):
        design.frame(**{"grid": {"M": [256, 512]}, "sizes": fixed, **options})


def test_lists_in_lists(design: fm.Design) -> None:
    """A list that holds itself, and one that is too deep."""
    itself: list[Any] = []
    itself.append(itself)
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]

    for odd, said in ((itself, "holds itself"), (deep, "deep in each other")):
        with pytest.raises(fm.FusemaxError, match=said):
            design.frame({"M": odd}, sizes={})


def test_names(design: fm.Design) -> None:
    """Where a name is wanted, nothing else is taken."""
    answer, passes = design.cost(SIZES), fm.passes("attention/3-pass")
    calls = (
        lambda: design.with_(["L3.size"], "1 MiB"),  # type: ignore[arg-type]
        lambda: design.with_("L3.size", [1]),  # type: ignore[arg-type]
        lambda: answer.of(["cycles"]),  # type: ignore[arg-type]
        lambda: answer.explain(3),  # type: ignore[arg-type]
        lambda: passes.passes(np.zeros(2)),  # type: ignore[arg-type]
        lambda: passes.why("M", 1.5),  # type: ignore[arg-type]
        lambda: fm.reduce("softmax/3-pass", 3),  # type: ignore[arg-type]
        lambda: fm.run(7),  # type: ignore[arg-type]
        lambda: fm.evaluate("attention/1-pass", 3.5),  # type: ignore[arg-type]
        lambda: fm.cost_of("attention/1-pass", "fusemax", "fusemax", "M"),  # type: ignore[arg-type]
        lambda: fm.Design("attention/1-pass", "fusemax", "fusemax", changes="x"),  # type: ignore[arg-type]
    )

    for call in calls:
        with pytest.raises(fm.FusemaxError, match="expected"):
            call()
