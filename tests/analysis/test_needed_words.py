"""Words that need not move: what is made of an intermediate tensor and never needed, against the unrolled cascade."""

from __future__ import annotations

import pytest

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import least_words, traffic_bound, value_of
from fusemax.cascade.build import cascade_from_text
from tests.analysis.pebbles import fewest_moves
from tests.analysis.unrolled import Unrolled

SIZES = {"M": 6, "P": 6, "N": 4}
MAPS = {
    "a condition": "inputs: {X: [M]}\noutputs: [Z]|T[m] = exp(X[m]);Z[] = T[m] :: sum[m] | m < 2",
    "two conditions": (
        "inputs: {X: [M]}\noutputs: [Z, Y]|T[m] = exp(X[m]);Z[] = T[m] :: sum[m] | m < 2;"
        "Y[] = T[m] :: sum[m] | m < 3"
    ),
    "a causal mask": (
        "same: [[M, P]]\ninputs: {X: [M, P]}\noutputs: [Z]|T[m,p] = exp(X[m,p]);"
        "Z[p] = T[m,p] :: sum[m] | m <= p"
    ),
    "one column under a mask": (
        "same: [[M, P]]\ninputs: {X: [M]}\noutputs: [Z]|U[p] = X[m] :: sum[m] | m <= p;Z[] = U[0]*2"
    ),
    "a diagonal": ("same: [[M, P]]\ninputs: {X: [M, P]}\noutputs: [Z]|T[m,p] = exp(X[m,p]);Z[m] = T[m,m]*2"),
    "a row and a column": (
        "inputs: {X: [M, N]}\noutputs: [Z, Y]|T[m,n] = exp(X[m,n]);Z[m] = T[m,0]*2;Y[n] = T[0,n]*2"
    ),
    "every other": "inputs: {X: [M]}\nranks: {M: 2*N}\noutputs: [Z]|T[m] = exp(X[m]);Z[n] = T[2*n]*2",
    "all but the first": "inputs: {X: [M]}\nranks: {M: N+1}\noutputs: [Z]|T[m] = exp(X[m]);Z[n] = T[n+1]*2",
    "second pass in part": (
        "inputs: {X: [M]}\noutputs: [Z]|S[] = X[m] :: sum[m];Y[m] = X[m]*S[];Z[] = Y[0]*2"
    ),
    "second pass under a condition": (
        "inputs: {X: [M]}\noutputs: [Z]|S[] = X[m] :: sum[m];Y[m] = X[m]*S[];Z[] = Y[m] :: sum[m] | m < 1"
    ),
    "one row of a softmax": (
        "inputs: {X: [M, N]}\noutputs: [Z]|G[n] = X[m,n] :: max[m];Y[m,n] = X[m,n] - G[n];Z[n] = Y[1,n]*2"
    ),
}


def built(name: str):
    """Return a cascade of the table."""
    head, rows = MAPS[name].split("|", 1)
    body = "".join(f"  {row}\n" for row in rows.split(";"))
    return cascade_from_text(f"title: t\nsource: t\n{head}\neinsums: |\n{body}", "t")


def needed(cascade, sizes) -> int:
    """Return the elements of outputs, and those of inputs from which they are made, by walking back from the outputs."""
    unrolled = Unrolled(cascade, sizes)
    made: dict[tuple, set] = {}
    for task in unrolled.tasks:
        for output in task.einsum.outputs:
            element = (output.tensor, unrolled.point(output, task.at))
            made.setdefault(element, set()).update(read for _, read in task.reads)
    left = [element for element in made if element[0] in cascade.outputs]
    found = set(left)
    while left:
        fresh = made.get(left.pop(), set()) - found
        found |= fresh
        left += fresh
    return sum(element[0] in {*cascade.outputs, *cascade.inputs} for element in found)


@pytest.mark.parametrize("name", MAPS)
def test_what_is_not_needed_does_not_count(name: str) -> None:
    """With room for everything only what the outputs are made of moves, once."""
    cascade = built(name)
    sizes = {**SIZES, "M": {"every other": 8, "all but the first": 5}.get(name, 6)}

    assert least_words(analyse(cascade), sizes, 1000) <= needed(cascade, sizes)


@pytest.mark.parametrize(
    "name", ["second pass in part", "second pass under a condition", "one row of a softmax"]
)
def test_a_pass_of_which_a_part_is_needed_loads_no_more(name: str) -> None:
    """With two words of fast memory an optimal pebbling makes one element in the second pass, not all."""
    cascade, sizes = built(name), {"M": 3 if "row" in name else 5, "N": 2}

    assert least_words(analyse(cascade), sizes, 2) <= fewest_moves(cascade, sizes, 2)


def test_a_product_under_the_mask_of_its_reader() -> None:
    """Q*K written without a mask and read under one: half of its products are needed, and all of Q and K."""
    head = "same: [[M, P]]\ninputs: {Q: [P, E], K: [M, E]}\noutputs: [O]"
    rows = "  S[m,p] = Q[p,e]*K[m,e] :: sum[e]\n  O[p] = S[m,p] :: sum[m] | m <= p\n"
    bound = traffic_bound(
        analyse(cascade_from_text(f"title: t\nsource: t\n{head}\neinsums: |\n{rows}", "t")), "E"
    )
    sizes = {"M": 100, "P": 100, "E": 8}

    assert 8 * 100 * 101 / 2 == value_of(bound.products[0].products, sizes)
    assert 2 * 8 * 100 + 100 == value_of(bound.compulsory, sizes)
