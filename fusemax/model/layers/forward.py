"""Feed-forward parts as Einsums, from the normalised ``<x>[o,p]`` to ``FO[n,p]``: dense ones, and experts."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.model.layers.lines import Lines, joined, linear, lines, normed
from fusemax.model.shape import Experts, FeedForward

#: What each activation computes of {0}; the second is what gates {1} with it.
FORMULAS: Mapping[str, str] = {
    "silu": "silu({0})", "gelu_tanh": "gelu({0})", "gelu": "0.5*{0}*(1 + erf({0}/sqrt(2)))", "relu": "relu({0})",
    "relu2": "relu({0})**2", "quick_gelu": "{0}*sigmoid(1.702*{0})",
    # arXiv 2411.13010, equation 13, with the curvatures that training starts from
    "xielu": "where(gt({0}, 0), 0.8*{0}*{0}, 0.8*(exp(min({0}, -1e-6)) - 1 - {0})) + 0.5*{0}",
}  # fmt: skip
CLAMPED = "min({0}, 7)*sigmoid(1.702*min({0}, 7))*(max(-7, min({1}, 7)) + 1)"  #: of gpt-oss (its public modelling code)


def activated(activation: str, gate: str, up: str | None = None) -> str:
    """Return the formula of an activation of *gate*, which lets *up* through where there is one."""
    if activation == "clamped":
        return CLAMPED.format(gate, up or gate)
    return FORMULAS[activation].format(gate) + (f"*{up}" if up else "")


def dense_lines(part: FeedForward, x: str, to: str = "FO", tag: str = "", rank: str = "k") -> Lines:
    """Return a dense part with inner features *rank*; *tag* tells its weights from those of others."""
    gate, up, act = f"FG{tag}", f"FU{tag}", f"FA{tag}"
    index = f"{rank},p"
    source = f"{x}[o,p]"
    found = [
        linear(gate, index, f"W{gate}[{rank},o]", source, "o", f"B{gate}[{rank}]" if part.biased else "")
    ]
    if part.gated:
        found.append(
            linear(up, index, f"W{up}[{rank},o]", source, "o", f"B{up}[{rank}]" if part.biased else "")
        )
    formula = activated(part.activation, f"{gate}[{index}]", f"{up}[{index}]" if part.gated else None)
    found.append(lines(f"{act}[{index}] = {formula}"))
    if part.normed:
        found.append(normed("rms", act, f"FN{tag}", index, rank, tag=f"FN{tag}"))
        act = f"FN{tag}"
    bias = f"B{to}[n]" if part.biased else ""
    found.append(linear(to, "n,p", f"W{to}[n,{rank}]", f"{act}[{index}]", rank, bias))
    return joined([*found, Lines(sizes={rank.upper(): part.d_ff})])


def apart_lines(part: Experts, x: str, z: str) -> Lines:
    """Return a dense part of *x* beside experts of the sum *z* before its norm, each between norms of its own."""
    assert part.shared is not None
    router = lines(
        f"SR[p] = {z}[o,p]*{z}[o,p] :: sum[o]",
        f"RZ[o,p] = {z}[o,p]*rsqrt(SR[p]/O + eps)*RG[o]/sqrt(O)",
        RG="O",
    )
    return joined([
        dense_lines(part.shared, x, "FS", "S", "s"), normed("rms", "FS", "FSN", "n,p", "n", tag="6"),
        router, _chosen(part, "RZ"), normed("rms", z, "XE", "o,p", "o", tag="7"), _routed(part, "XE"),
        normed("rms", "YR", "YRN", "n,p", "n", tag="8"), lines("FO[n,p] = FSN[n,p] + YRN[n,p]"),
        Lines(sizes={"T": part.count, "J": part.per_token}),
    ])  # fmt: skip


def experts_lines(part: Experts, x: str) -> Lines:
    """Return experts: T of them, of which a token takes J; y is the number of the expert that it takes as its j-th."""
    found = [_chosen(part, x), _routed(part, x)]
    if part.shared is None:
        found.append(lines("FO[n,p] = YR[n,p]"))
        return joined([*found, Lines(sizes={"T": part.count, "J": part.per_token})])
    found.append(dense_lines(part.shared, x, "FS", "S", "s"))
    shared = "FS[n,p]"
    if part.shared_gated:
        found.append(linear("SG", "p", "WSG[o]", f"{x}[o,p]", "o"))
        shared = "FS[n,p]*sigmoid(SG[p])"
    found.append(lines(f"FO[n,p] = YR[n,p] + {shared}"))
    return joined([*found, Lines(sizes={"T": part.count, "J": part.per_token})])


def _chosen(part: Experts, x: str) -> Lines:
    """Return the experts TI[p,j] of each token and their weights RW[p,j]."""
    bias = "BR[t]" if part.router_biased == "product" else ""
    found = [linear("L", "t,p", "WR[t,o]", f"{x}[o,p]", "o", bias)]
    score = {"softmax": "RS", "sigmoid": "RS", "softmax of the chosen": "L"}[part.scores]
    if part.scores == "softmax":
        found.append(lines(
            "LM[p] = L[t,p] :: max[t]", "LN[t,p] = exp(L[t,p] - LM[p])", "LD[p] = LN[t,p] :: sum[t]",
            "RS[t,p] = LN[t,p]/LD[p]",
        ))  # fmt: skip
    if part.scores == "sigmoid":
        found.append(lines("RS[t,p] = sigmoid(L[t,p])"))
    if part.router_biased == "choice":
        found.append(lines(
            f"RC[t,p] = {score}[t,p] + BR[t]", "TI[p,j], TC[p,j] = RC[t,p] :: topk[t -> j]",
            "TR[p,j] = TC[p,j] - BR[TI[p,j]]", BR="T",
        ))  # fmt: skip
    else:
        found.append(lines(f"TI[p,j], TR[p,j] = {score}[t,p] :: topk[t -> j]"))
    weight = "TR[p,j]"
    if part.scores == "softmax of the chosen":
        found.append(lines(
            "TM[p] = TR[p,j] :: max[j]", "TE[p,j] = exp(TR[p,j] - TM[p])", "TD[p] = TE[p,j] :: sum[j]",
        ))  # fmt: skip
        weight = "TE[p,j]/TD[p]"
    elif part.normalised:
        found.append(lines("TD[p] = TR[p,j] :: sum[j]"))
        weight = "TR[p,j]/TD[p]"
    scale = f"*{part.scale:.12g}" if part.scale != 1 else ""
    scale += "*RE[TI[p,j]]" if part.apart else ""
    found.append(lines(f"RW[p,j] = {weight}{scale}", **({"RE": "T"} if part.apart else {})))
    return joined(found)


def _routed(part: Experts, x: str) -> Lines:
    """Return the sum YR[n,p] of what the chosen experts make, each times its weight."""
    expert = part.expert
    source = f"{x}[o,p]*RW[p,j]" if part.weighs_input else f"{x}[o,p]"
    outside = "" if part.weighs_input else "*RW[p,j]"
    found = []
    for name in ("GE", "UE") if expert.gated else ("GE",):
        made = f"{name}P" if expert.biased else name
        found.append(lines(
            f"{made}[p,j,k] = W{name}[TI[p,j],k,o]*{source} :: sum[o]", **{f"W{name}": "T K O"},
        ))  # fmt: skip
        if expert.biased:
            found.append(lines(f"{name}[p,j,k] = {made}[p,j,k] + B{name}[TI[p,j],k]", **{f"B{name}": "T K"}))
    formula = activated(expert.activation, "GE[p,j,k]", "UE[p,j,k]" if expert.gated else None)
    found.append(lines(f"ZE[p,j,k] = {formula}"))
    if expert.biased:
        found.append(lines(
            "DE[p,j,n] = WDE[TI[p,j],n,k]*ZE[p,j,k] :: sum[k]", f"DB[p,j,n] = (DE[p,j,n] + BDE[TI[p,j],n]){outside}",
            "YR[n,p] = DB[p,j,n] :: sum[j]", WDE="T N K", BDE="T N",
        ))  # fmt: skip
    else:
        found.append(lines(f"YR[n,p] = WDE[TI[p,j],n,k]*ZE[p,j,k]{outside} :: sum[j,k]", WDE="T N K"))
    return joined([*found, Lines(sizes={"K": expert.d_ff})])
