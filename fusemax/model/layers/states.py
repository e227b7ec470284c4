"""Mixers with states as Einsums, from the normalised input ``<x>[d,p]`` of a layer to ``AO[o,p]``: a loop over the tokens."""

from __future__ import annotations

from fusemax.model.layers.lines import Lines, joined, linear, lines, normed
from fusemax.model.states import (
    GatedDelta,
    KimiDelta,
    Lightning,
    Recurrent,
    SelectiveScan,
    ShortConvolution,
    StateSpace,
)


def state_lines(mixer: Recurrent, x: str) -> Lines:
    """Return the Einsums of *mixer*."""
    if isinstance(mixer, StateSpace):
        return state_space_lines(mixer, x)
    if isinstance(mixer, ShortConvolution):
        return _short_convolution(mixer, x)
    if isinstance(mixer, KimiDelta):
        return _kimi_delta(mixer, x)
    if isinstance(mixer, Lightning):
        return _lightning(mixer, x)
    return _gated_delta(mixer, x) if isinstance(mixer, GatedDelta) else _scan(mixer, x)


def _convolved(source: str, to: str, index: str, biased: bool) -> Lines:
    """Return silu of the convolution of ``source[index,p]`` over the last W tokens; w = W-1 is the own one."""
    ranks = " ".join(name.upper() for name in index.split(","))
    found = lines(
        f"{to}V[{index},p] = C{to}[{index},w]*{source}[{index},p+w-W+1] :: sum[w] | p + w >= W - 1",
        **{f"C{to}": f"{ranks} W"},
    )
    bias = f" + Y{to}[{index}]" if biased else ""
    end = lines(f"{to}[{index},p] = silu({to}V[{index},p]{bias})", **({f"Y{to}": ranks} if biased else {}))
    return found + end


def state_space_lines(mixer: StateSpace, x: str, to: str = "AO", out: str = "WO") -> Lines:
    """Return Mamba-2, to ``<to>[o,p]`` by *out*: G groups of B and C, each for I heads of V channels with U states."""
    parts = (("GZ", "g,i,v"), ("PX", "g,i,v"), ("PB", "g,u"), ("PC", "g,u"), ("PT", "g,i"))
    found = [
        linear(
            name,
            f"{index},p",
            f"W{name}[{index},d]",
            f"{x}[d,p]",
            "d",
            f"Y{name}[{index}]" if mixer.biased else "",
        )
        for name, index in parts
    ]
    found += [
        _convolved("PX", "SX", "g,i,v", mixer.conv_biased),
        _convolved("PB", "SB", "g,u", mixer.conv_biased),
        _convolved("PC", "SC", "g,u", mixer.conv_biased),
        lines(
            "DT[g,i,p] = softplus(PT[g,i,p] + TB[g,i])",
            "S[0,g,i,u,v] = 0",
            "loop p:",
            "  S[p+1,g,i,u,v] = exp(NA[g,i]*DT[g,i,p])*S[p,g,i,u,v] + DT[g,i,p]*SB[g,u,p]*SX[g,i,v,p]",
            "  YS[g,i,v,p] = SC[g,u,p]*S[p+1,g,i,u,v] :: sum[u]",
            TB="G I", NA="G I", DS="G I",
        ),
        _gated(mixer),
        linear(to, "o,p", f"{out}[o,g,i,v]", "YN[g,i,v,p]", "g,i,v", f"B{out}[o]" if mixer.biased else ""),
    ]  # fmt: skip
    sizes = {
        "G": mixer.groups, "I": mixer.heads // mixer.groups, "V": mixer.head_dim, "U": mixer.state, "W": mixer.taps,
    }  # fmt: skip
    return joined([*found, Lines(sizes=sizes, said=("NA is negative, one for each head",))])


def _gated(mixer: StateSpace) -> Lines:
    """Return what the states make under its gate, with a norm behind the gate, before it for each group, or none."""
    made, gate = "YS[g,i,v,p] + DS[g,i]*SX[g,i,v,p]", "silu(GZ[g,i,v,p])"
    if not mixer.normed:
        return lines(f"YN[g,i,v,p] = ({made})*{gate}")
    if mixer.normed == "behind":
        return lines(f"YG[g,i,v,p] = ({made})*{gate}") + normed(
            "rms", "YG", "YN", "g,i,v,p", "g,i,v", tag="YG"
        )
    each = normed("rms", "YD", "YE", "g,i,v,p", "i,v", "g,i,v", tag="YG")
    return joined([lines(f"YD[g,i,v,p] = {made}"), each, lines(f"YN[g,i,v,p] = YE[g,i,v,p]*{gate}")])


def _short_convolution(mixer: ShortConvolution, x: str) -> Lines:
    """Return a convolution over the last W tokens of I channels, with one gate before it and one behind."""
    biased = mixer.biased
    found = [
        linear(name, "i,p", f"W{name}[i,d]", f"{x}[d,p]", "d", f"Y{name}[i]" if biased else "")
        for name in ("PB", "PC", "PX")
    ]
    bias = " + YC[i]" if biased else ""
    found += [
        lines(
            "PZ[i,p] = PB[i,p]*PX[i,p]",
            "PV[i,p] = CF[i,w]*PZ[i,p+w-W+1] :: sum[w] | p + w >= W - 1",
            f"PY[i,p] = PC[i,p]*(PV[i,p]{bias})" if biased else "PY[i,p] = PC[i,p]*PV[i,p]",
            CF="I W", **({"YC": "I"} if biased else {}),
        ),
        linear("AO", "o,p", "WO[o,i]", "PY[i,p]", "i", "BWO[o]" if biased else ""),
    ]  # fmt: skip
    return joined([*found, Lines(sizes={"I": mixer.inner, "W": mixer.taps})])


def _scan(mixer: SelectiveScan, x: str) -> Lines:
    """Return Mamba: I channels with U elements of state each, steps from L numbers a token."""
    biased = mixer.biased
    found = [
        linear("PX", "i,p", "WX[i,d]", f"{x}[d,p]", "d", "YX[i]" if biased else ""),
        linear("GZ", "i,p", "WZ[i,d]", f"{x}[d,p]", "d", "YZ[i]" if biased else ""),
        _convolved("PX", "SX", "i", mixer.conv_biased),
        linear("PT", "l,p", "WT[l,i]", "SX[i,p]", "i"),
        linear("PB", "u,p", "WB[u,i]", "SX[i,p]", "i"),
        linear("PC", "u,p", "WC[u,i]", "SX[i,p]", "i"),
    ]  # fmt: skip
    step, b, c = "PT", "PB", "PC"
    if mixer.normed:
        found += [
            normed("rms", "PT", "TN", "l,p", "l", tag="PT"),
            normed("rms", "PB", "BN", "u,p", "u", tag="PB"),
            normed("rms", "PC", "CN", "u,p", "u", tag="PC"),
        ]
        step, b, c = "TN", "BN", "CN"
    found += [
        linear("DL", "i,p", "WDT[i,l]", f"{step}[l,p]", "l"),
        lines(
            "DT[i,p] = softplus(DL[i,p] + TB[i])",
            "S[0,i,u] = 0",
            "loop p:",
            f"  S[p+1,i,u] = exp(NA[i,u]*DT[i,p])*S[p,i,u] + DT[i,p]*{b}[u,p]*SX[i,p]",
            f"  YS[i,p] = {c}[u,p]*S[p+1,i,u] :: sum[u]",
            "YG[i,p] = (YS[i,p] + DS[i]*SX[i,p])*silu(GZ[i,p])",
            TB="I", NA="I U", DS="I",
        ),
        linear("AO", "o,p", "WO[o,i]", "YG[i,p]", "i", "BWO[o]" if biased else ""),
    ]  # fmt: skip
    sizes = {"I": mixer.inner, "U": mixer.state, "L": mixer.rank, "W": mixer.taps}
    return joined([*found, Lines(sizes=sizes, said=("NA is negative, one for each element of state",))])


def _gated_delta(mixer: GatedDelta, x: str) -> Lines:
    """Return the gated delta rule: G heads of queries and keys, each for I heads of values."""
    parts = (("PQ", "g,e"), ("PK", "g,e"), ("PV", "g,i,f"), ("GZ", "g,i,f"), ("PB", "g,i"), ("PA", "g,i"))
    found = [linear(name, f"{index},p", f"W{name}[{index},d]", f"{x}[d,p]", "d") for name, index in parts]
    found += [
        _convolved("PQ", "CQ", "g,e", False), _convolved("PK", "CK", "g,e", False), _convolved("PV", "CV", "g,i,f", False),
        lines(
            "Q2[g,p] = CQ[g,e,p]*CQ[g,e,p] :: sum[e]",
            "K2[g,p] = CK[g,e,p]*CK[g,e,p] :: sum[e]",
            "Q[g,e,p] = CQ[g,e,p]*rsqrt(Q2[g,p] + eps)/sqrt(E)",
            "K[g,e,p] = CK[g,e,p]*rsqrt(K2[g,p] + eps)",
            "BE[g,i,p] = sigmoid(PB[g,i,p])",
            "AL[g,i,p] = exp(NA[g,i]*softplus(PA[g,i,p] + TB[g,i]))",
            "S[0,g,i,f,e] = 0",
            "loop p:",
            "  SK[g,i,f,p] = S[p,g,i,f,e]*K[g,e,p] :: sum[e]",
            "  U[g,i,f,p] = BE[g,i,p]*(CV[g,i,f,p] - AL[g,i,p]*SK[g,i,f,p])",
            "  S[p+1,g,i,f,e] = AL[g,i,p]*S[p,g,i,f,e] + U[g,i,f,p]*K[g,e,p]",
            "  YS[g,i,f,p] = S[p+1,g,i,f,e]*Q[g,e,p] :: sum[e]",
            NA="G I", TB="G I",
        ),
        normed("rms", "YS", "YN", "g,i,f,p", "f", tag="YS"),
        lines("YG[g,i,f,p] = YN[g,i,f,p]*silu(GZ[g,i,f,p])"),
        linear("AO", "o,p", "WO[o,g,i,f]", "YG[g,i,f,p]", "g,i,f"),
    ]  # fmt: skip
    sizes = {
        "G": mixer.key_heads, "I": mixer.heads // mixer.key_heads, "E": mixer.key_dim, "F": mixer.value_dim, "W": mixer.taps,
    }  # fmt: skip
    return joined([*found, Lines(sizes=sizes, said=("NA is negative, one for each head",))])


def _kimi_delta(mixer: KimiDelta, x: str) -> Lines:
    """Return Kimi delta attention: G heads with E features of keys and F of values, decay and gate by way of L numbers."""
    parts = (("PQ", "g,e"), ("PK", "g,e"), ("PV", "g,f"), ("PB", "g"), ("PD", "l"), ("PG", "l"))
    found = [linear(name, f"{index},p", f"W{name}[{index},d]", f"{x}[d,p]", "d") for name, index in parts]
    found += [
        _convolved("PQ", "CQ", "g,e", False), _convolved("PK", "CK", "g,e", False), _convolved("PV", "CV", "g,f", False),
        linear("DD", "g,e,p", "WDD[g,e,l]", "PD[l,p]", "l"),
        linear("GZ", "g,f,p", "WGZ[g,f,l]", "PG[l,p]", "l"),
        lines(
            "Q2[g,p] = CQ[g,e,p]*CQ[g,e,p] :: sum[e]",
            "K2[g,p] = CK[g,e,p]*CK[g,e,p] :: sum[e]",
            "Q[g,e,p] = CQ[g,e,p]*rsqrt(Q2[g,p] + eps)/sqrt(E)",
            "K[g,e,p] = CK[g,e,p]*rsqrt(K2[g,p] + eps)",
            "BE[g,p] = sigmoid(PB[g,p])",
            "AL[g,e,p] = exp(NA[g]*softplus(DD[g,e,p] + TB[g,e]))",
            "S[0,g,e,f] = 0",
            "loop p:",
            "  SA[p,g,e,f] = AL[g,e,p]*S[p,g,e,f]",
            "  SK[g,f,p] = SA[p,g,e,f]*K[g,e,p] :: sum[e]",
            "  S[p+1,g,e,f] = SA[p,g,e,f] + BE[g,p]*K[g,e,p]*(CV[g,f,p] - SK[g,f,p])",
            "  YS[g,f,p] = S[p+1,g,e,f]*Q[g,e,p] :: sum[e]",
            NA="G", TB="G E",
        ),
        normed("rms", "YS", "YN", "g,f,p", "f", tag="YS"),
        lines("YG[g,f,p] = YN[g,f,p]*sigmoid(GZ[g,f,p])"),
        linear("AO", "o,p", "WO[o,g,f]", "YG[g,f,p]", "g,f"),
    ]  # fmt: skip
    dim = mixer.head_dim
    sizes = {"G": mixer.heads, "E": dim, "F": dim, "L": dim, "W": mixer.taps}
    return joined([*found, Lines(sizes=sizes, said=("NA is negative, one for each head",))])


def _lightning(mixer: Lightning, x: str) -> Lines:
    """Return lightning attention: G heads whose state of E by F elements decays by DR each token."""
    parts = (("PQ", "g,e"), ("PK", "g,e"), ("PV", "g,f"), ("GZ", "g,f"))
    found = [linear(name, f"{index},p", f"W{name}[{index},d]", f"{x}[d,p]", "d") for name, index in parts]
    found += [
        lines(
            "Q[g,e,p] = silu(PQ[g,e,p])",
            "K[g,e,p] = silu(PK[g,e,p])",
            "V[g,f,p] = silu(PV[g,f,p])",
            "S[0,g,e,f] = 0",
            "loop p:",
            "  S[p+1,g,e,f] = DR[g]*S[p,g,e,f] + K[g,e,p]*V[g,f,p]",
            "  YS[g,f,p] = S[p+1,g,e,f]*Q[g,e,p] :: sum[e]",
            DR="G",
        ),
        normed("rms", "YS", "YN", "g,f,p", "g,f", tag="YS"),
        lines("YG[g,f,p] = YN[g,f,p]*sigmoid(GZ[g,f,p])"),
        linear("AO", "o,p", "WO[o,g,f]", "YG[g,f,p]", "g,f"),
    ]  # fmt: skip
    said = ("DR is the decay of each head, fixed by its number and its layer's",)
    return joined(
        [*found, Lines(sizes={"G": mixer.heads, "E": mixer.head_dim, "F": mixer.head_dim}, said=said)]
    )
