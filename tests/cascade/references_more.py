"""What further known mechanisms compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, attention, scores, softmax
from tests.cascade.references_blocks import in_chunks

Sizes = Mapping[str, int]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _phi(x: Array) -> Array:
    return np.where(x > 0, x + 1, np.exp(x))


def gated(v: Values, n: Sizes) -> dict[str, Array]:
    """Attention, times the sigmoid of a linear layer of the token."""
    return {"Y": attention(v, n)["AV"] * _sigmoid(v["WG"] @ v["X"])}


def position_bias(v: Values, n: Sizes) -> dict[str, Array]:
    """Unscaled scores plus the bias of the distance's bucket."""
    logits = np.full((n["M"], n["M"]), -np.inf)
    for p in range(n["M"]):
        for m in range(p + 1):
            logits[p, m] = v["Q"][:, p] @ v["K"][:, m] + v["BB"][int(v["BU"][p - m])]
    return {"AV": v["V"] @ softmax(logits, 1).T}


def quantised(v: Values, n: Sizes) -> dict[str, Array]:
    """Round queries, and keys less their mean, to 127 steps of their largest magnitude; attend with what is left."""
    keys = v["K"] - v["K"].mean(1, keepdims=True)

    def stepped(x: Array) -> Array:
        step = np.abs(x).max(0) / 127
        return np.rint(x / step) * step

    return attention({"Q": stepped(v["Q"]), "K": stepped(keys), "V": v["V"]}, n)


def low_rank_keys(v: Values, n: Sizes) -> dict[str, Array]:
    """Attention to projected keys and values."""
    return attention({"Q": v["Q"], "K": v["K"] @ v["WK"].T, "V": v["V"] @ v["WV"].T}, n)


def nystrom(v: Values, n: Sizes) -> dict[str, Array]:
    """softmax(Q KL) Z softmax(QL K) V, with the published iteration for Z as matrix products."""
    q, k = (v[x].reshape(n["E"], -1, n["W"]).mean(2) for x in "QK")
    first = softmax(scores({"Q": v["Q"], "K": k}), 1)
    middle = softmax(scores({"Q": q, "K": k}), 1)
    last = softmax(scores({"Q": q, "K": v["K"]}), 1)
    one = np.eye(middle.shape[0])
    z = middle.T / (np.abs(middle).sum(0).max() * np.abs(middle).sum(1).max())
    for _ in range(n["T"]):
        az = middle @ z
        z = 0.25 * z @ (13 * one - az @ (15 * one - az @ (7 * one - az)))
    return {"AV": (first @ z @ last @ v["V"].T).T}


def indexed(v: Values, n: Sizes) -> dict[str, Array]:
    """Score the keys before the query by the indexer, keep the J best, attend to them head by head."""
    out = np.zeros((n["R"], n["F"], n["M"]))
    for p in range(n["M"]):
        light = v["WI"][:, p] @ np.maximum(v["QI"][:, :, p] @ v["KI"][:, : p + 1], 0)
        best = np.argsort(-light, kind="stable")[: n["J"]]  # many scores are 0: the earlier key wins
        for r in range(n["R"]):
            one = {"Q": v["Q"][r][:, p : p + 1], "K": v["K"][:, best], "V": v["V"][:, best]}
            out[r, :, p] = attention(one, n)["AV"][:, 0]
    return {"AV": out}


def index_scores(v: Values, n: Sizes) -> dict[str, Array]:
    """Positive parts of products, weighted over the heads, query by query and key by key up to the query."""
    out = np.zeros((n["M"], n["P"]))
    for m, p in np.ndindex(n["M"], n["P"]):
        if m <= p + n["M"] - n["P"]:
            light = [max(0.0, v["QI"][i, :, p] @ v["KI"][:, m]) for i in range(n["N"])]
            out[m, p] = sum(v["WI"][i, p] * light[i] for i in range(n["N"]))
    return {"IX": out}


def chunked(v: Values, n: Sizes) -> dict[str, Array]:
    """Causal attention under a mask that is true inside a chunk."""
    p, m = np.ogrid[: n["P"], : n["P"]]
    seen = (m <= p) & (m // n["W"] == p // n["W"])
    out = v["V"] @ softmax(np.where(seen, scores(v), -np.inf), 1).T
    return {"AV": out.reshape(out.shape[0], -1, n["W"])}


def retention(v: Values, n: Sizes) -> dict[str, Array]:
    """Scores times decay, the decay's rows made to add up, rows over max(|sum|, 1)."""
    p, m = np.ogrid[: n["M"], : n["M"]]
    decay = np.where(m <= p, 0.9 ** np.maximum(p - m, 0), 0.0)
    kept = scores(v) * decay / np.sqrt(decay.sum(1, keepdims=True))
    return {"AV": v["V"] @ (kept / np.maximum(np.abs(kept.sum(1, keepdims=True)), 1)).T}


def random_features(v: Values, n: Sizes) -> dict[str, Array]:
    """The whole matrix of kernel values, normalised."""

    def features(x: Array) -> Array:
        x = x / n["E"] ** 0.25
        return np.exp(v["W"] @ x - np.sum(x * x, axis=0) / 2) / np.sqrt(n["R"])

    weights = features(v["Q"]).T @ features(v["K"])
    return {"AV": v["V"] @ (weights / weights.sum(1, keepdims=True)).T}


def attention_free(v: Values, n: Sizes) -> dict[str, Array]:
    """A softmax over the keys for each feature, gated."""
    mixed = [
        [values @ softmax(keys + v["W"][:, p], 0) for p in range(n["P"])]
        for keys, values in zip(v["K"], v["V"], strict=True)
    ]
    return {"Y": _sigmoid(v["Q"]) * np.array(mixed)}


def infini(v: Values, n: Sizes) -> dict[str, Array]:
    """Segment by segment: causal attention inside, linear attention to all before."""
    gate, size, length = _sigmoid(v["BE"]), n["I0"], v["Q"].shape[1]
    out = np.zeros(v["V"].shape)
    for p in range(length):
        start = p - p % size
        near = slice(start, p + 1)
        one = {"Q": v["Q"][:, p : p + 1], "K": v["K"][:, near], "V": v["V"][:, near]}
        far = np.zeros(v["V"].shape[0])
        if start:
            weights = _phi(v["Q"][:, p]) @ _phi(v["K"][:, :start])
            far = v["V"][:, :start] @ weights / weights.sum()
        out[:, p] = gate * far + (1 - gate) * attention(one, n)["AV"][:, 0]
    return {"AV": in_chunks(out, n)}


def kimi_delta(v: Values, n: Sizes) -> dict[str, Array]:
    """S = (I - b k k^T) diag(a) S + b k v^T, one step after the other."""
    size = v["K"].shape[0]
    state = np.zeros((size, v["V"].shape[0]))
    out = np.zeros(v["V"].shape)
    for t in range(v["V"].shape[1]):
        k, b = v["K"][:, t], v["BE"][t]
        state = (np.eye(size) - b * np.outer(k, k)) @ np.diag(np.exp(v["LG"][:, t])) @ state
        state = state + b * np.outer(k, v["V"][:, t])
        out[:, t] = state.T @ v["Q"][:, t]
    return {"O": out}


def delta(v: Values, n: Sizes) -> dict[str, Array]:
    """S = S (I - b k k^T) + b v k^T, one step after the other."""
    size = v["K"].shape[0]
    state = np.zeros((v["V"].shape[0], size))
    out = np.zeros(v["V"].shape)
    for t in range(v["K"].shape[1]):
        k, b = v["K"][:, t], v["BE"][t]
        state = state @ (np.eye(size) - b * np.outer(k, k)) + b * np.outer(v["V"][:, t], k)
        out[:, t] = state @ v["Q"][:, t]
    return {"O": in_chunks(out, n)}


def mlstm(v: Values, n: Sizes) -> dict[str, Array]:
    """The memory without a maximum: exponential input gate, sigmoid forget gate, max(|n q|, 1)."""
    memory = np.zeros((v["V"].shape[0], v["K"].shape[0]))
    norm = np.zeros(v["K"].shape[0])
    out = np.zeros(v["V"].shape)
    for t in range(v["K"].shape[1]):
        key = v["K"][:, t] / np.sqrt(v["K"].shape[0])
        forget, new = _sigmoid(v["GF"][t]), np.exp(v["GI"][t])
        memory = forget * memory + new * np.outer(v["V"][:, t], key)
        norm = forget * norm + new * key
        read = memory @ v["Q"][:, t] / max(abs(norm @ v["Q"][:, t]), 1)
        out[:, t] = _sigmoid(v["GO"][:, t]) * read
    return {"Y": out}


def external(v: Values, n: Sizes) -> dict[str, Array]:
    """A softmax over the tokens, then each token's weights over their sum."""
    weights = softmax(v["X"].T @ v["MK"], 0)
    return {"Y": v["MV"] @ (weights / weights.sum(1, keepdims=True)).T}


def long_convolution(v: Values, n: Sizes) -> dict[str, Array]:
    """numpy's convolutions, cut to the past, between gates."""

    def mixed(filters: Array, x: Array) -> Array:
        rows = [np.convolve(f, row)[: row.size] for f, row in zip(filters, x, strict=True)]
        return np.array(rows)

    return {"Y": v["X2"] * mixed(v["H2"], v["X1"] * mixed(v["H1"], v["V"]))}


def bidirectional_scan(v: Values, n: Sizes) -> dict[str, Array]:
    """A scan of the tokens, one of the tokens turned round, which is turned back; gated."""

    def scanned(x: Array, raw: Array, b: Array, c: Array, a: Array) -> Array:
        state, out = np.zeros(a.shape), np.zeros(x.shape)
        for t in range(x.shape[1]):
            step = np.log1p(np.exp(raw[:, t]))
            state = np.exp(step[:, None] * a) * state + np.outer(step * x[:, t], b[:, t])
            out[:, t] = state @ c[:, t]
        return out

    there = scanned(v["X"], v["DT"], v["BF"], v["CF"], v["A"])
    x, raw, b, c = (v[name][:, ::-1] for name in ("XR", "DR", "BR", "CR"))
    back = scanned(x, raw, b, c, v["AR"])[:, ::-1]
    return {"Y": (there + back) * v["Z"] * _sigmoid(v["Z"])}


def soft_dtw(v: Values, n: Sizes) -> dict[str, Array]:
    """Minus gamma times the logarithm of the sum, over all alignments, of exp(-cost/gamma)."""
    cost = ((v["X"][:, :, None] - v["Y"][:, None, :]) ** 2).sum(0)
    rows, columns = cost.shape

    def alignments(i: int, j: int) -> list[float]:
        """Return the costs of all alignments that end at (i, j), one by one."""
        if i == 0 and j == 0:
            return [cost[0, 0]]
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        return [cost[i, j] + c for a, b in before if a >= 0 and b >= 0 for c in alignments(a, b)]

    every = np.array(alignments(rows - 1, columns - 1))
    return {"L": np.asarray(-0.5 * np.log(np.exp(-every / 0.5).sum()))}
