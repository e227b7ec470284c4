"""Attention as Einsums, from the normalised input ``<x>[d,p]`` of a layer to ``AO[o,p]``, in three passes over the keys."""

from __future__ import annotations

from fusemax.model.layers.lines import Lines, joined, linear, lines, normed
from fusemax.model.shape import Attention, LatentAttention, Norm, norm_of_heads

PAIRS = "positions turn feature a of the first half of what they turn with feature a of the second"


def attention_lines(mixer: Attention, x: str, causal: bool, norm: Norm) -> Lines:
    """Return the Einsums of *mixer*: H heads of keys, each read by R heads of queries; M is the sequence once more."""
    biased, made = mixer.biased, "AG" if mixer.gated else "AV"
    found = [
        linear("Q", "h,r,e,p", "WQ[h,r,e,d]", f"{x}[d,p]", "d", "BWQ[h,r,e]" if biased else ""),
        _lent() if mixer.lent else _keys(mixer, x),
        _normalised(mixer, norm),
        _scores(mixer, "QN" if mixer.qk_norm else "Q", "KN" if mixer.qk_norm and not mixer.lent else "K", causal),
        softmax_lines(mixer, causal),
        _gate(mixer, x),
        normed("rms", made, "AN", "h,r,f,p", "h,r,f", tag="AN") if mixer.out_normed else Lines(),
        linear(
            "AO", "o,p", "WO[o,h,r,f]", f"{'AN' if mixer.out_normed else made}[h,r,f,p]", "h,r,f",
            "BWO[o]" if mixer.out_biased else "",
        ),
    ]  # fmt: skip
    sizes = {
        "H": mixer.kv_heads, "R": mixer.heads // mixer.kv_heads, "E": mixer.head_dim, "F": mixer.value_dim,
    }  # fmt: skip
    if mixer.rotary:
        sizes["A"] = mixer.rotary // 2
    if mixer.window is not None:
        sizes["W"] = mixer.window if causal else mixer.window // 2
    return joined([*found, Lines(sizes=sizes, follows={"M": "P"})])


def _lent() -> Lines:
    """Return keys K and values V as a layer before made them, turned and normalised."""
    return lines("K[h,e,m] = KS[h,e,m]", "V[h,f,m] = VS[h,f,m]", KS="H E M", VS="H F M") + Lines(
        said=("KS and VS are the keys and values of a layer before, behind its norms and turned",)
    )


def _keys(mixer: Attention, x: str) -> Lines:
    """Return the keys K[h,e,m] and the values V[h,f,m]."""
    biased = mixer.biased and mixer.keys_biased
    return linear("K", "h,e,m", "WK[h,e,d]", f"{x}[d,m]", "d", "BWK[h,e]" if biased else "") + _values(
        mixer, x
    )


def _values(mixer: Attention, x: str) -> Lines:
    """Return the values V[h,f,m]: a projection of their own, or the keys as they are before a norm; normed where they are."""
    made = "VP" if mixer.values_normed else "V"
    if mixer.values == "own":
        found = linear(made, "h,f,m", "WV[h,f,d]", f"{x}[d,m]", "d", "BWV[h,f]" if mixer.biased else "")
    else:
        found = lines(f"{made}[h,f,m] = K[h,f,m]") + Lines(follows={"F": "E"})
    if not mixer.values_normed:
        return found
    return found + lines(
        "SV[h,m] = VP[h,f,m]*VP[h,f,m] :: sum[f]", "V[h,f,m] = VP[h,f,m]*rsqrt(SV[h,m]/F + eps)"
    )


def _normalised(mixer: Attention, norm: Norm) -> Lines:
    """Return norms of queries and keys: over one head with one scale, with one for each, or over all heads."""
    if not mixer.qk_norm:
        return Lines()
    queries, keys = {"shared": ("e", "e"), "head": ("h,r,e", "h,e"), "whole": ("h,r,e", "h,e")}[mixer.qk_norm]
    whole, norm = mixer.qk_norm == "whole", norm_of_heads(mixer, norm)
    return joined([
        normed(norm, "Q", "QN", "h,r,e,p", queries if whole else "e", queries, "Q"),
        Lines() if mixer.lent else normed(norm, "K", "KN", "h,e,m", keys if whole else "e", keys, "K"),
    ])  # fmt: skip


def _scores(mixer: Attention, q: str, k: str, causal: bool) -> Lines:
    """Return the scores QS[h,r,m,p] before softmax: turned, scaled, bent, lowered with the distance."""
    scale = "/sqrt(E)" if mixer.scale is None else f"*{mixer.scale:.12g}"
    cond = _condition(mixer, causal)
    found = []
    if not mixer.rotary:
        found.append(lines(f"QS[h,r,m,p] = {q}[h,r,e,p]*{k}[h,e,m]{scale} :: sum[e]{cond}"))
    else:
        found.append(turned_lines(q, "h,r", "p", "QL", "QH"))
        halves = lines(f"KL[h,a,m] = {k}[h,a,m]", f"KH[h,a,m] = {k}[h,a+A,m]")
        found.append(halves if mixer.lent else turned_lines(k, "h", "m", "KL", "KH"))
        both = "QL[h,r,a,p]*KL[h,a,m] + QH[h,r,a,p]*KH[h,a,m]"
        if mixer.rotary == mixer.head_dim:
            found.append(lines(f"QS[h,r,m,p] = ({both}){scale} :: sum[a]{cond}"))
            found.append(Lines(follows={"E": "2*A"}))
        else:
            found.append(lines(
                f"QT[h,r,m,p] = {both} :: sum[a]{cond}",
                f"QR[h,r,m,p] = {q}[h,r,c+2*A,p]*{k}[h,c+2*A,m] :: sum[c]{cond}",
                f"QS[h,r,m,p] = (QT[h,r,m,p] + QR[h,r,m,p]){scale}{cond}",
            ))  # fmt: skip
            found.append(Lines(follows={"E": "2*A + C"}, sizes={"C": mixer.head_dim - mixer.rotary}))
    return joined(found)


def turned_lines(name: str, heads: str, token: str, low: str, high: str) -> Lines:
    """Return the two halves of ``name[heads,e,token]`` turned by the position: CO and SI are tables of cosines and sines."""
    own, half, second = f"[{heads},a,{token}]", f"{name}[{heads},a,{token}]", f"{name}[{heads},a+A,{token}]"
    co, si = f"CO[a,{token}]", f"SI[a,{token}]"
    found = lines(
        f"{low}{own} = {half}*{co} - {second}*{si}",
        f"{high}{own} = {second}*{co} + {half}*{si}",
        CO="A P",
        SI="A P",
    )
    return found + Lines(said=(PAIRS,))


def _condition(mixer: Attention, causal: bool) -> str:
    if not causal:
        return "" if mixer.window is None else " | m <= p + W, m >= p - W"
    if mixer.window is None:
        return " | m <= p"
    return " | m <= p, m // W == p // W" if mixer.chunked else " | m <= p, m > p - W"


def softmax_lines(mixer: Attention, causal: bool, score: str = "QS") -> Lines:
    """Return softmax of the scores and the values under it, AV[h,r,f,p]."""
    cond = _condition(mixer, causal)
    found = []
    if mixer.cap is not None:
        found.append(lines(f"QB[h,r,m,p] = {mixer.cap:.12g}*tanh({score}[h,r,m,p]/{mixer.cap:.12g}){cond}"))
        score = "QB"
    if mixer.relative:
        found.append(lines(f"QA[h,r,m,p] = {score}[h,r,m,p] + RB[h,r,BU[m,p]]{cond}", RB="H R B", BU="M P"))
        found.append(
            Lines(sizes={"B": mixer.relative}, said=("BU is the range of a distance, from 0 to B-1",))
        )
        score = "QA"
    if mixer.alibi:
        found.append(lines(f"QA[h,r,m,p] = {score}[h,r,m,p] + SL[h,r]*(m - p){cond}", SL="H R"))
        found.append(Lines(said=("SL is the slope of each head",)))
        score = "QA"
    most = "LM" if mixer.sinks else "GM"
    found.append(lines(f"{most}[h,r,p] = {score}[h,r,m,p] :: max[m]{cond}"))
    if mixer.sinks:
        found.append(lines("GM[h,r,p] = max(LM[h,r,p], HS[h,r])", HS="H R"))
    total = "SS" if mixer.sinks else "SD"
    found.append(lines(
        f"SN[h,r,m,p] = exp({score}[h,r,m,p] - GM[h,r,p]){cond}", f"{total}[h,r,p] = SN[h,r,m,p] :: sum[m]{cond}",
    ))  # fmt: skip
    if mixer.sinks:
        found.append(lines("SD[h,r,p] = SS[h,r,p] + exp(HS[h,r] - GM[h,r,p])"))
    found.append(lines(
        f"A[h,r,m,p] = SN[h,r,m,p]/SD[h,r,p]{cond}", f"AV[h,r,f,p] = A[h,r,m,p]*V[h,f,m] :: sum[m]{cond}",
    ))  # fmt: skip
    return joined(found)


def _gate(mixer: Attention, x: str) -> Lines:
    if not mixer.gated:
        return Lines()
    own = "h,r,f" if mixer.gated == "element" else "h,r"
    gate = linear("AS", f"{own},p", f"WS[{own},d]", f"{x}[d,p]", "d", f"BWS[{own}]" if mixer.biased else "")
    return gate + lines(f"AG[h,r,f,p] = AV[h,r,f,p]*sigmoid(AS[{own},p])")


def cross_lines(mixer: Attention, x: str) -> Lines:
    """Return attention of the tokens ``<x>[o,p]`` to I tokens of an encoder, ES[d,i], to ``CX[n,p]``."""
    biased, keys_biased = mixer.biased, mixer.biased and mixer.keys_biased
    scale = "/sqrt(E)" if mixer.scale is None else f"*{mixer.scale:.12g}"
    found = [
        linear("QC", "h,r,e,p", "WQC[h,r,e,o]", f"{x}[o,p]", "o", "BQC[h,r,e]" if biased else ""),
        linear("KC", "h,e,i", "WKC[h,e,d]", "ES[d,i]", "d", "BKC[h,e]" if keys_biased else ""),
        linear("VC", "h,f,i", "WVC[h,f,d]", "ES[d,i]", "d", "BVC[h,f]" if biased else ""),
        lines(
            f"CS[h,r,i,p] = QC[h,r,e,p]*KC[h,e,i]{scale} :: sum[e]",
            "CM[h,r,p] = CS[h,r,i,p] :: max[i]",
            "CE[h,r,i,p] = exp(CS[h,r,i,p] - CM[h,r,p])",
            "CD[h,r,p] = CE[h,r,i,p] :: sum[i]",
            "CA[h,r,i,p] = CE[h,r,i,p]/CD[h,r,p]",
            "CV[h,r,f,p] = CA[h,r,i,p]*VC[h,f,i] :: sum[i]",
            ES="D I",
        ),
        linear("CX", "n,p", "WCX[n,h,r,f]", "CV[h,r,f,p]", "h,r,f", "BCX[n]" if mixer.out_biased else ""),
    ]  # fmt: skip
    sizes = {
        "H": mixer.kv_heads, "R": mixer.heads // mixer.kv_heads, "E": mixer.head_dim, "F": mixer.value_dim,
    }  # fmt: skip
    return joined([*found, Lines(sizes=sizes, said=("ES are the tokens of the encoder",))])


def latent_lines(mixer: LatentAttention, x: str) -> Lines:
    """Return latent attention as it reads a prompt: keys and values are made from the latent vector CN[c,m].

    A key's rotary part, 2*A elements, is one for all heads. Where keys are chosen, a query sees those at YI[p,b] alone.
    """
    found = []
    source, over = f"{x}[d,p]", "d"
    if mixer.q_rank is not None:
        found.append(linear("CQ", "l,p", "WCQ[l,d]", f"{x}[d,p]", "d"))
        found.append(normed("rms", "CQ", "CQN", "l,p", "l", tag="CQ"))
        source, over = "CQN[l,p]", "l"
    found += [
        linear("Q", "h,e,p", f"WQ[h,e,{over}]", source, over),
        linear("QR", "h,u,p", f"WQR[h,u,{over}]", source, over),
        linear("CK", "c,m", "WCK[c,d]", f"{x}[d,m]", "d"),
        normed("rms", "CK", "CN", "c,m", "c", tag="CK"),
        linear("KR", "u,m", "WKR[u,d]", f"{x}[d,m]", "d"),
        linear("K", "h,e,m", "WK[h,e,c]", "CN[c,m]", "c"),
        linear("V", "h,f,m", "WV[h,f,c]", "CN[c,m]", "c"),
        _latent_turned() if mixer.turned else Lines(),
        Lines() if mixer.chosen is None else indexer_lines(mixer, x),
        _latent_scores(mixer, "m", "m", "m <= p")
        if mixer.chosen is None
        else _latent_scores(mixer, "b", "YI[p,b]", "YI[p,b] <= p"),
        linear("AO", "o,p", "WO[o,h,f]", "AV[h,f,p]", "h,f"),
    ]  # fmt: skip
    sizes = {
        "H": mixer.heads, "E": mixer.nope_dim, "F": mixer.value_dim, "C": mixer.kv_rank,
        **({"A": mixer.rope_dim // 2} if mixer.turned else {"U": mixer.rope_dim}),
        **({"L": mixer.q_rank} if mixer.q_rank is not None else {}),
    }  # fmt: skip
    if mixer.chosen is not None:
        sizes["B"] = mixer.chosen
    said = ("scaled by the size of a whole key; a longer context's factor (YaRN) is left out",)
    follows = {"M": "P", **({"U": "2*A"} if mixer.turned else {})}
    return joined([*found, Lines(sizes=sizes, follows=follows, said=said)])


def _latent_turned() -> Lines:
    """Return the two halves of queries and of the one key that the position turns."""
    keys = lines(
        "KL[a,m] = KR[a,m]*CO[a,m] - KR[a+A,m]*SI[a,m]", "KH[a,m] = KR[a+A,m]*CO[a,m] + KR[a,m]*SI[a,m]"
    )
    return turned_lines("QR", "h", "p", "QL", "QH") + keys


def _latent_scores(mixer: LatentAttention, rank: str, key: str, cond: str) -> Lines:
    """Return softmax over the keys of *rank*, of which each is token *key*, under the condition *cond*."""
    both = (
        f"QL[h,a,p]*KL[a,{key}] + QH[h,a,p]*KH[a,{key}] :: sum[a]"
        if mixer.turned
        else f"QR[h,u,p]*KR[u,{key}] :: sum[u]"
    )
    whole = "E + 2*A" if mixer.turned else "E + U"
    return lines(
        f"QT[h,{rank},p] = {both} | {cond}",
        f"QK[h,{rank},p] = Q[h,e,p]*K[h,e,{key}] :: sum[e] | {cond}",
        f"QS[h,{rank},p] = (QK[h,{rank},p] + QT[h,{rank},p])/sqrt({whole}) | {cond}",
        f"GM[h,p] = QS[h,{rank},p] :: max[{rank}] | {cond}",
        f"SN[h,{rank},p] = exp(QS[h,{rank},p] - GM[h,p]) | {cond}",
        f"SD[h,p] = SN[h,{rank},p] :: sum[{rank}] | {cond}",
        f"A[h,{rank},p] = SN[h,{rank},p]/SD[h,p] | {cond}",
        f"AV[h,f,p] = A[h,{rank},p]*V[h,f,{key}] :: sum[{rank}] | {cond}",
    )


def indexer_lines(mixer: LatentAttention, x: str) -> Lines:
    """Return what chooses the B keys YI[p,b] of each query: an indexer of I heads with G features, or the layer before."""
    if mixer.indexer is None:
        return lines(YI="P B") + Lines(said=("YI are the keys that an indexer of a layer before chose",))
    source, over = (f"{x}[d,p]", "d") if mixer.q_rank is None else ("CQN[l,p]", "l")
    found = [
        linear("IQ", "i,g,p", f"WIQ[i,g,{over}]", source, over),
        linear("IK", "g,m", "WIK[g,d]", f"{x}[d,m]", "d"),
        normed("layer", "IK", "IN", "g,m", "g", tag="IK"),
        linear("IW", "i,p", "WIW[i,d]", f"{x}[d,p]", "d"),
        turned_lines("IQ", "i", "p", "IL", "IH"),
        lines("JL[a,m] = IN[a,m]*CO[a,m] - IN[a+A,m]*SI[a,m]", "JH[a,m] = IN[a+A,m]*CO[a,m] + IN[a,m]*SI[a,m]"),
        lines(
            "IT[i,m,p] = IL[i,a,p]*JL[a,m] + IH[i,a,p]*JH[a,m] :: sum[a] | m <= p",
            "IR[i,m,p] = IQ[i,v+2*A,p]*IN[v+2*A,m] :: sum[v] | m <= p",
            "IX[m,p] = IW[i,p]*relu(IT[i,m,p] + IR[i,m,p]) :: sum[i] | m <= p",
            "IM[m,p] = where(le(m, p), IX[m,p], -inf)",
            "YI[p,b] = IM[m,p] :: topk_index[m -> b]",
        ),
    ]  # fmt: skip
    dim = mixer.indexer.head_dim
    sizes = {"I": mixer.indexer.heads, "G": dim, "V": dim - mixer.rope_dim}
    said = ("a query with fewer than B keys before it attends to those",)
    return joined([*found, Lines(sizes=sizes, follows={"G": "2*A + V"}, said=said)])
