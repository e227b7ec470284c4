"""Sums about a mean that tiles keep by themselves, each with a mean of its own; Chan, Golub and LeVeque (1979)."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade

NORM_IN_A_RECURRENCE = """
inputs: {U: [D, T], W: [D]}
outputs: [O]
einsums: |
  H[0,d] = 0
  loop t:
    P[d,t]   = W[d]*H[t,d] + U[d,t]
    MU[t]    = P[d,t]/D :: sum[d]
    VA[t]    = (P[d,t] - MU[t])**2/D :: sum[d]
    H[t+1,d] = tanh((P[d,t] - MU[t])*rsqrt(VA[t] + 1e-6))
    O[d,t]   = H[t+1,d]
"""
INLINE = """
inputs: {U: [D, T], W: [D]}
outputs: [O]
einsums: |
  H[0,d] = 0
  loop t:
    P[d,t]   = W[d]*H[t,d] + U[d,t]
    S[t]     = P[d,t] :: sum[d]
    V[t]     = (P[d,t] - S[t]/D)**2 :: sum[d]
    H[t+1,d] = tanh((P[d,t] - S[t]/D)/sqrt(V[t]/D + 1e-6))
    O[d,t]   = H[t+1,d]
"""
VARIANCE = """
inputs: {X: [C, D]}
outputs: [VA]
einsums: |
  MU[] = X[c,d]/(C*D) :: sum[c, d]
  VA[] = (X[c,d] - MU[])**2/(C*D) :: sum[c, d]
"""
COVARIANCE = """
inputs: {X: [D, N], Y: [D, N]}
outputs: [CC]
einsums: |
  MX[n] = X[d,n]/D :: sum[d]
  MY[n] = Y[d,n]/D :: sum[d]
  CC[n] = (X[d,n] - MX[n])*(Y[d,n] - MY[n]) :: sum[d]
"""


def cascade_of(text: str) -> Cascade:
    """Return the cascade that *text* holds."""
    return cascade_from_text(f"title: t\nsource: t\n{text.strip()}\n", "t")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [(NORM_IN_A_RECURRENCE, 3, 2), (INLINE, 3, 2), (VARIANCE, 2, 1), (COVARIANCE, 2, 1)],
)
def test_tiles_with_means_of_their_own_are_joined(text: str, before: int, after: int) -> None:
    """As few passes as by hand: one that gathers sums; what has a value for each point takes another. Safe under offsets."""
    found = search(cascade_of(text), "D", "split")
    best = min((form for form in found.forms if form.safe), key=lambda form: form.passes)

    assert (before, after) == (found.original.passes, best.passes)
    assert "merge" in best.moves


def test_the_last_tile_counts_its_own_points() -> None:
    """Tiles need not divide the rank: the join weighs each tile by the points that it has."""
    found = search(cascade_of(VARIANCE), "D", "split")
    best = min((form for form in found.forms if form.safe), key=lambda form: form.passes)

    assert "min(D0, D - d1*D0)" in str(best.cascade)
