"""A plain transformer in numpy, token by token and head by head: what the cascades of layers are held against.

Written from what :mod:`fusemax.model.shape` says of each part and from the papers that it names. Weights come by the names
that the cascades give them; x has a row for each token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import erf, tanh
from typing import Any

import numpy as np

from fusemax.model.shape import Attention, Beside, Experts, FeedForward, LatentAttention, Layer, Mixer, Model
from fusemax.model.states import GatedDelta, KimiDelta, Lightning, SelectiveScan, ShortConvolution, StateSpace

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]
EPS = 1e-6


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    """SiLU."""
    return x * sigmoid(x)


def softmax(x: Array) -> Array:
    """Softmax of a vector."""
    grown = np.exp(x - x.max())
    return grown / grown.sum()


def act(name: str, x: Array) -> Array:
    """An activation, from its definition."""
    if name == "gelu":
        return np.array([0.5 * v * (1 + erf(v / 2**0.5)) for v in x.flat]).reshape(x.shape)
    if name == "gelu_tanh":
        inner = [0.5 * v * (1 + tanh((2 / np.pi) ** 0.5 * (v + 0.044715 * v**3))) for v in x.flat]
        return np.array(inner).reshape(x.shape)
    return {
        "silu": silu, "relu": lambda v: np.maximum(v, 0), "relu2": lambda v: np.maximum(v, 0) ** 2,
        "quick_gelu": lambda v: v * sigmoid(1.702 * v),
        "xielu": lambda v: np.where(v > 0, 0.8 * v**2 + 0.5 * v, 0.8 * (np.exp(np.minimum(v, -1e-6)) - 1 - v) + 0.5 * v),
    }[name](x)  # fmt: skip


def norm(kind: str, x: Array, w: Weights, tag: str) -> Array:
    """A norm of one token's numbers, all at once, with the scale and shift called after *tag*."""
    if kind != "rms":
        x = x - x.mean()
    y = x / np.sqrt((x**2).mean() + EPS)
    return y * w.get(f"G{tag}", 1.0) + w.get(f"B{tag}", 0.0)


def rows(kind: str, x: Array, w: Weights, tag: str) -> Array:
    """A norm of each token."""
    return np.stack([norm(kind, row, w, tag) for row in x])


def turned(v: Array, token: int, w: Weights) -> Array:
    """The first 2*A numbers of *v* turned by the position of *token*, pairs one half apart."""
    half = len(w["CO"])
    low, high = v[:half], v[half : 2 * half]
    co, si = w["CO"][:, token], w["SI"][:, token]
    return np.concatenate([low * co - high * si, high * co + low * si, v[2 * half :]])


def attention(model: Model, part: Attention, x: Array, w: Weights) -> Array:
    """Attention, one query at a time."""
    tokens, group = len(x), part.heads // part.kv_heads
    q = np.einsum("hred,pd->phre", w["WQ"], x) + w.get("BWQ", 0.0)
    if part.lent:  # they come as a layer before made them
        k, v = w["KS"].transpose(2, 0, 1), w["VS"].transpose(2, 0, 1)
    else:
        k = np.einsum("hed,pd->phe", w["WK"], x) + w.get("BWK", 0.0)
        v = np.einsum("hfd,pd->phf", w["WV"], x) + w.get("BWV", 0.0) if part.values == "own" else k.copy()
        if part.values_normed:
            v = np.apply_along_axis(lambda one: norm("rms", one, {}, "V"), -1, v)
    out = np.zeros((tokens, part.kv_heads, group, part.value_dim))
    for name, each in (("Q", q), ("K", k))[: 1 if part.lent else 2]:
        for p in range(tokens):
            if part.qk_norm == "whole":
                each[p] = norm(model.norm, each[p], w, name)
            elif part.qk_norm:
                for head in np.ndindex(each[p].shape[:-1]):
                    scale = w[f"G{name}"] if part.qk_norm == "shared" else w[f"G{name}"][head]
                    shift = w.get(f"B{name}", np.zeros_like(scale))
                    each[p][head] = norm(model.norm, each[p][head], {"Gx": scale, "Bx": shift}, "x")
            if part.rotary:
                for head in np.ndindex(each[p].shape[:-1]):
                    each[p][head] = turned(each[p][head], p, w)
    scale = part.head_dim**-0.5 if part.scale is None else part.scale
    for p, h, r in np.ndindex(tokens, part.kv_heads, group):
        seen = [m for m in range(tokens) if not model.causal or m <= p]
        if part.window is not None and not model.causal:
            seen = [m for m in seen if abs(p - m) <= part.window // 2]
        if part.window is not None and model.causal:
            seen = [
                m
                for m in seen
                if (m // part.window == p // part.window if part.chunked else p - m < part.window)
            ]
        scores = np.array([q[p, h, r] @ k[m, h] * scale for m in seen])
        if part.cap is not None:
            scores = part.cap * np.tanh(scores / part.cap)
        if part.relative:
            scores = scores + np.array([w["RB"][h, r, w["BU"][m, p]] for m in seen])
        if part.alibi:
            scores = scores + w["SL"][h, r] * (np.array(seen) - p)
        weights = softmax(np.append(scores, w["HS"][h, r]))[:-1] if part.sinks else softmax(scores)
        out[p, h, r] = sum(a * v[m, h] for a, m in zip(weights, seen, strict=True))
    if part.gated == "head":
        out = out * sigmoid(np.einsum("hrd,pd->phr", w["WS"], x) + w.get("BWS", 0.0))[..., None]
    elif part.gated:
        out = out * sigmoid(np.einsum("hrfd,pd->phrf", w["WS"], x) + w.get("BWS", 0.0))
    if part.out_normed:
        out = np.stack([norm("rms", each, w, "AN") for each in out])
    return np.einsum("ohrf,phrf->po", w["WO"], out) + w.get("BWO", 0.0)


def crossed(part: Attention, x: Array, w: Weights) -> Array:
    """Attention to the tokens of an encoder, one query and head at a time: all of them are seen."""
    group, source = part.heads // part.kv_heads, w["ES"].T
    out = np.zeros((len(x), part.kv_heads, group, part.value_dim))
    scale = part.head_dim**-0.5 if part.scale is None else part.scale
    for p, h, r in np.ndindex(len(x), part.kv_heads, group):
        query = w["WQC"][h, r] @ x[p] + (w["BQC"][h, r] if "BQC" in w else 0.0)
        keys = [w["WKC"][h] @ token + (w["BKC"][h] if "BKC" in w else 0.0) for token in source]
        values = [w["WVC"][h] @ token + (w["BVC"][h] if "BVC" in w else 0.0) for token in source]
        weights = softmax(np.array([query @ key * scale for key in keys]))
        out[p, h, r] = sum(a * value for a, value in zip(weights, values, strict=True))
    return np.einsum("nhrf,phrf->pn", w["WCX"], out) + w.get("BCX", 0.0)


def latent(part: LatentAttention, x: Array, w: Weights) -> Array:
    """Latent attention with keys and values made from the latent vector of each token."""
    tokens = len(x)
    source = x if part.q_rank is None else rows("rms", x @ w["WCQ"].T, w, "CQ")
    vectors = rows("rms", x @ w["WCK"].T, w, "CK")
    out = np.zeros((tokens, part.heads, part.value_dim))
    bent = turned if part.turned else lambda v, token, w: v
    keys = [bent(w["WKR"] @ x[m], m, w) for m in range(tokens)]
    for p, h in np.ndindex(tokens, part.heads):
        query, rope = w["WQ"][h] @ source[p], bent(w["WQR"][h] @ source[p], p, w)
        seen = list(range(p + 1)) if part.chosen is None else picked(part, x, source, w, p)
        scores = [query @ (w["WK"][h] @ vectors[m]) + rope @ keys[m] for m in seen]
        weights = softmax(np.array(scores) / (part.nope_dim + part.rope_dim) ** 0.5)
        out[p, h] = sum(weight * (w["WV"][h] @ vectors[m]) for weight, m in zip(weights, seen, strict=True))
    return np.einsum("ohf,phf->po", w["WO"], out)


def picked(part: LatentAttention, x: Array, source: Array, w: Weights, p: int) -> list[int]:
    """The keys before *p* that score best by the indexer (arXiv 2512.02556, equation 1), or that were chosen before."""
    if part.indexer is None:
        return [int(m) for m in w["YI"][p] if m <= p]
    scores = []
    for m in range(p + 1):
        key = turned(norm("layer", w["WIK"] @ x[m], w, "IK"), m, w)
        score = 0.0
        for i in range(part.indexer.heads):
            query = turned(w["WIQ"][i] @ source[p], p, w)
            score += (w["WIW"][i] @ x[p]) * max(0.0, query @ key)
        scores.append(score)
    best = sorted(range(p + 1), key=lambda m: (-scores[m], m))
    return best[: part.chosen]


def convolved(source: Array, filters: Array, bias: Array | float) -> Array:
    """silu of the last tokens' sum, under filters whose last entry is the token's own."""
    taps = filters.shape[-1]
    found = []
    for p in range(len(source)):
        total = sum(filters[..., taps - 1 - back] * source[p - back] for back in range(min(taps, p + 1)))
        found.append(silu(total + bias))
    return np.stack(found)


def state_space(part: StateSpace, x: Array, w: Weights) -> Array:
    """Mamba-2: the state of each head decays, and takes B times x."""
    into = {
        name: np.einsum("...d,pd->p...", w[f"W{name}"], x) + w.get(f"Y{name}", 0.0)
        for name in ("GZ", "PX", "PB", "PC", "PT")
    }
    names = (("PX", "SX"), ("PB", "SB"), ("PC", "SC"))
    made = {to: convolved(into[name], w[f"C{to}"], w.get(f"Y{to}", 0.0)) for name, to in names}
    step = np.log1p(np.exp(into["PT"] + w["TB"]))
    inside = np.zeros((len(x), part.groups, part.heads // part.groups, part.head_dim))
    for j, i in np.ndindex(part.groups, part.heads // part.groups):
        state = np.zeros((part.state, part.head_dim))
        for p in range(len(x)):
            decay = np.exp(w["NA"][j, i] * step[p, j, i])
            state = decay * state + step[p, j, i] * np.outer(made["SB"][p, j], made["SX"][p, j, i])
            inside[p, j, i] = made["SC"][p, j] @ state + w["DS"][j, i] * made["SX"][p, j, i]
    gate = silu(into["GZ"])
    if part.normed == "behind":
        gated = rows("rms", inside * gate, w, "YG")
    elif part.normed == "before":
        gated = np.zeros_like(inside)
        for p, j in np.ndindex(len(x), part.groups):
            gated[p, j] = norm("rms", inside[p, j], {"GYG": w["GYG"][j]}, "YG") * gate[p, j]
    else:
        gated = inside * gate
    return np.einsum("ojiv,pjiv->po", w["WO"], gated) + w.get("BWO", 0.0)


def scan(part: SelectiveScan, x: Array, w: Weights) -> Array:
    """Mamba: each channel has states that decay at rates of their own."""
    values = convolved(x @ w["WX"].T + w.get("YX", 0.0), w["CSX"], w.get("YSX", 0.0))
    gate = x @ w["WZ"].T if "WZ" in w else x @ w["WGZ"].T
    gate = gate + w.get("YZ", 0.0)
    small = {name: values @ w[f"W{name[1]}"].T for name in ("PT", "PB", "PC")}
    if part.normed:
        small = {name: rows("rms", each, w, name) for name, each in small.items()}
    step = np.log1p(np.exp(small["PT"] @ w["WDT"].T + w["TB"]))
    out = np.zeros_like(values)
    for i in range(part.inner):
        state = np.zeros(part.state)
        for p in range(len(x)):
            state = np.exp(w["NA"][i] * step[p, i]) * state + step[p, i] * small["PB"][p] * values[p, i]
            out[p, i] = (small["PC"][p] @ state + w["DS"][i] * values[p, i]) * silu(gate[p, i])
    return out @ w["WO"].T + w.get("BWO", 0.0)


def gated_delta(part: GatedDelta, x: Array, w: Weights) -> Array:
    """The gated delta rule (arXiv 2412.06464, equation 10) with normalised queries and keys."""
    into = {
        name: np.einsum("...d,pd->p...", w[f"W{name}"], x) for name in ("PQ", "PK", "PV", "GZ", "PB", "PA")
    }
    made = {
        to: convolved(into[name], w[f"C{to}"], 0.0) for name, to in (("PQ", "CQ"), ("PK", "CK"), ("PV", "CV"))
    }
    out = np.zeros_like(made["CV"])
    for j, i in np.ndindex(part.key_heads, part.heads // part.key_heads):
        state = np.zeros((part.value_dim, part.key_dim))
        for p in range(len(x)):
            q = made["CQ"][p, j] / np.sqrt((made["CQ"][p, j] ** 2).sum() + EPS) / part.key_dim**0.5
            k = made["CK"][p, j] / np.sqrt((made["CK"][p, j] ** 2).sum() + EPS)
            alpha = np.exp(w["NA"][j, i] * np.log1p(np.exp(into["PA"][p, j, i] + w["TB"][j, i])))
            beta = sigmoid(into["PB"][p, j, i])
            state = alpha * state @ (np.eye(part.key_dim) - beta * np.outer(k, k)) + beta * np.outer(
                made["CV"][p, j, i], k
            )
            out[p, j, i] = norm("rms", state @ q, w, "YS") * silu(into["GZ"][p, j, i])
    return np.einsum("ojif,pjif->po", w["WO"], out)


def kimi_delta(part: KimiDelta, x: Array, w: Weights) -> Array:
    """Kimi delta attention (arXiv 2510.26692, equation 1): each feature of a key decays, then what it held is corrected."""
    into = {
        name: np.einsum("...d,pd->p...", w[f"W{name}"], x) for name in ("PQ", "PK", "PV", "PB", "PD", "PG")
    }
    made = {
        to: convolved(into[name], w[f"C{to}"], 0.0) for name, to in (("PQ", "CQ"), ("PK", "CK"), ("PV", "CV"))
    }
    out = np.zeros_like(made["CV"])
    for j in range(part.heads):
        state = np.zeros((part.head_dim, part.head_dim))
        for p in range(len(x)):
            q = made["CQ"][p, j] / np.sqrt((made["CQ"][p, j] ** 2).sum() + EPS) / part.head_dim**0.5
            k = made["CK"][p, j] / np.sqrt((made["CK"][p, j] ** 2).sum() + EPS)
            alpha = np.exp(w["NA"][j] * np.log1p(np.exp(w["WDD"][j] @ into["PD"][p] + w["TB"][j])))
            beta = sigmoid(into["PB"][p, j])
            state = (np.eye(part.head_dim) - beta * np.outer(k, k)) @ np.diag(alpha) @ state
            state = state + beta * np.outer(k, made["CV"][p, j])
            out[p, j] = norm("rms", state.T @ q, w, "YS") * sigmoid(w["WGZ"][j] @ into["PG"][p])
    return np.einsum("ogf,pgf->po", w["WO"], out)


def lightning(part: Lightning, x: Array, w: Weights) -> Array:
    """Lightning attention as a sum over all tokens before, each faded by the distance (arXiv 2501.08313, equation 4)."""
    q, k, v = (silu(np.einsum("ged,pd->pge", w[name], x)) for name in ("WPQ", "WPK", "WPV"))
    out = np.zeros_like(v)
    for p, g in np.ndindex(len(x), part.heads):
        for m in range(p + 1):
            out[p, g] += w["DR"][g] ** (p - m) * (q[p, g] @ k[m, g]) * v[m, g]
    gated = rows("rms", out, w, "YS") * sigmoid(np.einsum("gfd,pd->pgf", w["WGZ"], x))
    return np.einsum("ogf,pgf->po", w["WO"], gated)


def short_convolution(part: ShortConvolution, x: Array, w: Weights) -> Array:
    """LFM2's mixer: one gate, the last tokens' sum under filters (the last entry is the token's own), another gate."""
    before, behind, source = (x @ w[f"W{name}"].T + w.get(f"Y{name}", 0.0) for name in ("PB", "PC", "PX"))
    gated, out = before * source, np.zeros_like(source)
    for p in range(len(x)):
        for back in range(min(part.taps, p + 1)):
            out[p] += w["CF"][:, part.taps - 1 - back] * gated[p - back]
    return (behind * (out + w.get("YC", 0.0))) @ w["WO"].T + w.get("BWO", 0.0)


def dense(part: FeedForward, x: Array, w: Weights, names: tuple[str, str, str], bias: str = "B") -> Array:
    """A dense part with the weights of these names: on the way in, beside it, and out."""
    gate = x @ w[f"W{names[0]}"].T + w.get(f"{bias}{names[0]}", 0.0)
    up = x @ w[f"W{names[1]}"].T + w.get(f"{bias}{names[1]}", 0.0) if part.gated else np.ones(1)
    if part.activation == "clamped":
        gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
        inner = gate * sigmoid(1.702 * gate) * (up + 1)
    else:
        inner = act(part.activation, gate) * up
    if part.normed:
        inner = rows("rms", inner, w, "FN")
    return inner @ w[f"W{names[2]}"].T + w.get(f"{bias}{names[2]}", 0.0)


def beside(part: Experts, x: Array, z: Array, w: Weights) -> Array:
    """A dense part of *x*, and experts of the sum *z* before its norm, whose router has its own: each behind a norm."""
    assert part.shared is not None
    own = rows("rms", dense(part.shared, x, w, ("FGS", "FUS", "FS")), w, "6")
    asked = rows("rms", z, {}, "R") * w["RG"] * z.shape[1] ** -0.5
    chosen = experts(replace(part, shared=None), rows("rms", z, w, "7"), w, asked)
    return own + rows("rms", chosen, w, "8")


def experts(part: Experts, x: Array, w: Weights, routed: Array | None = None) -> Array:
    """Each token with the experts that score best, one after another; *routed* is what the router reads instead."""
    out = np.zeros_like(x)
    for p, token in enumerate(x):
        asked = token if routed is None else routed[p]
        product = w["WR"] @ asked + (w["BR"] if part.router_biased == "product" else 0.0)
        score = {"softmax": softmax, "sigmoid": sigmoid, "softmax of the chosen": lambda v: v}[part.scores](
            product
        )
        choice = score + (w["BR"] if part.router_biased == "choice" else 0.0)
        best = np.argsort(-choice, kind="stable")[: part.per_token]
        weights = score[best]
        if part.scores == "softmax of the chosen":
            weights = softmax(weights)
        elif part.normalised:
            weights = weights / weights.sum()
        weights = weights * w["RE"][best] if part.apart else weights
        for t, weight in zip(best, weights * part.scale, strict=True):
            own = {name: w[name][t] for name in ("WGE", "WUE", "WDE", "BGE", "BUE", "BDE") if name in w}
            given = token * weight if part.weighs_input else token
            made = dense(part.expert, given, own, ("GE", "UE", "DE"))
            out[p] += made if part.weighs_input else weight * made
        if part.shared is not None:
            made = dense(part.shared, token, w, ("FGS", "FUS", "FS"))
            out[p] += made * (sigmoid(w["WSG"] @ token) if part.shared_gated else 1.0)
    return out


def mixed(model: Model, mixer: Mixer, x: Array, w: Weights) -> Array:
    """What a mixer makes of the tokens."""
    if isinstance(mixer, Attention):
        return attention(model, mixer, x, w)
    if isinstance(mixer, Beside):
        own = {name.replace("WSO", "WO"): value for name, value in w.items() if name not in ("WO", "BWO")}
        return attention(model, mixer.attention, x, w) + state_space(mixer.state, x, own)
    if isinstance(mixer, LatentAttention):
        return latent(mixer, x, w)
    if isinstance(mixer, StateSpace):
        return state_space(mixer, x, w)
    if isinstance(mixer, KimiDelta):
        return kimi_delta(mixer, x, w)
    if isinstance(mixer, ShortConvolution):
        return short_convolution(mixer, x, w)
    if isinstance(mixer, Lightning):
        return lightning(mixer, x, w)
    return gated_delta(mixer, x, w) if isinstance(mixer, GatedDelta) else scan(mixer, x, w)


def worked(part: FeedForward | Experts, x: Array, w: Weights) -> Array:
    """What a feed-forward part makes of the tokens."""
    return experts(part, x, w) if isinstance(part, Experts) else dense(part, x, w, ("FG", "FU", "FO"))


def forward(model: Model, layer: Layer, x: Array, w: Weights) -> Array:
    """One layer: norms, parts and residuals in the order that ``place`` and ``parallel`` say."""
    before, behind = layer.place in ("before", "around"), layer.place in ("around", "branch")
    if layer.parallel and layer.mixer is not None and layer.feed_forward is not None:
        first = rows(model.norm, x, w, "1")
        second = rows(model.norm, x, w, "2") if layer.norms == 2 else first
        return x + model.residual * (
            mixed(model, layer.mixer, first, w) + worked(layer.feed_forward, second, w)
        )
    for part, tags in ((layer.mixer, "13"), (layer.feed_forward, "24")):
        if part is None:
            continue
        bare = layer.bare and part is layer.mixer
        given = rows(model.norm, x, w, tags[0]) if before and not bare else x
        made = (
            beside(part, given, x, w)
            if isinstance(part, Experts) and part.apart
            else worked(part, given, w)
            if isinstance(part, FeedForward | Experts)
            else mixed(model, part, given, w)
        )
        made = rows(model.norm, made, w, tags[1]) if behind else made
        made = made * w[f"LS{tags[0]}"] if layer.scaled else made
        x = x + model.residual * made
        x = rows(model.norm, x, w, tags[0]) if layer.place == "after" else x
        if layer.cross is not None and part is layer.mixer:
            given = rows(model.norm, x, w, "5") if before else x
            x = x + crossed(layer.cross, given, w)
            x = rows(model.norm, x, w, "5") if layer.place == "after" else x
    if layer.table:
        gate = act("gelu_tanh", x @ w["WPG"].T) * w["PI"].T
        x = x + rows(model.norm, gate @ w["WPO"].T, w, "9")
    return x
