"""Mechanisms of the field that are in no list: what is made by hand is found, or the condition is named."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.analysis.rewrite.derivation import explained
from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.ir import Cascade
from tests.analysis.rewrite.field import FIELD

GROUP_NORM = """
inputs: {X: [C, S]}
ranks: {C: G*J}
constants: {eps: 1e-5}
einsums: |
  MU[g] = X[g*J+j,s]/(J*S) :: sum[j, s]
  VA[g] = (X[g*J+j,s] - MU[g])**2/(J*S) :: sum[j, s]
  Y[g,j,s] = (X[g*J+j,s] - MU[g])*rsqrt(VA[g] + eps)
"""
ROWS_AND_COLUMNS = """
inputs: {X: [D, M], Y: [D, N]}
same: [[M, N]]
einsums: |
  L[m,n] = X[d,m]*Y[d,n] :: sum[d]
  GR[m] = L[m,n] :: max[n]
  SR[m] = exp(L[m,n] - GR[m]) :: sum[n]
  GC[n] = L[m,n] :: max[m]
  SC[n] = exp(L[m,n] - GC[n]) :: sum[m]
  LR[] = GR[m] + log(SR[m]) - L[m,m] :: sum[m]
  LC[] = GC[n] + log(SC[n]) - L[n,n] :: sum[n]
"""


def cascade_of(text: str) -> Cascade:
    """Return the cascade that *text* holds."""
    return cascade_from_text(f"title: t\nsource: t\n{text.strip()}\n", "t")


@pytest.mark.parametrize("name", FIELD)
def test_the_form_by_hand_is_found(name: str) -> None:
    """As few passes as by hand, safe, with nothing kept along the rank."""
    rank, before, after, text = FIELD[name]
    found = search(cascade_of(text), rank)
    best = found.best(after)

    assert (before, after) == (found.original.passes, best.passes)
    assert best.safe
    assert () == best.crossing
    assert best.verdict is not None
    assert "" == best.verdict.where


def test_a_diagonal_inside_a_sum_is_made_by_itself() -> None:
    """The loss of CLIP needs L[m,m] of each pair: X*Y of the pair, so that the loops keep nothing of L."""
    found = search(cascade_of(ROWS_AND_COLUMNS), "N").best(1)
    random = np.random.default_rng(3)
    inputs = {"X": random.normal(size=(3, 7)), "Y": random.normal(size=(3, 7))}
    logits = inputs["X"].T @ inputs["Y"]
    rows = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(axis=0)) - np.diag(logits)
    tiles = {name: 2 for name in ("N0", "M0") if name in found.cascade.ranks}
    values = evaluate(found.cascade, inputs, tiles)

    assert values["LR"] == pytest.approx(rows.sum())
    assert values["LC"] == pytest.approx(columns.sum())
    assert "L" not in found.crossing


def test_groups_that_a_mean_takes_to_be_whole() -> None:
    """A mean over J*S of groups that may be short is repaired only where none is; the derivation says so."""
    found = search(cascade_of(GROUP_NORM), "S")
    best = found.best(2)

    assert (3, 2) == (found.original.passes, best.passes)
    assert best.safe
    assert "holds where C = G*J exactly" in explained(found.original, best, "S")
