"""What mechanisms of 2024 to 2026 compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, softmax

Sizes = Mapping[str, int]


def seen(query: Array, keys: Array, values: Array, scale: float) -> Array:
    """Return what one query takes of *values*, one column for each of the keys that it sees."""
    return values @ softmax(query @ keys * scale, 0)


def causal(q: Array, k: Array, v: Array, scale: float) -> Array:
    """Return attention of each query to the keys up to its own."""
    columns = range(q.shape[1])
    return np.stack([seen(q[:, p], k[:, : p + 1], v[:, : p + 1], scale) for p in columns], 1)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def differential_2(v: Values, n: Sizes) -> dict[str, Array]:
    """The first head less each token's share of the second."""
    first, second = (causal(q, v["K"], v["V"], n["E"] ** -0.5) for q in v["Q"])
    return {"AV": first - sigmoid(v["LA"]) * second}


def value_residual(v: Values, n: Sizes) -> dict[str, Array]:
    """Attention with values that are a sum of the first layer's and of this one's."""
    q, k, own = (v[name] @ v["X"] for name in ("WQ", "WK", "WV"))
    return {"AV": causal(q, k, v["LA"] * v["V1"] + v["LB"] * own, n["E"] ** -0.5)}


def token_tree(v: Values, n: Sizes) -> dict[str, Array]:
    """Each drafted token attends to the past and to the drafted tokens on its way to the root."""
    out = np.zeros((n["F"], n["P"]))
    for p in range(n["P"]):
        own = v["AN"][:, p] == 1
        keys, values = np.hstack([v["K"], v["KT"][:, own]]), np.hstack([v["V"], v["VT"][:, own]])
        out[:, p] = seen(v["Q"][:, p], keys, values, n["E"] ** -0.5)
    return {"AV": out}


def mixture_of_blocks(v: Values, n: Sizes) -> dict[str, Array]:
    """The own block and the best of those that are over, up to the query itself."""
    out, size = np.zeros((n["F"], n["M"])), n["M0"]
    for p in range(n["M"]):
        own = p // size
        means = [v["K"][:, b * size : (b + 1) * size].mean(1) for b in range(own)]
        best = sorted(range(own), key=lambda b: -float(v["Q"][:, p] @ means[b]))[: n["J"] - 1]
        places = [m for b in (*best, own) for m in range(b * size, (b + 1) * size) if m <= p]
        out[:, p] = seen(v["Q"][:, p], v["K"][:, places], v["V"][:, places], n["E"] ** -0.5)
    return {"AV": out}


def indexer_loss(v: Values, n: Sizes) -> dict[str, Array]:
    """The divergence of the indexer's distribution over keys from the heads' mean weights."""
    out = np.zeros(n["P"])
    for p in range(n["P"]):
        heads = [softmax(q[:, p] @ k / np.sqrt(n["E"]), 0) for q, k in zip(v["Q"], v["K"], strict=True)]
        index = sum(v["WI"][c, p] * np.maximum(v["QI"][c, :, p] @ v["KI"], 0) for c in range(n["C"]))
        target = np.mean(heads, axis=0)
        out[p] = (target * np.log(target / softmax(np.asarray(index), 0))).sum()
    return {"L": out}


def canon(v: Values, n: Sizes) -> dict[str, Array]:
    """Each feature plus its weighted sum over the last tokens; then attention."""
    mixed = v["X"].copy()
    for d in range(n["D"]):
        mixed[d] += np.convolve(v["X"][d], v["C"][d])[: n["P"]]
    q, k, values = (v[name] @ mixed for name in ("WQ", "WK", "WV"))
    return {"AV": causal(q, k, values, n["E"] ** -0.5)}


def manifold_hyper_connections(v: Values, n: Sizes) -> dict[str, Array]:
    """Streams mixed by a matrix that is scaled by rows and columns in turn, plus the layer's output in each."""
    rows, columns, start = np.ones((n["N"], 1)), np.ones((1, n["N"])), np.exp(v["L"])
    for _ in range(n["T"]):
        rows = 1 / (start * columns).sum(1, keepdims=True)
        columns = 1 / (start * rows).sum(0, keepdims=True)
    output = v["W"] @ (sigmoid(v["AI"]) @ v["X"])
    return {"Z": (start * rows * columns).T @ v["X"] + np.outer(2 * sigmoid(v["BO"]), output)}


def normalised_attention(v: Values, n: Sizes) -> dict[str, Array]:
    """Unit queries, keys, outputs; a step of each feature towards the output, back to the sphere."""

    def unit(x: Array) -> Array:
        return x / np.linalg.norm(x, axis=0)

    q, k = (unit(v[name] @ v["X"]) * v["SQ"][:, None] for name in ("WQ", "WK"))
    output = unit(v["WO"] @ causal(q, k, v["WV"] @ v["X"], n["E"] ** 0.5))
    share = v["AL"][:, None]
    return {"Y": unit((1 - share) * v["X"] + share * output)}


def mamba_3(v: Values, n: Sizes) -> dict[str, Array]:
    """Every output as a sum over all earlier inputs, each with its decay and its two weights."""
    out = np.zeros((n["D"], n["T"]))
    decay, share = np.exp(-v["DT"] * np.exp(v["A"])), sigmoid(v["LA"])
    for t in range(n["T"]):
        for s in range(t + 1):
            weight = share[s] * v["DT"][s] * np.prod(decay[s + 1 : t + 1])
            if s < t:
                weight += (1 - share[s + 1]) * v["DT"][s + 1] * np.prod(decay[s + 1 : t + 1])
            out[:, t] += weight * (v["BT"][:, s] @ v["CT"][:, t]) * v["X"][:, s]
    return {"O": out}


def top_p(v: Values, n: Sizes) -> dict[str, Array]:
    """Tokens are kept, the likeliest first, until their probabilities reach 0.7."""
    kept = 0.0
    for p in sorted(softmax(v["Z"], 0), reverse=True):
        if kept < 0.7:
            kept += float(p)
    return {"KP": np.array(kept)}
