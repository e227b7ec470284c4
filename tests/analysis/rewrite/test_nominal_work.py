"""Operations of a form and their number at the usual extents, by hand: ranks have their own sizes, a scalar has none."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.form import extents, nominal_work, operation_counts
from fusemax.cascade.build import cascade_from_text

#: (inputs, more keys, Einsums, rank, operations by kind, their total with 4096 points on the rank and 64 on others)
BY_HAND = {
    "a scalar times a vector": ("X: [P], S: []", "", "Y[p] = S[]*X[p]", "P", {"mul": "P"}, 4096),
    "a scalar made before": (
        "X: [N], S: []", "", "L[] = exp(S[])\n  Y[n] = L[]*X[n]", "N", {"exp": "1", "mul": "N"}, 4097,
    ),
    "a constant, a scalar and a sum": (
        "X: [N], W: []", "", "Y[n] = 2*W[]*X[n] + 1\n  Z[] = Y[n]*Y[n] :: sum[n]", "N",
        {"mul": "2*N", "add": "N", "mac": "N"}, 4 * 4096,
    ),
    "two names of one sequence": (
        "Q: [E, P], K: [E, M]", "same: [[P, M]]", "A[m,p] = Q[e,p]*K[e,m] :: sum[e]\n  B[p] = A[m,p] :: sum[m]", "M",
        {"mac": "E*M*P", "add": "M*P"}, 65 * 4096**2,
    ),
    "a rank of the size of another": (
        "Q: [E, P], K: [E, M]", "ranks: {P: M}", "A[m,p] = Q[e,p]*K[e,m] :: sum[e]", "M", {"mac": "E*M*P"}, 64 * 4096**2,
    ),
    "softmax": (
        "I: [M, P]", "",
        "G[p] = I[m,p] :: max[m]\n  S[m,p] = exp(I[m,p] - G[p])\n  D[p] = S[m,p] :: sum[m]\n  A[m,p] = S[m,p]/D[p]", "M",
        {"max": "M*P", "sub_exp": "M*P", "add": "M*P", "div": "M*P"}, 4 * 64 * 4096,
    ),
    "variance": (
        "X: [N, P]", "",
        "S[p] = X[n,p] :: sum[n]\n  MU[p] = S[p]/N\n  V[p] = (X[n,p] - MU[p])**2 :: sum[n]", "N",
        {"add": "2*N*P", "mul": "P", "sub": "N*P", "pow": "N*P"}, 64 * (4 * 4096 + 1),
    ),
    "three factors": (
        "A: [E, M], B: [E, N], C: [E, P]", "", "X[m,n,p] = A[e,m]*B[e,n]*C[e,p] :: sum[e]", "M",
        {"mul": "E*M*N*P", "mac": "E*M*N*P"}, 2 * 64**3 * 4096,
    ),
    "a recurrence": (
        "X: [T, D], A: [D]", "outputs: [S]", "S[0,d] = 0\n  loop t:\n    S[t+1,d] = A[d]*S[t,d] + X[t,d]", "T",
        {"mul": "D*T", "add": "D*T"}, 2 * 64 * 4096,
    ),
    "a window": ("X: [N]", "ranks: {N: S + W - 1}", "Y[s] = X[s+w] :: sum[w]", "S", {"add": "S*W"}, 64 * 4096),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_operations_are_those_by_hand(name: str) -> None:
    """Kinds and formulas, and the total that forms are ranked by."""
    inputs, more, einsums, rank, kinds, total = BY_HAND[name]
    text = f"title: t\nsource: t\ninputs: {{{inputs}}}\n{more}\neinsums: |\n  {einsums}\n"
    cascade = cascade_from_text(text, "t")
    counts = operation_counts(cascade)
    assert kinds == {kind: str(count) for kind, count in counts.items()}
    assert total == nominal_work(counts, extents(rank, cascade))
