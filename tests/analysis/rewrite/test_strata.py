"""Stacks: each layer along the sequence has its own loop, and nothing of the size of the scores is kept."""

from __future__ import annotations

from functools import cache

import pytest

from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.reduced import NotReducibleError, Reduced
from fusemax.analysis.rewrite.search import search
from fusemax.analysis.rewrite.strata import apart, strata
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade

ATTENTION = """
  Q{n}[{e},p] = WQ{n}[{e},{d}]*{x}[{d},p] :: sum[{d}]
  K{n}[{e},m] = WK{n}[{e},{d}]*{x}[{d},m] :: sum[{d}]
  V{n}[{o},m] = WV{n}[{o},{d}]*{x}[{d},m] :: sum[{d}]
  QK{n}[m,p] = Q{n}[{e},p]*K{n}[{e},m] :: sum[{e}] | m <= p
  GM{n}[p] = QK{n}[m,p] :: max[m] | m <= p
  SN{n}[m,p] = exp(QK{n}[m,p] - GM{n}[p]) | m <= p
  SD{n}[p] = SN{n}[m,p] :: sum[m] | m <= p
  A{n}[m,p] = SN{n}[m,p]/SD{n}[p] | m <= p
  AV{n}[{o},p] = A{n}[m,p]*V{n}[{o},m] :: sum[m] | m <= p
"""


@cache
def stack() -> Cascade:
    """Return two causal attention layers, one reading what the other made of the same sequence."""
    first = ATTENTION.format(n="", e="e", d="d", o="o", x="X")
    second = ATTENTION.format(n="2", e="g", d="o", o="n", x="Z")
    return cascade_from_text(
        "title: t\nsource: t\nranks: {P: S, M: S, O: D, N: D, G: E}\noutputs: [Y]\n"
        "inputs: {X: [D, S], WQ: [E, D], WK: [E, D], WV: [O, D], WQ2: [G, O], WK2: [G, O], WV2: [N, O]}\n"
        f"einsums: |{first}  Z[o,p] = X[o,p] + AV[o,p]{second}  Y[n,p] = Z[n,p] + AV2[n,p]\n",
        "stack",
    )


@cache
def found(rank: str) -> Reduced:
    """Return the search over one of the names of the sequence."""
    return search(stack(), rank)


def test_layers_are_told_apart() -> None:
    """What reads the first layer's result along the keys is the second layer; its scores and sums follow it."""
    places = strata(stack(), "M")

    assert {name for name, place in places.items() if place == 1} == {
        "K2",
        "V2",
        "QK2",
        "GM2",
        "SN2",
        "SD2",
        "A2",
        "AV2",
    }
    assert apart(stack(), "M")[1] == ("M", "MB")


@pytest.mark.parametrize(
    ("name", "rank", "ranks"),
    [
        ("attention/3-pass", "M", ("M",)),
        ("variants/talking-heads", "M", ("M",)),
        ("transformer/decoder-block", "M", ("M",)),
        ("transformer/decoder-block", "D", ("D", "O")),
        ("normalisation/layer-norm", "D", ("D",)),
    ],
)
def test_one_layer_stays_one(name: str, rank: str, ranks: tuple[str, ...]) -> None:
    """Chains of reductions over one rank, mixed heads and norms are no stack; features under another name are."""
    assert apart(load_cascade(name), rank)[1] == ranks


@pytest.mark.parametrize("rank", ["M", "S"])
def test_a_stack_has_a_loop_for_each_layer(rank: str) -> None:
    """As written: three passes a layer. The second layer's keys need the first layer's last sum: two passes are left."""
    best = found(rank).best(2)

    assert (found(rank).original.passes, best.passes) == (6, 2)
    assert best.safe
    assert (best.crossing, best.partial) == ((), ())
    assert {"RSD", "RSD2"} <= set(best.cascade.tensors)
    assert analyse(stack()).passes("S") == 6


def test_the_refusal_names_the_chain() -> None:
    """One pass is refused, with what the second layer waits for."""
    with pytest.raises(
        NotReducibleError, match=r"the fewest are 2, .*\n  .* needs all of .* before .* can read any of K2"
    ):
        found("M").best(1)
