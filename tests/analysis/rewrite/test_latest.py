"""Mechanisms of the last years from the library, and some that wait twice: the form by hand is found."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade

ADAPTIVE = """
inputs: {Z: [M, P], V: [F, M]}
outputs: [O]
einsums: |
  G[p] = Z[m,p] :: max[m]
  E[m,p] = exp(Z[m,p] - G[p])
  S[p] = E[m,p] :: sum[m]
  H[p] = (log(S[p]) + G[p] - Z[m,p])*E[m,p]/S[p] :: sum[m]
  TE[p] = 1/(1 + H[p])
  X[m,p] = Z[m,p]*TE[p]
  G2[p] = X[m,p] :: max[m]
  E2[m,p] = exp(X[m,p] - G2[p])
  S2[p] = E2[m,p] :: sum[m]
  O[f,p] = E2[m,p]*V[f,m]/S2[p] :: sum[m]
"""
ROUTER = """
inputs: {X: [D, T], W: [D, E]}
outputs: [LO]
einsums: |
  L[e,t] = W[d,e]*X[d,t] :: sum[d]
  G[t] = L[e,t] :: max[e]
  EX[e,t] = exp(L[e,t] - G[t])
  S[t] = EX[e,t] :: sum[e]
  P[e,t] = EX[e,t]/S[t]
  I[t,j] = P[e,t] :: topk_index[e -> j]
  C[e] = where(eq(I[t,j], e), 1, 0) :: sum[t,j]
  PM[e] = P[e,t]/T :: sum[t]
  LO[] = E*C[e]/T*PM[e] :: sum[e]
"""


def cascade_of(text: str) -> Cascade:
    """Return the cascade that *text* holds."""
    return cascade_from_text(f"title: t\nsource: t\n{text.strip()}\n", "t")


#: (cascade, rank, passes as written, passes by hand)
BY_HAND = [
    ("loss/barlow-twins", "N", 3, 1),  # means, variances and correlations are moments
    ("loss/focal", "V", 2, 1),
    ("loss/poly", "V", 3, 1),
    ("loss/supervised-contrastive", "M", 3, 1),  # the positives' logits are summed beside the softmax
    (
        "normalisation/batch-norm-backward",
        "N",
        4,
        2,
    ),  # both gradients of parameters in one, the input's in another
    ("normalisation/group-norm", "N", 3, 2),
    ("sparse/indexer-loss", "M", 3, 2),  # p*log(p) of a mean over heads is no moment
    ("transformer/canon", "M", 3, 1),
    ("transformer/top-p", "V", 3, 1),  # logits are sorted; what is kept of them is scaled afterwards
    ("variants/differential-2", "M", 3, 1),
    ("variants/value-residual", "M", 3, 1),
]


@pytest.mark.parametrize(("name", "rank", "before", "after"), BY_HAND)
def test_the_form_by_hand_is_found(name: str, rank: str, before: int, after: int) -> None:
    """As few passes as by hand, safe."""
    found = search(load_cascade(name), rank)
    best = found.best(after)

    assert (before, after, True) == (found.original.passes, best.passes, best.safe)


@pytest.mark.parametrize(("text", "rank", "before", "after"), [(ADAPTIVE, "M", 6, 2), (ROUTER, "E", 4, 2)])
def test_what_waits_for_a_softmax_comes_in_a_pass_of_its_own(
    text: str, rank: str, before: int, after: int
) -> None:
    """A temperature by the first softmax's entropy; a balance of experts by who is chosen, chosen of logits."""
    found = search(cascade_of(text), rank)
    best = found.best(after)

    assert (before, after, True) == (found.original.passes, best.passes, best.safe)
