"""Loops that are written beside what a cascade has already: a recurrence, or a list that chooses what the loop sees."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text, load_cascade

CHOSEN_BLOCKS = """title: blocks of keys chosen by a threshold, attended to under a mask
source: Lu et al., MoBA (arXiv 2502.13189, 2025), section 2.2
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
ranks: {M: M1*M0, P: M}
outputs: [AV]
einsums: |
  KB[e,m1] = K[e,m1*M0+m0]/M0 :: sum[m0]
  GS[m1,p] = Q[e,p]*KB[e,m1] :: sum[e]
  TI[p,j], TS[p,j] = GS[m1,p] :: topk[m1 -> j]
  TH[p] = TS[p,j] :: min[j]
  QK[m1,m0,p] = Q[e,p]*K[e,m1*M0+m0] :: sum[e]
  L[m1,m0,p] = where(max(ge(GS[m1,p], TH[p]), eq(m1, p // M0)), QK[m1,m0,p], -inf)
  GM[p] = L[m1,m0,p] :: max[m1,m0] | m1*M0 + m0 <= p
  SN[m1,m0,p] = exp(L[m1,m0,p] - GM[p]) | m1*M0 + m0 <= p
  SD[p] = SN[m1,m0,p] :: sum[m1,m0] | m1*M0 + m0 <= p
  NV[f,p] = SN[m1,m0,p]*V[f,m1*M0+m0] :: sum[m1,m0] | m1*M0 + m0 <= p
  AV[f,p] = NV[f,p]/SD[p]
"""


def test_a_list_that_chooses_blocks_is_made_before_the_loop() -> None:
    """One pass to choose, one running softmax over what is chosen: the scores of blocks are made again inside."""
    found = search(cascade_from_text(CHOSEN_BLOCKS, "t"), "M")
    best = found.best(2)

    assert 3 == found.original.passes
    assert ("iterate GM, SD, NV", 2, True) == (best.title, best.passes, best.safe)
    assert "cannot be written in the language: these Einsums" not in found.why_not(1)


def test_a_loop_stands_beside_the_recurrence_that_it_follows() -> None:
    """The weights of entmax are summed and used in one loop after the halvings; what is folded inside those is named."""
    found = search(load_cascade("variants/entmax"), "M")

    assert 3 == found.best(3).passes
    assert any(form.title == "iterate WS, AV" and form.safe for form in found.forms)
    assert "Z: each step of the loop over t folds M for it anew" in found.why_not(1)
    assert "cannot be written" not in found.why_not(1)


@pytest.mark.parametrize(("rank", "written", "best"), [("N", 4, 3), ("M", 3, 2)])
def test_a_round_of_sinkhorn_takes_one_pass(rank: str, written: int, best: int) -> None:
    """In each round a maximum and a sum of exponentials are joined from tiles, so the round reads the costs once.

    Over N a round folds, then comes back; over M it comes first. The plan reads the costs once more.
    """
    found = search(load_cascade("loss/sinkhorn"), rank)
    form = found.best(best)

    assert (written, True) == (found.original.passes, form.safe)
    assert form.title.startswith("split and merge")
    assert {"t"} == {e.loop for e in form.cascade.computed if f"{rank.lower()}0" in e.reduced}
    assert "folds" not in found.why_not(1).split("where")[1]


def test_slots_that_are_gated_are_read_in_one_pass_at_each_step() -> None:
    """A softmax over the slots inside the loop over time; tiles of slots are joined in each step."""
    found = search(load_cascade("linear-attention/gated-slot"), "N", "split")

    assert (2, 1, True) == (found.original.passes, found.best(1).passes, found.best(1).safe)


NEWTON = """title: sparsemax by Newton's steps
source: Martins and Astudillo, From softmax to sparsemax (arXiv 1602.02068, 2016), equations 2 and 3
inputs: {Z: [M, P], V: [F, M]}
sizes: [I]
outputs: [O]
einsums: |
  TA[0,p] = (Z[m,p] - 1)/M :: sum[m]
  loop i:
    CT[i,p] = gt(Z[m,p], TA[i,p]) :: sum[m]
    SU[i,p] = where(gt(Z[m,p], TA[i,p]), Z[m,p], 0) :: sum[m]
    TA[i+1,p] = (SU[i,p] - 1)/CT[i,p]
  A[m,p] = relu(Z[m,p] - TA[I,p])
  O[f,p] = A[m,p]*V[f,m] :: sum[m]
"""


def test_a_running_value_may_begin_with_a_sum() -> None:
    """Each step needs all of the scores; nothing separates, and the answer says that of each."""
    found = search(cascade_from_text(NEWTON, "t"), "M")

    assert "CT: each step of the loop over i folds M for it anew" in found.why_not(1)
    assert "O: deferring TA fails: relu(Z[m,p] - TA[I,p]) mixes" in found.why_not(1)
