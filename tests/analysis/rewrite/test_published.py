"""What `reduce` does with the examples that RedFuser and Neptune publish: each row of the table in docs/reduce.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reduce.md"
INPUTS = "inputs: {Q: [E, P], K: [E, M], V: [F, M]}"
SCORES = "QK[m,p] = Q[e,p]*K[e,m]/sqrt(E) :: sum[e]"


def softmax(scores: str, mask: str = "", ranks: str = "", values: str = "V[f,m]") -> str:
    """Return attention as usually written over *scores* called L, with *ranks* beside m and p."""
    return f"""{scores}
  GM[{ranks}p] = L[{ranks}m,p] :: max[m]{mask}
  SN[{ranks}m,p] = exp(L[{ranks}m,p] - GM[{ranks}p]){mask}
  SD[{ranks}p] = SN[{ranks}m,p] :: sum[m]{mask}
  A[{ranks}m,p] = SN[{ranks}m,p]/SD[{ranks}p]{mask}
  AV[{ranks}f,p] = A[{ranks}m,p]*{values} :: sum[m]{mask}"""


CAUSAL = INPUTS + "\nsame: [[P, M]]"
PLAIN = "L[m,p] = Q[e,p]*K[e,m]/sqrt(E) :: sum[e]"
#: (inputs, Einsums, rank, form of loops, passes as written, passes of the best safe form, its title)
EXAMPLES = {
    "attention": (INPUTS, softmax(PLAIN), "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN"),
    "causal": (CAUSAL, softmax(PLAIN + " | m <= p", " | m <= p"), "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN"),
    "sliding window": (
        CAUSAL + "\nsizes: [W]", softmax(PLAIN + " | m <= p, m > p - W", " | m <= p, m > p - W"),
        "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN",
    ),
    "ALiBi": (
        INPUTS.replace("}", ", SL: []}") + "\nsame: [[P, M]]",
        softmax(SCORES + " | m <= p\n  L[m,p] = QK[m,p] - SL[]*(p - m) | m <= p", " | m <= p"),
        "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN",
    ),
    "soft cap": (
        INPUTS + "\nconstants: {cap: 50}", softmax(SCORES + "\n  L[m,p] = cap*tanh(QK[m,p]/cap)"),
        "M", None, 3, 1, "defer GM in SD, defer GM, SD in AV",
    ),
    "grouped queries": (
        "inputs: {Q: [R, E, P], K: [E, M], V: [F, M]}",
        softmax("L[r,m,p] = Q[r,e,p]*K[e,m]/sqrt(E) :: sum[e]", ranks="r,"),
        "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN",
    ),
    "FlashDecoding": (INPUTS, softmax(PLAIN), "M", "split", 3, 1, "defer SD in AV, split and merge GM, SD, AVN"),
    "latent attention": (
        "inputs: {QC: [C, P], QR: [R, P], CL: [C, M], KR: [R, M]}",
        softmax(
            "Q1[m,p] = QC[c,p]*CL[c,m] :: sum[c]\n  Q2[m,p] = QR[r,p]*KR[r,m] :: sum[r]\n  L[m,p] = Q1[m,p] + Q2[m,p]",
            values="CL[f,m]",
        ).replace("AV[f,p]", "AV[c,p]").replace("CL[f,m]", "CL[c,m]"),
        "M", None, 3, 1, "defer SD in AV, iterate GM, SD, AVN",
    ),
    "routing": (
        "inputs: {X: [D, P], WR: [M, D]}\noutputs: [TI, TV]",
        "L[m,p] = WR[m,d]*X[d,p] :: sum[d]\n  GM[p] = L[m,p] :: max[m]\n  EX[m,p] = exp(L[m,p] - GM[p])\n"
        "  SD[p] = EX[m,p] :: sum[m]\n  A[m,p] = EX[m,p]/SD[p]\n  TI[p,j], TV[p,j] = A[m,p] :: topk[m -> j]",
        "M", None, 3, 1, None,
    ),
    "product after scaling": (
        "inputs: {X: [K, P], W: [K, N]}",
        "AM[p] = abs(X[k,p]) :: max[k]\n  XQ[k,p] = X[k,p]/AM[p]\n  A[n,p] = XQ[k,p]*W[k,n] :: sum[k]",
        "K", None, 2, 1, "defer AM in A",
    ),
    "variance": (
        "inputs: {X: [M, P]}",
        "S[p] = X[m,p] :: sum[m]\n  MU[p] = S[p]/M\n  Q[p] = (X[m,p] - MU[p])**2 :: sum[m]",
        "M", None, 2, 1, "iterate S, Q",
    ),
    "moment of inertia": (
        "inputs: {W: [M], X: [D, M]}\noutputs: [I]",
        "MS[] = W[m] :: sum[m]\n  CS[d] = W[m]*X[d,m] :: sum[m]\n  C[d] = CS[d]/MS[]\n"
        "  I[d] = W[m]*(X[d,m] - C[d])**2 :: sum[m]",
        "M", None, 2, 1, None,
    ),
    "layer norm and a product": (
        "inputs: {X: [D, P], W: [D, N], GA: [D]}\nconstants: {eps: 1e-5}",
        "MU[p] = X[d,p]/D :: sum[d]\n  VA[p] = (X[d,p] - MU[p])**2/D :: sum[d]\n"
        "  Y[d,p] = (X[d,p] - MU[p])*rsqrt(VA[p] + eps)*GA[d]\n  Z[n,p] = Y[d,p]*W[d,n] :: sum[d]",
        "D", None, 3, 1, None,
    ),
    "softmax alone": (
        "inputs: {I: [M, P]}",
        "GM[p] = I[m,p] :: max[m]\n  SN[m,p] = exp(I[m,p] - GM[p])\n  SD[p] = SN[m,p] :: sum[m]\n  A[m,p] = SN[m,p]/SD[p]",
        "M", None, 3, 2, "iterate GM, SD",
    ),
    "layer norm alone": (
        "inputs: {X: [D, P]}\nconstants: {eps: 1e-5}",
        "MU[p] = X[d,p]/D :: sum[d]\n  VA[p] = (X[d,p] - MU[p])**2/D :: sum[d]\n"
        "  Y[d,p] = (X[d,p] - MU[p])*rsqrt(VA[p] + eps)",
        "D", None, 3, 2, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_best_safe_form_is_as_the_table_says(name: str) -> None:
    """Passes before and after, the title where the table has one, and the passes as they stand on the page."""
    inputs, einsums, rank, form, before, after, title = EXAMPLES[name]
    text = f"title: t\nsource: t\n{inputs}\neinsums: |\n  {einsums}\n"
    found = search(cascade_from_text(text, "t"), rank, form=form)
    best = found.forms[0]

    assert (before, after) == (found.original.passes, best.passes)
    assert best.safe
    assert title in (None, best.title)


def test_the_page_has_these_counts() -> None:
    """Each example stands in the table with the same counts."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    for name, (_, _, _, _, before, after, _) in EXAMPLES.items():
        assert any(name in row and f"| {before}, {after} |" in row for row in rows), name


def test_a_rounded_product_is_refused() -> None:
    """Rounding to whole numbers is no map that a factor moves through."""
    text = """title: t
source: t
inputs: {X: [K, P], W: [K, N]}
einsums: |
  AM[p] = abs(X[k,p]) :: max[k]
  XQ[k,p] = round(127*X[k,p]/AM[p])
  A[n,p] = XQ[k,p]*W[k,n]*AM[p]/127 :: sum[k]
"""
    found = search(cascade_from_text(text, "t"), "K")

    assert 2 == min([form.passes for form in found.forms if form.safe], default=2)
    assert "round" in found.why_not(1)
