"""Loops that are written beside what a cascade has already: a recurrence, or a list that chooses what the loop sees."""

from __future__ import annotations

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
    assert "Z: it folds M inside the loop over t" in found.why_not(1)
    assert "cannot be written" not in found.why_not(1)
