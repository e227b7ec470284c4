"""Decoder layers as people write them, made by chance: norms, rotary tables, masks, sinks, scores, feed-forwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]

NORMS = {
    "": [],
    "rms": ["V1[p] = X[d,p]*X[d,p] :: sum[d]", "N[d,p] = X[d,p]*rsqrt(V1[p]/D + eps)"],
    "rms, divided inside": ["V1[p] = X[d,p]**2/D :: sum[d]", "N[d,p] = X[d,p]/sqrt(V1[p] + eps)"],
    "layer": [
        "S1[p] = X[d,p] :: sum[d]", "MU[p] = S1[p]/D", "V1[p] = (X[d,p] - MU[p])**2 :: sum[d]",
        "N[d,p] = (X[d,p] - MU[p])*rsqrt(V1[p]/D + eps)",
    ],
}  # fmt: skip
SCORES = {
    "": "",
    "scaled": "QK0[h,m,p]/sqrt(E)",
    "capped": "50*tanh(QK0[h,m,p]/50)",
    "alibi": "QK0[h,m,p] - SL[h]*(p - m)",
}
MASKS = ("", "m <= p", "m <= p, m > p - W", "DM[m] == DM[p]", "m <= p, DM[m] == DM[p]", "m < LEN[]")
TESTS = {"m <= p": "le(m, p)", "DM[m] == DM[p]": "eq(DM[m], DM[p])", "m < LEN[]": "lt(m, LEN[])"}
FEED_FORWARDS = {
    "gated": [
        "G[i,p] = WG[i,d]*N2[d,p] :: sum[d]", "U[i,p] = WU[i,d]*N2[d,p] :: sum[d]",
        "FF[d,p] = WD[d,i]*(silu(G[i,p])*U[i,p]) :: sum[i]",
    ],
    "plain": ["G[i,p] = WG[i,d]*N2[d,p] :: sum[d]", "FF[d,p] = WD[d,i]*gelu(G[i,p]) :: sum[i]"],
    "experts": [
        "L[n,p] = WR[n,d]*N2[d,p] :: sum[d]", "LM[p] = L[n,p] :: max[n]", "LE[n,p] = exp(L[n,p] - LM[p])",
        "LS[p] = LE[n,p] :: sum[n]", "PR[n,p] = LE[n,p]/LS[p]", "TI[p,j], TW[p,j] = PR[n,p] :: topk[n -> j]",
        "TS[p] = TW[p,j] :: sum[j]", "H1[j,i,p] = W1[TI[p,j],i,d]*N2[d,p] :: sum[d]",
        "Z[j,d,p] = W2[TI[p,j],d,i]*silu(H1[j,i,p]) :: sum[i]", "FF[d,p] = Z[j,d,p]*TW[p,j]/TS[p] :: sum[j]",
    ],
}  # fmt: skip
INPUTS = {
    "X": "[D, P]", "WQ": "[H, E, D]", "WK": "[H, E, D]", "WV": "[H, F, D]", "WO": "[D, H, F]", "SL": "[H]", "SK": "[H]",
    "DM": "[P]", "LEN": "[]", "WG": "[I, D]", "WU": "[I, D]", "WD": "[D, I]", "WR": "[N, D]", "W1": "[N, I, D]",
    "W2": "[N, D, I]",
}  # fmt: skip


def random_layer(choose: Choose) -> str:
    """Return the YAML of a decoder layer; *choose* picks one of a sequence."""
    norm = choose(list(NORMS))
    x = "N" if norm else "X"
    rows = [
        *NORMS[norm],
        f"Q0[h,e,p] = WQ[h,e,d]*{x}[d,p] :: sum[d]",
        f"K0[h,e,m] = WK[h,e,d]*{x}[d,m] :: sum[d]",
    ]
    rows.append(f"V[h,f,m] = WV[h,f,d]*{x}[d,m] :: sum[d]")
    query, key = "Q0", "K0"
    if choose([True, False]):
        rows += ["QV[h,p] = Q0[h,e,p]**2 :: sum[e]", "Q1[h,e,p] = Q0[h,e,p]*rsqrt(QV[h,p] + eps)"]
        rows += ["KV[h,m] = K0[h,e,m]*K0[h,e,m] :: sum[e]", "K1[h,e,m] = K0[h,e,m]*rsqrt(KV[h,m] + eps)"]
        query, key = "Q1", "K1"
    halves = choose([True, False])
    rows += _rotated(query, key) if halves else [f"QK0[h,m,p] = {query}[h,e,p]*{key}[h,e,m] :: sum[e]"]
    rows += _attention(choose)
    rows += [
        "O[d,p] = WO[d,h,f]*AV[h,f,p] :: sum[h,f]",
        "R1[d,p] = X[d,p] + O[d,p]",
        "V2[p] = R1[d,p]*R1[d,p] :: sum[d]",
    ]
    rows += ["N2[d,p] = R1[d,p]*rsqrt(V2[p]/D + eps)", *FEED_FORWARDS[choose(list(FEED_FORWARDS))]]
    rows.append("Y[d,p] = R1[d,p] + FF[d,p]")
    inputs = INPUTS | ({"C": "[A, P]", "SI": "[A, P]"} if halves else {})
    used = [f"{name}: {ranks}" for name, ranks in inputs.items() if any(f"{name}[" in row for row in rows)]
    ranks = ["E: 2*A"] if halves else []
    same = choose([True, False])
    ranks += [] if same else ["M: P"]
    text = ["title: t", "source: s", "constants: {eps: 1e-6}", f"ranks: {{{', '.join(ranks)}}}"]
    text += ["same: [[M, P]]"] if same else []
    text += ["sizes: [W]"] if any("p - W" in row for row in rows) else []
    return "\n".join(
        [
            *text,
            f"inputs: {{{', '.join(used)}}}",
            "outputs: [Y]",
            "einsums: |",
            *(f"  {row}" for row in rows),
            "",
        ]
    )


def _rotated(query: str, key: str) -> list[str]:
    rows = []
    for name, v in ((query, "p"), (key, "m")):
        low, high = f"{name}[h,a,{v}]", f"{name}[h,a+A,{v}]"
        rows.append(f"{name[0]}L[h,a,{v}] = {low}*C[a,{v}] - {high}*SI[a,{v}]")
        rows.append(f"{name[0]}H[h,a,{v}] = {high}*C[a,{v}] + {low}*SI[a,{v}]")
    return [*rows, "QK0[h,m,p] = QL[h,a,p]*KL[h,a,m] + QH[h,a,p]*KH[h,a,m] :: sum[a]"]


def _attention(choose: Choose) -> list[str]:
    """Return a stable softmax and the values, under a mask as conditions or as a choice, with a sink or without."""
    rows: list[str] = []
    scores = "QK0"
    form = SCORES[choose(list(SCORES))]
    if form:
        rows.append(f"QK1[h,m,p] = {form}")
        scores = "QK1"
    mask = choose(MASKS)
    under = f" | {mask}" if mask else ""
    if mask in TESTS and choose([True, False]):
        rows.append(f"QK2[h,m,p] = where({TESTS[mask]}, {scores}[h,m,p], -inf)")
        scores, under = "QK2", ""
    largest, divisor = "GM0", "SD[h,p]"
    rows.append(f"GM0[h,p] = {scores}[h,m,p] :: max[m]{under}")
    if choose([True, False, False]):
        rows.append("GM[h,p] = max(GM0[h,p], SK[h])")
        largest, divisor = "GM", "(SD[h,p] + exp(SK[h] - GM[h,p]))"
    rows += [
        f"SN[h,m,p] = exp({scores}[h,m,p] - {largest}[h,p]){under}",
        f"SD[h,p] = SN[h,m,p] :: sum[m]{under}",
    ]
    rows.append(f"A[h,m,p] = SN[h,m,p]/{divisor}{under}")
    return [*rows, f"AV[h,f,p] = A[h,m,p]*V[h,f,m] :: sum[m]{under}"]
