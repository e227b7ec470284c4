"""Cascades that mean nothing are refused when they are read, each with its place."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fusemax
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.errors import ProblemsError

HEAD = "title: t\nsource: our own\ninputs: {Q: [E, P]}\n"


@pytest.mark.parametrize(
    ("rest", "place", "said"),
    [
        ("  TI[p,j] = Q[e,p] :: topk[e -> j]", "5:3", "topk writes 2 tensors, got 1"),
        ("  loop zz:\n    S[p] = Q[e,p] :: sum[e]", "6:5", "no tensor has a rank ZZ"),
        ("  S[p] = Q[e,p] :: sum[e,e]", "5:20", "'e' is reduced twice"),
        ("  S[p,p] = Q[e,p] :: sum[e]", "5:3", "'p' stands twice in the output S[p,p]"),
        ("  S[e,p] = Q[e,p]/0", "5:18", "Q[e,p]/0 divides by zero"),
        ("  A[p], B[p] = Q[e,p] :: sum[e]", "5:3", "an Einsum writes 1 tensor, got 2"),
        ("  I[p] = Q[e,p] :: argmax[e -> p]", "5:20", "the list runs along 'p'"),
        ("  I[p] = Q[e,p] :: argmax[e -> j]", "5:3", "write I[p,j]"),
        ("  I[e,p,j] = Q[e,p] :: sort[e -> j]", "5:3", "'e' is listed and stands in the output"),
        ("  I[p,j] = Q[0,p] :: argmax[e -> j]", "5:22", "'e' does not occur on the right-hand side"),
        ("  I[p,k,j] = Q[e,p] :: argmax[e -> j]", "5:3", "'k' of the output I[p,k,j] is not"),
        ("  I[p,j] = Q[e,p] :: argmax[e -> j] | j < 2", "5:22", "give the list a rank of its own"),
        ("  I[p] = Q[e,p] :: argmax[e]", "5:20", "it makes a list, of one place: I[p,j] = X[m,p] :: argmax"),
        ("  S[p] = Q[e,p] :: sum[e] | e < Q", "5:33", "Q is a tensor, and stands here without indices"),
        ("  I[e,p] = or(Q[e,p], 0)", "5:12", "'or' is max(a, b)"),
    ],
)
def test_einsums(rest: str, place: str, said: str) -> None:
    """What stands in the Einsums themselves."""
    with pytest.raises(ProblemsError) as caught:
        cascade_from_text(f"{HEAD}einsums: |\n{rest}\n")

    assert any(f"cascade.yaml:{place}: " in str(problem) for problem in caught.value.problems)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ("{E: P, P: E}", "cascade.yaml:4:12: ranks.E: the size of E needs itself: E -> P -> E"),
        ("{E: E}", "the size of E needs itself: E -> E"),
        ("{E: foo(P)}", "cascade.yaml:4:12: ranks.E: 'foo' is no function of sizes"),
        ("{E: 'max(P)'}", "max takes 2 or more operands, got 1"),
        ("{E: 'Q[P]'}", "Q[P] is a tensor, not a size"),
        ("{E: p}", "'p' is a rank variable, not a size"),
        ("{E: P/0}", "P/0 divides by zero"),
        ("{E: 0}", "a whole number of at least 1, got 0"),
        ("{E: '2.5'}", "a whole number of at least 1, got 2.5"),
    ],
)
def test_sizes(ranks: str, said: str) -> None:
    """What stands under ranks."""
    with pytest.raises(ProblemsError) as caught:
        cascade_from_text(f"{HEAD}ranks: {ranks}\neinsums: |\n  S[p] = Q[e,p] :: sum[e]\n")

    assert said in str(caught.value)
    assert 1 == len(caught.value.problems)


def test_sizes_that_are_right() -> None:
    """Products, functions and two ranks of one size are no mistakes."""
    for ranks in ("{E: 2*P}", "{E: 'max(P, 4)'}", "{E: P}", "{E: 64}"):
        cascade_from_text(f"{HEAD}ranks: {ranks}\neinsums: |\n  S[p] = Q[e,p] :: sum[e]\n")


def test_indices_in_another_order() -> None:
    """Q[e,p] of a tensor with ranks [P, E]: the right order is said, not that both were one sequence."""
    text = "title: t\nsource: s\ninputs: {Q: [P, E]}\neinsums: |\n  Y[p] = Q[e,p] :: sum[e]\n"
    with pytest.raises(ProblemsError) as caught:
        cascade_from_text(text)

    assert "Q has ranks [P, E], but its indices stand in another order" in str(caught.value)
    assert "hint: write Q[p,e]" in str(caught.value)
    assert "same:" not in str(caught.value)


def test_sizes_that_follow_are_not_asked_for() -> None:
    """M = M1*M0: with M0 from a mapping or given, M is asked for alone."""
    cascade = load_cascade("attention/1-pass")
    with pytest.raises(SizeError, match=r"needs a size for B, E, F, H, M, P$"):
        resolve_sizes(cascade, {"M0": 16})
    with pytest.raises(SizeError, match=r"needs a size for M$"):
        resolve_sizes(cascade, {"M0": 16, "B": 1, "E": 2, "F": 2, "H": 1, "P": 4})
    assert 3 == resolve_sizes(cascade, {"M0": 16, "M": 33, "B": 1, "E": 2, "F": 2, "H": 1, "P": 4})["M1"]


@pytest.mark.parametrize(
    ("ranks", "einsum", "shapes", "sizes", "said"),
    [
        ({}, "Y[m] = 2*X[m]", {"X": 4}, {"M": 5}, "input X has M=4, but sizes say M=5"),
        ({"W": "M"}, "Y[m,w] = X[m]*V[w]", {"X": 4, "V": 5}, {}, "W=5, but the cascade says W = M, with M=4"),
        (
            {"M": "M1*M0"}, "Y[m1] = X[m1*M0+m0] :: sum[m0]", {"X": 10}, {"M0": 4, "M1": 2},
            "M=10, but the cascade says M = M1*M0, with M1=2, M0=4",
        ),
    ],
)  # fmt: skip
def test_sizes_that_contradict_the_shapes_of_inputs_or_each_other_are_refused(
    ranks, einsum, shapes, sizes, said
):
    """Ten elements in parts of four are three parts, no two: those would leave two elements out."""
    inputs = {"X": ["M"], "V": ["W"]}
    cascade = {
        "title": "t", "source": "s", "inputs": {name: inputs[name] for name in shapes}, "ranks": ranks,
        "einsums": einsum,
    }  # fmt: skip
    arrays = {name: np.ones(length) for name, length in shapes.items()}
    with pytest.raises(SizeError, match=re.escape(said)):
        fusemax.evaluate(cascade, arrays, sizes)


def test_sizes_that_agree_with_the_shapes_may_be_given():
    """Sums of ten ones in parts of four: 4, 4 and 2."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["M"]}, "ranks": {"M": "M1*M0"},
        "einsums": "Y[m1] = X[m1*M0+m0] :: sum[m0]",
    }  # fmt: skip
    found = fusemax.evaluate(cascade, {"X": np.ones(10)}, {"M": 10, "M1": 3, "M0": 4})
    assert found["Y"].tolist() == [4.0, 4.0, 2.0]
