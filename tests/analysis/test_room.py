"""Conditions that contradict each other, or leave one place: the bound is at most what unrolling gives."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.passes import analyse
from fusemax.cascade.build import cascade_from_text, load_cascade
from tests.analysis.random_layers import SIZES, random_layers
from tests.analysis.test_random import compare

NARROW = (
    "m < 2", "m == 0", "m > 1", "m > p", "m != p", "p < 2", "p > 1", "p == M - 1", "m == p + 1", "m + p >= M - 1", "m + p < M",
    "m < M - 1", "m >= M - 2", "m <= p, m >= p - 1",
)  # fmt: skip
HEAD = "title: t\nsource: our own\nsame: [[P, M]]\ninputs: {X: [M, E]}\neinsums: |\n"
COUNTS = [
    ("m < 2, m > p", ("M", "S"), 1, "the first p goes with m = 1, all others with nothing"),
    ("m > 1, m < 2", ("M", "N"), 0, "there is no task that reads any of it"),
    ("m != p, m <= p, m >= p - 1", ("M", "N"), 1, "each p goes with the m before it alone"),
    ("p < 2, m + p >= M - 1", ("M", "S"), 3, "p = 0 goes with one m, p = 1 with two: maximum, sum, quotient"),
    ("p >= M - 2, m + p < M", ("M", "S"), 3, "the same, seen from the other end"),
    ("m < 1, m > 1", ("E", "X"), 1, "no score is made: features are read for the result alone"),
]  # fmt: skip


@pytest.mark.parametrize(("mask", "query", "count", "why"), COUNTS)
def test_counts(mask: str, query: tuple[str, str], count: int, why: str) -> None:
    """The bound is the count by hand."""
    rows = (
        f"S[m,p] = X[m,e]*X[p,e] :: sum[e] | {mask}",
        f"G[p] = S[m,p] :: max[m] | {mask}",
        f"N[m,p] = S[m,p] - G[p] | {mask}",
        f"D[p] = N[m,p] :: sum[m] | {mask}",
        f"A[m,p] = N[m,p]/D[p] | {mask}",
        "V[p,e] = A[m,p]*X[m,e] :: sum[m]"
        if query[0] == "E"
        else f"V[p,e] = A[m,p]*X[m,e] :: sum[m] | {mask}",
    )
    cascade = cascade_from_text(HEAD + "".join(f"  {row}\n" for row in rows), "hand")

    assert count == analyse(cascade).passes(*query), why


def test_the_last_of_a_running_value_holds_all_of_the_fibre() -> None:
    """Whose mask leaves one place of it reads all of W over T all the same: WK, then QK, then SN at the last token."""
    assert analyse(load_cascade("variants/path")).passes("T", "W") >= 3


@pytest.mark.parametrize(
    ("mask", "tensor", "place"),
    [
        ("m < p", "K", ("the last p",)),
        ("m > p", "K", ("the first p",)),
        ("m <= p", "K", ("the last p",)),
        ("p < 2, m + p >= M - 1", "S", ("p = 1",)),
        ("p >= M - 2, m + p < M", "S", ("p = P-2",)),
    ],
)
def test_the_answer_names_the_place_of_its_chain(mask: str, tensor: str, place: tuple[str, ...]) -> None:
    """Where a mask leaves all that is read of the fibre, and several of it."""
    rows = (
        f"S[m,p] = Q[p,e]*K[m,e] :: sum[e] | {mask}",
        f"G[p] = S[m,p] :: max[m] | {mask}",
        f"N[m,p] = S[m,p] - G[p] | {mask}",
    )
    head = HEAD.replace("X: [M, E]", "K: [M, E], Q: [P, E]")
    cascade = cascade_from_text(head + "".join(f"  {row}\n" for row in rows), "hand")

    assert analyse(cascade).rank("M").of(tensor).at == place


@given(st.data())
def test_never_above_where_conditions_leave_little(data):
    """Layers under masks with one or two narrow conditions more."""
    text = random_layers(lambda options: data.draw(st.sampled_from(list(options))))
    more = ", ".join(data.draw(st.lists(st.sampled_from(NARROW), min_size=1, max_size=2, unique=True)))
    narrow = re.sub(r"\| ([^u\n10]*)$", rf"| \1, {more}", text, flags=re.MULTILINE)

    assert 0 == compare(narrow, SIZES)["above"], narrow
